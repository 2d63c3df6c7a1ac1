//! A Socket Mode server of a few lines on one side, our loop on the other.

use std::sync::Mutex;

use futures_util::{FutureExt, SinkExt, StreamExt};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::*;
use crate::slack::client::{CallCounters, SlackClient};
use crate::slack::inbound::Inbound;
use crate::slack::ingress::{Ack, IngressCounters, NotPersisted};
use crate::slack::message;

struct Server {
    listener: TcpListener,
    api: JoinHandle<()>,
    base: String,
    refuse: Arc<Mutex<Option<&'static str>>>,
    asked: Arc<watch::Sender<usize>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.api.abort();
    }
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket_url = format!("ws://{}/link/?ticket=secret", listener.local_addr().unwrap());
        let http = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/api", http.local_addr().unwrap());
        let refuse: Arc<Mutex<Option<&'static str>>> = Arc::default();
        let asked = Arc::new(watch::Sender::new(0));
        let open = {
            let (refuse, asked) = (Arc::clone(&refuse), Arc::clone(&asked));
            move |headers: axum::http::HeaderMap| {
                let refused = *refuse.lock().unwrap();
                asked.send_modify(|asked| *asked += 1);
                let body = match refused {
                    Some(error) => json!({ "ok": false, "error": error }),
                    None if headers["authorization"] == "Bearer xapp-test" => json!({ "ok": true, "url": socket_url }),
                    None => json!({ "ok": false, "error": "not_allowed_token_type" }),
                };
                async move { axum::Json(body) }
            }
        };
        let app = axum::Router::new().route("/api/apps.connections.open", axum::routing::post(open));
        let api = tokio::spawn(async move { axum::serve(http, app).await.unwrap() });
        Self { listener, api, base, refuse, asked }
    }

    /// The next connection, after its hello.
    async fn connection(&self) -> WebSocketStream<TcpStream> {
        let (stream, _) = soon(self.listener.accept()).await.unwrap();
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        send(&mut socket, json!({ "type": "hello", "num_connections": 1 })).await;
        socket
    }
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), what).await.expect("it never happens")
}

async fn send(socket: &mut WebSocketStream<TcpStream>, value: Value) {
    socket.send(Message::text(value.to_string())).await.unwrap();
}

/// The next text; none when the connection is closed.
async fn receive(socket: &mut WebSocketStream<TcpStream>) -> Option<Value> {
    loop {
        match soon(socket.next()).await {
            Some(Ok(Message::Text(text))) => return Some(serde_json::from_str(&text).unwrap()),
            Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
            Some(Ok(_)) => {}
        }
    }
}

struct Running {
    stop: CancellationToken,
    task: JoinHandle<()>,
    live: watch::Receiver<usize>,
    taken: Arc<Mutex<Vec<(Inbound, String)>>>,
    answer: Arc<Mutex<Result<Ack, NotPersisted>>>,
}

fn run(server: &Server, patience: Patience) -> Running {
    let taken: Arc<Mutex<Vec<(Inbound, String)>>> = Arc::default();
    let answer = Arc::new(Mutex::new(Ok(Ack::default())));
    let intake = Intake {
        accept: {
            let (taken, answer) = (Arc::clone(&taken), Arc::clone(&answer));
            Arc::new(move |inbound, key| {
                taken.lock().unwrap().push((inbound.into_inner(), key));
                futures_util::future::ready(answer.lock().unwrap().clone()).boxed()
            })
        },
        client: None,
        counters: IngressCounters::default(),
    };
    let client = SlackClient::new(&server.base, "xoxb-test".into(), CallCounters::default()).unwrap();
    let socket = Socket::new(client, SecretString::from("xapp-test"), intake, patience).unwrap();
    let live = socket.live();
    let stop = CancellationToken::new();
    let task = tokio::spawn(socket.run(stop.clone()));
    Running { stop, task, live, taken, answer }
}

impl Running {
    async fn stops(self) {
        self.stop.cancel();
        soon(self.task).await.unwrap();
        assert_eq!(*self.live.borrow(), 0);
    }
}

fn slash(envelope_id: &str) -> Value {
    json!({
        "type": "slash_commands", "envelope_id": envelope_id, "accepts_response_payload": true,
        "payload": { "command": "/alch", "text": "help", "user_id": "U1", "channel_id": "C1", "team_id": "T1" },
    })
}

fn mention(envelope_id: &str) -> Value {
    json!({
        "type": "events_api", "envelope_id": envelope_id,
        "payload": {
            "type": "event_callback", "team_id": "T1", "event_id": "Ev1",
            "event": { "type": "app_mention", "user": "U1", "channel": "C1", "ts": "1", "text": "hi" },
        },
    })
}

#[tokio::test]
async fn envelopes_are_acknowledged_once_they_are_taken() {
    let server = Server::start().await;
    let mut running = run(&server, Patience::default());
    let mut first = server.connection().await;
    let mut second = server.connection().await;
    soon(running.live.wait_for(|live| *live == 2)).await.unwrap();

    let words = message::Message { text: "Try `help`.".into(), blocks: vec![] };
    *running.answer.lock().unwrap() = Ok(Ack::say(words));
    send(&mut first, slash("e-1")).await;
    assert_eq!(
        receive(&mut first).await.unwrap(),
        json!({ "envelope_id": "e-1", "payload": { "response_type": "ephemeral", "text": "Try `help`." } })
    );
    *running.answer.lock().unwrap() = Ok(Ack::default());
    send(&mut second, mention("e-2")).await;
    assert_eq!(receive(&mut second).await.unwrap(), json!({ "envelope_id": "e-2" }));
    // What nobody knows is acknowledged, and garbage is survived.
    second.send(Message::text("{garbage")).await.unwrap();
    send(&mut second, json!({ "type": "of_next_year", "envelope_id": "e-3", "payload": [1] })).await;
    assert_eq!(receive(&mut second).await.unwrap(), json!({ "envelope_id": "e-3" }));
    let keys: Vec<String> = running.taken.lock().unwrap().iter().map(|(_, key)| key.clone()).collect();
    assert_eq!(keys, ["envelope:e-1", "event:Ev1"]);
    running.stops().await;
}

#[tokio::test]
async fn what_cannot_be_recorded_is_said_to_people_and_left_to_slack_to_send_again() {
    let server = Server::start().await;
    let running = run(&server, Patience::default());
    let mut socket = server.connection().await;
    *running.answer.lock().unwrap() = Err(NotPersisted);
    send(&mut socket, mention("e-1")).await;
    send(&mut socket, slash("e-2")).await;
    // The mention got no acknowledgement: the first one is the command's.
    let ack = receive(&mut socket).await.unwrap();
    assert_eq!(ack["envelope_id"], "e-2");
    assert!(ack["payload"]["text"].as_str().unwrap().contains("nothing was done"));
    running.stops().await;
}

#[tokio::test]
async fn a_recycled_or_lost_connection_is_replaced_at_once() {
    let server = Server::start().await;
    let mut running = run(&server, Patience::default());
    let mut first = server.connection().await;
    let second = server.connection().await;
    soon(running.live.wait_for(|live| *live == 2)).await.unwrap();
    send(&mut first, json!({ "type": "disconnect", "reason": "refresh_requested" })).await;
    let mut third = server.connection().await;
    assert_eq!(receive(&mut first).await, None);
    drop(second);
    let _fourth = server.connection().await;
    send(&mut third, slash("e-1")).await;
    assert_eq!(receive(&mut third).await.unwrap()["envelope_id"], "e-1");
    running.stops().await;
}

#[tokio::test]
async fn a_silent_connection_is_pinged_and_then_given_up() {
    let server = Server::start().await;
    let patience = Patience { silence: Duration::from_millis(100), ..Patience::default() };
    let running = run(&server, patience);
    // These two are never read, so no ping is answered.
    let _first = server.connection().await;
    let _second = server.connection().await;
    let _third = server.connection().await;
    running.stops().await;
}

#[tokio::test]
async fn a_connection_without_a_hello_is_not_live_and_is_given_up() {
    let server = Server::start().await;
    let patience = Patience { connect: Duration::from_millis(200), ..Patience::default() };
    let running = run(&server, patience);
    let mut mute = Vec::new();
    for _ in 0..3 {
        let (stream, _) = soon(server.listener.accept()).await.unwrap();
        mute.push(tokio_tungstenite::accept_async(stream).await.unwrap());
        assert_eq!(*running.live.borrow(), 0);
    }
    running.stops().await;
}

#[tokio::test]
async fn a_token_that_is_refused_is_not_asked_with_again_and_again() {
    let server = Server::start().await;
    *server.refuse.lock().unwrap() = Some("invalid_auth");
    let running = run(&server, Patience::default());
    soon(server.asked.subscribe().wait_for(|asked| *asked >= 2)).await.unwrap();
    running.stops().await;
    assert_eq!(*server.asked.borrow(), 2);
}

#[test]
fn the_wait_grows_and_ends_growing() {
    assert_eq!(backoff(0), Duration::ZERO);
    for (failures, whole) in [(1, 1), (2, 2), (3, 4), (6, 30), (1_000_000, 30)] {
        let wait = backoff(failures).as_secs_f32();
        assert!((0.5..=1.0).contains(&(wait / whole as f32)), "{failures}: {wait}");
    }
}
