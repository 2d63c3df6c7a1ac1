//! The least of a Slack, for the tests of this module: it keeps messages, fails as told, and writes down each call. The
//! sandbox's Slack is another and knows far more.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::any;
use bytes::Bytes;
use serde_json::{Map, Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::client::{CallCounters, SlackClient};

/// How a call fails.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// `ok: false` with this error.
    Refuse(&'static str),
    /// 429 with this Retry-After, seconds.
    TooMany(u64),
    /// This HTTP status.
    Status(u16),
    /// Done, but the answer breaks off.
    DoneThenLost,
    /// Done, but the answer never comes.
    DoneThenHangs,
    /// Not done, and the answer breaks off.
    Lost,
    /// 200 with something that is no JSON.
    Babble,
}

/// A call as it came.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) method: String,
    pub(super) args: Value,
    pub(super) authorization: Option<String>,
}

#[derive(Default)]
struct Inside {
    calls: Vec<Call>,
    /// In the order of their posting.
    messages: Vec<Value>,
    faults: HashMap<String, VecDeque<Fault>>,
    /// Fails every call while set.
    outage: Option<Fault>,
    /// Fails every call that names this channel, or the message of this time.
    dead: HashMap<String, Fault>,
    drops_metadata: bool,
    user: Value,
    /// The people of user groups.
    groups: HashMap<String, Vec<String>>,
    channel: Value,
    last_ts: u64,
}

pub(super) struct StandIn {
    inside: Arc<Mutex<Inside>>,
    calls: Arc<watch::Sender<usize>>,
    pub(super) base: String,
    server: JoinHandle<()>,
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[derive(Clone)]
struct Shared {
    inside: Arc<Mutex<Inside>>,
    calls: Arc<watch::Sender<usize>>,
    base: String,
}

impl StandIn {
    pub(super) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/api", listener.local_addr().unwrap());
        let inside: Arc<Mutex<Inside>> = Arc::default();
        let calls = Arc::new(watch::Sender::new(0));
        let shared = Shared { inside: Arc::clone(&inside), calls: Arc::clone(&calls), base: base.clone() };
        let app = Router::new().route("/api/{method}", any(answer)).route("/respond", any(respond)).with_state(shared);
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { inside, calls, base, server }
    }

    pub(super) fn client(&self) -> SlackClient {
        self.client_counted(CallCounters::default())
    }

    pub(super) fn client_counted(&self, counters: CallCounters) -> SlackClient {
        SlackClient::new(&self.base, "xoxb-test".into(), counters).unwrap()
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap()
    }

    /// The next call of `method` fails so; further ones queue up behind it.
    pub(super) fn fail_next(&self, method: &str, fault: Fault) {
        self.inside().faults.entry(method.to_owned()).or_default().push_back(fault);
    }

    /// Every call fails so, until told otherwise.
    pub(super) fn outage(&self, fault: Option<Fault>) {
        self.inside().outage = fault;
    }

    /// Every call that names this channel, or the message of this time, fails so, until told otherwise.
    pub(super) fn fail_about(&self, what: &str, fault: Option<Fault>) {
        match fault {
            Some(fault) => drop(self.inside().dead.insert(what.to_owned(), fault)),
            None => drop(self.inside().dead.remove(what)),
        }
    }

    pub(super) fn drop_metadata(&self) {
        self.inside().drops_metadata = true;
    }

    pub(super) fn set_user(&self, user: Value) {
        self.inside().user = user;
    }

    pub(super) fn set_group(&self, group: &str, people: &[&str]) {
        let people = people.iter().map(|&user| user.to_owned()).collect();
        self.inside().groups.insert(group.to_owned(), people);
    }

    pub(super) fn set_channel(&self, channel: Value) {
        self.inside().channel = channel;
    }

    pub(super) fn delete(&self, ts: &str) {
        self.inside().messages.retain(|message| message["ts"] != ts);
    }

    pub(super) fn calls(&self, method: &str) -> Vec<Call> {
        self.inside().calls.iter().filter(|call| call.method == method).cloned().collect()
    }

    /// Waits until `method` was called so often.
    pub(super) async fn called(&self, method: &str, times: usize) {
        self.calls.subscribe().wait_for(|_| self.calls(method).len() >= times).await.unwrap();
    }

    pub(super) fn messages(&self) -> Vec<Value> {
        self.inside().messages.clone()
    }

    /// The texts in order, replies indented.
    pub(super) fn transcript(&self) -> String {
        let messages = self.messages();
        let line = |message: &Value| {
            let indent = if message["thread_ts"].is_string() { "  " } else { "" };
            format!("{indent}{}\n", message["text"].as_str().unwrap())
        };
        messages.iter().map(line).collect()
    }
}

async fn respond(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    let args = serde_json::from_slice(&body).unwrap();
    let authorization = headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
    let call = Call { method: "respond".to_owned(), args, authorization };
    shared.inside.lock().unwrap().calls.push(call);
    shared.calls.send_modify(|calls| *calls += 1);
    "ok".into_response()
}

async fn answer(
    State(shared): State<Shared>,
    Path(method): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let args = match query {
        Some(query) => Value::Object(
            form_urlencoded::parse(query.as_bytes())
                .map(|(key, value)| (key.into_owned(), Value::String(value.into_owned())))
                .collect::<Map<_, _>>(),
        ),
        None => serde_json::from_slice(&body).unwrap(),
    };
    let authorization = headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
    let (fault, done) = {
        let mut inside = shared.inside.lock().unwrap();
        inside.calls.push(Call { method: method.clone(), args: args.clone(), authorization });
        let scripted = inside.faults.get_mut(&method).and_then(VecDeque::pop_front);
        let about = |name: &str| inside.dead.get(args.get(name)?.as_str()?).cloned();
        let dead = ["channel", "ts"].into_iter().find_map(about);
        let fault = scripted.or(dead).or_else(|| inside.outage.clone());
        let acts = matches!(fault, None | Some(Fault::DoneThenLost | Fault::DoneThenHangs));
        let done = if acts { inside.perform(&method, &args, &shared.base) } else { json!({ "ok": true }) };
        (fault, done)
    };
    shared.calls.send_modify(|calls| *calls += 1);
    match fault {
        None => ([("x-oauth-scopes", "chat:write,users:read")], Json(done)).into_response(),
        Some(Fault::Refuse(error)) => Json(json!({ "ok": false, "error": error })).into_response(),
        Some(Fault::TooMany(seconds)) => {
            (StatusCode::TOO_MANY_REQUESTS, [("retry-after", seconds.to_string())], "slow down").into_response()
        }
        Some(Fault::Status(status)) => StatusCode::from_u16(status).unwrap().into_response(),
        Some(Fault::DoneThenLost | Fault::Lost) => {
            let broken = futures_util::stream::iter([Ok("{\"ok\""), Err(std::io::Error::other("cut"))]);
            Body::from_stream(broken).into_response()
        }
        Some(Fault::DoneThenHangs) => std::future::pending().await,
        Some(Fault::Babble) => "<html>hello</html>".into_response(),
    }
}

impl Inside {
    fn perform(&mut self, method: &str, args: &Value, base: &str) -> Value {
        match method {
            "auth.test" => json!({ "ok": true, "user_id": "UBOT", "bot_id": "BBOT", "team_id": "T1" }),
            "users.info" => json!({ "ok": true, "user": self.user }),
            "usergroups.users.list" => match args["usergroup"].as_str().and_then(|group| self.groups.get(group)) {
                Some(people) => json!({ "ok": true, "users": people }),
                None => json!({ "ok": false, "error": "no_such_subteam" }),
            },
            "conversations.info" => json!({ "ok": true, "channel": self.channel }),
            "apps.connections.open" => {
                json!({ "ok": true, "url": format!("{}/link?ticket=1", base.replace("http:", "ws:")) })
            }
            "chat.postMessage" => {
                self.last_ts += 1;
                let mut message = args.clone();
                let channel = args["channel"].as_str().unwrap_or_default();
                message["channel"] = conversation(channel).into();
                message["ts"] = format!("{}.000100", 1_790_000_000 + self.last_ts).into();
                message["user"] = "UBOT".into();
                message["bot_id"] = "BBOT".into();
                if self.drops_metadata {
                    message.as_object_mut().unwrap().remove("metadata");
                }
                let (ts, channel) = (message["ts"].clone(), message["channel"].clone());
                self.messages.push(message);
                json!({ "ok": true, "ts": ts, "channel": channel })
            }
            "conversations.open" => {
                json!({ "ok": true, "channel": { "id": conversation(args["users"].as_str().unwrap_or_default()) } })
            }
            "chat.update" => match self
                .messages
                .iter_mut()
                .find(|message| (&message["channel"], &message["ts"]) == (&args["channel"], &args["ts"]))
            {
                Some(message) => {
                    message["text"] = args["text"].clone();
                    message["blocks"] = args["blocks"].clone();
                    json!({ "ok": true, "ts": args["ts"] })
                }
                None => json!({ "ok": false, "error": "message_not_found" }),
            },
            "conversations.history" | "conversations.replies" => {
                let messages: Vec<&Value> = self
                    .messages
                    .iter()
                    .filter(|message| message["channel"] == args["channel"])
                    .filter(|message| match args.get("ts") {
                        Some(ts) => message["ts"] == *ts || message["thread_ts"] == *ts,
                        None => !message["thread_ts"].is_string(),
                    })
                    .collect();
                json!({ "ok": true, "messages": messages })
            }
            _ => json!({ "ok": false, "error": "unknown_method" }),
        }
    }
}

/// Where a message to this channel or person is: people are written to in a conversation with an id of its own.
fn conversation(to: &str) -> String {
    to.strip_prefix('U').map_or_else(|| to.to_owned(), |person| format!("D{person}"))
}
