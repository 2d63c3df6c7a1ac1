//! `/alch enable`: the main job.

use alch::domain::{Outcome, RunId};
use alch::sandbox::aws::RuleState;
use insta::assert_snapshot;
use jiff::SignedDuration;

use crate::world::{story, story_on_postgres, story_with};

const R1: RunId = RunId(1);

#[test]
fn one_rule_is_enabled_watched_and_found_healthy() {
    story(async |world| {
        let delivered = world.alice().types("enable signal-generated dev").await;
        assert_eq!((delivered.http_status, delivered.body.as_str()), (200, ""));
        assert_eq!(world.enabled("dev"), ["signal-generated"]);
        world.passes(SignedDuration::from_secs(60)).await;
        assert_snapshot!("enable_half_way", world.thread(R1).await);
        let run = world.until_ended(R1).await;
        assert_eq!(run.ended.unwrap().outcome, Outcome::Succeeded);
        assert_eq!(world.changes(), ["EnableRule alchemiser-signal-generated-dev"]);
        assert_snapshot!("enable_healthy", world.thread(R1).await);
        assert_snapshot!("enable_healthy_journal", world.told(R1).await);
    });
}

#[test]
fn the_same_on_postgresql() {
    story_on_postgres(async |world| {
        world.alice().types("enable all dev").await;
        world.bob().types("enable all dev").await;
        assert!(world.bob().sees().contains("dev is held"), "{}", world.bob().sees());
        world.passes(SignedDuration::from_mins(4)).await;
        world.killed();
        world.starts().await;
        let run = world.until_ended(R1).await;
        assert_eq!(run.ended.unwrap().outcome, Outcome::Succeeded);
        assert_eq!(world.enabled("dev").len(), 4);
        world.alice().types("rollback dev").await;
        assert_eq!(world.enabled("dev"), Vec::<&str>::new());
        assert_eq!(world.run(RunId(2)).await.ended.unwrap().outcome, Outcome::Succeeded);
    });
}

#[test]
fn a_rule_that_is_enabled_already_is_said_to_be_so_and_still_checked() {
    story(async |world| {
        let environment = "alchemiser-trading-events-dev";
        world.aws.set_rule_state(environment, "alchemiser-signal-generated-dev", RuleState::Enabled);
        world.passes(SignedDuration::from_mins(5)).await;
        world.alice().types("enable dev signal-generated").await;
        let run = world.until_ended(R1).await;
        assert_eq!(run.ended.unwrap().outcome, Outcome::Succeeded);
        assert_eq!(world.changes(), Vec::<String>::new());
        assert_snapshot!("enable_already", world.thread(R1).await);
    });
}

#[test]
fn without_traffic_a_rule_in_dev_ends_enabled_but_not_proven() {
    story(async |world| {
        world.aws.set_fault("dev.rule.signal-generated.silent", true);
        world.alice().types("enable signal-generated dev").await;
        let run = world.until_ended(R1).await;
        assert_eq!(run.ended.unwrap().outcome, Outcome::Unproven);
        assert!(world.is_enabled("dev", "signal-generated"));
        let thread = world.thread(R1).await;
        assert!(thread.contains("enabled, not yet proven: no traffic seen"), "{thread}");
        assert_snapshot!("enable_no_traffic", thread);
    });
}

#[test]
fn a_failing_rule_ends_the_wait_at_once_and_in_dev_stays_as_it_is() {
    story(async |world| {
        world.aws.set_fault("dev.rule.signal-generated.fails", true);
        world.alice().types("enable signal-generated dev").await;
        let began = world.clock.now();
        let run = world.until_ended(R1).await;
        assert_eq!(run.ended.unwrap().outcome, Outcome::Failed);
        assert!(world.clock.now().duration_since(began) < SignedDuration::from_mins(2), "the wait was not waited out");
        assert_eq!(world.enabled("dev"), ["signal-generated"]);
        assert_snapshot!("enable_fails", world.thread(R1).await);
        world.aws.set_fault("dev.rule.signal-generated.fails", false);
    });
}

#[test]
fn where_the_configuration_says_so_a_failed_gate_disables_what_this_run_enabled_and_nothing_else() {
    story_with(&[("ALCH__ENVIRONMENTS__DEV__ON_GATE_FAILURE", "disable")], async |world| {
        let bus = "alchemiser-trading-events-dev";
        world.aws.set_rule_state(bus, "alchemiser-signal-generated-dev", RuleState::Enabled);
        world.aws.set_fault("dev.rule.trade-executed.fails", true);
        world.passes(SignedDuration::from_mins(5)).await;
        world.alice().types("enable all dev").await;
        let run = world.until_ended(R1).await;
        assert_eq!(run.ended.as_ref().unwrap().outcome, Outcome::Failed);
        assert_eq!(world.enabled("dev"), ["signal-generated"], "what was enabled before stays");
        assert_eq!(
            world.changes(),
            [
                "EnableRule alchemiser-rebalance-planned-dev",
                "EnableRule alchemiser-trade-executed-dev",
                "DisableRule alchemiser-trade-executed-dev",
                "DisableRule alchemiser-rebalance-planned-dev",
            ]
        );
        assert_snapshot!("enable_all_undone", world.thread(R1).await);
    });
}

#[test]
fn all_rules_are_enabled_in_order_one_at_a_time_each_after_the_gate_of_the_one_before() {
    story(async |world| {
        world.alice().types("enable all dev").await;
        assert_eq!(world.enabled("dev"), ["signal-generated"]);
        world.passes(SignedDuration::from_secs(179)).await;
        assert_eq!(world.enabled("dev"), ["signal-generated"], "two minutes and the time to settle");
        world.passes(SignedDuration::from_secs(10)).await;
        assert_eq!(world.enabled("dev"), ["signal-generated", "rebalance-planned"]);
        let run = world.until_ended(R1).await;
        assert_eq!(run.ended.unwrap().outcome, Outcome::Succeeded);
        assert_eq!(world.enabled("dev").len(), 4);
        assert_snapshot!("enable_all_journal", world.told(R1).await);
    });
}

#[test]
fn all_stops_at_the_first_gate_that_fails() {
    story(async |world| {
        world.aws.set_fault("dev.rule.rebalance-planned.fails", true);
        world.alice().types("enable all dev").await;
        let run = world.until_ended(R1).await;
        let ended = run.ended.unwrap();
        assert_eq!(ended.outcome, Outcome::Failed);
        assert_eq!(world.enabled("dev"), ["signal-generated", "rebalance-planned"]);
        assert!(ended.summary.contains("rebalance-planned"), "{}", ended.summary);
        assert!(ended.next.contains(&"disable rebalance-planned dev".to_owned()), "{:?}", ended.next);
    });
}

#[test]
fn messages_that_arrive_in_the_queue_while_it_waits_fail_the_gate() {
    story(async |world| {
        world.alice().types("enable signal-generated dev").await;
        world.passes(SignedDuration::from_secs(40)).await;
        world.aws.set_fault("dev.queue.alchemiser-event-dlq-dev.fill", true);
        let run = world.until_ended(R1).await;
        let ended = run.ended.unwrap();
        assert_eq!(ended.outcome, Outcome::Failed);
        assert!(ended.summary.contains("alchemiser-event-dlq-dev"), "{}", ended.summary);
    });
}

#[test]
fn metrics_that_cannot_be_read_are_unknown_and_never_a_pass() {
    story(async |world| {
        world.aws.set_fault("aws.metrics-forbidden", true);
        world.alice().types("enable signal-generated dev").await;
        let run = world.until_ended(R1).await;
        assert_eq!(run.ended.as_ref().unwrap().outcome, Outcome::Failed);
        let thread = world.thread(R1).await;
        assert!(thread.contains("cloudwatch:GetMetricData"), "the permission to add is named: {thread}");
    });
}

#[test]
fn an_environment_that_asks_pauses_without_traffic_and_a_person_decides() {
    let asks = [("ALCH__ENVIRONMENTS__DEV__ON_INCONCLUSIVE", "ask")];
    story_with(&asks, async |world| {
        world.aws.set_fault("dev.rule.signal-generated.silent", true);
        world.alice().types("enable signal-generated dev").await;
        world.passes(SignedDuration::from_mins(10)).await;
        assert_snapshot!("asks", world.thread(R1).await);
        let asking = world.card(R1).await;

        world.bob().clicks(&asking, "answer:wait").await;
        world.passes(SignedDuration::from_mins(1)).await;
        assert!(world.run(R1).await.steps[2].question.is_none(), "waiting on");
        world.passes(SignedDuration::from_mins(5)).await;
        assert!(world.run(R1).await.steps[2].question.is_some(), "asks again");

        world.bob().clicks(&asking, "answer:undo").await;
        let run = world.until_ended(R1).await;
        assert_eq!(run.ended.unwrap().outcome, Outcome::Failed);
        assert_eq!(world.enabled("dev"), Vec::<&str>::new());
        world.bob().clicks_stale(&asking, "answer:continue").await;
        assert!(world.bob().sees().contains("out of date"), "{}", world.bob().sees());
    });
    story_with(&asks, async |world| {
        world.aws.set_fault("dev.rule.signal-generated.silent", true);
        world.alice().types("enable signal-generated dev").await;
        world.passes(SignedDuration::from_mins(10)).await;
        world.bob().says_in_thread(R1, "@alch continue").await;
        let run = world.until_ended(R1).await;
        assert_eq!(run.ended.unwrap().outcome, Outcome::Unproven);
        assert_eq!(world.enabled("dev"), ["signal-generated"]);
    });
}

#[test]
fn the_button_of_an_old_question_does_not_answer_a_newer_one() {
    story_with(&[("ALCH__ENVIRONMENTS__DEV__ON_INCONCLUSIVE", "ask")], async |world| {
        for rule in ["signal-generated", "rebalance-planned"] {
            world.aws.set_fault(&format!("dev.rule.{rule}.silent"), true);
        }
        world.alice().types("enable all dev").await;
        world.passes(SignedDuration::from_mins(4)).await;
        let first = world.card(R1).await;
        world.alice().clicks(&first, "answer:continue").await;
        world.passes(SignedDuration::from_mins(4)).await;
        assert!(world.run(R1).await.steps[5].question.is_some(), "it asks about the second rule");
        world.bob().clicks_stale(&first, "answer:undo").await;
        assert!(world.bob().sees().contains("out of date"), "{}", world.bob().sees());
        assert_eq!(world.enabled("dev"), ["signal-generated", "rebalance-planned"], "nothing is undone");
        world.alice().clicks(&world.card(R1).await, "answer:undo").await;
        assert_eq!(world.until_ended(R1).await.ended.unwrap().outcome, Outcome::Failed);
        assert_eq!(world.enabled("dev"), Vec::<&str>::new());
    });
}

#[test]
fn disabling_needs_no_gate_and_says_what_was_so_already() {
    story(async |world| {
        let bus = "alchemiser-trading-events-dev";
        world.aws.set_rule_state(bus, "alchemiser-trade-executed-dev", RuleState::Enabled);
        world.alice().types("disable all dev").await;
        let run = world.until_ended(R1).await;
        assert_eq!(run.ended.unwrap().outcome, Outcome::Succeeded);
        assert_eq!(world.enabled("dev"), Vec::<&str>::new());
        assert_eq!(world.changes(), ["DisableRule alchemiser-trade-executed-dev"]);
        assert_snapshot!("disable_all", world.thread(R1).await);
    });
}
