//! `/alch monitor`: how things stand, then only what changes, and at the end what was seen.

use alch::domain::{Outcome, RunId};
use alch::sandbox::aws::RuleState;
use insta::assert_snapshot;
use jiff::SignedDuration;

use crate::world::{World, story};

const R1: RunId = RunId(1);
const BUS: &str = "alchemiser-trading-events-dev";

/// All rules of dev on, with traffic.
async fn everything_on(world: &World) {
    for rule in ["signal-generated", "rebalance-planned", "trade-executed", "all-events-monitor"] {
        world.aws.set_rule_state(BUS, &format!("alchemiser-{rule}-dev"), RuleState::Enabled);
    }
    world.passes(SignedDuration::from_mins(10)).await;
}

#[test]
fn a_quiet_half_hour_is_told_at_its_beginning_and_at_its_end() {
    story(async |world| {
        everything_on(world).await;
        world.alice().types("monitor dev").await;
        world.passes(SignedDuration::from_mins(10)).await;
        assert_eq!(world.changes(), Vec::<String>::new());
        let run = world.until_ended(R1).await;
        assert_eq!(run.ended.unwrap().outcome, Outcome::Succeeded);
        assert_snapshot!("monitor_quiet", world.thread(R1).await);
    });
}

#[test]
fn what_fails_and_what_somebody_turns_off_is_told_and_ends_nothing() {
    story(async |world| {
        everything_on(world).await;
        world.alice().types("monitor dev --for 20m").await;
        world.passes(SignedDuration::from_mins(4)).await;
        world.aws.set_fault("dev.rule.trade-executed.fails", true);
        world.passes(SignedDuration::from_mins(3)).await;
        world.aws.set_fault("dev.rule.trade-executed.fails", false);
        world.aws.set_rule_state(BUS, "alchemiser-signal-generated-dev", RuleState::Disabled);
        world.passes(SignedDuration::from_mins(3)).await;
        assert!(world.run(R1).await.ended.is_none(), "a failure is told, and ends nothing");
        let run = world.until_ended(R1).await;
        assert_eq!(run.ended.unwrap().outcome, Outcome::Failed);
        assert_snapshot!("monitor_failures", world.thread(R1).await);
    });
}

#[test]
fn nothing_holds_the_environment_while_it_is_monitored_and_a_second_monitor_is_not_begun() {
    story(async |world| {
        everything_on(world).await;
        world.alice().types("monitor dev --for 2h").await;
        world.bob().types("monitor dev").await;
        assert!(world.bob().sees().contains("dev is monitored already"), "{}", world.bob().sees());
        world.bob().types("disable all dev").await;
        assert_eq!(world.until_ended(RunId(2)).await.ended.unwrap().outcome, Outcome::Succeeded);
        world.alice().types("monitor stop dev").await;
        let run = world.until_ended(R1).await;
        assert_ne!(run.ended.unwrap().outcome, Outcome::Cancelled, "it says what it saw");
        world.alice().types("monitor stop dev").await;
        assert!(world.alice().sees().contains("Nothing monitors dev now"), "{}", world.alice().sees());
    });
}

#[test]
fn it_goes_on_after_a_restart_for_the_time_that_is_left() {
    story(async |world| {
        everything_on(world).await;
        world.alice().types("monitor dev --for 1h").await;
        world.passes(SignedDuration::from_mins(30)).await;
        world.killed();
        world.starts().await;
        world.clock.advance(SignedDuration::from_secs(15));
        let began = world.run(R1).await.requested_at;
        let run = world.ended_within(R1, SignedDuration::from_mins(40)).await;
        let ended = run.ended.unwrap();
        assert_eq!(ended.outcome, Outcome::Succeeded);
        let took = ended.at.duration_since(began);
        assert!(took < SignedDuration::from_mins(62), "{took:#}");
    });
}
