//! Bringing commands, clicks and events to the bot: signed HTTP requests, or envelopes of Socket Mode. Knows how Slack
//! delivers and retries, and nothing of what is delivered.

use std::time::{Duration, Instant};

use axum::body::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::{Method, Request};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::{Client as HyperClient, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::sync::oneshot;

use super::Slack;
use super::state::Delivery;

/// The bot answers within this time, or Slack gives up.
pub(super) const ACK_LIMIT: Duration = Duration::from_secs(3);
/// When an event is tried again, counted from the first attempt. Slack waits longer: a minute and five minutes.
const EVENT_RETRIES: [SignedDuration; 3] =
    [SignedDuration::from_millis(100), SignedDuration::from_secs(2), SignedDuration::from_secs(10)];
/// The longest answer that is read, in bytes.
const ANSWER_LIMIT_BYTES: usize = 1024 * 1024;

pub(super) type Client = HyperClient<HttpConnector, Full<Bytes>>;

/// A client that opens a connection for each request: one kept from a bot that was restarted since would fail.
pub(super) fn client() -> Client {
    HyperClient::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http()
}

/// The signature of a request to the bot: what `x-slack-signature` holds.
#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
pub fn signature(signing_secret: &str, timestamp: i64, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(signing_secret.as_bytes()).expect("a key of any length");
    mac.update(format!("v0:{timestamp}:").as_bytes());
    mac.update(body);
    format!("v0={}", hex::encode(mac.finalize().into_bytes()))
}

/// What is brought to the bot.
#[derive(Clone, Debug)]
pub(super) enum Parcel {
    Command(Value),
    Interaction(Value),
    Event(Value),
}

impl Parcel {
    fn kind(&self) -> &'static str {
        match self {
            Self::Command(_) => "slash_commands",
            Self::Interaction(_) => "interactive",
            Self::Event(_) => "events_api",
        }
    }

    /// Content type and body over HTTP.
    fn http_body(&self) -> (&'static str, String) {
        const FORM: &str = "application/x-www-form-urlencoded";
        let mut form = form_urlencoded::Serializer::new(String::new());
        match self {
            Self::Command(fields) => {
                for (key, value) in fields.as_object().into_iter().flatten() {
                    form.append_pair(key, value.as_str().unwrap_or_default());
                }
                (FORM, form.finish())
            }
            Self::Interaction(payload) => (FORM, form.append_pair("payload", &payload.to_string()).finish()),
            Self::Event(payload) => ("application/json", payload.to_string()),
        }
    }

    fn into_payload(self) -> Value {
        match self {
            Self::Command(payload) | Self::Interaction(payload) | Self::Event(payload) => payload,
        }
    }
}

/// How often and why an event is brought again.
#[derive(Clone, Copy, Debug)]
struct Retry {
    number: u32,
    reason: &'static str,
}

/// A request that was signed and sent.
#[derive(Clone)]
pub(super) struct Signed {
    kind: &'static str,
    headers: Vec<(&'static str, String)>,
    body: String,
}

/// The bot's answer.
#[derive(Clone, Debug)]
pub(super) struct Answered {
    /// 0 for no answer.
    pub(super) http_status: u16,
    pub(super) body: String,
    pub(super) elapsed: Duration,
    /// Slack's word for a delivery that failed.
    pub(super) failure: Option<&'static str>,
    no_retry: bool,
}

impl Answered {
    fn failed(failure: &'static str, started: Instant) -> Self {
        let elapsed = started.elapsed();
        Self { http_status: 0, body: String::new(), elapsed, failure: Some(failure), no_retry: false }
    }
}

impl Slack {
    /// Delivers once. Only events are retried, in the background.
    pub(super) async fn deliver(&self, parcel: Parcel) -> Answered {
        let first_sent = self.clock().now();
        let answered = self.attempt(parcel.clone(), None).await;
        if let (Parcel::Event(_), Some(reason)) = (&parcel, answered.failure)
            && !answered.no_retry
        {
            tokio::spawn(self.clone().retry(parcel, first_sent, reason));
        }
        answered
    }

    async fn retry(self, parcel: Parcel, first_sent: Timestamp, mut reason: &'static str) {
        for (number, wait) in (1..).zip(EVENT_RETRIES) {
            self.clock().sleep_until(first_sent + wait).await;
            let answered = self.attempt(parcel.clone(), Some(Retry { number, reason })).await;
            match answered.failure {
                Some(failure) if !answered.no_retry => reason = failure,
                _ => return,
            }
        }
    }

    async fn attempt(&self, parcel: Parcel, retry: Option<Retry>) -> Answered {
        let kind = parcel.kind();
        let bot_url = self.state().bot_url.clone();
        let answered = match bot_url {
            Some(url) => self.send(&url, self.sign(&parcel, retry)).await,
            None => {
                self.send_envelope(kind, parcel.into_payload(), retry.map(|retry| (retry.number, retry.reason))).await
            }
        };
        let retry = retry.map_or(0, |retry| retry.number);
        let delivery = Delivery { kind, retry, http_status: answered.http_status };
        self.change(|state| state.log_delivery(delivery));
        answered
    }

    fn sign(&self, parcel: &Parcel, retry: Option<Retry>) -> Signed {
        let (content_type, body) = parcel.http_body();
        let timestamp = self.clock().now().as_second();
        let signature = signature(&self.spec().signing_secret, timestamp, body.as_bytes());
        let mut headers = vec![
            ("content-type", content_type.to_owned()),
            ("user-agent", "Slackbot 1.0 (+https://api.slack.com/robots)".to_owned()),
            ("x-slack-request-timestamp", timestamp.to_string()),
            ("x-slack-signature", signature),
        ];
        if let Some(Retry { number, reason }) = retry {
            headers.push(("x-slack-retry-num", number.to_string()));
            headers.push(("x-slack-retry-reason", reason.to_owned()));
        }
        Signed { kind: parcel.kind(), headers, body }
    }

    /// Sends the last signed request again, byte by byte, as somebody would who recorded it.
    pub async fn replays_last(&self) -> Option<super::Delivered> {
        let (url, signed) = {
            let state = self.state();
            (state.bot_url.clone()?, state.last_request.clone()?)
        };
        let kind = signed.kind;
        let answered = self.send(&url, signed).await;
        let delivery = Delivery { kind, retry: 0, http_status: answered.http_status };
        self.change(|state| state.log_delivery(delivery));
        Some(answered.into())
    }

    async fn send(&self, url: &str, signed: Signed) -> Answered {
        let started = Instant::now();
        self.change(|state| state.last_request = Some(signed.clone()));
        let mut request = Request::builder().method(Method::POST).uri(url);
        for (name, value) in signed.headers {
            request = request.header(name, value);
        }
        let Ok(request) = request.body(Full::new(Bytes::from(signed.body))) else {
            return Answered::failed("connection_failed", started);
        };
        let exchange = async {
            let response = self.0.http.request(request).await.ok()?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, ANSWER_LIMIT_BYTES).collect().await.ok()?.to_bytes();
            Some((head, String::from_utf8_lossy(&body).into_owned()))
        };
        match tokio::time::timeout(ACK_LIMIT, exchange).await {
            Err(_) => Answered::failed("http_timeout", started),
            Ok(None) => Answered::failed("connection_failed", started),
            Ok(Some((head, body))) => Answered {
                http_status: head.status.as_u16(),
                body,
                elapsed: started.elapsed(),
                failure: (!head.status.is_success()).then_some("http_error"),
                no_retry: head.headers.get("x-slack-no-retry").is_some_and(|value| value == "1"),
            },
        }
    }

    async fn send_envelope(&self, kind: &'static str, payload: Value, retry: Option<(u32, &str)>) -> Answered {
        let started = Instant::now();
        let id = self.change(|state| format!("{}-{:08x}", state.next_id("e"), rand::random::<u32>()));
        let mut envelope = json!({
            "envelope_id": id,
            "type": kind,
            "accepts_response_payload": kind != "events_api",
            "payload": payload,
        });
        if kind == "events_api" {
            envelope["retry_attempt"] = json!(retry.map_or(0, |(number, _)| number));
            envelope["retry_reason"] = json!(retry.map_or("", |(_, reason)| reason));
        }
        let Some(acknowledged) = self.push_envelope(&id, envelope.to_string()) else {
            return Answered::failed("connection_failed", started);
        };
        self.acknowledged(&id, acknowledged, started).await
    }

    /// Waits until an envelope is acknowledged.
    pub(super) async fn acknowledged(
        &self,
        id: &str,
        acknowledged: oneshot::Receiver<Value>,
        started: Instant,
    ) -> Answered {
        let answer = tokio::time::timeout(ACK_LIMIT, acknowledged).await;
        self.forget_envelope(id);
        match answer {
            Ok(Ok(payload)) => Answered {
                http_status: 200,
                body: if payload.is_null() { String::new() } else { payload.to_string() },
                elapsed: started.elapsed(),
                failure: None,
                no_retry: false,
            },
            Ok(Err(_)) => Answered::failed("connection_failed", started),
            Err(_) => Answered::failed("http_timeout", started),
        }
    }

    /// Asks the bot's URL to prove itself, as the app's settings page does; true if it answered the challenge.
    pub async fn verifies_url(&self) -> bool {
        let challenge = format!("{:016x}", rand::random::<u64>());
        let payload = json!({"type": "url_verification", "token": super::actions::TOKEN, "challenge": challenge});
        let answered = self.attempt(Parcel::Event(payload), None).await;
        let body: Option<Value> = serde_json::from_str(&answered.body).ok();
        answered.http_status == 200
            && (answered.body == challenge || body.is_some_and(|body| body["challenge"] == challenge.as_str()))
    }
}
