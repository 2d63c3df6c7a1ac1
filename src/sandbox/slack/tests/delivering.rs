//! What reaches the bot, and what people see of its answers.

use jiff::SignedDuration;
use slack_morphism::signature_verifier::SlackEventSignatureVerifier;

use super::*;
use crate::sandbox::slack::typed::{Style, escape};

#[tokio::test]
async fn a_command_is_signed_and_has_slacks_fields() {
    let mut world = World::with_clock(Clock::system()).await;
    let delivered = world.slack.types("U0ALICE", "/alch  enable @bob a@b.com & <x> ").await;
    assert!(delivered.is_ok(), "{delivered:?}");
    assert_eq!(delivered.http_status, 200);

    let request = world.received().await;
    let verifier = SlackEventSignatureVerifier::new(&"sandbox-signing-secret".into());
    let (signature, timestamp) = (request.header("x-slack-signature"), request.header("x-slack-request-timestamp"));
    verifier.verify(signature, &request.body, timestamp).unwrap();
    assert!(verifier.verify(signature, &format!("{} ", request.body), timestamp).is_err());

    assert_eq!(request.header("content-type"), "application/x-www-form-urlencoded");
    assert_eq!(request.form("command"), "/alch");
    assert_eq!(request.form("text"), "enable <@U0BOB|bobkeller> <mailto:a@b.com|a@b.com> &amp; &lt;x&gt;");
    assert_eq!(request.form("user_id"), "U0ALICE");
    assert_eq!(request.form("channel_name"), "alchemiser-platform");
    assert_eq!(request.form("api_app_id"), "A0ALCH");
    assert_eq!(request.form("team_id"), "T0ALCHEMIST");
    assert!(request.form("response_url").starts_with(&world.base));
    assert!(!request.form("trigger_id").is_empty());
}

#[tokio::test]
async fn the_answer_to_a_command_is_shown_to_its_author() {
    let world = World::new().await;
    world.answer_with([
        Answer::Json(json!({"response_type": "ephemeral", "text": "no such rule", "blocks": card("Cancel")})),
        Answer::Text("plain words"),
        Answer::Json(json!({"response_type": "in_channel", "text": "for all"})),
        Answer::Json(json!({})),
    ]);
    for _ in 0..4 {
        assert!(world.slack.types("U0ALICE", "/alch status").await.is_ok());
    }
    insta::assert_snapshot!(world.slack.ephemeral_transcript("U0ALICE"), @r"
    alch: no such rule
        # Enable signal-generated in dev
        asked for by @Alice Moreau
        [Cancel, danger, asks]
    alch: plain words
    ");
    assert!(world.slack.ephemerals("U0BOB").is_empty());
    assert_eq!(world.slack.transcript(), "alch: for all");
}

#[tokio::test]
async fn a_command_that_fails_is_told_by_slackbot_and_not_retried() {
    let world = World::new().await;
    world.answer_with([Answer::Status(500), Answer::Json(json!({"text": "x", "blocks": [{"type": "nonsense"}]}))]);
    assert_eq!(world.slack.types("U0ALICE", "/alch status").await.error.unwrap(), "dispatch_failed");
    assert_eq!(world.slack.types("U0ALICE", "/alch status").await.error.unwrap(), "invalid_command_response");
    assert_eq!(world.slack.types("U0ALICE", "/other").await.error.unwrap(), "unknown_command");
    assert_eq!(world.slack.types("U0STRANGER", "/alch status").await.error.unwrap(), "not_allowed");
    insta::assert_snapshot!(world.slack.ephemeral_transcript("U0ALICE"), @r#"
    Slackbot: /alch failed with the error "dispatch_failed"
    Slackbot: /alch failed with the error "invalid_command_response"
    Slackbot: /other is not a valid command.
    "#);
    assert_eq!(world.slack.deliveries().len(), 2);
}

#[tokio::test]
async fn a_bot_that_does_not_answer_in_three_seconds_has_timed_out() {
    let world = World::new().await;
    world.answer_with([Answer::Never]);
    let delivered = world.slack.types("U0ALICE", "/alch status").await;
    assert_eq!(delivered.error.unwrap(), "operation_timeout");
    assert_eq!(delivered.http_status, 0);
    assert_eq!(world.slack.ephemerals("U0ALICE")[0].text, "/alch failed with the error \"operation_timeout\"");
}

#[tokio::test]
async fn events_are_tried_again_until_they_are_accepted() {
    let mut world = World::new().await;
    world.answer_with([Answer::Status(500), Answer::Status(503)]);
    let channel = world.slack.spec().channel.id.clone();
    let delivered = world.slack.says("U0ALICE", &channel, None, "@alch status, please").await;
    assert_eq!(delivered.http_status, 500);
    let first = world.received().await;
    assert_eq!(first.header("x-slack-retry-num"), "");

    world.clock.advance(SignedDuration::from_secs(1));
    let second = world.received().await;
    assert_eq!(second.header("x-slack-retry-num"), "1");
    assert_eq!(second.header("x-slack-retry-reason"), "http_error");
    assert_eq!(second.json()["event_id"], first.json()["event_id"]);

    world.clock.advance(SignedDuration::from_secs(10));
    assert_eq!(world.received().await.header("x-slack-retry-num"), "2");
    world.slack.until(|slack| slack.deliveries().len() == 3).await;
    let statuses: Vec<u16> = world.slack.deliveries().iter().map(|delivery| delivery.http_status).collect();
    assert_eq!(statuses, [500, 503, 200]);
}

#[tokio::test]
async fn mentions_and_direct_messages_are_events_that_the_client_understands() {
    let mut world = World::new().await;
    let channel = world.slack.spec().channel.id.clone();
    let root = world.posted(json!({"text": "a run"})).await;
    assert!(world.slack.says("U0ALICE", &channel, Some(&root), "@alch cancel").await.is_ok());
    assert!(world.slack.says("U0ALICE", &channel, None, "just talking").await.is_ok());
    assert!(world.slack.says("U0ALICE", "D0ALICE", None, "status").await.is_ok());
    assert!(world.slack.opens_home("U0ALICE").await.is_ok());

    let mention: SlackPushEventCallback = serde_json::from_value(world.received().await.json()).unwrap();
    let SlackEventCallbackBody::AppMention(mention) = mention.event else { panic!("{mention:?}") };
    assert_eq!(mention.content.text.unwrap(), "<@U0ALCH> cancel");
    assert_eq!(mention.origin.thread_ts.unwrap(), root.into());

    let direct: SlackPushEventCallback = serde_json::from_value(world.received().await.json()).unwrap();
    let SlackEventCallbackBody::Message(direct) = direct.event else { panic!("{direct:?}") };
    assert_eq!(direct.origin.channel.unwrap(), "D0ALICE".into());

    let home: SlackPushEventCallback = serde_json::from_value(world.received().await.json()).unwrap();
    assert!(matches!(home.event, SlackEventCallbackBody::AppHomeOpened(_)), "{home:?}");
    assert_eq!(world.slack.deliveries().len(), 3);
}

#[tokio::test]
async fn a_click_names_the_message_and_the_button() {
    let mut world = World::new().await;
    let metadata = json!({"event_type": "run", "event_payload": {"run": "R-42"}});
    let ts = world.posted(json!({"text": "run R-42", "blocks": card("Cancel"), "metadata": metadata})).await;
    assert!(world.slack.clicks("U0STRANGER", &ts, "Cancel").await.is_ok());

    let payload = world.received().await.payload();
    assert_eq!(payload["user"]["team_id"], "T0PARTNER");
    assert_eq!(payload["team"]["id"], "T0ALCHEMIST");
    let SlackInteractionEvent::BlockActions(click) = serde_json::from_value(payload).unwrap() else { panic!() };
    let action = &click.actions.unwrap()[0];
    assert_eq!((action.action_id.as_ref(), action.value.as_deref()), ("cancel", Some("R-42")));
    let message = click.message.unwrap();
    assert_eq!(message.origin.ts, ts.as_str().into());
    assert_eq!(message.content.metadata.unwrap().event_type, "run");
    assert!(click.response_url.is_some());
}

#[tokio::test]
async fn a_button_that_is_gone_can_only_be_pressed_on_a_stale_copy() {
    let mut world = World::new().await;
    let ts = world.posted(json!({"text": "run", "blocks": card("Cancel")})).await;
    let copy = world.slack.message(&ts).unwrap();
    let channel = &world.slack.spec().channel.id;
    world.call("chat.update", json!({"channel": channel, "ts": ts, "text": "cancelled"})).await;

    let refused = world.slack.clicks("U0ALICE", &ts, "cancel").await;
    assert_eq!(refused.error.unwrap(), "there is no \"cancel\" on this message");
    assert!(world.slack.deliveries().is_empty());
    assert!(world.slack.clicks_stale("U0ALICE", &copy, "cancel").await.is_ok());
    assert_eq!(world.received().await.payload()["actions"][0]["action_id"], "cancel");
}

#[tokio::test]
async fn a_response_url_answers_five_times_in_half_an_hour() {
    let mut world = World::new().await;
    world.slack.types("U0ALICE", "/alch status").await;
    let url = world.received().await.form("response_url");
    let reply = async |url: &str| {
        let body = json!({"text": "later", "response_type": "ephemeral"}).to_string();
        send(Method::POST, url, &[("content-type", "application/json")], body).await
    };
    for _ in 0..5 {
        assert_eq!(reply(&url).await.0, StatusCode::OK);
    }
    let (status, _, body) = reply(&url).await;
    assert_eq!((status, body.contains("used_url")), (StatusCode::NOT_FOUND, true));
    assert_eq!(world.slack.ephemerals("U0ALICE").len(), 5);

    world.slack.types("U0ALICE", "/alch status").await;
    let url = world.received().await.form("response_url");
    world.clock.advance(SignedDuration::from_mins(31));
    let (status, _, body) = reply(&url).await;
    assert_eq!((status, body.contains("expired_url")), (StatusCode::NOT_FOUND, true));
}

#[tokio::test]
async fn a_clicks_response_url_replaces_and_deletes_the_message() {
    let mut world = World::new().await;
    let ts = world.posted(json!({"text": "approve?", "blocks": card("Approve")})).await;
    world.slack.clicks("U0BOB", &ts, "Approve").await;
    let url = world.received().await.payload()["response_url"].as_str().unwrap().to_owned();
    let client = world.client();
    let hook = url::Url::parse(&url).unwrap();
    let content = SlackMessageContent::new().with_text("approved by Bob".into());
    let request = SlackApiPostWebhookMessageRequest::new(content).with_replace_original(true);
    client.respond_to_event(&SlackResponseUrl::new(hook), &request).await.unwrap();
    assert_eq!(world.slack.transcript(), "alch (edited): approved by Bob");

    let body = json!({"delete_original": true}).to_string();
    send(Method::POST, &url, &[("content-type", "application/json")], body).await;
    assert_eq!(world.slack.transcript(), "");
}

#[tokio::test]
async fn the_url_is_verified_by_a_challenge_and_a_request_can_be_replayed() {
    let mut world = World::new().await;
    assert!(!world.slack.verifies_url().await, "the bot of this test does not echo challenges");
    let first = world.received().await;
    let again = world.slack.replays_last().await.unwrap();
    assert_eq!(again.http_status, 200);
    let second = world.received().await;
    assert_eq!((first.body, &first.headers["x-slack-signature"]), (second.body, &second.headers["x-slack-signature"]));
}

#[test]
fn what_people_type_is_marked_up() {
    let spec = WorkspaceSpec::demo();
    let cases = [
        ("enable signal-generated dev", "enable signal-generated dev"),
        ("see https://a.example/x?a=1&b=2.", "see <https://a.example/x?a=1&amp;b=2>."),
        ("a.b.com, v1.2.3", "<http://a.b.com|a.b.com>, v1.2.3"),
        ("#alchemiser-platform #nowhere", "<#C0PLATFORM|alchemiser-platform> #nowhere"),
        ("@alice @nobody @alch-approvers", "<@U0ALICE|alicemoreau> @nobody <!subteam^S0APPROVERS|@alch-approvers>"),
        ("“smart”  <b>", "“smart”  &lt;b&gt;"),
    ];
    for (typed, expected) in cases {
        assert_eq!(escape(&spec, typed, Style::Command), expected);
    }
    assert_eq!(escape(&spec, "@alch hi", Style::Message), "<@U0ALCH> hi");
}
