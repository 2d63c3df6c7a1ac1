//! The arguments of a Web API call, whichever way they came: query, form or JSON. Does not know any method.

use axum::body::Bytes;
use http::{HeaderMap, Uri, header};
use serde_json::{Map, Value};

/// Why a call is refused: Slack's error code, and explanations for some.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) error: String,
    pub(super) messages: Vec<String>,
}

impl Refused {
    pub(super) fn explained(error: &str, messages: Vec<String>) -> Self {
        Self { error: error.to_owned(), messages }
    }
}

impl From<&str> for Refused {
    fn from(error: &str) -> Self {
        Self::explained(error, Vec::new())
    }
}

/// What a method answers beside `ok: true`.
pub(super) type Answer = Result<Value, Refused>;

pub(super) struct Args(Map<String, Value>);

impl Args {
    /// Reads a request. Query and body are joined, as Slack does.
    pub(super) fn read(uri: &Uri, headers: &HeaderMap, body: &Bytes) -> Result<Self, Refused> {
        let mut args = Map::new();
        let mut add_pairs = |text: &[u8]| {
            for (key, value) in form_urlencoded::parse(text) {
                args.insert(key.into_owned(), Value::String(value.into_owned()));
            }
        };
        add_pairs(uri.query().unwrap_or_default().as_bytes());
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if kind.starts_with("application/json") {
            match serde_json::from_slice(body) {
                Ok(Value::Object(object)) => args.extend(object),
                Ok(_) => return Err("json_not_object".into()),
                Err(_) if body.is_empty() => {}
                Err(_) => return Err("invalid_json".into()),
            }
        } else if kind.starts_with("application/x-www-form-urlencoded") {
            add_pairs(body);
        } else if !body.is_empty() {
            return Err("invalid_post_type".into());
        }
        // An absent argument and a null one are the same.
        args.retain(|_, value| !value.is_null());
        Ok(Self(args))
    }

    /// Arguments that did not come by a call.
    pub(super) fn of(args: Map<String, Value>) -> Self {
        Self(args)
    }

    /// The bearer token, or the `token` argument, which is taken out.
    pub(super) fn take_token(&mut self, headers: &HeaderMap) -> Option<String> {
        let argument = self.0.remove("token").and_then(|token| token.as_str().map(str::to_owned));
        let header = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        header.and_then(|value| value.strip_prefix("Bearer ")).map(str::to_owned).or(argument)
    }

    pub(super) fn to_json(&self) -> Value {
        Value::Object(self.0.clone())
    }

    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    pub(super) fn required(&self, key: &str) -> Result<&str, Refused> {
        self.text(key).ok_or_else(|| {
            Refused::explained("invalid_arguments", vec![format!("[ERROR] missing required field: {key}")])
        })
    }

    pub(super) fn flag(&self, key: &str) -> bool {
        match self.0.get(key) {
            Some(Value::Bool(flag)) => *flag,
            Some(Value::String(text)) => matches!(text.as_str(), "true" | "1"),
            Some(Value::Number(number)) => number.as_i64() == Some(1),
            _ => false,
        }
    }

    pub(super) fn number(&self, key: &str) -> Option<usize> {
        match self.0.get(key)? {
            Value::Number(number) => number.as_u64().and_then(|number| usize::try_from(number).ok()),
            Value::String(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// A structured argument, given as JSON or as a string of JSON. `Err` if the string is not JSON.
    pub(super) fn json(&self, key: &str) -> Result<Option<Value>, Refused> {
        match self.0.get(key) {
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(Value::String(text)) => serde_json::from_str(text)
                .map(Some)
                .map_err(|_| Refused::explained("invalid_arguments", vec![format!("[ERROR] {key} is not valid JSON")])),
            other => Ok(other.cloned()),
        }
    }
}

/// One page of a list, and the cursor of the next one.
pub(super) fn page_of<T: Clone>(all: &[T], args: &Args, default_limit: usize) -> Result<(Vec<T>, String), Refused> {
    let start = match args.text("cursor") {
        None => 0,
        Some(cursor) => {
            cursor.strip_prefix("after:").and_then(|start| start.parse().ok()).ok_or(Refused::from("invalid_cursor"))?
        }
    };
    let limit = args.number("limit").filter(|&limit| limit > 0).unwrap_or(default_limit).min(1000);
    let page: Vec<T> = all.iter().skip(start).take(limit).cloned().collect();
    let end = start + page.len();
    let cursor = if end < all.len() { format!("after:{end}") } else { String::new() };
    Ok((page, cursor))
}
