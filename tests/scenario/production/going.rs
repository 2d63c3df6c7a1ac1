//! A run of production under way: gates that fail, acts that are refused, and people who steer it.

use alch::domain::{Outcome, Phase, StepStatus, Subject};
use insta::assert_snapshot;
use jiff::SignedDuration;

use super::{R1, R2, TOLD, TOLD_ALWAYS, approved, asks, ended, goes_to_its_end, mails, says, told};
use crate::world::{World, story_with};

#[test]
fn a_gate_that_fails_midway_turns_off_what_the_run_turned_on_and_everybody_is_told() {
    story_with(&TOLD_ALWAYS, async |world| {
        asks(world, "enable all prod").await;
        approved(world, R1).await;
        world.passes(SignedDuration::from_mins(80)).await;
        assert_eq!(world.enabled("prod"), ["signal-generated", "rebalance-planned"]);
        world.aws.set_fault("prod.rule.rebalance-planned.fails", true);
        world.passes(SignedDuration::from_mins(3)).await;
        let (outcome, summary) = ended(world, R1).await;
        assert_eq!(outcome, Outcome::Failed);
        says(&summary, &["What this run changed is undone"]);
        assert_eq!(world.enabled("prod"), Vec::<&str>::new());
        assert_snapshot!("gate_fails_journal", told(world, R1).await);
        assert_snapshot!("gate_fails_stakeholders", world.channel("C0STAKEHOLD"));
        assert_snapshot!("gate_fails_mails", mails(world));
    });
}

/// A run whose first act AWS refuses.
async fn refused_act(world: &World) {
    asks(world, "enable signal-generated prod").await;
    world.aws.set_fault("aws.enable-denied", true);
    approved(world, R1).await;
    assert_eq!(world.run(R1).await.phase(), Phase::Asking, "{}", world.told(R1).await);
    assert_eq!(world.enabled("prod"), Vec::<&str>::new());
}

#[test]
fn an_act_that_is_refused_asks_and_is_tried_again() {
    story_with(&TOLD, async |world| {
        refused_act(world).await;
        assert_snapshot!("refused_act", world.thread(R1).await);
        let card = world.asking(R1, "retry").await;
        world.bob().clicks(&card, "retry").await;
        assert_eq!(world.run(R1).await.phase(), Phase::Asking, "refused again, asked again");
        world.aws.set_fault("aws.enable-denied", false);
        let card = world.asking(R1, "retry").await;
        world.bob().clicks(&card, "retry").await;
        assert_eq!(world.enabled("prod"), ["signal-generated"]);
        world.alice().clicks_stale(&card, "retry").await;
        assert!(!world.alice().saw().is_empty());
        assert_eq!(world.changes().len(), 1);
        assert_eq!(goes_to_its_end(world, R1).await.0, Outcome::Succeeded);
    });
}

#[test]
fn an_act_that_is_refused_is_left_out_when_somebody_else_agrees() {
    story_with(&TOLD, async |world| {
        refused_act(world).await;
        let card = world.asking(R1, "skip").await;
        world.bob().clicks(&card, "skip").await;
        world.bob().gives_reason("it is enabled tomorrow").await;
        let run = world.run(R1).await;
        assert!(matches!(run.open_round().map(|round| &round.subject), Some(Subject::Skip(_))));
        assert_snapshot!("skip_asks", world.thread(R1).await);
        let card = world.asking(R1, "approve").await;
        world.bob().clicks(&card, "approve").await;
        assert!(world.run(R1).await.open_round().is_some(), "not who asked for it: {}", world.bob().saw());
        world.carol().clicks(&card, "approve").await;
        let run = world.run(R1).await;
        assert!(run.steps.iter().any(|step| step.status == StepStatus::Skipped), "{}", world.told(R1).await);
        world.aws.set_fault("aws.enable-denied", false);
        goes_to_its_end(world, R1).await;
        assert_eq!(world.enabled("prod"), Vec::<&str>::new());
    });
}

#[test]
fn an_act_that_is_refused_is_given_up() {
    for give_up in ["cancel", "undo"] {
        story_with(&TOLD_ALWAYS, async |world| {
            asks(world, "enable all prod").await;
            approved(world, R1).await;
            world.passes(SignedDuration::from_mins(30)).await;
            world.aws.set_fault("aws.enable-denied", true);
            world.passes(SignedDuration::from_mins(40)).await;
            assert_eq!(world.run(R1).await.phase(), Phase::Asking, "{}", world.told(R1).await);
            match give_up {
                "cancel" => {
                    world.alice().types("cancel R-1").await;
                    assert_eq!(world.enabled("prod"), ["signal-generated"], "a cancel changes nothing");
                }
                _ => {
                    let card = world.asking(R1, "answer:undo").await;
                    world.bob().clicks(&card, "answer:undo").await;
                    assert_eq!(world.enabled("prod"), Vec::<&str>::new());
                }
            }
            assert_eq!(ended(world, R1).await.0, Outcome::Failed);
            assert_eq!(world.aws.published("prod").len(), 2);
            world.aws.set_fault("aws.enable-denied", false);
        });
    }
}

#[test]
fn a_run_of_production_is_paused_and_goes_on() {
    story_with(&TOLD_ALWAYS, async |world| {
        asks(world, "enable all prod").await;
        approved(world, R1).await;
        world.bob().types("pause R-1").await;
        says(&world.bob().saw(), &["is paused", "signal-generated"]);
        world.passes(SignedDuration::from_mins(70)).await;
        assert_eq!(world.enabled("prod"), ["signal-generated"]);
        world.killed();
        world.starts().await;
        world.passes(SignedDuration::from_mins(70)).await;
        assert_eq!(world.enabled("prod"), ["signal-generated"], "a restart resumes nothing");
        world.alice().types("resume R-1").await;
        assert_eq!(world.enabled("prod"), ["signal-generated", "rebalance-planned"]);
        world.bob().types("pause R-1").await;
        // Nobody comes back to it: it stops by itself, and frees the environment.
        let (outcome, summary) = goes_to_its_end(world, R1).await;
        assert_eq!(outcome, Outcome::Cancelled);
        says(&summary, &["Nobody said in time how to go on", "what was done stays done"]);
        assert_eq!(world.enabled("prod"), ["signal-generated", "rebalance-planned"]);
    });
}

#[test]
fn a_wait_of_dev_is_skipped_at_once_and_paused_and_resumed() {
    story_with(&[], async |world| {
        world.alice().types("enable all dev").await;
        world.bob().types("skip R-1 \"seen enough\"").await;
        let run = world.run(R1).await;
        assert_eq!(run.steps[1].status, StepStatus::Skipped, "{}", world.told(R1).await);
        world.bob().types("pause R-1").await;
        world.passes(SignedDuration::from_mins(10)).await;
        assert_eq!(world.enabled("dev"), ["signal-generated"]);
        world.bob().types("resume R-1").await;
        assert_eq!(world.enabled("dev").len(), 2);
        world.alice().types("cancel R-1").await;
        assert_eq!(ended(world, R1).await.0, Outcome::Cancelled);
        world.alice().types("retry R-1").await;
        assert_eq!(goes_to_its_end(world, R2).await.0, Outcome::Succeeded);
    });
}

#[test]
fn a_freeze_stops_a_run_before_its_next_rule_and_a_rollback_passes_it() {
    story_with(&TOLD_ALWAYS, async |world| {
        asks(world, "enable all prod").await;
        approved(world, R1).await;
        world.carol().types("freeze prod \"trading is halted\"").await;
        world.passes(SignedDuration::from_mins(70)).await;
        assert_eq!(world.enabled("prod"), ["signal-generated"]);
        assert_eq!(world.run(R1).await.phase(), Phase::Paused);
        assert_snapshot!("frozen", world.thread(R1).await);
        world.bob().types("resume R-1").await;
        assert_eq!(world.enabled("prod"), ["signal-generated"], "the freeze still stands");
        world.carol().types("unfreeze prod").await;
        world.bob().types("resume R-1").await;
        assert_eq!(world.enabled("prod"), ["signal-generated", "rebalance-planned"]);
        world.carol().types("freeze prod \"again\"").await;
        world.carol().types("lock prod \"mine\"").await;
        world.bob().types("enable all prod").await;
        says(&world.bob().saw(), &["prod is frozen"]);
        world.bob().types("rollback prod").await;
        let rollback = world.store().recent_runs(None, 1).await.unwrap()[0].id;
        let card = world.asking(rollback, "rollback:now").await;
        world.bob().clicks(&card, "rollback:now").await;
        assert_eq!(world.enabled("prod"), Vec::<&str>::new());
        assert_eq!(ended(world, R1).await.0, Outcome::Preempted);
        assert_eq!(ended(world, rollback).await.0, Outcome::Succeeded);
    });
}
