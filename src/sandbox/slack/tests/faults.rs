//! What goes wrong on demand does so as the bot's own client would meet it.

use super::*;
use crate::sandbox::slack::{How, Outcome};
use slack_morphism::errors::SlackClientError;

async fn try_to_post(world: &World, text: &str) -> Result<SlackTs, SlackClientError> {
    let client = world.client();
    let token = world.token();
    let content = SlackMessageContent::new().with_text(text.into());
    let request = SlackApiChatPostMessageRequest::new("C0PLATFORM".into(), content);
    client.open_session(&token).chat_post_message(&request).await.map(|posted| posted.ts)
}

#[tokio::test]
async fn scripted_failures_strike_as_often_as_told() {
    let world = World::new().await;
    world.slack.fail_next("chat.postMessage", 1, How::RateLimited { retry_after: 7 });
    world.slack.fail_next("chat.postMessage", 1, How::ServerError);
    world.slack.fail_next("chat.postMessage", 1, How::Error("edit_window_closed"));
    world.slack.fail_next("views.open", 2, How::ServerError);

    match try_to_post(&world, "one").await {
        Err(SlackClientError::RateLimitError(limit)) => assert_eq!(limit.retry_after.unwrap().as_secs(), 7),
        other => panic!("{other:?}"),
    }
    assert!(matches!(try_to_post(&world, "two").await, Err(SlackClientError::HttpError(_))));
    match try_to_post(&world, "three").await {
        Err(SlackClientError::ApiError(error)) => assert_eq!(error.code, "edit_window_closed"),
        other => panic!("{other:?}"),
    }
    try_to_post(&world, "four").await.unwrap();
    assert_eq!(world.slack.transcript(), "alch: four");
    assert_eq!(world.slack.unspent_failures(), [("views.open".to_owned(), 2)]);
    let outcomes: Vec<Outcome> = world.slack.calls().into_iter().map(|call| call.outcome).collect();
    let refused = Outcome::Refused("edit_window_closed".to_owned());
    assert_eq!(outcomes, [Outcome::Status(429), Outcome::Status(503), refused, Outcome::Done]);
}

#[tokio::test]
async fn a_dropped_answer_leaves_the_message_to_be_found_by_its_metadata() {
    let world = World::new().await;
    let root = world.posted(json!({"text": "run R-42"})).await;
    world.slack.fail_next("chat.postMessage", 1, How::AcceptedButDropped);
    let metadata = json!({"event_type": "run", "event_payload": {"key": "R-42/7"}});
    let args = json!({"channel": "C0PLATFORM", "thread_ts": root, "text": "step 7", "metadata": metadata});
    let token = format!("Bearer {}", world.slack.spec().bot_token);
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("{}/api/chat.postMessage", world.base))
        .header("content-type", "application/json")
        .header("authorization", token)
        .body(Full::new(Bytes::from(args.to_string())))
        .unwrap();
    let answer = match delivery::client().request(request).await {
        Ok(response) => response.into_body().collect().await.map(|_| ()).map_err(|_| ()),
        Err(_) => Err(()),
    };
    assert_eq!(answer, Err(()), "the answer is lost");
    assert_eq!(world.slack.calls().pop().unwrap().outcome, Outcome::Dropped);

    let replies = json!({"channel": "C0PLATFORM", "ts": root, "include_all_metadata": true});
    let replies = world.call("conversations.replies", replies).await;
    assert_eq!(replies["messages"][1]["metadata"], metadata);
    assert_eq!(world.slack.thread(&root).len(), 2);
}

#[tokio::test]
async fn a_call_that_hangs_does_nothing_and_is_not_answered() {
    let world = World::new().await;
    world.slack.fail_next("chat.postMessage", 1, How::Hang);
    let posting = try_to_post(&world, "lost");
    let logged = world.slack.until(|slack| !slack.calls().is_empty());
    tokio::select! {
        answer = posting => panic!("{answer:?}"),
        () = logged => {}
    }
    assert_eq!(world.slack.calls()[0].outcome, Outcome::Pending);
    assert!(world.slack.messages().is_empty());
}

#[tokio::test]
async fn the_panels_switches_work_until_they_are_turned_off() {
    let world = World::new().await;
    let slack = &world.slack;
    assert!(!slack.set_fault("no-such-fault", true));

    assert!(slack.set_fault("slack-down", true));
    assert!(matches!(try_to_post(&world, "x").await, Err(SlackClientError::HttpError(_))));
    assert!(slack.faults().iter().any(|switch| switch.id == "slack-down" && switch.active));
    slack.set_fault("slack-down", false);

    slack.set_fault("slack-rate-limited", true);
    let answers = [try_to_post(&world, "x").await.is_ok(), try_to_post(&world, "x").await.is_ok()];
    assert_ne!(answers[0], answers[1], "every second call is limited");
    slack.set_fault("slack-rate-limited", false);

    slack.set_fault("slack-refuses-blocks", true);
    let answer = world.call("chat.postMessage", json!({"channel": "C0PLATFORM", "blocks": card("Cancel")})).await;
    assert_eq!(answer["error"], "invalid_blocks");
    slack.set_fault("slack-refuses-blocks", false);

    slack.set_fault("slack-drops-metadata", true);
    let metadata = json!({"event_type": "run", "event_payload": {}});
    let ts = world.posted(json!({"text": "x", "metadata": metadata})).await;
    assert_eq!(slack.message(&ts).unwrap().metadata, None);
}
