//! CloudWatch Logs: what the functions wrote about runs that did not go well, and searching it.

use std::collections::VecDeque;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::input::Input;
use super::refusal::Refusal;
use super::serve::CallContext;
use super::state::{Function, Place, State};
use super::wire::Service;

/// The oldest lines are forgotten beyond this many.
const LINES_MAX: usize = 2_000;

/// A line that a function wrote.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Written {
    pub place: Place,
    pub group: String,
    pub at: Timestamp,
    pub text: String,
}

impl Function {
    /// The name of its log group.
    pub fn log_group(&self) -> String {
        self.logs_to.clone().unwrap_or_else(|| format!("/aws/lambda/{}", self.name))
    }
}

/// Adds a line.
pub fn write(log: &mut VecDeque<Written>, written: Written) {
    if log.len() >= LINES_MAX {
        log.pop_front();
    }
    log.push_back(written);
}

pub fn answer(state: &State, call: &CallContext, input: Input) -> Result<Value, Refusal> {
    match call.operation {
        "FilterLogEvents" => filter(state, call, input),
        other => Err(Refusal::unknown_operation(Some(Service::Logs), other)),
    }
}

fn filter(state: &State, call: &CallContext, input: Input) -> Result<Value, Refusal> {
    let group = input.required("logGroupName")?;
    let mut functions = state.functions.iter().filter(|function| call.sees(&function.place));
    if !functions.any(|function| function.log_group() == group) {
        return Err(Refusal::sender("ResourceNotFoundException", "The specified log group does not exist."));
    }
    let (from, until) = (input.number("startTime", 0, 0..=i64::MAX)?, input.number("endTime", i64::MAX, 0..=i64::MAX)?);
    let pattern = input.text("filterPattern").unwrap_or_default();
    let found = state.log.iter().filter(|line| {
        let at = line.at.as_millisecond();
        line.group == group && call.sees(&line.place) && at >= from && at <= until && picks(pattern, &line.text)
    });
    let found: Vec<&Written> = found.collect();
    let size = usize::try_from(input.number("limit", 10_000, 1..=10_000)?).unwrap_or(1);
    let (page, next) = input.page(found, "nextToken", size.min(call.page_max))?;
    let events = page.into_iter().enumerate().map(|(n, line)| {
        json!({
            "logStreamName": "2026/[$LATEST]sandbox",
            "timestamp": line.at.as_millisecond(),
            "message": format!("{}\n", line.text),
            "ingestionTime": line.at.as_millisecond(),
            "eventId": format!("{}-{n}", line.at.as_millisecond()),
        })
    });
    let mut answer = json!({"events": events.collect::<Vec<Value>>(), "searchedLogStreams": []});
    if let Some(next) = next {
        answer["nextToken"] = json!(next);
    }
    Ok(answer)
}

/// Whether a filter pattern picks a line: all of its terms, one of those with a question mark, or a member of a JSON line.
fn picks(pattern: &str, text: &str) -> bool {
    if let Some(inner) = pattern.trim().strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        let Some((path, wanted)) = inner.split_once('=') else { return false };
        let member = path.trim().trim_start_matches("$.");
        let value: Option<Value> = serde_json::from_str(text).ok();
        let found = value.as_ref().and_then(|value| value.get(member)).and_then(Value::as_str);
        return found == Some(wanted.trim().trim_matches('"'));
    }
    let (mut all, mut any) = (Vec::new(), Vec::new());
    let mut rest = pattern.trim();
    while !rest.is_empty() {
        let optional = rest.starts_with('?');
        rest = rest.trim_start_matches('?');
        let (term, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => rest.split_once(' ').unwrap_or((rest, "")),
        };
        if optional {
            any.push(term)
        } else {
            all.push(term)
        }
        rest = after.trim_start();
    }
    all.iter().all(|term| text.contains(term)) && (any.is_empty() || any.iter().any(|term| text.contains(term)))
}

#[cfg(test)]
mod tests {
    use super::picks;

    #[test]
    fn patterns_pick_what_cloudwatch_would() {
        for (pattern, text, picked) in [
            ("", "anything", true),
            (r#"?"Task timed out" ?ERROR"#, "Task timed out after 3 s", true),
            (r#"?"Task timed out" ?ERROR"#, "[ERROR] no", true),
            (r#"?"Task timed out" ?ERROR"#, "Task ended", false),
            ("status failed", r#"{"status": "failed"}"#, true),
            ("status failed", r#"{"status": "ok"}"#, false),
            (r#"{ $.level = "error" }"#, r#"{"level": "error"}"#, true),
            (r#"{ $.level = "error" }"#, r#"{"level": "info"}"#, false),
        ] {
            assert_eq!(picks(pattern, text), picked, "{pattern} {text}");
        }
    }
}
