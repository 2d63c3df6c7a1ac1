//! Dead-letter queues: looked into without a trace, and put on the bus again.

use alch::domain::{Outcome, Run, RunId};
use alch::sandbox::aws::{ApiFault, DeadLetter, Failure, MessageState, RuleState};
use jiff::SignedDuration;

use crate::world::{World, story};

const R1: RunId = RunId(1);
const QUEUE: &str = "alchemiser-event-dlq-dev";

fn put(world: &World, rule: &str, letter: DeadLetter<'_>) {
    assert!(world.aws.put_dead_letter(QUEUE, rule, letter));
}

/// The rules on, messages of two rules in the queue for a minute.
async fn with_messages(world: &World, messages: usize) {
    world.set_all("dev", RuleState::Enabled);
    for number in 0..messages {
        let rule = if number % 3 == 0 { "rebalance-planned" } else { "signal-generated" };
        put(world, rule, DeadLetter::default());
    }
    world.passes(SignedDuration::from_mins(1)).await;
}

fn asked(world: &World, operation: &str) -> Vec<serde_json::Value> {
    let calls = world.aws.calls().into_iter().filter(|call| call.operation == operation);
    calls.map(|call| call.request).collect()
}

fn outcome(run: &Run) -> Outcome {
    run.ended.as_ref().unwrap().outcome
}

fn depth(world: &World) -> u64 {
    let depth = world.aws.queue_depth(QUEUE).unwrap();
    depth.visible + depth.in_flight + depth.delayed
}

#[test]
fn a_look_tells_how_many_how_old_and_why_and_leaves_everything_there() {
    story(async |world| {
        with_messages(world, 5).await;
        put(world, "signal-generated", DeadLetter { error: Some("THROTTLING"), ..DeadLetter::default() });
        put(world, "signal-generated", DeadLetter { body: Some("{\"secret\": \"hunter2\"}"), ..DeadLetter::default() });
        world.alice().types("dlq dev").await;
        let seen = world.alice().sees();
        assert!(!seen.contains("hunter2"), "{seen}");
        insta::assert_snapshot!("dlq_look", seen);
        let depth = world.aws.queue_depth(QUEUE).unwrap();
        assert_eq!((depth.visible, depth.in_flight), (7, 0), "nothing is hidden");
        assert!(asked(world, "DeleteMessage").is_empty());
        assert!(world.store().recent_runs(None, 10).await.unwrap().is_empty(), "a look is no run");
    });
}

#[test]
fn an_empty_queue_is_said_to_be_empty_and_one_that_cannot_be_asked_is_not() {
    story(async |world| {
        world.alice().types("dlq dev").await;
        assert!(world.alice().sees().contains("*Dead-letter queues of dev*: empty"), "{}", world.alice().sees());
        for operation in ["GetQueueAttributes", "ReceiveMessage"] {
            world.aws.inject(ApiFault { operation: operation.to_owned(), times: 2, how: Failure::AccessDenied });
        }
        world.bob().types("dlq dev").await;
        let seen = world.bob().sees();
        assert!(seen.contains("not all could be looked into") && seen.contains("sqs:ReceiveMessage"), "{seen}");
    });
}

#[test]
fn messages_are_put_on_the_bus_again_and_only_then_deleted() {
    story(async |world| {
        with_messages(world, 12).await;
        world.alice().types("dlq redrive dev").await;
        let run = world.until_ended(R1).await;
        assert_eq!(outcome(&run), Outcome::Succeeded, "{}", world.told(R1).await);
        assert_eq!(depth(world), 0);
        let puts = asked(world, "PutEvents");
        assert_eq!((puts.len(), asked(world, "DeleteMessage").len()), (12, 12));
        for put in &puts {
            let entry = &put["Entries"][0];
            assert_eq!(entry["EventBusName"], "alchemiser-trading-events-dev");
            assert_eq!(entry["Source"], "the-alchemiser-v2-lambda-dev");
            assert!(entry["Detail"].as_str().unwrap().starts_with("{\"event_id\""), "{entry}");
            assert!(entry["Time"].is_number(), "{entry}");
        }
        assert!(asked(world, "PurgeQueue").is_empty());
        // Each deletion comes right after its event was put.
        let order: Vec<_> = world
            .aws
            .calls()
            .into_iter()
            .map(|call| call.operation)
            .filter(|operation| operation == "PutEvents" || operation == "DeleteMessage")
            .collect();
        assert!(order.chunks(2).all(|pair| pair == ["PutEvents", "DeleteMessage"]), "{order:?}");
        insta::assert_snapshot!("redrive_thread", world.thread(R1).await);
    });
}

#[test]
fn no_more_than_the_limit_are_sent() {
    story(async |world| {
        with_messages(world, 12).await;
        world.alice().types("dlq redrive dev --limit 4").await;
        assert_eq!(outcome(&world.until_ended(R1).await), Outcome::Succeeded);
        assert_eq!((depth(world), asked(world, "PutEvents").len()), (8, 4));
    });
}

#[test]
fn what_is_no_event_of_this_bus_stays_and_is_told_without_its_text() {
    story(async |world| {
        with_messages(world, 2).await;
        put(world, "signal-generated", DeadLetter { body: Some("hunter2"), ..DeadLetter::default() });
        let elsewhere = Some("arn:aws:events:us-east-1:111111111111:rule/other-bus/rule");
        put(world, "signal-generated", DeadLetter { rule_arn: elsewhere, ..DeadLetter::default() });
        world.passes(SignedDuration::from_mins(1)).await;
        world.alice().types("dlq redrive dev").await;
        let run = world.until_ended(R1).await;
        assert_eq!(outcome(&run), Outcome::Succeeded, "{}", world.told(R1).await);
        assert_eq!((depth(world), asked(world, "PutEvents").len()), (2, 2));
        let thread = world.thread(R1).await;
        assert!(thread.contains("2 of those looked at cannot be put on the bus and stay where they are"), "{thread}");
        assert!(thread.contains("2 messages could not be and stay"), "{thread}");
        assert!(!thread.contains("hunter2") && !world.told(R1).await.contains("hunter2"), "{thread}");
    });
}

#[test]
fn messages_that_come_back_stop_it() {
    story(async |world| {
        with_messages(world, 12).await;
        let switch = |on: bool| {
            for rule in ["signal-generated", "rebalance-planned"] {
                world.aws.set_fault(&format!("dev.rule.{rule}.fails"), on);
                world.aws.set_fault(&format!("dev.rule.{rule}.silent"), on);
            }
        };
        switch(true);
        world.alice().types("dlq redrive dev").await;
        let run = world.until_ended(R1).await;
        assert_eq!(outcome(&run), Outcome::Failed);
        let summary = run.ended.unwrap().summary;
        assert!(summary.contains("Stopped by itself"), "{summary}");
        // The first went alone, so that one was enough to see it.
        assert_eq!(asked(world, "PutEvents").len(), 1);
        assert_eq!(depth(world), 12);
        switch(false);
    });
}

#[test]
fn nothing_is_sent_without_the_interlock_the_bus_or_a_message() {
    story(async |world| {
        world.alice().types("dlq redrive dev").await;
        assert!(world.run(R1).await.ended.unwrap().summary.contains("is empty"));
        with_messages(world, 3).await;
        assert!(world.aws.set_ttl("alchemiser-event-dedup-dev", false));
        world.alice().types("dlq redrive dev").await;
        assert_eq!(outcome(&world.until_ended(RunId(2)).await), Outcome::Failed);
        assert!(world.aws.set_ttl("alchemiser-event-dedup-dev", true));
        assert!(asked(world, "PutEvents").is_empty());
        assert_eq!(depth(world), 3);
    });
}

#[test]
fn nothing_is_sent_to_rules_that_are_off() {
    story(async |world| {
        with_messages(world, 6).await;
        world.set_all("dev", RuleState::Disabled);
        world.alice().types("dlq redrive dev").await;
        let summary = world.until_ended(R1).await.ended.unwrap().summary;
        assert!(summary.contains("signal-generated, rebalance-planned are off"), "{summary}");
        assert!(summary.contains("`enable signal-generated dev`"), "{summary}");
        // One of the two is on: what came from the other stays.
        assert!(world.aws.set_rule_state(
            "alchemiser-trading-events-dev",
            "alchemiser-signal-generated-dev",
            RuleState::Enabled
        ));
        world.alice().types("dlq redrive dev").await;
        let run = world.until_ended(RunId(2)).await;
        assert_eq!(outcome(&run), Outcome::Succeeded, "{}", world.told(RunId(2)).await);
        assert_eq!((depth(world), asked(world, "PutEvents").len(), asked(world, "DeleteMessage").len()), (2, 4, 4));
        let thread = world.thread(RunId(2)).await;
        assert!(thread.contains("nothing would get it: 2 of rebalance-planned"), "{thread}");
        assert!(thread.contains("its rule alchemiser-rebalance-planned-dev is off"), "{thread}");
    });
}

#[test]
fn where_the_bus_fails_again_and_again_it_stops() {
    story(async |world| {
        with_messages(world, 6).await;
        world.aws.inject(ApiFault { operation: "PutEvents".to_owned(), times: 100, how: Failure::ServerError });
        world.alice().types("dlq redrive dev").await;
        let run = world.until_ended(R1).await;
        assert_eq!(outcome(&run), Outcome::Failed);
        let summary = run.ended.unwrap().summary;
        assert!(summary.contains("5 times in a row. The messages stay"), "{summary}");
        assert_eq!((depth(world), asked(world, "DeleteMessage").len()), (6, 0));
    });
}

#[test]
fn an_event_whose_answer_is_lost_is_sent_a_second_time_at_most_and_said() {
    story(async |world| {
        with_messages(world, 3).await;
        world.aws.inject(ApiFault { operation: "PutEvents".to_owned(), times: 1, how: Failure::AfterEffect });
        world.alice().types("dlq redrive dev").await;
        let run = world.until_ended(R1).await;
        assert_eq!(outcome(&run), Outcome::Succeeded, "{}", world.told(R1).await);
        assert_eq!((depth(world), asked(world, "PutEvents").len()), (0, 4));
        assert!(world.told(R1).await.contains("Its event may have been put"), "{}", world.told(R1).await);
    });
}

#[test]
fn a_crash_half_way_sends_one_event_twice_at_most() {
    for after in [1, 2, 5, 9] {
        story(async |world| {
            with_messages(world, 12).await;
            world.slack.types("U0ALICE", "/alch dlq redrive dev").await;
            world.killed_when(|world| asked(world, "PutEvents").len() >= after).await;
            let run = world.until_ended(R1).await;
            assert_eq!(outcome(&run), Outcome::Succeeded, "{}", world.told(R1).await);
            assert_eq!(depth(world), 0, "{}", world.told(R1).await);
            let puts = asked(world, "PutEvents").len();
            // The message in flight.
            assert!((12..=13).contains(&puts), "killed after {after}: {puts}");
        });
    }
}

#[test]
fn who_cancels_leaves_the_rest_in_the_queue() {
    story(async |world| {
        with_messages(world, 40).await;
        world.alice().types("dlq redrive dev").await;
        world.passes(SignedDuration::from_secs(6)).await;
        world.bob().types("cancel R-1").await;
        let run = world.until_ended(R1).await;
        assert_eq!(outcome(&run), Outcome::Cancelled);
        let sent = asked(world, "PutEvents").len();
        assert!((1..40).contains(&sent), "{sent}");
        assert_eq!(depth(world), 40 - u64::try_from(sent).unwrap());
        let summary = run.ended.unwrap().summary;
        assert!(summary.contains("the other messages stay in the queue"), "{summary}");
    });
}

#[test]
fn what_somebody_else_has_taken_is_waited_for_and_then_left() {
    story(async |world| {
        with_messages(world, 2).await;
        assert!(world.aws.put_message(QUEUE, MessageState::InFlight));
        world.alice().types("dlq redrive dev").await;
        let run = world.until_ended(R1).await;
        assert_eq!(outcome(&run), Outcome::Succeeded);
        let summary = run.ended.unwrap().summary;
        assert!(summary.contains("1 more are hidden by somebody else"), "{summary}");
    });
}
