//! The emulated Slack, driven from both sides over real HTTP: as the bot, with the client that the bot uses, and as the
//! people.

mod delivering;
mod faults;
mod methods;
mod page;
mod socket_mode;
mod views;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::post;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::connect::HttpConnector;
use jiff::Timestamp;
use serde_json::{Value, json};
use slack_morphism::prelude::*;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::{Hint, Panel, Slack, WorkspaceSpec, delivery};
use crate::clock::Clock;

/// A workspace and a bot, each on a port of its own.
struct World {
    slack: Slack,
    clock: Clock,
    base: String,
    requests: mpsc::UnboundedReceiver<Received>,
    answers: Answers,
    servers: Vec<JoinHandle<()>>,
}

type Answers = Arc<Mutex<VecDeque<Answer>>>;
type Client = SlackClient<SlackClientHyperConnector<HttpConnector>>;

/// What the bot answers.
#[derive(Clone)]
enum Answer {
    Status(u16),
    Json(Value),
    Text(&'static str),
    Never,
}

/// What the bot got.
#[derive(Debug)]
struct Received {
    headers: HeaderMap,
    body: String,
}

impl Received {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    fn form(&self, wanted: &str) -> String {
        let mut pairs = form_urlencoded::parse(self.body.as_bytes());
        pairs.find(|(key, _)| key == wanted).map(|(_, value)| value.into_owned()).unwrap_or_default()
    }

    fn payload(&self) -> Value {
        serde_json::from_str(&self.form("payload")).unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.servers.iter().for_each(JoinHandle::abort);
    }
}

impl World {
    /// Time stands still at a Monday afternoon.
    async fn new() -> Self {
        let start: Timestamp = "2026-11-23T14:00:00Z".parse().unwrap();
        Self::with_clock(Clock::manual(start)).await
    }

    async fn with_clock(clock: Clock) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let slack = Slack::new(clock.clone(), WorkspaceSpec::demo(), &base);
        let panel = Panel {
            world: Box::new(|| json!({"rules": 5})),
            faults: Box::new(Vec::new),
            set_fault: Box::new(|_, _| false),
            hints: vec![Hint { usage: "/alch status".to_owned(), description: "what is on".to_owned() }],
        };
        let router = slack.api_router().merge(slack.page_router(panel));
        let workspace = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });

        let (sender, requests) = mpsc::unbounded_channel();
        let answers = Answers::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let bot_url = format!("http://{}/slack/events", listener.local_addr().unwrap());
        let router = Router::new().route("/slack/events", post(hear)).with_state((sender, answers.clone()));
        let bot = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        slack.deliver_to(&bot_url);
        Self { slack, clock, base, requests, answers, servers: vec![workspace, bot] }
    }

    fn answer_with(&self, answers: impl IntoIterator<Item = Answer>) {
        self.answers.lock().unwrap().extend(answers);
    }

    async fn received(&mut self) -> Received {
        self.requests.recv().await.unwrap()
    }

    fn client(&self) -> Client {
        let connector = SlackClientHyperConnector::with_connector(HttpConnector::new());
        SlackClient::new(connector.with_slack_api_url(&format!("{}/api", self.base)))
    }

    fn token(&self) -> SlackApiToken {
        SlackApiToken::new(self.slack.spec().bot_token.clone().into())
    }

    /// Calls a method with a JSON body and the bot's token.
    async fn call(&self, method: &str, args: Value) -> Value {
        let token = format!("Bearer {}", self.slack.spec().bot_token);
        let headers = [("content-type", "application/json"), ("authorization", token.as_str())];
        let (status, _, body) =
            send(Method::POST, &format!("{}/api/{method}", self.base), &headers, args.to_string()).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    /// The timestamp of a new message in the channel.
    async fn posted(&self, mut message: Value) -> String {
        message["channel"] = json!(self.slack.spec().channel.id);
        let answer = self.call("chat.postMessage", message).await;
        assert_eq!(answer["ok"], true, "{answer}");
        answer["ts"].as_str().unwrap().to_owned()
    }
}

async fn hear(
    State((sender, answers)): State<(mpsc::UnboundedSender<Received>, Answers)>,
    headers: HeaderMap,
    body: String,
) -> axum::response::Response {
    sender.send(Received { headers, body }).unwrap();
    let answer = answers.lock().unwrap().pop_front();
    match answer {
        None => StatusCode::OK.into_response(),
        Some(Answer::Status(status)) => StatusCode::from_u16(status).unwrap().into_response(),
        Some(Answer::Json(body)) => axum::Json(body).into_response(),
        Some(Answer::Text(text)) => text.into_response(),
        Some(Answer::Never) => std::future::pending().await,
    }
}

async fn send(method: Method, url: &str, headers: &[(&str, &str)], body: String) -> (StatusCode, HeaderMap, String) {
    let mut request = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = delivery::client().request(request.body(Full::new(Bytes::from(body))).unwrap()).await.unwrap();
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (head.status, head.headers, String::from_utf8(body.to_vec()).unwrap())
}

/// A section with a danger button that asks first, as a card of the bot would have.
fn card(label: &str) -> Value {
    json!([
        {"type": "header", "text": {"type": "plain_text", "text": "Enable signal-generated in dev"}},
        {"type": "section", "text": {"type": "mrkdwn", "text": "asked for by <@U0ALICE>"}},
        {"type": "actions", "elements": [{
            "type": "button",
            "action_id": "cancel",
            "style": "danger",
            "value": "R-42",
            "text": {"type": "plain_text", "text": label},
            "confirm": {
                "title": {"type": "plain_text", "text": "Sure?"},
                "text": {"type": "plain_text", "text": "The run stops."},
                "confirm": {"type": "plain_text", "text": "Stop it"},
                "deny": {"type": "plain_text", "text": "No"},
            },
        }]},
    ])
}
