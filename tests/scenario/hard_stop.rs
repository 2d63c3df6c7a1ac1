//! The function itself is stopped, after a rollback or without one, and `restore` gives it back.

use alch::domain::{Outcome, Run, RunId};
use alch::sandbox::aws::{ApiFault, Failure, RuleState};
use jiff::SignedDuration;

use crate::world::{World, story, story_with};

const R1: RunId = RunId(1);
const FUNCTION: &str = "the-alchemiser-v2-lambda-dev";
const PROD: &str = "the-alchemiser-v2-lambda-prod";

const ALWAYS_OPEN: [(&str, &str); 1] = [(
    "ALCH__ENVIRONMENTS__PROD__WINDOW__ALLOW",
    "[{ days = [\"mon\", \"tue\", \"wed\", \"thu\", \"fri\", \"sat\", \"sun\"] }]",
)];

fn concurrency(world: &World) -> Option<u32> {
    world.aws.concurrency(FUNCTION).unwrap()
}

fn ended(run: &Run) -> (Outcome, &str) {
    let ended = run.ended.as_ref().unwrap();
    (ended.outcome, &ended.summary)
}

#[test]
fn after_a_rollback_a_click_stops_the_function_and_restore_gives_it_back() {
    story(async |world| {
        assert!(world.aws.set_concurrency(FUNCTION, Some(7)));
        world.set_all("dev", RuleState::Enabled);
        world.alice().types("rollback dev").await;
        world.passes(SignedDuration::from_secs(30)).await;
        let card = world.card(R1).await;
        world.alice().clicks(&card, "hard-stop:now").await;
        let run = world.until_ended(RunId(2)).await;
        assert_eq!(ended(&run).0, Outcome::Succeeded, "{}", world.told(RunId(2)).await);
        assert!(ended(&run).1.contains("queued for it already neither"), "{}", ended(&run).1);
        assert_eq!(concurrency(world), Some(0));
        insta::assert_snapshot!("hard_stop_thread", world.thread(RunId(2)).await);
        world.bob().types("status dev").await;
        assert!(world.bob().sees().contains("stopped: reserved concurrency 0"), "{}", world.bob().sees());
        world.alice().types("restore dev").await;
        let run = world.until_ended(RunId(3)).await;
        assert_eq!(concurrency(world), Some(7));
        assert_eq!(run.steps[0].step.id.0, "start-function");
        assert_eq!(world.enabled("dev").len(), 4, "{}", world.told(RunId(3)).await);
    });
}

#[test]
fn without_a_rollback_and_twice_it_keeps_the_value_from_before() {
    story(async |world| {
        for run in [R1, RunId(2)] {
            world.alice().types("hard-stop dev").await;
            assert_eq!(ended(&world.until_ended(run).await).0, Outcome::Succeeded);
        }
        assert!(ended(&world.run(RunId(2)).await).1.contains("was stopped already"));
        world.alice().types("restore dev").await;
        let run = world.until_ended(RunId(3)).await;
        assert_eq!(ended(&run).0, Outcome::Succeeded, "{}", ended(&run).1);
        assert_eq!(concurrency(world), None, "there was no reservation");
        let calls = world.aws.calls();
        assert!(calls.iter().any(|call| call.operation == "DeleteFunctionConcurrency"));
        // It is taken back: nothing is left to restore.
        world.alice().types("restore dev").await;
        assert_eq!(ended(&world.until_ended(RunId(4)).await).0, Outcome::Failed);
    });
}

#[test]
fn neither_a_freeze_nor_a_run_that_holds_the_environment_holds_it_up() {
    story(async |world| {
        world.alice().types("enable all dev").await;
        world.alice().types("freeze dev because of a review").await;
        // The freeze is a run, too.
        world.alice().types("hard-stop dev").await;
        let run = world.until_ended(RunId(3)).await;
        assert_eq!(ended(&run).0, Outcome::Succeeded, "{}", world.told(RunId(3)).await);
        assert_eq!(concurrency(world), Some(0), "{}", world.told(RunId(3)).await);
        world.alice().types("rollback dev").await;
        assert_eq!(ended(&world.until_ended(R1).await).0, Outcome::Preempted);
    });
}

#[test]
fn an_answer_that_is_lost_or_a_crash_loses_no_value_from_before() {
    story(async |world| {
        assert!(world.aws.set_concurrency(FUNCTION, Some(7)));
        let operation = "PutFunctionConcurrency".to_owned();
        world.aws.inject(ApiFault { operation: operation.clone(), times: 1, how: Failure::AfterEffect });
        world.aws.inject(ApiFault { operation, times: 9, how: Failure::ServerError });
        world.alice().types("hard-stop dev").await;
        world.killed();
        world.starts().await;
        world.clock.advance(SignedDuration::from_secs(30));
        let run = world.until_ended(R1).await;
        assert_eq!(ended(&run).0, Outcome::Succeeded, "{}", ended(&run).1);
        assert!(ended(&run).1.contains("before: 7"), "{}", ended(&run).1);
        world.aws.cancel_injected();
        world.alice().types("restore dev").await;
        world.until_ended(RunId(2)).await;
        assert_eq!(concurrency(world), Some(7));
    });
}

#[test]
fn a_refusal_names_the_permission() {
    story(async |world| {
        let operation = "PutFunctionConcurrency".to_owned();
        world.aws.inject(ApiFault { operation, times: 1, how: Failure::AccessDenied });
        world.alice().types("hard-stop dev").await;
        let run = world.until_ended(R1).await;
        assert_eq!(ended(&run).0, Outcome::Failed);
        assert!(ended(&run).1.contains("lambda:PutFunctionConcurrency"), "{}", ended(&run).1);
        assert_eq!(concurrency(world), None);
    });
}

/// Rolls dev back with all rules on, stops its function, and restores both; the restore, R-3, as it ended.
async fn restored_after_rollback_and_hard_stop(world: &mut World) -> Run {
    world.set_all("dev", RuleState::Enabled);
    world.alice().types("rollback dev").await;
    world.passes(SignedDuration::from_secs(30)).await;
    world.alice().types("hard-stop dev").await;
    world.until_ended(RunId(2)).await;
    world.alice().types("restore dev").await;
    world.until_ended(RunId(3)).await
}

#[test]
fn what_was_stopped_by_hand_before_is_left_stopped_and_that_is_said() {
    story(async |world| {
        assert!(world.aws.set_concurrency(FUNCTION, Some(0)));
        let run = restored_after_rollback_and_hard_stop(world).await;
        assert_eq!(concurrency(world), Some(0), "{}", world.told(RunId(3)).await);
        assert!(run.steps.iter().all(|progress| progress.step.id.0 != "start-function"));
        let thread = world.thread(RunId(3)).await;
        assert!(thread.contains("by no hard stop that the journals know"), "{thread}");
    });
}

#[test]
fn what_somebody_has_changed_since_is_left_as_it_is_and_that_is_said() {
    story(async |world| {
        assert!(world.aws.set_concurrency(FUNCTION, Some(7)));
        world.alice().types("hard-stop dev").await;
        world.until_ended(R1).await;
        assert!(world.aws.set_concurrency(FUNCTION, Some(3)));
        world.alice().types("restore dev").await;
        let run = world.until_ended(RunId(2)).await;
        assert_eq!(concurrency(world), Some(3));
        assert_eq!(ended(&run).0, Outcome::Failed);
        for words in ["was 7 before; it reads 3 now", "left as it is"] {
            assert!(ended(&run).1.contains(words), "{}", ended(&run).1);
        }
    });
}

#[test]
fn what_somebody_changes_while_a_restore_waits_for_approval_is_approved_anew() {
    story_with(&ALWAYS_OPEN, async |world| {
        assert!(world.aws.set_concurrency(PROD, Some(7)));
        world.alice().types("rollback prod").await;
        let card = world.asking(R1, "rollback:now").await;
        world.alice().clicks(&card, "rollback:now").await;
        world.passes(SignedDuration::from_secs(30)).await;
        let card = world.card(R1).await;
        world.bob().clicks(&card, "hard-stop:now").await;
        assert_eq!(ended(&world.until_ended(RunId(2)).await).0, Outcome::Succeeded);
        assert_eq!(world.aws.concurrency(PROD), Some(Some(0)));
        world.alice().types("restore prod").await;
        world.passes(SignedDuration::from_secs(10)).await;
        assert_eq!(world.aws.concurrency(PROD), Some(Some(0)), "nobody has approved it");
        assert!(world.aws.set_concurrency(PROD, Some(3)));
        let question = world.asking(RunId(3), "approve").await;
        world.bob().clicks(&question, "approve").await;
        world.passes(SignedDuration::from_secs(30)).await;
        assert_eq!(world.aws.concurrency(PROD), Some(Some(3)), "it is not overwritten");
        let thread = world.thread(RunId(3)).await;
        assert!(thread.contains("was 7 before; it reads 3 now"), "{thread}");
        // As the hard stop left it, it is given back first, and only then the rules.
        assert!(world.aws.set_concurrency(PROD, Some(0)));
        world.alice().types("cancel R-3").await;
        world.until_ended(RunId(3)).await;
        world.alice().types("restore prod").await;
        let question = world.asking(RunId(4), "approve").await;
        world.bob().clicks(&question, "approve").await;
        let run = world.ended_within(RunId(4), SignedDuration::from_hours(8)).await;
        assert_eq!(world.aws.concurrency(PROD), Some(Some(7)), "{}", world.told(RunId(4)).await);
        let acts = run.steps.iter().find(|progress| progress.step.kind.acts()).unwrap();
        assert_eq!(acts.step.id.0, "start-function");
    });
}

#[test]
fn what_the_account_does_not_allow_any_more_is_said_with_a_way_out() {
    story(async |world| {
        assert!(world.aws.set_concurrency(FUNCTION, Some(950)));
        let run = restored_after_rollback_and_hard_stop(world).await;
        assert_eq!(ended(&run).0, Outcome::Failed);
        for words in
            ["does not get its reserved concurrency of 950 back", "below its minimum value", "no rule is turned on"]
        {
            assert!(ended(&run).1.contains(words), "{}", ended(&run).1);
        }
        assert_eq!((concurrency(world), world.enabled("dev").len()), (Some(0), 0));
        // The way out that was named.
        assert!(world.aws.set_concurrency(FUNCTION, Some(5)));
        world.alice().types("restore dev").await;
        world.until_ended(RunId(4)).await;
        assert_eq!(concurrency(world), Some(5));
        assert!(!world.enabled("dev").is_empty(), "{}", world.told(RunId(4)).await);
    });
}

#[test]
fn typed_for_production_it_is_one_click_of_any_responder_and_of_nobody_else() {
    story(async |world| {
        assert!(world.aws.set_concurrency(PROD, Some(7)));
        world.alice().types("hard-stop prod").await;
        insta::assert_snapshot!("hard_stop_asks", world.thread(R1).await);
        let card = world.card(R1).await;
        assert_eq!(world.aws.concurrency(PROD), Some(Some(7)), "nobody has clicked");
        world.guest().clicks(&card, "hard-stop:now").await;
        assert_eq!(world.aws.concurrency(PROD), Some(Some(7)), "{}", world.guest().saw());
        // What somebody changes meanwhile is what is given back later.
        assert!(world.aws.set_concurrency(PROD, Some(5)));
        world.alice().clicks(&card, "hard-stop:now").await;
        let run = world.until_ended(R1).await;
        assert_eq!(ended(&run).0, Outcome::Succeeded, "{}", ended(&run).1);
        assert!(ended(&run).1.contains("before: 5"), "{}", ended(&run).1);
        assert_eq!(world.aws.concurrency(PROD), Some(Some(0)));
        world.bob().clicks_stale(&card, "hard-stop:now").await;
        assert!(world.bob().saw().contains("R-1"), "{}", world.bob().saw());
        let puts = world.aws.calls().iter().filter(|call| call.operation == "PutFunctionConcurrency").count();
        assert_eq!(puts, 1);
        insta::assert_snapshot!("hard_stop_clicked", world.thread(R1).await);
    });
}

#[test]
fn a_card_that_nobody_clicks_stops_nothing_and_a_rollback_does_not_take_it_away() {
    story(async |world| {
        world.alice().types("hard-stop prod").await;
        world.bob().types("rollback prod").await;
        let card = world.asking(RunId(2), "rollback:now").await;
        world.bob().clicks(&card, "rollback:now").await;
        world.until_ended(RunId(2)).await;
        assert!(world.run(R1).await.ended.is_none(), "it still waits for its click");
        world.killed();
        world.starts().await;
        world.passes(SignedDuration::from_mins(31)).await;
        assert_eq!(ended(&world.run(R1).await).0, Outcome::Expired);
        assert_eq!(world.aws.concurrency(PROD), Some(None));
        let card = world.card(R1).await;
        assert!(
            !card.text.contains("Try again") && !serde_json::to_string(&card.blocks).unwrap().contains("hard-stop:now")
        );
        world.alice().types("retry R-1").await;
        world.passes(SignedDuration::from_mins(1)).await;
        assert_eq!(world.aws.concurrency(PROD), Some(None), "tried again, it asks again");
        world.alice().types("cancel R-3").await;
        assert_eq!(ended(&world.until_ended(RunId(3)).await).0, Outcome::Cancelled);
    });
}
