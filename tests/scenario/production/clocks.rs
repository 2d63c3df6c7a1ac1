//! The time of day jumps, or the machine sleeps over what was to happen meanwhile.

use alch::domain::{Outcome, Phase, RunId};
use jiff::SignedDuration;

use super::{HOUR, R1, approved, asks, goes_to_its_end};
use crate::world::{story, story_with};

const NO_SOAK: (&str, &str) = ("ALCH__ENVIRONMENTS__PROD__SAFEGUARDS__COMMANDS", "[]");

#[test]
fn a_machine_that_sleeps_over_a_gate_looks_when_it_wakes_and_does_nothing_twice() {
    story(async |world| {
        world.alice().types("enable signal-generated dev").await;
        assert_eq!(world.enabled("dev"), ["signal-generated"]);
        // Nothing of the bot is asked for in between, as when a machine sleeps.
        world.clock.advance(HOUR);
        let run = world.until_ended(R1).await;
        assert_eq!(run.ended.unwrap().outcome, Outcome::Succeeded, "{}", world.told(R1).await);
        assert_eq!(world.changes().len(), 1);
    });
}

#[test]
fn a_clock_that_is_set_back_in_a_gate_keeps_it_waiting_and_no_rollback() {
    story(async |world| {
        world.alice().types("enable signal-generated dev").await;
        world.clock.advance(-HOUR);
        world.passes(SignedDuration::from_mins(5)).await;
        assert!(world.run(R1).await.ended.is_none(), "what was counted before the jump is no proof");
        world.alice().types("rollback dev").await;
        assert_eq!(world.enabled("dev"), Vec::<&str>::new());
        let ended = world.run(RunId(2)).await.ended.unwrap();
        assert_eq!(ended.outcome, Outcome::Succeeded);
        world.settle().await;
        assert!(world.run(R1).await.ended.is_some(), "and the run gives way");
        assert_eq!(
            world.store().verify_chain().await.unwrap(),
            Vec::<String>::new(),
            "times that go back break nothing"
        );
    });
}

#[test]
fn who_sleeps_over_a_window_begins_nothing_after_it() {
    story_with(&[NO_SOAK], async |world| {
        // Monday noon in New York.
        world.passes(HOUR * 14).await;
        asks(world, "promote --at \"next window\"").await;
        approved(world, R1).await;
        assert_eq!(world.run(R1).await.phase(), Phase::Scheduled);
        // It opens at 17:00 and is closed again by Tuesday noon.
        world.clock.advance(HOUR * 24);
        world.settle().await;
        assert_eq!(world.changes(), Vec::<String>::new(), "{}", world.told(R1).await);
        world.bob().types("cancel R-1").await;
        assert_eq!(goes_to_its_end(world, R1).await.0, Outcome::Cancelled);
        assert_eq!(world.changes(), Vec::<String>::new());
    });
}

#[test]
fn an_approval_by_a_clock_that_went_on_by_an_hour_is_too_late() {
    story_with(&super::TOLD_ALWAYS, async |world| {
        asks(world, "enable signal-generated prod").await;
        let digest = world.run(R1).await.rounds[0].digest.clone();
        world.clock.advance(HOUR);
        world.settle().await;
        world.bob().types(&format!("approve R-1 {digest}")).await;
        assert_eq!(world.run(R1).await.ended.unwrap().outcome, Outcome::Expired);
        assert_eq!(world.changes(), Vec::<String>::new());
    });
}
