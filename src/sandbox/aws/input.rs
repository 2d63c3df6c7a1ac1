//! Reading an operation's input: the few questions that all services' operations ask of a JSON value.

use serde_json::Value;

use super::refusal::Refusal;

/// An operation's input, with the error code that the service uses for a wrong one.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    pub value: &'a Value,
    pub invalid: &'static str,
}

impl<'a> Input<'a> {
    /// A text that may be missing; an empty one counts as missing.
    pub fn text(&self, name: &str) -> Option<&'a str> {
        self.value.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    pub fn required(&self, name: &str) -> Result<&'a str, Refusal> {
        self.text(name).ok_or_else(|| self.wrong(format!("{name} must not be null")))
    }

    /// A whole number within limits, or `default` where it is missing.
    pub fn number(&self, name: &str, default: i64, limits: std::ops::RangeInclusive<i64>) -> Result<i64, Refusal> {
        match self.value.get(name) {
            None | Some(Value::Null) => Ok(default),
            Some(value) => value
                .as_i64()
                .filter(|number| limits.contains(number))
                .ok_or_else(|| self.wrong(format!("{name} must be between {} and {}", limits.start(), limits.end()))),
        }
    }

    /// Whether something is said to be so.
    pub fn flag(&self, name: &str) -> bool {
        self.value.get(name).and_then(Value::as_bool).unwrap_or(false)
    }

    /// A time, as seconds since the epoch.
    pub fn time(&self, name: &str) -> Result<f64, Refusal> {
        let value = self.value.get(name).and_then(Value::as_f64);
        value.ok_or_else(|| self.wrong(format!("The parameter {name} is required")))
    }

    pub fn list(&self, name: &str) -> &'a [Value] {
        self.value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    pub fn texts(&self, name: &str) -> Vec<&'a str> {
        self.list(name).iter().filter_map(Value::as_str).collect()
    }

    pub fn wrong(&self, message: impl Into<String>) -> Refusal {
        Refusal::sender(self.invalid, message)
    }

    /// The page of `all` that `token_field` asks for, and the token for the next.
    pub fn page<T>(&self, all: Vec<T>, token_field: &str, size: usize) -> Result<(Vec<T>, Option<String>), Refusal> {
        let start = match self.text(token_field) {
            None => 0,
            Some(token) => token
                .strip_prefix("page-from-")
                .and_then(|start| start.parse::<usize>().ok())
                .filter(|start| *start < all.len())
                .ok_or_else(|| self.wrong(format!("{token_field} is not valid")))?,
        };
        let end = start.saturating_add(size.max(1));
        let next = (end < all.len()).then(|| format!("page-from-{end}"));
        Ok((all.into_iter().skip(start).take(size.max(1)).collect(), next))
    }
}
