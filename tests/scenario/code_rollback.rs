//! Other code is put into the function alone.

use alch::domain::{Outcome, Run, RunId};
use alch::sandbox::aws::{ApiFault, Failure};
use jiff::SignedDuration;

use crate::world::{World, story};

const R1: RunId = RunId(1);
const FUNCTION: &str = "the-alchemiser-v2-lambda-dev";
const ASK: &str = "rollback dev --code --function --to 2026.11.01 --package s3://packages/2026.11.01.zip@v1";

fn ended(run: &Run) -> (Outcome, &str) {
    let ended = run.ended.as_ref().unwrap();
    (ended.outcome, &ended.summary)
}

fn updates(world: &World) -> usize {
    world.aws.calls().iter().filter(|call| call.operation == "UpdateFunctionCode").count()
}

#[test]
fn a_package_is_put_in_waited_for_and_known_the_next_time() {
    story(async |world| {
        world.alice().types(ASK).await;
        let run = world.until_ended(R1).await;
        assert_eq!(ended(&run).0, Outcome::Succeeded, "{}", world.told(R1).await);
        assert!(ended(&run).1.contains("rollback dev --code --stack"), "{}", ended(&run).1);
        insta::assert_snapshot!("code_rollback_thread", world.thread(R1).await);
        assert!(world.aws.deploy("dev", "2026.11.30"));
        world.alice().types("rollback dev --code --function --to 2026.11.01").await;
        let run = world.until_ended(RunId(2)).await;
        assert_eq!(ended(&run).0, Outcome::Succeeded, "{}", ended(&run).1);
        assert_eq!(updates(world), 2);
        // Once more changes nothing, and says so.
        world.alice().types(ASK).await;
        let run = world.until_ended(RunId(3)).await;
        assert!(ended(&run).1.contains("holds the same code"), "{}", ended(&run).1);
    });
}

#[test]
fn a_package_that_nobody_knows_is_asked_for() {
    story(async |world| {
        world.alice().types("rollback dev --code --function --to 1.0").await;
        let run = world.until_ended(R1).await;
        assert_eq!(ended(&run).0, Outcome::Failed);
        assert!(ended(&run).1.contains("--package s3://bucket/key@version-id"), "{}", ended(&run).1);
        world.alice().types("rollback dev --code --function --package packages/1.0.zip").await;
        assert!(ended(&world.until_ended(RunId(2)).await).1.contains("is no package"));
        assert_eq!(updates(world), 0);
    });
}

#[test]
fn an_update_that_fails_says_why() {
    story(async |world| {
        assert!(world.aws.set_update_fails(FUNCTION, Some("The image is broken")));
        world.alice().types(ASK).await;
        let run = world.until_ended(R1).await;
        assert_eq!(ended(&run).0, Outcome::Failed);
        assert!(ended(&run).1.contains("The image is broken"), "{}", ended(&run).1);
    });
}

#[test]
fn an_answer_that_is_lost_or_a_crash_puts_it_in_once() {
    story(async |world| {
        let operation = "UpdateFunctionCode".to_owned();
        world.aws.inject(ApiFault { operation, times: 1, how: Failure::AfterEffect });
        world.alice().types(ASK).await;
        world.killed();
        world.starts().await;
        world.clock.advance(SignedDuration::from_secs(30));
        let run = world.until_ended(R1).await;
        assert_eq!(ended(&run).0, Outcome::Succeeded, "{}", ended(&run).1);
    });
}
