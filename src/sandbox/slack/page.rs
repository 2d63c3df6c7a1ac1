//! The page: its files, the stream of the workspace's state, and what people do on it. Only for a browser on this
//! machine that shows this very page.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Json, Path, Request, State};
use axum::middleware::{self, Next};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use futures_util::Stream;
use http::{HeaderMap, Method, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

use super::Slack;
use super::actions::Delivered;
use super::faults::FaultSwitch;
use super::presses::Press;
use super::spec::ChannelSpec;
use super::state::Message;
use super::typed;

/// At most one state in this time.
const PACE: Duration = Duration::from_millis(80);
/// At least one state in this time: the world moves without Slack's doing.
const PULSE: Duration = Duration::from_secs(1);
/// How many messages the page gets, the latest.
const MESSAGES_SHOWN: usize = 500;

/// What the page shows beside Slack, and how its switches are turned.
pub struct Panel {
    /// The state of the rest of the world.
    pub world: Box<dyn Fn() -> Value + Send + Sync>,
    /// The faults that are not Slack's.
    pub faults: Box<dyn Fn() -> Vec<FaultSwitch> + Send + Sync>,
    /// Turns one of them; false if there is none with this id.
    pub set_fault: SetFault,
    /// What the composer suggests.
    pub hints: Vec<Hint>,
}

/// Takes a fault's id and whether it is to be on.
pub type SetFault = Box<dyn Fn(&str, bool) -> bool + Send + Sync>;

/// A command that the composer suggests.
#[derive(Clone, Debug, Serialize)]
pub struct Hint {
    /// For example `/alch status [env]`.
    pub usage: String,
    /// What it does, in a few words.
    pub description: String,
}

struct Page {
    slack: Slack,
    panel: Panel,
}

impl Slack {
    /// The page at `/` and its API below `/sandbox`.
    pub fn page_router(&self, panel: Panel) -> Router {
        let page = Arc::new(Page { slack: self.clone(), panel });
        Router::new()
            .route("/", get(index))
            .route("/archives/{channel}/{message}", get(permalink))
            .route("/app.js", get(|| asset("text/javascript; charset=utf-8", include_bytes!("../page/dist/app.js"))))
            .route("/app.css", get(|| asset("text/css; charset=utf-8", include_bytes!("../page/dist/app.css"))))
            .route("/favicon.svg", get(|| asset("image/svg+xml", include_bytes!("../page/dist/favicon.svg"))))
            .route("/sandbox/stream", get(stream))
            .route("/sandbox/say", post(say))
            .route("/sandbox/act", post(act))
            .route("/sandbox/submit", post(submit))
            .route("/sandbox/close", post(close))
            .route("/sandbox/home", post(home))
            .route("/sandbox/fault", post(fault))
            .layer(middleware::from_fn(only_this_page))
            .with_state(page)
    }
}

async fn index() -> Response {
    asset("text/html; charset=utf-8", include_bytes!("../page/dist/index.html")).await
}

/// Where a permalink leads: the page, with the message named in the fragment.
async fn permalink(Path((channel, message)): Path<(String, String)>) -> Redirect {
    Redirect::temporary(&format!("/#{channel}/{message}"))
}

async fn asset(kind: &'static str, content: &'static [u8]) -> Response {
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")], content).into_response()
}

/// Another site's page, in the same browser, must not drive the sandbox or read it: neither by a form or a fetch across
/// origins nor by a name of its own that leads to this address.
async fn only_this_page(request: Request, next: Next) -> Response {
    match refusal(request.method(), request.headers()) {
        Some((status, why)) => (status, why).into_response(),
        None => next.run(request).await,
    }
}

fn refusal(method: &Method, headers: &HeaderMap) -> Option<(StatusCode, &'static str)> {
    let value = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let host = value(header::HOST).unwrap_or_default();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.chars().all(|c| c.is_ascii_digit()) => name,
        _ => host,
    };
    if !["localhost", "127.0.0.1", "[::1]"].contains(&name) {
        return Some((StatusCode::FORBIDDEN, "the sandbox is for this machine only"));
    }
    if value(header::ORIGIN).is_some_and(|origin| origin != format!("http://{host}")) {
        return Some((StatusCode::FORBIDDEN, "the sandbox is for its own page only"));
    }
    let is_json = value(header::CONTENT_TYPE).is_some_and(|kind| kind.starts_with("application/json"));
    (method == Method::POST && !is_json).then_some((StatusCode::UNSUPPORTED_MEDIA_TYPE, "JSON, please"))
}

async fn stream(State(page): State<Arc<Page>>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let changed = page.slack.0.changed.subscribe();
    let feed = Feed { page, changed, sent: None };
    Sse::new(futures_util::stream::unfold(feed, |mut feed| async move {
        let event = Event::default().event("state").data(feed.next().await.to_string());
        Some((Ok(event), feed))
    }))
}

struct Feed {
    page: Arc<Page>,
    changed: watch::Receiver<u64>,
    sent: Option<Instant>,
}

impl Feed {
    /// The state: at once the first time, then as soon as it changed, or after a while.
    async fn next(&mut self) -> Value {
        if let Some(sent) = self.sent {
            // Elapsed or changed: either way the state is told again.
            let _ = tokio::time::timeout_at(sent + PULSE, self.changed.changed()).await;
            tokio::time::sleep_until(sent + PACE).await;
        }
        self.sent = Some(Instant::now());
        self.changed.mark_unchanged();
        self.page.state()
    }
}

impl Page {
    fn state(&self) -> Value {
        let (slack, spec) = (&self.slack, self.slack.spec());
        let state = slack.state();
        let skipped = state.messages.len().saturating_sub(MESSAGES_SHOWN);
        let files = |message: &Message| -> Vec<Value> {
            let shared = state.files.iter().filter(|file| message.files.contains(&file.id));
            shared.map(|file| json!({"title": file.title, "url": slack.file_url(file), "alt": file.alt})).collect()
        };
        let message = |message: &Message| {
            json!({
                "ts": message.ts,
                "channel": message.channel,
                "thread_ts": message.thread_ts,
                "user": message.user,
                "text": message.text,
                "blocks": message.blocks,
                "edited": message.edited_ts.is_some(),
                "deleted": message.deleted,
                "broadcast": message.broadcast,
                "ephemeral_to": message.ephemeral_to,
                "files": files(message),
                "reactions": message.reactions.iter().map(|(name, _)| name).collect::<Vec<_>>(),
            })
        };
        let people: Vec<Value> = spec
            .people
            .iter()
            .map(|person| {
                json!({
                    "id": person.id,
                    "name": person.name,
                    "title": person.title,
                    "color": color(&person.id),
                    "initials": initials(&person.name),
                    "kind": person.kind(),
                    "handle": person.username(),
                })
            })
            .collect();
        let groups: Vec<Value> = spec
            .usergroups
            .iter()
            .map(|group| {
                let members = state.members.get(&group.id).unwrap_or(&group.members);
                json!({"handle": group.handle, "id": group.id, "members": members})
            })
            .collect();
        let mut faults = state.faults.switches();
        let mut told = json!({
            "now": slack.clock().now().to_string(),
            "bot": {"id": spec.bot_user.id, "name": spec.bot_user.name},
            "channel": channel(&spec.channel),
            "channels": spec.also_in.iter().map(channel).collect::<Vec<_>>(),
            "people": people,
            "groups": groups,
            "messages": state.messages.iter().skip(skipped).map(message).collect::<Vec<_>>(),
            "views": state.views,
            "home": state.homes,
            "hints": self.panel.hints,
        });
        // What the panel tells takes its own locks; ours is given back first.
        drop(state);
        faults.extend((self.panel.faults)());
        told["faults"] = json!(faults);
        told["world"] = (self.panel.world)();
        told
    }
}

fn channel(channel: &ChannelSpec) -> Value {
    json!({"id": channel.id, "name": channel.name, "topic": channel.topic})
}

fn initials(name: &str) -> String {
    name.split_whitespace().filter_map(|word| word.chars().next()).take(2).collect()
}

/// A colour that stays a person's own.
fn color(id: &str) -> &'static str {
    const COLORS: [&str; 8] = ["#4a7bd0", "#c2554d", "#3f9168", "#8a5fb8", "#c98a2b", "#2f8fa3", "#b0568f", "#6b7a3a"];
    let sum = id.bytes().fold(7_usize, |sum, byte| (sum * 31 + usize::from(byte)) % 10_007);
    COLORS[sum % COLORS.len()]
}

#[derive(Deserialize)]
struct Say {
    user: String,
    text: String,
    channel: Option<String>,
    thread_ts: Option<String>,
}

async fn say(State(page): State<Arc<Page>>, Json(say): Json<Say>) -> Json<Value> {
    let slack = &page.slack;
    let channel = say.channel.unwrap_or_else(|| slack.spec().channel.id.clone());
    let text = say.text.trim();
    if !text.starts_with('/') {
        // The page escapes messages itself, and leaves commands as they were typed.
        let text = typed::unescape(slack.spec(), text);
        return told(slack.says(&say.user, &channel, say.thread_ts.as_deref(), &text).await);
    }
    if say.thread_ts.is_some() {
        let command = text.split_whitespace().next().unwrap_or_default();
        return told_error(&format!("{command} is not supported in threads. Sorry!"));
    }
    told(slack.types_in(&say.user, &channel, text).await)
}

#[derive(Deserialize)]
struct Act {
    user: String,
    /// The message it is on; or else the view.
    message_ts: Option<String>,
    view_id: Option<String>,
    block_id: Option<String>,
    action_id: String,
    value: Option<Value>,
    selected: Option<Value>,
}

async fn act(State(page): State<Arc<Page>>, Json(act): Json<Act>) -> Json<Value> {
    let press = Press {
        user: &act.user,
        block_id: act.block_id.as_deref().filter(|id| !id.is_empty()),
        action: &act.action_id,
        choice: act.selected.as_ref().or(act.value.as_ref()),
    };
    match (&act.message_ts, &act.view_id) {
        (Some(ts), _) => told(page.slack.presses(ts, press).await),
        (None, Some(view)) => told(page.slack.presses_in_view(view, press).await),
        (None, None) => told_error("neither a message nor a view is named"),
    }
}

#[derive(Deserialize)]
struct Submit {
    user: String,
    view_id: String,
    #[serde(default)]
    values: Map<String, Value>,
}

async fn submit(State(page): State<Arc<Page>>, Json(submit): Json<Submit>) -> Json<Value> {
    told(page.slack.submits(&submit.user, &submit.view_id, Value::Object(submit.values)).await)
}

#[derive(Deserialize)]
struct Close {
    user: String,
    view_id: String,
}

async fn close(State(page): State<Arc<Page>>, Json(close): Json<Close>) -> Json<Value> {
    told(page.slack.closes(&close.user, &close.view_id).await)
}

#[derive(Deserialize)]
struct Home {
    user: String,
}

async fn home(State(page): State<Arc<Page>>, Json(home): Json<Home>) -> Json<Value> {
    told(page.slack.opens_home(&home.user).await)
}

#[derive(Deserialize)]
struct Fault {
    id: String,
    on: bool,
}

async fn fault(State(page): State<Arc<Page>>, Json(fault): Json<Fault>) -> Json<Value> {
    let turned = page.slack.set_fault(&fault.id, fault.on) || (page.panel.set_fault)(&fault.id, fault.on);
    // The panel's own faults do not change the workspace, but the page shows them.
    page.slack.change(|_| ());
    if turned { Json(json!({"ok": true})) } else { told_error("there is no such fault") }
}

fn told(delivered: Delivered) -> Json<Value> {
    let mut told = json!({"ok": delivered.is_ok()});
    if let Some(error) = delivered.error {
        told["error"] = json!(error);
    }
    if !delivered.errors.is_empty() {
        told["errors"] = Value::Object(delivered.errors);
    }
    Json(told)
}

fn told_error(error: &str) -> Json<Value> {
    Json(json!({"ok": false, "error": error}))
}
