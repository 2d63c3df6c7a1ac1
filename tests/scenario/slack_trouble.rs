//! Slack closes itself to the bot, or people delete what it has said: no run stops for it, and the thread tells everything
//! once when it can.

use alch::domain::{Outcome, RunId};
use alch::sandbox::slack::{Message, WorkspaceSpec};
use jiff::SignedDuration;

use crate::trouble::told_once;
use crate::world::{World, says, story};

const R1: RunId = RunId(1);

/// What Alch has told a person directly.
fn told_directly(world: &World, person: &str) -> Vec<Message> {
    let channel = WorkspaceSpec::direct_message(person);
    world.slack.messages().into_iter().filter(|message| message.channel == channel).collect()
}

/// How often the bot has posted or updated a message, or tried to.
fn tellings(world: &World) -> usize {
    let telling = ["chat.postMessage", "chat.update"];
    world.slack.calls().iter().filter(|call| telling.contains(&call.method.as_str())).count()
}

#[test]
fn while_the_channel_is_closed_runs_go_on_the_requester_is_told_directly_and_all_is_made_up_for() {
    for (fault, why) in
        [("slack-channel-archived", "the channel is archived"), ("slack-bot-removed", "invite it there")]
    {
        story(async |world| {
            world.alice().types("enable all dev").await;
            world.slack_gets_into_trouble();
            let before = tellings(world);
            assert!(world.slack.set_fault(fault, true));
            world.passes(SignedDuration::from_hours(1)).await;
            assert_eq!(world.enabled("dev").len(), 4, "the run does not wait for Slack");
            let directly = told_directly(world, "U0ALICE");
            assert_eq!(directly.len(), 2, "{directly:?}");
            says(&directly[0].text, &["R-1 enable all", "goes on all the same", why, "/alch show R-1"]);
            says(&directly[1].text, &["succeeded", "R-1 enable all", why]);
            let asked = tellings(world) - before;
            assert!(asked < 150, "{asked} calls in an hour");
            assert!(world.slack.set_fault(fault, false));
            world.slack_catches_up().await;
            assert_eq!(world.run(R1).await.ended.unwrap().outcome, Outcome::Succeeded);
            told_once(world, R1).await;
            says(&world.thread(R1).await, &["succeeded"]);
            assert_eq!(told_directly(world, "U0ALICE").len(), 2);
        });
    }
}

#[test]
fn who_asks_where_alch_is_not_is_told_directly_that_the_run_is_on() {
    story(async |world| {
        world.slack_gets_into_trouble();
        assert!(world.slack.set_fault("slack-bot-removed", true));
        world.alice().types("enable signal-generated dev").await;
        world.slack.until(|slack| slack.posts() > 0).await;
        let directly = told_directly(world, "U0ALICE");
        says(&directly[0].text, &["R-1 enable signal-generated", "goes on all the same", "invite it there"]);
        world.until_ended(R1).await;
        assert!(world.is_enabled("dev", "signal-generated"));
        assert!(world.slack.set_fault("slack-bot-removed", false));
        world.slack_catches_up().await;
        told_once(world, R1).await;
    });
}

#[test]
fn with_a_revoked_token_runs_go_on_and_all_is_told_after_a_start_with_a_new_one() {
    story(async |world| {
        world.alice().types("enable all dev").await;
        world.slack_gets_into_trouble();
        let before = tellings(world);
        assert!(world.slack.set_fault("slack-token-revoked", true));
        world.passes(SignedDuration::from_hours(1)).await;
        assert_eq!(world.enabled("dev").len(), 4);
        assert_eq!(world.run(R1).await.ended.unwrap().outcome, Outcome::Succeeded);
        let asked = tellings(world) - before;
        assert!(asked < 150, "{asked} calls in an hour");
        world.killed();
        assert!(world.slack.set_fault("slack-token-revoked", false));
        world.starts().await;
        world.slack_catches_up().await;
        told_once(world, R1).await;
        says(&world.thread(R1).await, &["succeeded"]);
    });
}

#[test]
fn a_slow_slack_delays_no_run() {
    story(async |world| {
        world.slack_gets_into_trouble();
        assert!(world.slack.set_fault("slack-slow", true));
        world.alice().types("enable signal-generated dev").await;
        let began = std::time::Instant::now();
        let run = world.until_ended(R1).await;
        assert_eq!(run.ended.unwrap().outcome, Outcome::Succeeded);
        assert!(began.elapsed() < std::time::Duration::from_secs(20), "{:?}", began.elapsed());
        assert!(world.slack.set_fault("slack-slow", false));
        world.slack_catches_up().await;
        told_once(world, R1).await;
    });
}

#[test]
fn what_somebody_deletes_stays_deleted_and_the_rest_of_the_story_is_told_once() {
    for deleted in ["card", "reply", "live question", "thread and card"] {
        story(async |world| {
            world.alice().types("enable all dev").await;
            world.passes(SignedDuration::from_mins(3)).await;
            let card = world.card(R1).await;
            let replies: Vec<Message> =
                world.slack.thread(&card.ts).into_iter().filter(|reply| reply.thread_ts.is_some()).collect();
            assert!(!replies.is_empty());
            match deleted {
                "card" => assert!(world.slack.deletes(&card.ts)),
                "reply" => assert!(world.slack.deletes(&replies[0].ts)),
                "live question" => {
                    // The trouble's message, which is kept up to date.
                    world.aws.set_fault("aws.throttle-all", true);
                    world.passes(SignedDuration::from_mins(2)).await;
                    world.aws.set_fault("aws.throttle-all", false);
                    let thread = world.slack.thread(&card.ts);
                    let told = thread.iter().find(|reply| reply.text.contains("AWS")).map(|reply| reply.ts.clone());
                    assert!(world.slack.deletes(&told.unwrap_or_else(|| replies[0].ts.clone())));
                }
                _ => {
                    replies.iter().for_each(|reply| assert!(world.slack.deletes(&reply.ts)));
                    assert!(world.slack.deletes(&card.ts));
                }
            }
            let run = world.until_ended(R1).await;
            assert_eq!(run.ended.unwrap().outcome, Outcome::Succeeded, "{deleted}: {}", world.told(R1).await);
            let recorded = world.store().slack_messages(R1).await.unwrap();
            assert!(recorded.iter().all(|message| message.ts.is_some()), "{deleted}: {recorded:?}");
            let keys = |message: &Message| {
                message.metadata.as_ref().and_then(|data| data["event_payload"]["key"].as_str().map(str::to_owned))
            };
            let mut told: Vec<String> = world.slack.messages().iter().filter_map(keys).collect();
            let all = told.len();
            told.sort();
            told.dedup();
            assert_eq!(told.len(), all, "{deleted}: a message twice");
            let shown: Vec<Message> = world.slack.messages().into_iter().filter(|message| !message.deleted).collect();
            let is_end = |message: &&Message| message.thread_ts.is_some() && message.text.contains("succeeded*: R-1");
            let ends: Vec<&Message> = shown.iter().filter(is_end).collect();
            assert_eq!(ends.len(), 1, "{deleted}: {ends:?}");
            let is_card = |message: &&Message| message.thread_ts.is_none() && message.text.contains("R-1");
            let cards: Vec<&Message> = shown.iter().filter(is_card).collect();
            assert_eq!(cards.len(), 1, "{deleted}: one card stands in the channel: {cards:?}");
            assert!(cards[0].text.contains("succeeded"), "{deleted}: {cards:?}");
        });
    }
}
