//! The emergency path, and the way back.

use alch::domain::{Outcome, RunId};
use alch::sandbox::aws::{ApiFault, Failure, RuleState};
use insta::assert_snapshot;
use jiff::SignedDuration;

use crate::world::{World, story};

const BUS: &str = "alchemiser-trading-events-dev";

fn enable_some(world: &World) {
    for rule in ["signal-generated", "trade-executed"] {
        assert!(world.aws.set_rule_state(BUS, &format!("alchemiser-{rule}-dev"), RuleState::Enabled));
    }
}

#[test]
fn a_rollback_turns_everything_off_verifies_it_and_tells() {
    story(async |world| {
        enable_some(world);
        world.alice().types("rollback dev").await;
        assert_eq!(world.enabled("dev"), Vec::<&str>::new());
        let run = world.run(RunId(1)).await;
        assert_eq!(run.ended.unwrap().outcome, Outcome::Succeeded);
        let before: Vec<bool> =
            run.disabled.unwrap().iter().map(|outcome| outcome.before.unwrap().is_enabled()).collect();
        assert_eq!(before, [true, false, true, false]);
        assert_snapshot!("rollback_journal", world.told(RunId(1)).await);
    });
}

#[test]
fn only_the_configured_rules_are_touched() {
    story(async |world| {
        enable_some(world);
        world.alice().types("rollback dev").await;
        let touched = world.changes();
        assert_eq!(touched.len(), 4, "{touched:?}");
        assert!(touched.iter().all(|change| change.starts_with("DisableRule alchemiser-")), "{touched:?}");
    });
}

#[test]
fn a_rollback_preempts_the_run_that_holds_the_environment() {
    story(async |world| {
        world.alice().types("enable all dev").await;
        world.passes(SignedDuration::from_mins(4)).await;
        assert_eq!(world.enabled("dev").len(), 2);
        world.bob().types("rollback dev").await;
        assert_eq!(world.enabled("dev"), Vec::<&str>::new());
        let preempted = world.run(RunId(1)).await;
        assert_eq!(preempted.ended.unwrap().outcome, Outcome::Preempted);
        assert_eq!(world.run(RunId(2)).await.ended.unwrap().outcome, Outcome::Succeeded);
        world.passes(SignedDuration::from_mins(30)).await;
        assert_eq!(world.enabled("dev"), Vec::<&str>::new(), "nothing is enabled again behind its back");
        assert_snapshot!("preempted", world.thread(RunId(1)).await);
    });
}

#[test]
fn throttles_do_not_stop_a_rollback() {
    story(async |world| {
        enable_some(world);
        world.aws.inject(ApiFault { operation: "DisableRule".to_owned(), times: 6, how: Failure::Throttle });
        world.aws.inject(ApiFault { operation: "ListRules".to_owned(), times: 2, how: Failure::ServerError });
        world.alice().types("rollback dev").await;
        assert_eq!(world.enabled("dev"), Vec::<&str>::new());
        assert_eq!(world.run(RunId(1)).await.ended.unwrap().outcome, Outcome::Succeeded);
    });
}

#[test]
fn a_rule_that_cannot_be_disabled_is_named_with_the_permission_that_is_missing() {
    story(async |world| {
        enable_some(world);
        world.aws.inject(ApiFault { operation: "DisableRule".to_owned(), times: 1, how: Failure::AccessDenied });
        world.alice().types("rollback dev").await;
        let run = world.run(RunId(1)).await;
        let ended = run.ended.unwrap();
        let left = world.enabled("dev");
        // Whose call was refused is not in our hands; if that rule was off before, all is well.
        assert!(left.len() <= 1, "{left:?}");
        assert_eq!(ended.outcome == Outcome::Succeeded, left.is_empty(), "{}", ended.summary);
        if let Some(rule) = left.first() {
            assert!(ended.summary.contains(rule) && ended.summary.contains("events:DisableRule"), "{}", ended.summary);
        }
    });
}

#[test]
fn a_rollback_works_while_slack_is_down_and_is_told_afterwards() {
    story(async |world| {
        enable_some(world);
        // Slack still delivers what people type, but takes nothing from the bot.
        world.slack_gets_into_trouble();
        world.slack.set_fault("slack-down", true);
        let delivered = world.slack.types("U0ALICE", "/alch rollback dev").await;
        assert_eq!(delivered.http_status, 200);
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while !world.enabled("dev").is_empty() {
            assert!(std::time::Instant::now() < deadline, "the rollback waits for Slack");
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        world.slack.set_fault("slack-down", false);
        world.slack_catches_up().await;
        let thread = world.thread(RunId(1)).await;
        assert!(thread.contains("All 4 rules of dev are off"), "{thread}");
    });
}

#[test]
fn a_rollback_works_while_the_database_does_not_answer_and_is_journalled_late() {
    story(async |world| {
        use sqlx::Connection;
        enable_some(world);
        // Somebody else holds the database's write lock, for longer than anybody waits for it.
        let mut other = sqlx::AnyConnection::connect(&world.database).await.unwrap();
        sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
        let began = std::time::Instant::now();
        let delivered = world.slack.types("U0ALICE", "/alch rollback dev").await;
        assert_eq!(delivered.http_status, 200);
        while !world.enabled("dev").is_empty() {
            assert!(began.elapsed() < std::time::Duration::from_secs(3), "the rollback waits for the database");
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        // What no card can tell yet is said to the person.
        world.slack.until(|slack| !slack.ephemerals("U0ALICE").is_empty()).await;
        assert!(world.alice().sees().contains("journalled as soon as it does"), "{}", world.alice().sees());
        sqlx::query("COMMIT").execute(&mut other).await.unwrap();
        other.close().await.unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while world.store().run(RunId(1)).await.unwrap().is_none_or(|run| run.ended.is_none()) {
            assert!(std::time::Instant::now() < deadline, "it is never journalled");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        assert_eq!(world.run(RunId(1)).await.ended.unwrap().outcome, Outcome::Succeeded);
        assert_eq!(world.store().recent_runs(None, 10).await.unwrap().len(), 1, "journalled once");
    });
}

#[test]
fn restore_brings_back_what_was_on_before_progressively_and_leaves_the_rest_off() {
    story(async |world| {
        enable_some(world);
        world.alice().types("rollback dev").await;
        // A second rollback finds everything off; what one wants back is the state from before the first.
        world.alice().types("rollback dev").await;
        world.alice().types("restore dev").await;
        assert_eq!(world.enabled("dev"), ["signal-generated"], "one at a time");
        let run = world.until_ended(RunId(3)).await;
        assert_eq!(run.ended.unwrap().outcome, Outcome::Succeeded);
        assert_eq!(world.enabled("dev"), ["signal-generated", "trade-executed"]);
        assert_snapshot!("restore_journal", world.told(RunId(3)).await);
    });
}

#[test]
fn there_is_nothing_to_restore_without_a_rollback() {
    story(async |world| {
        world.alice().types("restore dev").await;
        let ended = world.until_ended(RunId(1)).await.ended.unwrap();
        assert_eq!(ended.outcome, Outcome::Failed);
        assert!(
            ended.summary.contains("no rollback") && ended.summary.contains("Nothing was changed"),
            "{}",
            ended.summary
        );
    });
}
