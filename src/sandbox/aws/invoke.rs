//! Lambda's Invoke: a run of a stack's function as somebody asks for it. It trades where its variable says, whatever the
//! payload says, publishes an event for each of its rules, and writes its log, carelessly.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::deploy::base64;
use super::faults::{PUBLISHES_NOTHING, SLOW_FUNCTION, function_fault, role_fault};
use super::input::Input;
use super::lambda::version_of;
use super::logs::{self, Written};
use super::refusal::Refusal;
use super::serve::CallContext;
use super::spec::StackSpec;
use super::state::{Function, State};
use super::wire::Request;

/// How much of the log comes back with the answer.
const TAIL_BYTES: usize = 4096;
/// How long a slow function takes, in real time.
pub const SLOW_FOR: Duration = Duration::from_secs(10);
const REQUEST_ID: &str = "00000000-0000-4000-8000-000000000000";

pub fn invoke(state: &mut State, call: &CallContext, input: Input) -> Result<Value, Refusal> {
    let name = input.required("FunctionName")?;
    if input.text("InvocationType").is_some_and(|kind| kind != "RequestResponse") {
        return Err(Refusal::unmodelled("InvalidParameterValueException", "what is invoked here is waited for"));
    }
    let version = version_of(name, &input)?;
    let is_it = |function: &Function| call.sees(&function.place) && (function.name == name || function.arn() == name);
    let Some(index) = state.functions.iter().position(is_it) else {
        let message = format!("Function not found: {name}");
        return Err(Refusal { status: 404, ..Refusal::sender("ResourceNotFoundException", message) });
    };
    let payload: Value = serde_json::from_str(input.text("Payload").unwrap_or("null")).map_err(|error| {
        Refusal::sender("InvalidRequestContentException", format!("Could not parse request body into json: {error}"))
    })?;
    let environment = state.functions[index].environment.clone();
    let fault = |state: &State, what: &str| state.fault(&function_fault(&environment, what));
    let metric = |state: &State, name: &str| state.functions[index].metric(name);
    if fault(state, "throttles") || state.functions[index].concurrency == Some(0) {
        let key = metric(state, "Throttles");
        state.metrics.record(call.now, key, 1.0);
        return Err(Refusal { status: 429, ..Refusal::sender("TooManyRequestsException", "Rate Exceeded.") });
    }
    let correlation = payload["correlation_id"].as_str().unwrap_or_default().to_owned();
    let stack = state.stacks.iter().find(|stack| stack.environment == environment).cloned();
    let mut lines = vec![format!("START RequestId: {REQUEST_ID} Version: {version}")];
    lines.push(
        json!({"level": "info", "message": "trading", "mode": mode(&state.functions[index], stack.as_ref()), "correlation_id": correlation})
            .to_string(),
    );
    let may_publish = !state.fault(&role_fault(&environment, "bus"));
    let (error, body) = if fault(state, "errors") {
        // What careless code does: the request that failed, with the keys that it was signed with.
        let keys = state.functions[index].variables.iter().map(|(name, value)| format!("'{name}': '{value}'"));
        lines.push(format!("request failed: GET /v2/account headers={{{}}}", keys.collect::<Vec<_>>().join(", ")));
        lines.push("[ERROR] RuntimeError: the broker does not answer".to_owned());
        (Some("Unhandled"), json!({"errorMessage": "the broker does not answer", "errorType": "RuntimeError"}))
    } else if fault(state, "returns-failed") || !may_publish {
        let reason = if may_publish { "the broker does not answer" } else { "events:PutEvents was denied" };
        lines.push(json!({"level": "info", "result": {"status": "failed", "reason": reason}}).to_string());
        (None, json!({"status": "failed", "reason": reason, "correlation_id": correlation}))
    } else {
        if !fault(state, PUBLISHES_NOTHING)
            && let Some(stack) = &stack
        {
            publish(state, call.now, stack, &correlation);
        }
        (None, json!({"status": "success", "mode": "trade", "correlation_id": correlation}))
    };
    let now = call.now;
    lines.push(format!("END RequestId: {REQUEST_ID}"));
    lines.push(format!("REPORT RequestId: {REQUEST_ID}\tDuration: 812.00 ms\tBilled Duration: 812 ms"));
    for (name, value) in [
        ("Invocations", 1.0),
        ("Errors", if error.is_some() { 1.0 } else { 0.0 }),
        ("Throttles", 0.0),
        ("Duration", 812.0),
    ] {
        let key = metric(state, name);
        state.metrics.record(now, key, value);
    }
    let (place, group) = (state.functions[index].place.clone(), state.functions[index].log_group());
    for text in &lines {
        logs::write(
            &mut state.log,
            Written { place: place.clone(), group: group.clone(), at: now, text: text.clone() },
        );
    }
    let log = lines.join("\n");
    let tail = &log.as_bytes()[log.len().saturating_sub(TAIL_BYTES)..];
    let tail = input.text("LogType").is_some_and(|kind| kind == "Tail").then(|| base64(tail));
    Ok(json!({
        "StatusCode": 200,
        "FunctionError": error,
        "ExecutedVersion": version,
        "LogResult": tail,
        "Payload": body.to_string(),
    }))
}

/// Where it trades, by its variable alone.
fn mode(function: &Function, stack: Option<&StackSpec>) -> &'static str {
    let trades = stack.and_then(|stack| stack.trades.as_ref());
    let paper = trades.is_none_or(|trades| function.variables.get(&trades.variable) == Some(&trades.paper));
    if paper { "paper" } else { "LIVE" }
}

/// An event for each rule of the stack.
fn publish(state: &mut State, at: Timestamp, stack: &StackSpec, correlation: &str) {
    let Some(bus) = state.buses.iter().position(|bus| bus.name == stack.bus && bus.place.account == stack.account)
    else {
        return;
    };
    for spec in &stack.rules {
        let Some(rule) = state.buses[bus].rules.iter().position(|rule| rule.name == spec.name) else { continue };
        let mut event = state.fresh_event(at, bus, rule);
        let id = event.id.clone();
        event.detail = json!({stack.table_key.as_str(): id, "correlation_id": correlation}).to_string();
        state.archive(bus, &event);
        for rule in 0..state.buses[bus].rules.len() {
            let known = &state.buses[bus].rules[rule];
            if known.matches(&event) && known.state.lets_events_through() {
                state.match_rule(at, bus, rule, &event, None);
            }
        }
    }
}

impl State {
    /// Whether the function of this call takes its time.
    pub fn answers_slowly(&self, request: &Request) -> bool {
        let name = request.input.as_ref().ok().and_then(|input| input["FunctionName"].as_str());
        let is_it = |function: &&Function| Some(function.name.as_str()) == name;
        let invoked = self.functions.iter().find(is_it).filter(|_| request.operation == "Invoke");
        invoked.is_some_and(|function| self.fault(&function_fault(&function.environment, SLOW_FUNCTION)))
    }

    /// Has an environment's function trade where it did not when the world began, or where it did.
    pub fn trade_elsewhere(&mut self, environment: &str, elsewhere: bool, now: Timestamp) {
        let stack = self.stacks.iter().find(|stack| stack.environment == environment);
        let Some(trades) = stack.and_then(|stack| stack.trades.clone()) else { return };
        let value = if trades.is_live == elsewhere { trades.paper } else { trades.live };
        for function in self.functions.iter_mut().filter(|function| function.environment == environment) {
            function.variables.insert(trades.variable.clone(), value.clone());
            function.revision += 1;
            function.modified = now;
        }
    }
}
