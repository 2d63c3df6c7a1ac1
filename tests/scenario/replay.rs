//! Replays of the archive: typed and by the form, started once, watched until they are over, and stopped.

use alch::domain::{Outcome, Run, RunId, StepStatus};
use alch::sandbox::aws::{ApiFault, DeadLetter, Failure, RuleState};
use jiff::SignedDuration;
use serde_json::json;

use crate::world::{World, story, story_with};

const R1: RunId = RunId(1);
const QUEUE: &str = "alchemiser-event-dlq-dev";
/// The story begins at 03:00; the archive gets events from then on, whether rules are on or off.
const START: &str = "replay start dev --from \"2026-11-23 03:02\" --to \"2026-11-23 03:22\" --rule signal-generated";
const MINUTES: fn(i64) -> SignedDuration = SignedDuration::from_mins;

/// Half an hour of events, with the rules on.
async fn half_an_hour(world: &World) {
    world.set_all("dev", RuleState::Enabled);
    world.passes(MINUTES(35)).await;
}

fn started(world: &World) -> Vec<serde_json::Value> {
    let calls = world.aws.calls().into_iter().filter(|call| call.operation == "StartReplay");
    calls.map(|call| call.request).collect()
}

fn cancels(world: &World) -> usize {
    world.aws.calls().iter().filter(|call| call.operation == "CancelReplay").count()
}

fn outcome(run: &Run) -> Outcome {
    run.ended.as_ref().unwrap().outcome
}

#[test]
fn a_window_is_replayed_to_the_rules_that_were_named_and_watched_to_its_end() {
    story(async |world| {
        half_an_hour(world).await;
        world.alice().types(START).await;
        let run = world.until_ended(R1).await;
        assert_eq!(outcome(&run), Outcome::Succeeded, "{}", world.told(R1).await);
        // What AWS was asked: the archive as the source, its bus as the destination, and never all rules.
        let [asked] = &started(world)[..] else { panic!("{:?}", started(world)) };
        assert_eq!(
            asked["EventSourceArn"],
            "arn:aws:events:us-east-1:111111111111:archive/alchemiser-event-archive-dev"
        );
        assert_eq!(
            asked["Destination"],
            json!({
                "Arn": "arn:aws:events:us-east-1:111111111111:event-bus/alchemiser-trading-events-dev",
                "FilterArns": [
                    "arn:aws:events:us-east-1:111111111111:rule/alchemiser-trading-events-dev/alchemiser-signal-generated-dev",
                ],
            })
        );
        let name = asked["ReplayName"].as_str().unwrap();
        assert!(name.starts_with("alch-dev-R-1-2026") && name.len() <= 64, "{name}");
        let replayed = world.aws.replayed(name).unwrap();
        // One event in 20 s for 20 minutes.
        assert_eq!(replayed.len(), 60);
        assert!(replayed.iter().all(|rule| rule == "alchemiser-signal-generated-dev"));
        insta::assert_snapshot!("replay_thread", world.thread(R1).await);
        insta::assert_snapshot!("replay_journal", world.told(R1).await);
    });
}

#[test]
fn rules_that_are_off_get_nothing_which_is_said_before_and_after() {
    story(async |world| {
        half_an_hour(world).await;
        let bus = "alchemiser-trading-events-dev";
        world.aws.set_rule_state(bus, "alchemiser-rebalance-planned-dev", RuleState::Disabled);
        world.alice().types(&format!("{START} --rule rebalance-planned")).await;
        let run = world.until_ended(R1).await;
        assert_eq!(outcome(&run), Outcome::Succeeded);
        let thread = world.thread(R1).await;
        assert!(thread.contains("Disabled now: rebalance-planned. A disabled rule matches nothing"), "{thread}");
        assert!(thread.contains("Nothing went to rebalance-planned: disabled."), "{thread}");
        // When all of them are off, it has to be meant.
        world.set_all("dev", RuleState::Disabled);
        world.alice().types(START).await;
        let refused = world.run(RunId(2)).await;
        let summary = &refused.ended.as_ref().unwrap().summary;
        assert!(
            summary.contains("every rule that was chosen is disabled") && summary.contains("--even-off"),
            "{summary}"
        );
        assert_eq!(started(world).len(), 1);
        world.alice().types(&format!("{START} --even-off")).await;
        assert_eq!(outcome(&world.until_ended(RunId(3)).await), Outcome::Succeeded);
        let last = started(world).pop().unwrap();
        assert_eq!(world.aws.replayed(last["ReplayName"].as_str().unwrap()).unwrap(), Vec::<String>::new());
    });
}

#[test]
fn nothing_is_replayed_without_the_interlock() {
    story(async |world| {
        half_an_hour(world).await;
        assert!(world.aws.set_ttl("alchemiser-event-dedup-dev", false));
        world.alice().types(START).await;
        let run = world.until_ended(R1).await;
        assert_eq!(outcome(&run), Outcome::Failed);
        let thread = world.thread(R1).await;
        assert!(thread.contains("Items do not expire by the configured attribute"), "{thread}");
        assert!(started(world).is_empty());
        // What cannot be asked stops it as well.
        assert!(world.aws.set_ttl("alchemiser-event-dedup-dev", true));
        world.aws.inject(ApiFault { operation: "DescribeTable".to_owned(), times: 2, how: Failure::AccessDenied });
        world.alice().types(START).await;
        assert_eq!(outcome(&world.until_ended(RunId(2)).await), Outcome::Failed);
        world.aws.set_fault("dev.role.table", true);
        world.alice().types(START).await;
        assert_eq!(outcome(&world.until_ended(RunId(3)).await), Outcome::Failed);
        let thread = world.thread(RunId(3)).await;
        assert!(thread.contains("dynamodb:GetItem") && thread.contains("denied"), "{thread}");
        assert!(started(world).is_empty());
        world.aws.set_fault("dev.role.table", false);
    });
}

#[test]
fn a_window_that_the_archive_does_not_have_is_refused_with_the_reason() {
    story(async |world| {
        half_an_hour(world).await;
        let times = |from: &str, to: &str| format!("replay start dev --from \"{from}\" --to \"{to}\"");
        for (typed, why) in [
            (times("2026-11-23 03:10", "2026-11-23 03:10"), "has to lie before"),
            (times("2026-11-23 03:10", "2026-11-23 09:10"), "not over yet"),
            ("replay start dev --from \"2026-11-23 03:10\"".to_owned(), "Until when?"),
        ] {
            let said = world.alice().types(&typed).await;
            assert!(said.body.contains(why), "{typed}: {}", said.body);
        }
        world.alice().types(&times("2025-11-01 00:00", "2026-11-23 03:10")).await;
        let summary = world.run(R1).await.ended.unwrap().summary;
        assert!(summary.contains("keeps events for 365 days"), "{summary}");
        world.alice().types(&times("2026-11-22 00:00", "2026-11-22 01:00")).await;
        let summary = world.run(RunId(2)).await.ended.unwrap().summary;
        assert!(summary.contains("keeps events since 2026-11-23 03:00 UTC only"), "{summary}");
        assert!(started(world).is_empty());
    });
}

#[test]
fn what_may_not_have_arrived_and_what_would_trade_again_is_said_loudly() {
    story_with(&[("ALCH__ENVIRONMENTS__DEV__TABLE__KEEPS", "10m")], async |world| {
        half_an_hour(world).await;
        let said = "plan replay start dev --from \"2026-11-23 03:02\" --to \"2026-11-23 03:33\"";
        world.alice().types(said).await;
        let plan = world.alice().sees();
        assert!(plan.contains("Events take up to 10 min to arrive in the archive"), "{plan}");
        assert!(plan.contains("the function takes them for new ones and trades again"), "{plan}");
        assert!(started(world).is_empty());
    });
}

#[test]
fn a_replay_stops_by_itself_when_messages_come_into_the_queue() {
    story(async |world| {
        half_an_hour(world).await;
        world.alice().types(START).await;
        world.aws.set_fault("dev.rule.signal-generated.fails", true);
        let run = world.until_ended(R1).await;
        assert_eq!(outcome(&run), Outcome::Failed);
        let summary = run.ended.unwrap().summary;
        assert!(summary.contains("stopped by itself, because alchemiser-event-dlq-dev grew"), "{summary}");
        assert!(world.aws.replays()[0].ends_with(" CANCELLED"), "{:?}", world.aws.replays());
        assert_eq!(cancels(world), 1);
        world.aws.set_fault("dev.rule.signal-generated.fails", false);
    });
}

#[test]
fn who_cancels_the_run_cancels_the_replay() {
    story(async |world| {
        half_an_hour(world).await;
        world.alice().types(START).await;
        world.passes(SignedDuration::from_secs(20)).await;
        world.bob().types("replay status dev").await;
        let status = world.bob().sees();
        assert!(status.contains("Replays of dev under way") && status.contains("R-1"), "{status}");
        world.bob().types("replay cancel dev").await;
        let run = world.until_ended(R1).await;
        assert_eq!(outcome(&run), Outcome::Cancelled);
        assert!(world.aws.replays()[0].ends_with(" CANCELLED"), "{:?}", world.aws.replays());
        let summary = run.ended.unwrap().summary;
        assert!(summary.contains("cancelled as asked, the last event replayed is from"), "{summary}");
        world.bob().types("replay cancel dev").await;
        assert!(world.bob().saw().contains("No run of mine replays anything"), "{}", world.bob().saw());
        world.bob().types("replay list dev").await;
        assert!(world.bob().sees().contains("alch-dev-R-1-"), "{}", world.bob().sees());
    });
}

#[test]
fn a_rollback_cancels_the_replay_and_does_not_wait_for_it() {
    story(async |world| {
        half_an_hour(world).await;
        world.alice().types(START).await;
        world.passes(SignedDuration::from_secs(20)).await;
        world.bob().types("rollback dev").await;
        assert_eq!(outcome(&world.until_ended(RunId(2)).await), Outcome::Succeeded);
        assert_eq!(world.enabled("dev"), Vec::<&str>::new());
        assert_eq!(outcome(&world.until_ended(R1).await), Outcome::Preempted);
        assert!(world.aws.replays()[0].ends_with(" CANCELLED"), "{:?}", world.aws.replays());
    });
}

#[test]
fn a_dead_letter_from_before_does_not_stop_a_replay() {
    story(async |world| {
        half_an_hour(world).await;
        assert!(world.aws.put_dead_letter(QUEUE, "signal-generated", DeadLetter::default()));
        world.alice().types(START).await;
        assert_eq!(outcome(&world.until_ended(R1).await), Outcome::Succeeded);
    });
}

#[test]
fn a_queue_that_cannot_be_read_is_never_taken_for_one_that_has_not_grown() {
    story(async |world| {
        half_an_hour(world).await;
        world.alice().types(START).await;
        world.aws.inject(ApiFault {
            operation: "GetQueueAttributes".to_owned(),
            times: 1000,
            how: Failure::AccessDenied,
        });
        let run = world.until_ended(R1).await;
        world.aws.cancel_injected();
        assert_eq!(outcome(&run), Outcome::Unproven, "{}", world.told(R1).await);
        let summary = run.ended.unwrap().summary;
        assert!(summary.contains("the dead-letter queues could not be read"), "{summary}");
    });
}

#[test]
fn rules_that_changed_since_the_approval_are_approved_anew() {
    story(async |world| {
        world.set_all("prod", RuleState::Enabled);
        world.passes(MINUTES(35)).await;
        let typed = "replay start prod --from 2026-11-23T03:02:00Z --to 2026-11-23T03:22:00Z --rule signal-generated \
                     --rule rebalance-planned";
        world.alice().types(typed).await;
        let asking = world.asking(R1, "approve").await;
        let bus = "alchemiser-trading-events-prod";
        world.aws.set_rule_state(bus, "alchemiser-rebalance-planned-prod", RuleState::Disabled);
        world.bob().clicks(&asking, "approve").await;
        let thread = world.thread(R1).await;
        assert!(thread.contains("rebalance-planned was enabled, and is disabled now"), "{thread}");
        assert!(started(world).is_empty());
        let asking = world.asking(R1, "approve").await;
        world.bob().clicks(&asking, "approve").await;
        assert_eq!(outcome(&world.until_ended(R1).await), Outcome::Succeeded);
        assert_eq!(started(world).len(), 1);
    });
}

#[test]
fn whatever_becomes_of_the_process_there_is_one_replay() {
    for operation in ["StartReplay", "DescribeReplay"] {
        for how in [Failure::BeforeEffect, Failure::AfterEffect, Failure::Throttle] {
            story(async |world| {
                half_an_hour(world).await;
                world.aws.inject(ApiFault { operation: operation.to_owned(), times: 4, how });
                world.alice().types(START).await;
                let run = world.until_ended(R1).await;
                assert_eq!(outcome(&run), Outcome::Succeeded, "{operation} {how:?}: {}", world.told(R1).await);
                assert_eq!(world.aws.replays().len(), 1, "{operation} {how:?}");
            });
        }
    }
}

#[test]
fn a_crash_around_the_start_makes_no_second_replay() {
    for calls_more in 0..4 {
        story(async |world| {
            half_an_hour(world).await;
            world.slack.types("U0ALICE", &format!("/alch {START}")).await;
            // A few calls after the call that starts it was made.
            let is_started = |world: &World| {
                let calls = world.aws.calls();
                calls
                    .iter()
                    .position(|call| call.operation == "StartReplay")
                    .is_some_and(|at| calls.len() > at + calls_more)
            };
            world.killed_when(is_started).await;
            let run = world.until_ended(R1).await;
            assert_eq!(outcome(&run), Outcome::Succeeded, "{}", world.told(R1).await);
            assert_eq!(world.aws.replays().len(), 1);
        });
    }
}

#[test]
fn the_form_asks_for_the_times_and_says_what_is_wrong_with_them() {
    story(async |world| {
        half_an_hour(world).await;
        world.alice().types("replay dev").await;
        let form = world.slack.views("U0ALICE").pop().expect("a form is open");
        let input = |date: &str, time: &str, block: &str| json!({format!("{block}_date"): {format!("{block}_date"): date}, format!("{block}_time"): {format!("{block}_time"): time}});
        let values = |from: &str, to: &str| {
            let mut all = input("2026-11-23", from, "from");
            all.as_object_mut().unwrap().extend(input("2026-11-23", to, "to").as_object().unwrap().clone());
            all["rules"] = json!({"rules": ["signal-generated"]});
            all
        };
        let refused = world.slack.submits("U0ALICE", &form.id, values("03:22", "03:02")).await;
        assert!(refused.body.contains("It has to end after it begins"), "{}", refused.body);
        let refused = world.slack.submits("U0ALICE", &form.id, values("03:02", "23:00")).await;
        assert!(refused.body.contains("That moment is not over yet"), "{}", refused.body);
        assert!(world.store().recent_runs(None, 10).await.unwrap().is_empty());
        world.slack.submits("U0ALICE", &form.id, values("03:02", "03:22")).await;
        let run = world.until_ended(R1).await;
        assert_eq!(
            run.command.text(),
            "replay start dev --from 2026-11-23T03:02:00Z --to 2026-11-23T03:22:00Z --rule signal-generated"
        );
        assert_eq!(outcome(&run), Outcome::Succeeded);
        assert_eq!(started(world).len(), 1);
    });
}

#[test]
fn without_a_form_the_times_have_to_be_typed() {
    story(async |world| {
        world.alice().types("verify dev").await;
        // A mention brings no trigger that would open a form.
        world.bob().says_in_thread(R1, "@alch replay dev").await;
        assert!(world.bob().saw().contains("From when until when?"), "{}", world.bob().saw());
        assert_eq!(world.store().recent_runs(None, 10).await.unwrap().len(), 1);
    });
}

#[test]
fn in_production_a_replay_is_approved_with_what_it_means_and_only_with_the_interlock() {
    story(async |world| {
        world.set_all("prod", RuleState::Enabled);
        world.passes(MINUTES(35)).await;
        // The window's zone is New York's: 22:02 there is 03:02 UTC.
        let typed = "replay start prod --from 2026-11-23T03:02:00Z --to 2026-11-23T03:22:00Z --rule signal-generated";
        assert!(world.aws.set_ttl("alchemiser-event-dedup-prod", false));
        world.alice().types(typed).await;
        let refused = world.run(R1).await.ended.unwrap();
        assert!(refused.summary.contains("handling an event twice is harmless"), "{}", refused.summary);
        assert!(world.aws.set_ttl("alchemiser-event-dedup-prod", true));
        world.alice().types(typed).await;
        let run = RunId(2);
        assert!(started(world).is_empty());
        let asking = world.asking(run, "approve").await;
        let thread = world.thread(run).await;
        assert!(thread.contains("Handlers run again for each event"), "{thread}");
        world.bob().clicks(&asking, "approve").await;
        let run = world.until_ended(run).await;
        assert_eq!(outcome(&run), Outcome::Succeeded, "{}", world.told(run.id).await);
        let told: Vec<_> = run.steps.iter().map(|step| (step.step.id.to_string(), step.status)).collect();
        let done = |id: &str| (id.to_owned(), StepStatus::Done);
        assert_eq!(told, [done("idempotency"), done("replay")]);
        assert_eq!(started(world).len(), 1);
    });
}
