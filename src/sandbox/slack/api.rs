//! The Web API's door: reads a call, checks its token and scope, lets faults strike, logs, and passes it to the method.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use http::{HeaderMap, StatusCode, Uri, header};
use serde_json::{Value, json};

use super::Slack;
use super::args::{Answer, Args, Refused};
use super::faults::{How, TOKEN_REVOKED};
use super::state::Outcome;

/// How long each call takes while Slack is slow.
const SLOWNESS: Duration = Duration::from_secs(2);
/// A call that hangs is given up after this time, so that a forgotten one does not stay for ever.
const LONGEST_HANG: Duration = Duration::from_mins(5);
/// The largest request body, in bytes; files are the largest.
const BODY_LIMIT_BYTES: usize = 16 * 1024 * 1024;

/// The methods of this workspace, each with the scopes of which one is needed.
const METHODS: [(&str, &[&str]); 27] = [
    ("api.test", &[]),
    ("apps.connections.open", &[]),
    ("auth.test", &[]),
    ("chat.delete", &["chat:write"]),
    ("chat.getPermalink", &[]),
    ("chat.postEphemeral", &["chat:write"]),
    ("chat.postMessage", &["chat:write"]),
    ("chat.update", &["chat:write"]),
    ("conversations.history", &["channels:history", "groups:history"]),
    ("conversations.info", &["channels:read", "groups:read"]),
    ("conversations.list", &["channels:read", "groups:read"]),
    ("conversations.members", &["channels:read", "groups:read"]),
    ("conversations.open", &["im:write"]),
    ("conversations.replies", &["channels:history", "groups:history"]),
    ("files.completeUploadExternal", &["files:write"]),
    ("files.getUploadURLExternal", &["files:write"]),
    ("reactions.add", &["reactions:write"]),
    ("reactions.remove", &["reactions:write"]),
    ("team.info", &["team:read"]),
    ("usergroups.list", &["usergroups:read"]),
    ("usergroups.users.list", &["usergroups:read"]),
    ("users.info", &["users:read"]),
    ("users.list", &["users:read"]),
    ("views.open", &[]),
    ("views.publish", &[]),
    ("views.push", &[]),
    ("views.update", &[]),
];

/// All that any method needs, and what the events and commands need.
pub(super) fn default_scopes() -> Vec<String> {
    let mut scopes: Vec<&str> = METHODS.iter().flat_map(|(_, scopes)| scopes.iter().copied()).collect();
    scopes.extend(["commands", "app_mentions:read", "im:history"]);
    scopes.sort_unstable();
    scopes.dedup();
    scopes.into_iter().map(str::to_owned).collect()
}

impl Slack {
    /// The Web API at `/api`, response URLs, uploads, files and Socket Mode: all that the bot talks to.
    pub fn api_router(&self) -> Router {
        Router::new()
            .route("/api/{method}", any(call))
            .route("/commands/{team}/{secret}", post(super::reply_url::reply))
            .route("/upload/v1/{file}", post(super::files::upload))
            .route("/files/{file}/{name}", get(super::files::download))
            .route("/link", get(super::socket::link))
            .layer(axum::extract::DefaultBodyLimit::max(BODY_LIMIT_BYTES))
            .with_state(self.clone())
    }

    fn answer(&self, method: &str, args: &Args, token: Option<&str>) -> Answer {
        let (_, scopes) = METHODS.iter().find(|(known, _)| *known == method).ok_or("unknown_method")?;
        self.check_token(method, token)?;
        self.check_scope(scopes)?;
        match method {
            "api.test" => Ok(json!({"args": args.to_json()})),
            "apps.connections.open" => Ok(json!({"url": self.issue_ticket()})),
            "auth.test" => Ok(self.identity()),
            "chat.delete" => self.chat_delete(args),
            "chat.getPermalink" => self.chat_get_permalink(args),
            "chat.postEphemeral" => self.chat_post_ephemeral(args),
            "chat.postMessage" => self.chat_post_message(args),
            "chat.update" => self.chat_update(args),
            "conversations.history" => self.conversations_history(args),
            "conversations.info" => self.conversations_info(args),
            "conversations.list" => self.conversations_list(args),
            "conversations.members" => self.conversations_members(args),
            "conversations.open" => self.conversations_open(args),
            "conversations.replies" => self.conversations_replies(args),
            "files.completeUploadExternal" => self.files_complete_upload_external(args),
            "files.getUploadURLExternal" => self.files_get_upload_url_external(args),
            "reactions.add" => self.react(args, true),
            "reactions.remove" => self.react(args, false),
            "team.info" => Ok(self.team_info()),
            "usergroups.list" => Ok(self.usergroups_list(args)),
            "usergroups.users.list" => self.usergroups_users_list(args),
            "users.info" => self.users_info(args),
            "users.list" => self.users_list(args),
            "views.open" => self.views_open(args),
            "views.publish" => self.views_publish(args),
            "views.push" => self.views_push(args),
            "views.update" => self.views_update(args),
            unlisted => unreachable!("{unlisted} is in METHODS and has no arm"),
        }
    }

    fn check_token(&self, method: &str, token: Option<&str>) -> Result<(), Refused> {
        let spec = self.spec();
        match (method, token) {
            ("api.test", _) => Ok(()),
            (_, None) => Err("not_authed".into()),
            ("apps.connections.open", Some(token)) if token == spec.app_token => Ok(()),
            ("apps.connections.open", Some(token)) if token == spec.bot_token => Err("not_allowed_token_type".into()),
            (_, Some(token)) if token == spec.app_token => Err("not_allowed_token_type".into()),
            (_, Some(token)) if token == spec.bot_token && self.state().faults.is_on(TOKEN_REVOKED) => {
                Err("token_revoked".into())
            }
            (_, Some(token)) if token == spec.bot_token => Ok(()),
            (_, Some(_)) => Err("invalid_auth".into()),
        }
    }

    fn check_scope(&self, needed: &[&str]) -> Result<(), Refused> {
        let state = self.state();
        if needed.is_empty() || needed.iter().any(|needed| state.scopes.iter().any(|scope| scope == needed)) {
            return Ok(());
        }
        Err(Refused::explained("missing_scope", vec![needed.join(",")]))
    }

    fn identity(&self) -> Value {
        let spec = self.spec();
        json!({
            "url": format!("https://{}.slack.com/", spec.team_domain),
            "team": spec.team_domain,
            "user": spec.bot_user.name,
            "team_id": spec.team_id,
            "user_id": spec.bot_user.id,
            "bot_id": spec.bot_id(),
            "is_enterprise_install": false,
        })
    }

    fn team_info(&self) -> Value {
        let spec = self.spec();
        json!({"team": {"id": spec.team_id, "name": spec.team_domain, "domain": spec.team_domain}})
    }

    /// Lets a fault strike; `Ok(true)` means that the answer is to be lost.
    pub(super) async fn suffer(&self, method: &str, number: u64) -> Result<bool, Response> {
        let (how, slow) = self.change(|state| (state.faults.strike(method), state.faults.is_slow()));
        if slow {
            tokio::time::sleep(SLOWNESS).await;
        }
        let status = |status: StatusCode| {
            self.change(|state| state.log_outcome(number, Outcome::Status(status.as_u16())));
        };
        match how {
            None => Ok(false),
            Some(How::AcceptedButDropped) => Ok(true),
            Some(How::RateLimited { retry_after }) => {
                status(StatusCode::TOO_MANY_REQUESTS);
                let headers = [(header::RETRY_AFTER, retry_after.to_string())];
                let body = axum::Json(json!({"ok": false, "error": "ratelimited"}));
                Err((StatusCode::TOO_MANY_REQUESTS, headers, body).into_response())
            }
            Some(How::ServerError) => {
                status(StatusCode::SERVICE_UNAVAILABLE);
                Err((StatusCode::SERVICE_UNAVAILABLE, "upstream unavailable").into_response())
            }
            Some(How::Hang) => {
                tokio::time::sleep(LONGEST_HANG).await;
                status(StatusCode::GATEWAY_TIMEOUT);
                Err(StatusCode::GATEWAY_TIMEOUT.into_response())
            }
            Some(How::Error(error)) => {
                self.change(|state| state.log_outcome(number, Outcome::Refused(error.to_owned())));
                Err(axum::Json(json!({"ok": false, "error": error})).into_response())
            }
        }
    }
}

/// An answer that ends the connection before it is complete, as a network that fails does.
pub(super) fn lost_answer() -> Response {
    let broken = futures_util::stream::once(async { Err::<Bytes, _>(std::io::Error::other("connection dropped")) });
    let mut response = Response::new(Body::from_stream(broken));
    response.headers_mut().insert(header::CONTENT_LENGTH, header::HeaderValue::from_static("64"));
    response
}

async fn call(
    State(slack): State<Slack>,
    Path(method): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Infallible> {
    let now = slack.clock().now();
    let (args, token) = match Args::read(&uri, &headers, &body) {
        Ok(mut args) => {
            let token = args.take_token(&headers);
            (Ok(args), token)
        }
        Err(refused) => (Err(refused), None),
    };
    let told = args.as_ref().map_or(Value::Null, Args::to_json);
    let place = told["channel"].as_str().map_or_else(|| method.clone(), |channel| format!("{method} {channel}"));
    let number = slack.change(|state| state.log_call(now, &method, told));
    let lost = match slack.suffer(&place, number).await {
        Ok(lost) => lost,
        Err(response) => return Ok(response),
    };
    let answer = args.and_then(|args| slack.answer(&method, &args, token.as_deref()));
    let (outcome, body) = match answer {
        Ok(mut body) => {
            body["ok"] = json!(true);
            (Outcome::Done, body)
        }
        Err(Refused { error, messages }) => {
            let mut body = json!({"ok": false, "error": error});
            if error == "missing_scope" {
                body["needed"] = json!(messages.concat());
                body["provided"] = json!(slack.state().scopes.join(","));
            } else if !messages.is_empty() {
                body["response_metadata"] = json!({"messages": messages});
            }
            if error == "unknown_method" {
                body["req_method"] = json!(method);
            }
            (Outcome::Refused(error), body)
        }
    };
    if lost {
        slack.change(|state| state.log_outcome(number, Outcome::Dropped));
        return Ok(lost_answer());
    }
    slack.change(|state| state.log_outcome(number, outcome));
    let scopes = slack.state().scopes.join(",");
    Ok(([("x-oauth-scopes", scopes)], axum::Json(body)).into_response())
}
