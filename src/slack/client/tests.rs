//! Calls and what becomes of them.

use serde_json::{Value, json};

use super::*;
use crate::slack::message::Message;
use crate::slack::stand_in::{Fault, StandIn};

const PLACE: Place<'static> = Place { channel: "C1", thread_ts: None };

fn message(text: &str) -> Message {
    Message { text: text.to_owned(), blocks: vec![json!({ "type": "divider" })] }
}

async fn post(client: &SlackClient) -> Result<Posted, CallError> {
    client.post(Post { place: PLACE, broadcast: false, message: &message("hello"), key: Some("R-1/card") }).await
}

#[tokio::test]
async fn a_post_carries_everything() {
    let slack = StandIn::start().await;
    let place = Place { channel: "C1", thread_ts: Some("17.1") };
    let posted = slack
        .client()
        .post(Post { place, broadcast: true, message: &message("hello"), key: Some("R-1/3") })
        .await
        .unwrap();
    let call = &slack.calls("chat.postMessage")[0];
    assert_eq!(call.authorization.as_deref(), Some("Bearer xoxb-test"));
    assert_eq!(
        call.args,
        json!({
            "channel": "C1", "thread_ts": "17.1", "reply_broadcast": true, "text": "hello",
            "blocks": [{ "type": "divider" }], "unfurl_links": false, "unfurl_media": false,
            "metadata": { "event_type": "alch_message", "event_payload": { "key": "R-1/3" } },
        })
    );
    assert_eq!(
        posted,
        Posted {
            channel: "C1".to_owned(),
            ts: slack.messages()[0]["ts"].as_str().unwrap().to_owned(),
            degraded: Degraded::default()
        }
    );
}

#[tokio::test]
async fn the_outcome_says_whether_it_may_have_happened() {
    let slack = StandIn::start().await;
    let counters = CallCounters::default();
    let client = slack.client_counted(counters.clone()).with_timeout(Duration::from_millis(300));
    let seconds = |s| CallError::RateLimited { retry_after: Duration::from_secs(s) };
    for (fault, expected, result) in [
        (Fault::TooMany(7), Some(seconds(7)), "rate_limited"),
        (Fault::TooMany(1_000_000), Some(seconds(600)), "rate_limited"),
        (Fault::Refuse("ratelimited"), Some(seconds(5)), "rate_limited"),
        (Fault::Refuse("token_revoked"), Some(CallError::InvalidAuth("token_revoked".into())), "invalid_auth"),
        (
            Fault::Refuse("channel_not_found"),
            Some(CallError::Api { code: "channel_not_found".into(), messages: vec![] }),
            "refused",
        ),
        (Fault::Status(404), Some(CallError::Api { code: "http_404".into(), messages: vec![] }), "refused"),
        (Fault::Status(503), None, "ambiguous"),
        (Fault::Refuse("fatal_error"), None, "ambiguous"),
        (Fault::DoneThenHangs, None, "ambiguous"),
        (Fault::DoneThenLost, None, "ambiguous"),
        (Fault::Lost, None, "ambiguous"),
        (Fault::Babble, None, "ambiguous"),
    ] {
        slack.fail_next("chat.postMessage", fault.clone());
        let before = counters.get("chat.postMessage", result);
        let error = post(&client).await.unwrap_err();
        match expected {
            Some(expected) => assert_eq!(error, expected, "{fault:?}"),
            None => assert!(matches!(error, CallError::Ambiguous(_)), "{fault:?}: {error}"),
        }
        assert_eq!(counters.get("chat.postMessage", result), before + 1, "{fault:?}");
    }
    assert!(post(&client).await.is_ok());
    assert_eq!(counters.get("chat.postMessage", "ok"), 1);
}

#[tokio::test]
async fn a_slack_that_nobody_listens_for_is_unreachable() {
    let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let client =
        SlackClient::new(&format!("http://127.0.0.1:{port}/api"), "x".into(), CallCounters::default()).unwrap();
    assert!(matches!(post(&client).await, Err(CallError::Unreachable(_))));
}

#[tokio::test]
async fn what_slack_refuses_of_a_message_is_left_out() {
    let slack = StandIn::start().await;
    slack.fail_next("chat.postMessage", Fault::Refuse("invalid_blocks"));
    slack.fail_next("chat.postMessage", Fault::Refuse("metadata_must_be_sent_from_app"));
    let posted = post(&slack.client()).await.unwrap();
    assert_eq!(posted.degraded, Degraded { blocks: true, metadata: true });
    let arrived = &slack.messages()[0];
    assert_eq!(
        (&arrived["text"], &arrived["blocks"], &arrived["metadata"]),
        (&json!("hello"), &json!([]), &Value::Null)
    );

    slack.fail_next("chat.update", Fault::Refuse("unsupported_block"));
    let updated = slack.client().update("C1", &posted.ts, &message("bye"), None).await.unwrap();
    assert!(updated.degraded.blocks);
    assert_eq!(slack.messages()[0]["text"], "bye");

    // What is refused without blocks is refused: no endless round.
    slack.fail_next("chat.postMessage", Fault::Refuse("invalid_blocks"));
    slack.fail_next("chat.postMessage", Fault::Refuse("invalid_blocks"));
    assert!(matches!(post(&slack.client()).await, Err(CallError::Api { .. })));
}

#[tokio::test]
async fn a_message_is_found_by_its_key_and_where_that_is_lost_by_its_text() {
    let slack = StandIn::start().await;
    let client = slack.client();
    let first = post(&client).await.unwrap().ts;
    client
        .post(Post { place: PLACE, broadcast: false, message: &message("hello"), key: Some("R-2/card") })
        .await
        .unwrap();
    slack.drop_metadata();
    let third = post(&client).await.unwrap().ts;
    let find = async |key, taken: &[String]| {
        let same_text = |text: &str| text == "hello";
        let author = ("UBOT", "BBOT");
        client.find(&Lookup { place: PLACE, oldest: "0", key, author, same_text: &same_text, taken }).await.unwrap()
    };
    assert_eq!(find("R-1/card", &[]).await, Some(first.clone()));
    // The one with another key is not it, whatever its text is.
    assert_eq!(find("R-9/card", &[]).await, Some(third.clone()));
    assert_eq!(find("R-9/card", &[third]).await, None);
}

#[tokio::test]
async fn the_token_is_asked_who_it_is_and_what_it_may() {
    let slack = StandIn::start().await;
    let told = slack.client().auth_test().await.unwrap();
    assert_eq!((told.user_id.as_str(), told.scopes), ("UBOT", vec!["chat:write".to_owned(), "users:read".to_owned()]));
}

#[tokio::test]
async fn an_answer_goes_to_slacks_own_urls_only_and_without_the_token() {
    let slack = StandIn::start().await;
    let client = slack.client();
    let url = slack.base.replace("/api", "/respond");
    client.respond(&url, &message("done"), Answer::default()).await.unwrap();
    let call = &slack.calls("respond")[0];
    assert_eq!((call.authorization.as_deref(), &call.args["response_type"]), (None, &json!("ephemeral")));
    let foreign = client.respond("http://localhost:1/respond", &message("done"), Answer::default()).await;
    assert!(matches!(foreign, Err(CallError::Api { code, .. }) if code == "foreign_response_url"));
}

#[tokio::test]
async fn a_file_goes_to_slacks_own_urls_only() {
    let slack = StandIn::start().await;
    let upload = FileUpload {
        name: "a.csv",
        title: "a.csv",
        alt: "",
        content: b"a,b".to_vec(),
        place: PLACE,
        comment: &message("an audit"),
    };
    let foreign = slack.client().upload(upload).await;
    assert!(matches!(foreign, Err(CallError::Api { code, .. }) if code == "foreign_upload_url"));
    let asked = &slack.calls("files.getUploadURLExternal")[0];
    assert_eq!(asked.args, json!({ "filename": "a.csv", "length": "3" }), "Slack takes no JSON for it");
    assert!(slack.calls("files.completeUploadExternal").is_empty());
}

#[test]
fn which_urls_are_slacks_own() {
    for (base, url, owned) in [
        ("https://slack.com/api", "https://hooks.slack.com/commands/1/2", true),
        ("https://slack.com/api/", "https://slack.com/x", true),
        ("https://slack.com/api", "http://hooks.slack.com/commands/1/2", false),
        ("https://slack.com/api", "https://hooks.slack.com.evil.example/x", false),
        ("https://slack.com/api", "https://evilslack.com/x", false),
        ("https://slack.com/api", "https://hooks.slack.com:8443/x", false),
        ("https://slack.com/api", "https://u:p@hooks.slack.com/x", false),
        ("https://slack.com/api", "https://hooks.slack.com@evil.example/x", false),
        ("https://slack.com/api", "https://169.254.169.254/latest", false),
        ("https://slack-gov.com/api", "https://hooks.slack-gov.com/x", true),
        ("https://slack-gov.com/api", "https://hooks.slack.com/x", false),
        ("http://127.0.0.1:3000/api", "http://127.0.0.1:3001/respond/1", true),
        ("http://127.0.0.1:3000/api", "http://localhost:3000/respond/1", false),
        ("http://127.0.0.1:3000/api", "https://hooks.slack.com/commands/1/2", false),
        ("http://127.0.0.1:3000/api", "file:///etc/passwd", false),
    ] {
        let owns = Base::parse(base).unwrap().owns(&Url::parse(url).unwrap());
        assert_eq!(owns, owned, "{base} {url}");
    }
    for base in ["", "slack.com/api", "ftp://slack.com", "unix:/x"] {
        assert!(Base::parse(base).is_err(), "{base}");
    }
}
