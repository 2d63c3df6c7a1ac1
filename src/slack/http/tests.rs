//! Requests over the router, as Slack and as others send them.

use std::sync::Mutex;

use axum::http::Request;
use futures_util::FutureExt;
use http_body_util::BodyExt;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::slack::ingress::{Ack, IngressCounters, NotPersisted};
use crate::slack::message::Message;
use crate::slack::verify::tests::signed;

const NOW: i64 = 1_790_000_000;
const SLASH: &[u8] = b"team_id=T1&channel_id=C1&user_id=U1&command=%2Falch&text=help&trigger_id=1.2.3";
const MENTION: &[u8] = br#"{"type":"event_callback","team_id":"T1","event_id":"Ev1","event":{"type":"app_mention","user":"U1","channel":"C1","ts":"1","text":"hi"}}"#;

/// The transport, with an intake that answers as told and remembers what it was given.
struct Fixture {
    router: Router,
    ingress: Ingress,
    clock: Clock,
    counters: IngressCounters,
    taken: Arc<Mutex<Vec<(Inbound, String)>>>,
}

fn fixture(answer: Result<Ack, NotPersisted>) -> Fixture {
    let clock = Clock::manual(Timestamp::from_second(NOW).unwrap());
    let taken: Arc<Mutex<Vec<(Inbound, String)>>> = Arc::default();
    let counters = IngressCounters::default();
    let remember = Arc::clone(&taken);
    let intake = Intake {
        accept: Arc::new(move |inbound, key| {
            remember.lock().unwrap().push((inbound.into_inner(), key));
            futures_util::future::ready(answer.clone()).boxed()
        }),
        client: None,
        counters: counters.clone(),
    };
    let secrets = SigningSecrets::new(["secret".into()]);
    let ingress = Ingress { secrets, clock: clock.clone(), intake };
    Fixture { router: router(ingress.clone()), ingress, clock, counters, taken }
}

impl Fixture {
    async fn send(&self, headers: HeaderMap, body: impl Into<Body>) -> (StatusCode, String) {
        let mut request = Request::post("/slack/events").body(body.into()).unwrap();
        *request.headers_mut() = headers;
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn send_signed(&self, body: &'static [u8]) -> (StatusCode, String) {
        self.send(signed("secret", self.clock.now().as_second(), body), body).await
    }

    fn keys(&self) -> Vec<String> {
        self.taken.lock().unwrap().iter().map(|(_, key)| key.clone()).collect()
    }
}

#[tokio::test]
async fn a_command_is_answered_with_what_the_intake_says() {
    let text = Message { text: "Try `help`.".into(), blocks: vec![json!({ "type": "divider" })] };
    let fixture = fixture(Ok(Ack::say(text)));
    let (status, body) = fixture.send_signed(SLASH).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        serde_json::from_str::<Value>(&body).unwrap(),
        json!({ "response_type": "ephemeral", "text": "Try `help`.", "blocks": [{ "type": "divider" }] })
    );
    assert_eq!(fixture.counters.get("slash", "accepted"), 1);
}

#[tokio::test]
async fn an_acknowledgement_without_words_is_empty() {
    let fixture = fixture(Ok(Ack::default()));
    assert_eq!(fixture.send_signed(SLASH).await, (StatusCode::OK, String::new()));
}

#[tokio::test]
async fn a_replay_is_acknowledged_and_handed_on_under_the_same_key() {
    let fixture = fixture(Ok(Ack::default()));
    let headers = signed("secret", NOW, SLASH);
    for _ in 0..2 {
        assert_eq!(fixture.send(headers.clone(), SLASH).await.0, StatusCode::OK);
    }
    let keys = fixture.keys();
    assert_eq!(keys.len(), 2);
    assert_eq!(keys[0], keys[1]);

    fixture.send_signed(MENTION).await;
    fixture.clock.advance(SignedDuration::from_secs(60));
    fixture.send_signed(MENTION).await;
    assert_eq!(fixture.keys()[2..], ["event:Ev1", "event:Ev1"]);
}

#[tokio::test]
async fn what_is_not_shown_to_be_slacks_is_refused_unread_and_counted() {
    let fixture = fixture(Ok(Ack::default()));
    let mut without_time = signed("secret", NOW, SLASH);
    without_time.remove("x-slack-request-timestamp");
    for (headers, outcome) in [
        (signed("other", NOW, SLASH), "wrong_signature"),
        (HeaderMap::new(), "missing_signature"),
        (without_time, "missing_signature"),
        (signed("secret", NOW - 301, SLASH), "stale"),
        (signed("secret", NOW + 301, SLASH), "stale"),
    ] {
        let before = fixture.counters.get("unverified", outcome);
        assert_eq!(fixture.send(headers, SLASH).await, (StatusCode::UNAUTHORIZED, String::new()));
        assert_eq!(fixture.counters.get("unverified", outcome), before + 1, "{outcome}");
    }
    let (status, _) = fixture.send(HeaderMap::new(), &br#"{"type":"url_verification","challenge":"abc"}"#[..]).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(fixture.keys().is_empty());
}

#[tokio::test]
async fn slacks_own_checks_are_answered_without_the_intake() {
    let fixture = fixture(Err(NotPersisted));
    let (status, body) = fixture.send_signed(br#"{"type":"url_verification","challenge":"abc"}"#).await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, r#"{"challenge":"abc"}"#));
    assert_eq!(fixture.send_signed(b"ssl_check=1&token=x").await, (StatusCode::OK, String::new()));
    assert_eq!(fixture.send_signed(b"payload={\"type\":\"new\",\"user\":{\"id\":\"U1\"}}").await.0, StatusCode::OK);
    assert_eq!(fixture.counters.get("ignored", "ignored"), 1);
    assert!(fixture.keys().is_empty());
}

#[tokio::test]
async fn what_cannot_be_recorded_is_said_to_people_and_left_to_slack_to_send_again() {
    let fixture = fixture(Err(NotPersisted));
    let (status, body) = fixture.send_signed(SLASH).await;
    assert_eq!(status, StatusCode::OK);
    assert!(body.contains("nothing was done") && body.contains("ephemeral"), "{body}");
    let (status, body) = fixture.send_signed(MENTION).await;
    assert_eq!((status, body.as_str()), (StatusCode::SERVICE_UNAVAILABLE, ""));
    assert_eq!(fixture.counters.get("slash", "not_persisted"), 1);
    assert_eq!(fixture.counters.get("mention", "not_persisted"), 1);
}

#[tokio::test]
async fn a_large_body_is_refused_with_and_without_its_length() {
    let fixture = fixture(Ok(Ack::default()));
    let large = vec![b'a'; MAX_BODY_BYTES + 1];
    let mut told = signed("secret", NOW, &large);
    told.insert("content-length", large.len().into());
    assert_eq!(fixture.send(told, large.clone()).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    let parts = futures_util::stream::iter(
        large.chunks(64 * 1024).map(<[u8]>::to_vec).map(Ok::<_, std::io::Error>).collect::<Vec<_>>(),
    );
    let untold = Body::from_stream(parts);
    assert_eq!(fixture.send(signed("secret", NOW, &large), untold).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(fixture.keys().is_empty());
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_not_waited_for() {
    let fixture = fixture(Ok(Ack::default()));
    let never = Body::from_stream(futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>());
    let ingress = fixture.ingress.clone();
    let headers = signed("secret", NOW, b"");
    let response = receive_within(Duration::from_millis(20), &ingress, &headers, never).await;
    assert_eq!(response.status(), StatusCode::REQUEST_TIMEOUT);
    assert_eq!(fixture.counters.get("unverified", "slow_body"), 1);
}

#[tokio::test]
async fn only_posts_are_taken() {
    let fixture = fixture(Ok(Ack::default()));
    let request = Request::get("/slack/events").body(Body::empty()).unwrap();
    assert_eq!(fixture.router.oneshot(request).await.unwrap().status(), StatusCode::METHOD_NOT_ALLOWED);
}
