//! One Socket Mode connection, from hello to its end.

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config};
use tokio_util::sync::CancellationToken;

use super::{Live, Patience};
use crate::slack::client::CallError;
use crate::slack::inbound::{Delivery, Inbound};
use crate::slack::ingress::{Intake, Reply};
use crate::slack::verify::Verified;

/// The largest envelope taken, bytes; as over HTTP.
const MAX_ENVELOPE_BYTES: usize = 1024 * 1024;
/// How many envelopes may be under way at once; more wait in the socket.
const MAX_UNDER_WAY: usize = 64;
/// How long acknowledgements that are under way may take once the connection is to end.
const LAST_ACKS: Duration = Duration::from_secs(3);

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// We were told to stop.
    Stopped,
    /// Slack recycles it.
    Refreshed,
    /// Slack closed it, or it broke.
    Lost,
    /// Nothing came any more, not even an answer to a ping.
    Silent,
    /// Socket Mode was switched off in the app's settings.
    LinkDisabled,
}

pub(super) struct Connection(WebSocketStream<MaybeTlsStream<TcpStream>>);

#[derive(Deserialize)]
struct Envelope {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    envelope_id: String,
    #[serde(default)]
    payload: Value,
    #[serde(default)]
    reason: String,
}

/// Connects to `url`, which carries a ticket and so is never logged.
pub(super) async fn connect(url: &str, connector: Connector) -> Result<Connection, CallError> {
    let mut limits = WebSocketConfig::default();
    limits.max_message_size = Some(MAX_ENVELOPE_BYTES);
    limits.max_frame_size = Some(MAX_ENVELOPE_BYTES);
    match connect_async_tls_with_config(url, Some(limits), true, Some(connector)).await {
        Ok((stream, _)) => Ok(Connection(stream)),
        // Those that might show the URL are not spelled out.
        Err(Error::Io(error)) => Err(CallError::Unreachable(format!("the socket cannot be opened: {error}"))),
        Err(Error::Http(answer)) => Err(CallError::Unreachable(format!(
            "the socket cannot be opened: HTTP status {}",
            answer.status().as_u16()
        ))),
        Err(_) => Err(CallError::Unreachable("the socket cannot be opened".to_owned())),
    }
}

impl Connection {
    /// Takes envelopes until the connection ends or `stop`.
    pub(super) async fn serve(
        mut self,
        intake: Intake,
        mut live: Live,
        patience: Patience,
        stop: &CancellationToken,
    ) -> End {
        let intake = Arc::new(intake);
        let (acks, mut acked) = mpsc::channel::<Value>(MAX_UNDER_WAY);
        let mut under_way = JoinSet::new();
        let mut heard = Instant::now();
        let mut pinged = false;
        let end = loop {
            let patient_until = heard + if live.is_set() { patience.silence } else { patience.connect };
            tokio::select! {
                () = stop.cancelled() => break End::Stopped,
                Some(ack) = acked.recv() => {
                    if self.send(&ack).await.is_err() {
                        break End::Lost;
                    }
                }
                Some(_) = under_way.join_next() => {}
                message = self.0.next(), if under_way.len() < MAX_UNDER_WAY => {
                    heard = Instant::now();
                    pinged = false;
                    let text = match message {
                        Some(Ok(Message::Text(text))) => text,
                        Some(Ok(Message::Close(_)) | Err(_)) | None => break End::Lost,
                        // Pings are answered by the library.
                        Some(Ok(_)) => continue,
                    };
                    let Ok(envelope) = serde_json::from_str::<Envelope>(&text) else {
                        tracing::warn!("an envelope from Slack cannot be read");
                        continue;
                    };
                    match envelope.kind.as_str() {
                        "hello" => live.set(),
                        "disconnect" if envelope.reason == "link_disabled" => break End::LinkDisabled,
                        "disconnect" => break End::Refreshed,
                        _ if envelope.envelope_id.is_empty() => {}
                        _ => {
                            let (intake, acks) = (Arc::clone(&intake), acks.clone());
                            under_way.spawn(async move { take(envelope, &intake, acks).await });
                        }
                    }
                }
                () = tokio::time::sleep_until(patient_until) => {
                    if pinged || !live.is_set() || self.0.send(Message::Ping(Vec::new().into())).await.is_err() {
                        break End::Silent;
                    }
                    heard = Instant::now();
                    pinged = true;
                }
            }
        };
        drop(live);
        drop(acks);
        // What was taken is persisted or will be; saying so spares Slack and the person a repeat.
        let last = async {
            while let Some(ack) = acked.recv().await {
                if self.send(&ack).await.is_err() {
                    return;
                }
            }
            let _ = self.0.close(None).await;
        };
        let _ = tokio::time::timeout(LAST_ACKS, last).await;
        // Persisting must not be torn in the middle by the loss of a connection.
        under_way.detach_all();
        end
    }

    async fn send(&mut self, ack: &Value) -> Result<(), ()> {
        self.0.send(Message::text(ack.to_string())).await.map_err(drop)
    }
}

async fn take(envelope: Envelope, intake: &Intake, acks: mpsc::Sender<Value>) {
    let Envelope { kind, envelope_id, payload, .. } = envelope;
    let inbound = Verified::by_socket(Inbound::from_envelope(&kind, &payload));
    let ack = match intake.take(inbound, Delivery::Socket { envelope_id: &envelope_id }).await {
        Reply::Received(None) => json!({ "envelope_id": envelope_id }),
        Reply::Received(Some(payload)) => json!({ "envelope_id": envelope_id, "payload": payload }),
        Reply::Redeliver => return,
    };
    // The connection may be gone by now; Slack then delivers the envelope again and its key is known.
    let _ = acks.send(ack).await;
}
