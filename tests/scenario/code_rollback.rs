//! Other code is put into the function alone.

use alch::domain::{Outcome, Run, RunId};
use alch::sandbox::aws::{ApiFault, Call, Failure};
use jiff::SignedDuration;

use crate::world::{World, story, story_with};

const R1: RunId = RunId(1);
const FUNCTION: &str = "the-alchemiser-v2-lambda-dev";
const ASK: &str = "rollback dev --code --function --to 2026.11.01 --package s3://packages/2026.11.01.zip@v1";

fn ended(run: &Run) -> (Outcome, &str) {
    let ended = run.ended.as_ref().unwrap();
    (ended.outcome, &ended.summary)
}

fn updates(world: &World) -> usize {
    let tried = |call: &&Call| call.request["DryRun"] == true;
    let calls = world.aws.calls();
    calls.iter().filter(|call| call.operation == "UpdateFunctionCode" && !tried(call)).count()
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
        assert!(ended(&run).1.contains("recorded in R-1 when that package was deployed"), "{}", ended(&run).1);
        // Once more is refused before anything is asked of anybody.
        world.alice().types(ASK).await;
        let run = world.until_ended(RunId(3)).await;
        assert!(ended(&run).1.contains("There is nothing to put back"), "{}", ended(&run).1);
        assert_eq!(updates(world), 2);
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

const DEPLOYED: [(&str, &str); 2] = [
    ("ALCH__ENVIRONMENTS__DEV__DEPLOY__DEPLOYER", "changeset"),
    ("ALCH__ENVIRONMENTS__DEV__DEPLOY__CHANGESET__TEMPLATE", "s3://alchemiser-artefacts/dev/{version}.yaml"),
];

async fn deployed(world: &World, run: i64, version: &str) {
    world.alice().types(&format!("deploy dev --version {version}")).await;
    let run = world.until_ended(RunId(run)).await;
    assert_eq!(ended(&run).0, Outcome::Succeeded, "{}", ended(&run).1);
}

#[test]
fn the_package_before_is_found_by_itself_and_its_code_is_what_was_recorded() {
    story_with(&DEPLOYED, async |world| {
        deployed(world, 1, "2026.11.27").await;
        deployed(world, 2, "2026.11.28").await;
        world.alice().types("rollback dev --code --function").await;
        let run = world.until_ended(RunId(3)).await;
        assert_eq!(ended(&run).0, Outcome::Succeeded, "{}", ended(&run).1);
        for words in
            ["code/2026.11.27.zip", "recorded in R-1 when that package was deployed", "The stack does not know"]
        {
            assert!(ended(&run).1.contains(words), "{}", ended(&run).1);
        }
        insta::assert_snapshot!("code_rollback_recorded", world.thread(RunId(3)).await);
        world.bob().types("versions dev").await;
        insta::assert_snapshot!("versions", world.bob().sees());
        // Back once more goes further back, to what ran before anything was deployed through Alch.
        world.alice().types("rollback dev --code --function").await;
        let run = world.until_ended(RunId(4)).await;
        assert!(ended(&run).1.contains("code/2026.11.20.zip"), "{}", ended(&run).1);
        assert_eq!(ended(&run).0, Outcome::Succeeded);
        world.alice().types("rollback dev --code --function").await;
        let run = world.until_ended(RunId(5)).await;
        assert_eq!(ended(&run).0, Outcome::Failed, "there is nothing before that");
        assert!(ended(&run).1.contains("nothing is guessed"), "{}", ended(&run).1);
    });
}

#[test]
fn a_package_that_is_not_what_ran_is_not_put_in() {
    story_with(&DEPLOYED, async |world| {
        // What runs is not what the stack says, and nothing is deployed that would change that.
        assert!(world.aws.set_code(FUNCTION, "by hand"));
        deployed(world, 1, "2026.11.20").await;
        deployed(world, 2, "2026.11.28").await;
        world.alice().types("rollback dev --code --function --to 2026.11.20").await;
        let run = world.until_ended(RunId(3)).await;
        assert_eq!(ended(&run).0, Outcome::Failed);
        assert!(ended(&run).1.contains("code/2026.11.20.zip is not what ran"), "{}", ended(&run).1);
        assert_eq!(updates(world), 0);
    });
}

#[test]
fn code_that_is_not_what_it_has_to_be_is_no_success() {
    story(async |world| {
        world.alice().types(ASK).await;
        assert_eq!(updates(world), 1);
        assert!(world.aws.set_code(FUNCTION, "somebody else's"));
        let run = world.until_ended(R1).await;
        assert_eq!(ended(&run).0, Outcome::Failed);
        assert!(ended(&run).1.contains("runs other code than it should"), "{}", ended(&run).1);
        assert!(ended(&run).1.contains("computed by Lambda of the package beforehand"), "{}", ended(&run).1);
    });
}

#[test]
fn what_cloudformation_would_put_its_own_code_over_is_refused() {
    story_with(&DEPLOYED, async |world| {
        assert!(world.aws.set_stack_status("dev", Some("UPDATE_IN_PROGRESS")));
        for (run, ask, words) in [
            (1, ASK, "would put its own code over this"),
            (2, "rollback dev --code --to 2026.11.20", "Ask again when it has settled"),
        ] {
            world.alice().types(ask).await;
            let run = world.until_ended(RunId(run)).await;
            assert_eq!(ended(&run).0, Outcome::Failed);
            assert!(ended(&run).1.contains(words), "{}", ended(&run).1);
        }
        assert_eq!(updates(world), 0);
        // What is wrong is stopped all the same, and what may undo that is said.
        world.alice().types("rollback dev").await;
        let run = world.until_ended(RunId(3)).await;
        assert_eq!(ended(&run).0, Outcome::Succeeded);
        assert!(ended(&run).1.contains("a template that says ENABLED turns rules on again"), "{}", ended(&run).1);
    });
}
