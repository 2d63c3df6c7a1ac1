//! AWS and Slack misbehave: the run goes on, and the thread tells it once.

use alch::domain::{Outcome, RunId};
use alch::sandbox::aws::{ApiFault, Failure};
use alch::sandbox::slack::How;
use insta::assert_snapshot;
use jiff::SignedDuration;

use crate::world::{World, story};

const R1: RunId = RunId(1);

/// Every message of the run is in Slack once, in the journal's order.
pub async fn told_once(world: &World, run: RunId) {
    let card = world.card(run).await;
    let keys: Vec<String> = world
        .slack
        .thread(&card.ts)
        .iter()
        .filter_map(|message| message.metadata.as_ref()?["event_payload"]["key"].as_str().map(str::to_owned))
        .collect();
    let mut once = keys.clone();
    once.dedup();
    assert_eq!(keys, once);
    let numbers: Vec<i64> = keys.iter().filter_map(|key| key.rsplit('/').next()?.parse().ok()).collect();
    assert!(numbers.is_sorted(), "{keys:?}");
    let mut recorded = world.store().slack_messages(run).await.unwrap();
    // Who was told directly was told beside the thread.
    recorded.retain(|message| message.channel == card.channel);
    // A picture has no key in Slack.
    let pictures = world.slack.thread(&card.ts).iter().filter(|message| !message.files.is_empty()).count();
    assert_eq!(recorded.iter().filter(|message| message.key.ends_with("-chart")).count(), pictures, "{recorded:?}");
    assert_eq!(recorded.len(), keys.len() + pictures, "{recorded:?} {keys:?}");
}

#[test]
fn aws_may_fail_in_every_way_and_the_rule_is_enabled_once_all_the_same() {
    for how in [Failure::Throttle, Failure::ServerError, Failure::Conflict, Failure::BeforeEffect, Failure::AfterEffect]
    {
        story(async |world| {
            for operation in ["DescribeRule", "EnableRule", "GetMetricData", "GetQueueAttributes", "DescribeAlarms"] {
                // More than the SDK's own three attempts.
                world.aws.inject(ApiFault { operation: operation.to_owned(), times: 4, how });
            }
            world.alice().types("enable signal-generated dev").await;
            let run = world.until_ended(R1).await;
            assert_eq!(run.ended.as_ref().unwrap().outcome, Outcome::Succeeded, "{how:?}: {}", world.told(R1).await);
            assert!(world.is_enabled("dev", "signal-generated"));
            told_once(world, R1).await;
        });
    }
}

#[test]
fn a_refused_enable_fails_the_run_and_names_the_permission() {
    story(async |world| {
        world.aws.set_fault("aws.enable-denied", true);
        world.alice().types("enable signal-generated dev").await;
        let run = world.until_ended(R1).await;
        let ended = run.ended.unwrap();
        assert_eq!(ended.outcome, Outcome::Failed);
        assert!(ended.summary.contains("events:EnableRule"), "{}", ended.summary);
        assert_eq!(world.enabled("dev"), Vec::<&str>::new());
    });
}

#[test]
fn lasting_trouble_is_told_and_given_up_in_the_end() {
    story(async |world| {
        world.aws.set_fault("aws.throttle-all", true);
        world.alice().types("enable signal-generated dev").await;
        let run = world.until_ended(R1).await;
        let ended = run.ended.unwrap();
        assert_eq!(ended.outcome, Outcome::Failed);
        assert!(ended.summary.contains("Nothing was changed"), "{}", ended.summary);
        assert_snapshot!("throttled", world.thread(R1).await);
        world.aws.set_fault("aws.throttle-all", false);
    });
}

#[test]
fn a_cancel_does_not_wait_for_the_trouble_to_pass() {
    story(async |world| {
        world.aws.set_fault("aws.throttle-all", true);
        world.alice().types("enable signal-generated dev").await;
        assert!(world.run(R1).await.trouble.is_some());
        world.alice().types("cancel R-1").await;
        assert_eq!(world.run(R1).await.ended.unwrap().outcome, Outcome::Cancelled);
        world.aws.set_fault("aws.throttle-all", false);
    });
}

#[test]
fn slack_may_be_down_for_an_hour_and_the_thread_catches_up_once_and_in_order() {
    story(async |world| {
        world.alice().types("enable all dev").await;
        world.slack_gets_into_trouble();
        world.slack.set_fault("slack-down", true);
        world.passes(SignedDuration::from_hours(1)).await;
        assert_eq!(world.enabled("dev").len(), 4, "the run does not wait for Slack");
        world.slack.set_fault("slack-down", false);
        world.slack_catches_up().await;
        assert_eq!(world.run(R1).await.ended.unwrap().outcome, Outcome::Succeeded);
        told_once(world, R1).await;
        assert!(world.thread(R1).await.contains("succeeded"), "{}", world.thread(R1).await);
    });
}

#[test]
fn slack_may_lose_answers_and_limit_rates_and_nothing_is_posted_twice() {
    story(async |world| {
        world.slack_gets_into_trouble();
        world.slack.fail_next("chat.postMessage", 2, How::AcceptedButDropped);
        world.slack.fail_next("chat.update", 2, How::RateLimited { retry_after: 5 });
        world.alice().types("enable signal-generated dev").await;
        world.until_ended(R1).await;
        world.slack_catches_up().await;
        told_once(world, R1).await;
    });
}

#[test]
fn refused_blocks_leave_the_text() {
    story(async |world| {
        world.slack.set_fault("slack-refuses-blocks", true);
        world.alice().types("enable signal-generated dev").await;
        world.until_ended(R1).await;
        let card = world.card(R1).await;
        assert!(card.blocks.is_none_or(|blocks| blocks.is_empty()));
        assert!(card.text.contains("succeeded"), "{}", card.text);
        let gate = world
            .slack
            .thread(&card.ts)
            .into_iter()
            .find(|reply| reply.thread_ts.is_some() && reply.text.contains("healthy"))
            .unwrap();
        assert!(gate.text.contains("Failed invocations"), "the values are in the text: {}", gate.text);
    });
}
