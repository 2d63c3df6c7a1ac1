//! `/alch deploy` by change set: what would change is shown first, then executed once, and the rules stay as they were.

use alch::domain::{Outcome, RunId};
use insta::assert_snapshot;
use jiff::SignedDuration;

use crate::world::{World, story_with};

const R1: RunId = RunId(1);
const SETTINGS: [(&str, &str); 4] = [
    ("ALCH__ENVIRONMENTS__DEV__DEPLOY__DEPLOYER", "changeset"),
    ("ALCH__ENVIRONMENTS__DEV__DEPLOY__CHANGESET__TEMPLATE", "s3://alchemiser-artefacts/dev/{version}.yaml"),
    ("ALCH__ENVIRONMENTS__PROD__DEPLOY__DEPLOYER", "changeset"),
    ("ALCH__ENVIRONMENTS__PROD__DEPLOY__CHANGESET__TEMPLATE", "s3://alchemiser-artefacts/prod/{version}.yaml"),
];

fn tell(story: impl AsyncFnOnce(&mut World)) {
    story_with(&SETTINGS, story);
}

fn executions(world: &World) -> usize {
    world.aws.calls().iter().filter(|call| call.operation == "ExecuteChangeSet").count()
}

#[test]
fn a_version_is_deployed_and_the_rules_stay_as_they_were() {
    tell(async |world| {
        world.alice().types("deploy dev --version 2026.11.27").await;
        let run = world.until_ended(R1).await;
        assert_eq!(run.ended.unwrap().outcome, Outcome::Succeeded, "{}", world.told(R1).await);
        assert_eq!(executions(world), 1);
        assert_eq!(world.enabled("dev"), Vec::<&str>::new());
        assert_snapshot!("deploy", world.thread(R1).await);
        world.alice().types("versions dev").await;
        assert!(world.alice().sees().contains("2026.11.27 (runs now)"), "{}", world.alice().sees());
    });
}

#[test]
fn what_is_deployed_already_is_an_empty_change_set_and_nothing_is_executed() {
    tell(async |world| {
        world.alice().types("deploy dev --version 2026.11.27").await;
        world.until_ended(R1).await;
        world.alice().types("deploy dev --version 2026.11.27").await;
        let run = world.until_ended(RunId(2)).await;
        assert_eq!(run.ended.unwrap().outcome, Outcome::Succeeded, "{}", world.told(RunId(2)).await);
        assert_eq!(executions(world), 1);
        let thread = world.thread(RunId(2)).await;
        assert!(thread.contains("The change set of 2026.11.27 is empty"), "{thread}");
    });
}

#[test]
fn the_version_before_is_gone_back_to() {
    tell(async |world| {
        for (run, version) in [(1, "2026.11.27"), (2, "2026.11.28")] {
            world.alice().types(&format!("deploy dev --version {version}")).await;
            world.until_ended(RunId(run)).await;
        }
        world.alice().types("rollback dev --code").await;
        let run = world.until_ended(RunId(3)).await;
        assert_eq!(run.ended.unwrap().outcome, Outcome::Succeeded, "{}", world.told(RunId(3)).await);
        world.alice().types("versions dev").await;
        assert!(world.alice().sees().contains("2026.11.27 (runs now)"), "{}", world.alice().sees());
    });
}

#[test]
fn a_crash_around_the_execution_executes_nothing_twice() {
    for seconds in [0, 2, 4, 10] {
        tell(async |world| {
            world.alice().types("deploy dev --version 2026.11.27").await;
            world.passes(SignedDuration::from_secs(seconds)).await;
            world.killed();
            world.starts().await;
            world.clock.advance(SignedDuration::from_secs(15));
            let run = world.until_ended(R1).await;
            assert_eq!(run.ended.unwrap().outcome, Outcome::Succeeded, "{}", world.told(R1).await);
            assert_eq!(executions(world), 1);
        });
    }
}

#[test]
fn which_version_has_to_be_said_where_none_is_promoted() {
    tell(async |world| {
        world.alice().types("deploy dev").await;
        let run = world.until_ended(R1).await;
        let ended = run.ended.unwrap();
        assert_eq!(ended.outcome, Outcome::Failed);
        assert!(ended.summary.contains("say which version"), "{}", ended.summary);
        assert_eq!(executions(world), 0);
    });
}
