//! What both transports do with a request once it is read: hand it to be persisted, acknowledge it, count it. Knows
//! neither HTTP nor sockets, and does not decide what the request means.

use std::sync::Arc;
use std::time::Instant;

use futures_util::future::BoxFuture;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};

use super::client::{Answer, SlackClient};
use super::inbound::{Delivery, Inbound};
use super::message::Message;
use super::verify::Verified;

/// Takes a request over: persists it under its dedupe key, and says how to acknowledge it. Called once a delivery, so
/// for a repeat again with the same key; it must not wait for Slack or AWS.
pub type Accept = Arc<dyn Fn(Verified<Inbound>, String) -> BoxFuture<'static, Result<Ack, NotPersisted>> + Send + Sync>;

/// How a request is acknowledged. Empty by default: received.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ack {
    /// Shown to the person who typed the command, and to nobody else. Slack shows it for commands only.
    pub body: Option<Message>,
    /// For modals: Slack's `response_action` with what belongs to it.
    pub response_action: Option<Value>,
}

impl Ack {
    /// An answer that only the person sees.
    pub fn say(message: Message) -> Self {
        Self { body: Some(message), response_action: None }
    }

    /// The JSON that acknowledges; none for an empty acknowledgement.
    pub(super) fn into_json(self) -> Option<Value> {
        self.response_action.or_else(|| {
            self.body.map(|message| {
                let mut json = json!({ "response_type": "ephemeral", "text": message.text });
                if !message.blocks.is_empty() {
                    json["blocks"] = Value::Array(message.blocks);
                }
                json
            })
        })
    }
}

/// The request could not be persisted, and so nothing was done. The cause is logged where it happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request could not be recorded")]
pub struct NotPersisted;

/// What a person is told then.
const NOT_PERSISTED: &str = "This could not be recorded, so nothing was done. Please try again. In an incident, do not \
                             wait: disable the rules from a terminal with `alch run \"rollback <environment>\"`, or in \
                             the AWS console.";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    kind: &'static str,
    outcome: &'static str,
}

/// The upper bounds of the times that are told apart, seconds; Slack waits for 3.
const BUCKETS: [f64; 9] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

/// Requests by kind and outcome, and how long they took to be recorded and answered.
#[derive(Clone, Debug)]
pub struct IngressCounters {
    requests: Family<RequestLabels, Counter>,
    acknowledged: Family<KindLabels, Histogram, fn() -> Histogram>,
}

impl Default for IngressCounters {
    fn default() -> Self {
        let acknowledged = Family::new_with_constructor((|| Histogram::new(BUCKETS)) as fn() -> Histogram);
        Self { requests: Family::default(), acknowledged }
    }
}

impl IngressCounters {
    /// Adds the counters to `registry`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("slack_requests", "Requests from Slack by kind and outcome", self.requests.clone());
        registry.register(
            "slack_acknowledgement_seconds",
            "From a verified request to its answer, by kind",
            self.acknowledged.clone(),
        );
    }

    pub(super) fn count(&self, kind: &'static str, outcome: &'static str) {
        self.requests.get_or_create(&RequestLabels { kind, outcome }).inc();
    }

    /// How many requests of this kind had this outcome.
    pub fn get(&self, kind: &'static str, outcome: &'static str) -> u64 {
        self.requests.get_or_create(&RequestLabels { kind, outcome }).get()
    }
}

/// Where requests go, however they came.
#[derive(Clone)]
pub struct Intake {
    /// Persists them.
    pub accept: Accept,
    /// Says by response_url that a click could not be recorded: Slack shows no acknowledgement's text for clicks.
    pub client: Option<SlackClient>,
    /// Counts them.
    pub counters: IngressCounters,
}

/// What a transport sends back.
pub(super) enum Reply {
    /// Received; with this JSON, if any.
    Received(Option<Value>),
    /// Nothing: Slack is to deliver it again.
    Redeliver,
}

impl Intake {
    /// Hands a request over and says what to send back.
    pub(super) async fn take(&self, inbound: Verified<Inbound>, delivery: Delivery<'_>) -> Reply {
        let (kind, begun) = (inbound.get().kind(), Instant::now());
        let reply = self.take_unmeasured(kind, inbound, delivery).await;
        self.counters.acknowledged.get_or_create(&KindLabels { kind }).observe(begun.elapsed().as_secs_f64());
        reply
    }

    async fn take_unmeasured(&self, kind: &'static str, inbound: Verified<Inbound>, delivery: Delivery<'_>) -> Reply {
        match inbound.get() {
            Inbound::UrlVerification { challenge } => {
                self.counters.count(kind, "answered");
                return Reply::Received(Some(json!({ "challenge": challenge })));
            }
            Inbound::SslCheck => {
                self.counters.count(kind, "answered");
                return Reply::Received(None);
            }
            Inbound::Ignored { why } => {
                tracing::debug!(why, "ignored a request of Slack's");
                self.counters.count(kind, "ignored");
                return Reply::Received(None);
            }
            Inbound::Slash { .. }
            | Inbound::Action { .. }
            | Inbound::ViewSubmission { .. }
            | Inbound::Mention { .. }
            | Inbound::DirectMessage { .. }
            | Inbound::HomeOpened { .. } => {}
        }
        let redelivered = inbound.get().is_redelivered();
        let is_action = matches!(inbound.get(), Inbound::Action { .. });
        let response_url = inbound.get().response_url().map(str::to_owned);
        let is_view = matches!(inbound.get(), Inbound::ViewSubmission { .. });
        let key = inbound.get().dedupe_key(delivery);
        match (self.accept)(inbound, key).await {
            Ok(ack) => {
                self.counters.count(kind, "accepted");
                Reply::Received(ack.into_json())
            }
            Err(NotPersisted) => {
                self.counters.count(kind, "not_persisted");
                if redelivered {
                    return Reply::Redeliver;
                }
                let sorry = Message { text: NOT_PERSISTED.to_owned(), blocks: Vec::new() };
                if let (true, Some(client), Some(url)) = (is_action, self.client.clone(), response_url) {
                    let sorry = sorry.clone();
                    tokio::spawn(async move {
                        if let Err(error) = client.respond(&url, &sorry, Answer::default()).await {
                            tracing::warn!(%error, "could not say that a click was not recorded");
                        }
                    });
                }
                Reply::Received(if is_view { Some(not_persisted_view()) } else { Ack::say(sorry).into_json() })
            }
        }
    }
}

/// A modal shows no text of an acknowledgement, only a view.
fn not_persisted_view() -> Value {
    json!({
        "response_action": "update",
        "view": {
            "type": "modal",
            "title": { "type": "plain_text", "text": "Not recorded" },
            "close": { "type": "plain_text", "text": "Close" },
            "blocks": [{ "type": "section", "text": { "type": "mrkdwn", "text": NOT_PERSISTED } }],
        },
    })
}
