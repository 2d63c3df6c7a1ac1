//! Killed anywhere, started again: the run goes on as if nothing had been.

use std::time::{Duration, Instant};

use alch::domain::{Outcome, RunId};
use jiff::SignedDuration;

use crate::world::{World, story, story_with};

const R1: RunId = RunId(1);

async fn went_well(world: &mut World) {
    let run = world.until_ended(R1).await;
    assert_eq!(run.ended.unwrap().outcome, Outcome::Succeeded);
    assert_eq!(world.store().recent_runs(None, 10).await.unwrap().len(), 1);
    world.passes(SignedDuration::from_secs(30)).await;
    let card = world.card(R1).await;
    let thread = world.slack.thread(&card.ts);
    let recorded = world.store().slack_messages(R1).await.unwrap();
    assert_eq!(thread.len(), recorded.len(), "each message once: {:#?}", world.slack.thread_transcript(&card.ts));
}

#[test]
fn the_crash_sweep_of_enable() {
    let mut calls = 0;
    story(async |world| {
        world.alice().types("enable signal-generated dev").await;
        world.until_ended(R1).await;
        calls = world.aws.calls().len();
    });
    assert!(calls > 20, "{calls}");
    // Every call up to the act and its read-back, then every few.
    let points: Vec<usize> = (1..=20).chain((21..=calls).step_by(7)).collect();
    for point in points {
        story(async |world| {
            let delivered = world.slack.types("U0ALICE", "/alch enable signal-generated dev").await;
            assert_eq!(delivered.http_status, 200);
            world.killed_when(|world| world.aws.calls().len() >= point).await;
            went_well(world).await;
            assert_eq!(world.enabled("dev"), ["signal-generated"], "killed after {point} calls");
            let changes = world.changes();
            assert!(changes.len() <= 2, "killed after {point} calls: {changes:?}");
        });
    }
}

#[test]
fn an_undo_that_a_crash_interrupts_is_finished() {
    let disables = [("ALCH__ENVIRONMENTS__DEV__ON_GATE_FAILURE", "disable")];
    let mut calls = 0;
    story_with(&disables, async |world| {
        world.aws.set_fault("dev.rule.signal-generated.fails", true);
        world.alice().types("enable signal-generated dev").await;
        world.until_ended(R1).await;
        calls = world.aws.calls().len();
    });
    for point in calls - 6..=calls {
        story_with(&disables, async |world| {
            world.aws.set_fault("dev.rule.signal-generated.fails", true);
            world.slack.types("U0ALICE", "/alch enable signal-generated dev").await;
            world.killed_when(|world| world.aws.calls().len() >= point).await;
            let run = world.until_ended(R1).await;
            assert_eq!(run.ended.unwrap().outcome, Outcome::Failed);
            assert_eq!(world.enabled("dev"), Vec::<&str>::new(), "killed after {point} calls");
        });
    }
}

#[test]
fn what_this_run_did_is_known_after_a_crash_between_the_act_and_its_record() {
    story_with(&[("ALCH__ENVIRONMENTS__DEV__ON_GATE_FAILURE", "disable")], async |world| {
        world.slack.types("U0ALICE", "/alch enable signal-generated dev").await;
        let deadline = Instant::now() + Duration::from_secs(10);
        while world.changes().is_empty() {
            assert!(Instant::now() < deadline);
            tokio::time::sleep(Duration::from_micros(100)).await;
        }
        world.killed();
        world.aws.set_fault("dev.rule.signal-generated.fails", true);
        world.starts().await;
        world.until_ended(R1).await;
        assert_eq!(world.enabled("dev"), Vec::<&str>::new(), "it was this run that enabled it");
    });
}

#[test]
fn a_rollback_that_a_crash_interrupts_is_done_at_the_next_start() {
    story(async |world| {
        for rule in ["signal-generated", "rebalance-planned", "trade-executed", "all-events-monitor"] {
            let name = format!("alchemiser-{rule}-dev");
            world.aws.set_rule_state("alchemiser-trading-events-dev", &name, alch::sandbox::aws::RuleState::Enabled);
        }
        world.aws.set_fault("aws.throttle-all", true);
        assert_eq!(world.slack.types("U0ALICE", "/alch rollback dev").await.http_status, 200);
        world.killed();
        world.aws.set_fault("aws.throttle-all", false);
        world.starts().await;
        world.settle().await;
        world.passes(SignedDuration::from_secs(1)).await;
        assert_eq!(world.enabled("dev"), Vec::<&str>::new());
        assert_eq!(world.run(R1).await.ended.unwrap().outcome, Outcome::Succeeded);
        assert_eq!(world.store().recent_runs(None, 10).await.unwrap().len(), 1);
    });
}
