//! One HTTP call to Slack and what became of it.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::Url;

use super::SlackClient;

/// The longest answer that is read, bytes.
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;
/// How long to stay away when Slack says "too many" without saying for how long.
const RETRY_AFTER_UNSAID: Duration = Duration::from_secs(5);
/// The longest that Slack is believed when it says how long to stay away.
const RETRY_AFTER_LONGEST: Duration = Duration::from_secs(600);

/// Why a call has no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// Too many calls of this method. Nothing happened.
    #[error("rate limited for {} s", retry_after.as_secs())]
    RateLimited {
        /// How long to stay away.
        retry_after: Duration,
    },
    /// Slack says no. Nothing happened.
    #[error("refused by Slack: {code}{}", details(messages))]
    Api {
        /// Slack's word for it.
        code: String,
        /// What Slack says besides.
        messages: Vec<String>,
    },
    /// Sent, and no answer that can be understood: it may have happened.
    #[error("may or may not have happened: {0}")]
    Ambiguous(String),
    /// Not sent.
    #[error("Slack cannot be reached: {0}")]
    Unreachable(String),
    /// The token is not accepted. Nothing happened.
    #[error("the token is not accepted: {0}")]
    InvalidAuth(String),
}

fn details(messages: &[String]) -> String {
    if messages.is_empty() { String::new() } else { format!(" ({})", messages.join("; ")) }
}

impl CallError {
    fn from_code(code: &str, answer: &Value, headers: &HeaderMap) -> Self {
        match code {
            "ratelimited" | "rate_limited" => Self::RateLimited { retry_after: retry_after(headers) },
            "invalid_auth"
            | "not_authed"
            | "account_inactive"
            | "token_revoked"
            | "token_expired"
            | "not_allowed_token_type"
            | "user_removed_from_team" => Self::InvalidAuth(code.to_owned()),
            // Slack documents that these may follow a partial success.
            "fatal_error" | "internal_error" | "request_timeout" | "service_unavailable" => {
                Self::Ambiguous(code.to_owned())
            }
            _ => {
                let told = answer.pointer("/response_metadata/messages").and_then(Value::as_array);
                let told = told
                    .into_iter()
                    .flatten()
                    .chain(answer.get("errors").and_then(Value::as_array).into_iter().flatten());
                let needed = answer.get("needed").and_then(Value::as_str).map(|scope| format!("needs {scope}"));
                let messages = told.filter_map(Value::as_str).map(str::to_owned).chain(needed).collect();
                Self::Api { code: code.to_owned(), messages }
            }
        }
    }

    fn result(&self) -> &'static str {
        match self {
            Self::RateLimited { .. } => "rate_limited",
            Self::Api { .. } => "refused",
            Self::Ambiguous(_) => "ambiguous",
            Self::Unreachable(_) => "unreachable",
            Self::InvalidAuth(_) => "invalid_auth",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    method: &'static str,
    result: &'static str,
}

/// Calls by method and result.
#[derive(Clone, Debug, Default)]
pub struct CallCounters(Family<CallLabels, Counter>);

impl CallCounters {
    /// Adds the counters to `registry`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("slack_calls", "Calls of Slack's Web API by method and result", self.0.clone());
    }

    /// How many calls of this method had this result.
    pub fn get(&self, method: &'static str, result: &'static str) -> u64 {
        self.0.get_or_create(&CallLabels { method, result }).get()
    }
}

/// What Slack answered to a call that went well.
pub(super) struct Answered {
    pub(super) body: Value,
    pub(super) headers: HeaderMap,
}

impl SlackClient {
    /// Writes by POST with JSON.
    pub(super) async fn write(&self, method: &'static str, body: &Value) -> Result<Answered, CallError> {
        self.write_with(method, &self.0.token, body).await
    }

    pub(super) async fn write_with(
        &self,
        method: &'static str,
        token: &SecretString,
        body: &Value,
    ) -> Result<Answered, CallError> {
        self.send(method, post(&self.0.base.method(method), Some(token), body)).await
    }

    /// Reads by GET: Slack takes no JSON for the methods that read.
    pub(super) async fn read(&self, method: &'static str, query: &[(&str, &str)]) -> Result<Answered, CallError> {
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        let request = request(Method::GET, &format!("{}?{query}", self.0.base.method(method)), Some(&self.0.token));
        self.send(method, request.and_then(|request| request.body(Full::default()))).await
    }

    /// Posts to a response_url, which is a secret and needs no token. Slack answers it with `ok` as plain text.
    pub(super) async fn post_to(&self, url: &str, body: &Value) -> Result<(), CallError> {
        let allowed = Url::parse(url).is_ok_and(|url| self.0.base.owns(&url));
        if !allowed {
            return Err(CallError::Api { code: "foreign_response_url".to_owned(), messages: Vec::new() });
        }
        self.send("response_url", post(url, None, body)).await.map(drop)
    }

    /// Posts the bytes of a file to the address that Slack gave for them; it is a secret and needs no token. Whether it is
    /// Slack's own is for the caller to see to.
    pub(super) async fn post_bytes(&self, url: &str, bytes: Bytes) -> Result<(), CallError> {
        let request = request(Method::POST, url, None).and_then(|request| {
            request.header(header::CONTENT_TYPE, "application/octet-stream").body(Full::from(bytes))
        });
        self.send("upload", request).await.map(drop)
    }

    async fn send(
        &self,
        method: &'static str,
        request: http::Result<Request<Full<Bytes>>>,
    ) -> Result<Answered, CallError> {
        let sent = async {
            let request = request.map_err(|_| CallError::Unreachable("the request cannot be built".to_owned()))?;
            match tokio::time::timeout(self.0.timeout, self.exchange(request)).await {
                Ok(answer) => answer,
                Err(_) => Err(CallError::Ambiguous(format!("no answer within {} s", self.0.timeout.as_secs_f32()))),
            }
        };
        let answer = sent.await;
        let result = answer.as_ref().map_or_else(CallError::result, |_| "ok");
        self.0.counters.0.get_or_create(&CallLabels { method, result }).inc();
        answer
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Answered, CallError> {
        let is_webhook = request.headers().get(header::AUTHORIZATION).is_none();
        let response = self.0.http.request(request).await.map_err(|error| match error.is_connect() {
            true => CallError::Unreachable(format!("cannot connect: {}", innermost(&error))),
            false => CallError::Ambiguous(format!("the connection was lost: {}", innermost(&error))),
        })?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await;
        let status = parts.status;
        if status == StatusCode::TOO_MANY_REQUESTS {
            return Err(CallError::RateLimited { retry_after: retry_after(&parts.headers) });
        }
        if status.is_server_error() {
            return Err(CallError::Ambiguous(format!("HTTP status {}", status.as_u16())));
        }
        let body = body.map_err(|_| CallError::Ambiguous("the answer broke off".to_owned()))?.to_bytes();
        let answer = serde_json::from_slice::<Value>(&body).ok();
        let code = answer.as_ref().and_then(|answer| answer.get("error")).and_then(Value::as_str);
        match (&answer, code) {
            (Some(answer), Some(code)) => return Err(CallError::from_code(code, answer, &parts.headers)),
            _ if !status.is_success() => {
                return Err(CallError::Api { code: format!("http_{}", status.as_u16()), messages: Vec::new() });
            }
            (Some(answer), None) if is_webhook || answer.get("ok").and_then(Value::as_bool) == Some(true) => {}
            (None, _) if is_webhook => {}
            _ => return Err(CallError::Ambiguous("an answer that is not Slack's".to_owned())),
        }
        Ok(Answered { body: answer.unwrap_or_default(), headers: parts.headers })
    }
}

fn request(method: Method, url: &str, token: Option<&SecretString>) -> http::Result<http::request::Builder> {
    let request = Request::builder().method(method).uri(url);
    let Some(token) = token else { return Ok(request) };
    let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()))?;
    value.set_sensitive(true);
    Ok(request.header(header::AUTHORIZATION, value))
}

fn post(url: &str, token: Option<&SecretString>, body: &Value) -> http::Result<Request<Full<Bytes>>> {
    request(Method::POST, url, token)?
        .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
        .body(Full::from(body.to_string()))
}

/// The cause at the bottom, which names the trouble: a name that does not resolve, a certificate, a refused connection.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(below) = cause.source() {
        cause = below;
    }
    cause.to_string()
}

fn retry_after(headers: &HeaderMap) -> Duration {
    let seconds = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    seconds.map_or(RETRY_AFTER_UNSAID, Duration::from_secs).min(RETRY_AFTER_LONGEST)
}
