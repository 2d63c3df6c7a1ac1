//! Socket Mode: tickets, connections, and envelopes that wait for their acknowledgement. The upgrade is done by hand,
//! so that one version of the WebSocket library is enough.

use std::collections::HashMap;
use std::sync::{MutexGuard, PoisonError};
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use futures_util::{SinkExt, StreamExt};
use http::{HeaderValue, StatusCode, header};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::Slack;
use super::actions::Delivered;

/// How many connections an app may have open.
const CONNECTIONS_LIMIT: usize = 10;

#[derive(Default)]
pub(super) struct Links {
    tickets: Vec<String>,
    open: Vec<Link>,
    /// Counts deliveries, so that they go around.
    turn: usize,
    next_id: u64,
    unacknowledged: HashMap<String, Waiting>,
    /// What becomes of the next acknowledgement, if its connection is to break.
    breaks: Option<Break>,
    /// The last envelope, with its id.
    last: Option<(String, String)>,
}

/// How a connection breaks around an acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// The acknowledgement gets lost with it.
    Before,
    /// The acknowledgement has arrived.
    After,
}

struct Link {
    id: u64,
    frames: mpsc::UnboundedSender<Frame>,
}

struct Waiting {
    link: u64,
    acknowledge: oneshot::Sender<Value>,
}

enum Frame {
    Text(String),
    Disconnect(String),
}

impl Slack {
    fn links(&self) -> MutexGuard<'_, Links> {
        self.0.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The address of one connection to come.
    pub(super) fn issue_ticket(&self) -> String {
        let ticket = format!("{:016x}", rand::random::<u64>());
        self.links().tickets.push(ticket.clone());
        let address = self.url("/link").replacen("http", "ws", 1);
        format!("{address}?ticket={ticket}&app_id={}", self.spec().api_app_id)
    }

    /// How many Socket Mode connections are open.
    pub fn connections(&self) -> usize {
        self.links().open.len()
    }

    /// Tells all connections to reconnect and closes them. Slack's reasons: `warning`, `refresh_requested`,
    /// `link_disabled`.
    pub fn disconnect(&self, reason: &str) {
        for link in std::mem::take(&mut self.links().open) {
            // A link that is gone already needs no telling.
            let _ = link.frames.send(Frame::Disconnect(reason.to_owned()));
        }
        self.change(|_| ());
    }

    /// Breaks the connection over which the next acknowledgement comes.
    pub fn breaks_connection(&self, when: Break) {
        self.links().breaks = Some(when);
    }

    /// Delivers the last envelope once more, as it was; `None` if there was none, or no connection is open.
    pub async fn delivers_envelope_again(&self) -> Option<Delivered> {
        let (id, envelope) = self.links().last.clone()?;
        let started = Instant::now();
        let acknowledged = self.push_envelope(&id, envelope)?;
        Some(self.acknowledged(&id, acknowledged, started).await.into())
    }

    /// Puts an envelope on exactly one connection; `None` if none is open.
    pub(super) fn push_envelope(&self, id: &str, envelope: String) -> Option<oneshot::Receiver<Value>> {
        let mut links = self.links();
        links.turn = links.turn.wrapping_add(1);
        let chosen = links.turn.checked_rem(links.open.len())?;
        let link = &links.open[chosen];
        link.frames.send(Frame::Text(envelope.clone())).ok()?;
        let (acknowledge, acknowledged) = oneshot::channel();
        let waiting = Waiting { link: link.id, acknowledge };
        links.unacknowledged.insert(id.to_owned(), waiting);
        links.last = Some((id.to_owned(), envelope));
        Some(acknowledged)
    }

    pub(super) fn forget_envelope(&self, id: &str) {
        self.links().unacknowledged.remove(id);
    }

    /// Whether the connection breaks now.
    fn acknowledge(&self, link: u64, frame: &str) -> bool {
        let Ok(mut frame) = serde_json::from_str::<Value>(frame) else { return false };
        let Some(id) = frame["envelope_id"].as_str().map(str::to_owned) else { return false };
        let mut links = self.links();
        // Only the connection that got an envelope can acknowledge it.
        if links.unacknowledged.get(&id).is_none_or(|waiting| waiting.link != link) {
            return false;
        }
        let breaks = links.breaks.take();
        if breaks != Some(Break::Before)
            && let Some(waiting) = links.unacknowledged.remove(&id)
        {
            // The delivery may have given up in this moment.
            let _ = waiting.acknowledge.send(frame["payload"].take());
        }
        breaks.is_some()
    }

    async fn serve_link(self, upgraded: Upgraded) {
        let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
        let (sender, mut frames) = mpsc::unbounded_channel();
        let (id, connections) = {
            let mut links = self.links();
            links.next_id += 1;
            let id = links.next_id;
            // What is delivered from now on waits behind the hello.
            links.open.push(Link { id, frames: sender });
            (id, links.open.len())
        };
        let hello = json!({
            "type": "hello",
            "num_connections": connections,
            "connection_info": {"app_id": self.spec().api_app_id},
            "debug_info": {"host": "sandbox", "build_number": 1, "approximate_connection_time": 18060},
        });
        // A connection that fails here ends in the loop below.
        let _ = socket.send(Message::text(hello.to_string())).await;
        self.change(|_| ());
        loop {
            tokio::select! {
                frame = frames.recv() => match frame {
                    Some(Frame::Text(text)) => {
                        if socket.send(Message::text(text)).await.is_err() {
                            break;
                        }
                    }
                    Some(Frame::Disconnect(reason)) => {
                        let farewell = json!({
                            "type": "disconnect",
                            "reason": reason,
                            "debug_info": {"host": "sandbox"},
                        });
                        // Whether it arrives or not, the connection ends.
                        let _ = socket.send(Message::text(farewell.to_string())).await;
                        let _ = socket.close(None).await;
                        break;
                    }
                    None => break,
                },
                incoming = socket.next() => match incoming {
                    Some(Ok(Message::Text(text))) => {
                        if self.acknowledge(id, text.as_str()) {
                            break;
                        }
                    }
                    Some(Ok(Message::Close(_)) | Err(_)) | None => break,
                    Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_))) => {}
                },
            }
        }
        let mut links = self.links();
        links.open.retain(|link| link.id != id);
        // Dropping the sender tells the delivery that nobody will acknowledge any more.
        links.unacknowledged.retain(|_, waiting| waiting.link != id);
        drop(links);
        self.change(|_| ());
    }
}

/// Upgrades a request with a valid ticket to a WebSocket.
pub(super) async fn link(State(slack): State<Slack>, mut request: Request) -> Response {
    let query = request.uri().query().unwrap_or_default().as_bytes();
    let ticket = form_urlencoded::parse(query).find(|(key, _)| key == "ticket").map(|(_, value)| value.into_owned());
    {
        let mut links = slack.links();
        let Some(at) = links.tickets.iter().position(|known| Some(known) == ticket.as_ref()) else {
            return (StatusCode::FORBIDDEN, "the ticket is unknown or was used").into_response();
        };
        if links.open.len() >= CONNECTIONS_LIMIT {
            return (StatusCode::TOO_MANY_REQUESTS, "too_many_websockets").into_response();
        }
        links.tickets.remove(at);
    }
    let Some(key) = request.headers().get(header::SEC_WEBSOCKET_KEY) else {
        return (StatusCode::BAD_REQUEST, "not a WebSocket").into_response();
    };
    let Ok(accept) = HeaderValue::from_str(&derive_accept_key(key.as_bytes())) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        if let Ok(upgraded) = upgrade.await {
            slack.serve_link(upgraded).await;
        }
    });
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    response
}
