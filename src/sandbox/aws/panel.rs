//! The world as the page's panel shows it: how things truly are, without the delay that the metrics have.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::flow::PANEL_WINDOW;
use super::metrics::MetricKey;
use super::spec::StackSpec;
use super::state::State;
use super::world::World;

/// How many of the messages that were published to an environment's topics are shown, the newest first.
const NOTICES_SHOWN: usize = 20;

impl World {
    /// The environments with their rules, queues, function, alarms, table, version and notices, as one JSON value.
    pub fn snapshot(&self) -> Value {
        let inner = self.ticked();
        let state = &inner.state;
        let environments = state.stacks.iter().map(|stack| environment(state, stack));
        json!({"at": state.reached, "environments": environments.collect::<Vec<Value>>()})
    }
}

fn environment(state: &State, stack: &StackSpec) -> Value {
    let environment = &stack.environment;
    let count = |key: &MetricKey| recent_sum(state, state.reached, key);
    let bus = state.buses.iter().find(|bus| bus.name == stack.bus && bus.place.account == stack.account);
    let rules = stack.rules.iter().filter_map(|spec| {
        let rule = bus?.rules.iter().find(|rule| rule.name == spec.name)?;
        Some(json!({
            "short": spec.short,
            "name": spec.name,
            "state": rule.state.as_str(),
            "since": rule.since,
            "invocations_5m": count(&bus?.rule_metric(&rule.name, "Invocations")),
            "failed_5m": count(&bus?.rule_metric(&rule.name, "FailedInvocations")),
        }))
    });
    let queues = state.queues.iter().filter(|queue| queue.environment == *environment);
    let queues = queues.map(|queue| {
        let depth = queue.depth(state.reached);
        json!({
            "name": queue.name,
            "visible": depth.visible,
            "in_flight": depth.in_flight,
            "delayed": depth.delayed,
            "writable": queue.policy.is_some(),
        })
    });
    let function = state.functions.iter().find(|function| function.environment == *environment).map(|function| {
        json!({
            "name": function.name,
            "invocations_5m": count(&function.metric("Invocations")),
            "errors_5m": count(&function.metric("Errors")),
            "throttles_5m": count(&function.metric("Throttles")),
        })
    });
    let alarms = state.alarms.iter().filter(|alarm| alarm.environment == *environment);
    let alarms = alarms.map(|alarm| json!({"name": alarm.name, "state": alarm.state.as_str(), "since": alarm.since}));
    let stack_now = state.formations.iter().find(|known| known.environment == *environment);
    let code = state.functions.iter().find(|function| function.environment == *environment).map(|known| &known.code);
    let version = stack_now.map(|stack| json!({"label": stack.label, "artefact": code, "since": stack.updated}));
    let published = state.published.iter().rev().filter(|message| message.environment == *environment);
    let published: Vec<Value> = published
        .take(NOTICES_SHOWN)
        .map(|message| json!({"id": message.id, "topic": message.topic, "subject": message.subject, "body": message.body, "at": message.at}))
        .collect();
    let table = state.tables.iter().find(|table| table.name == stack.table && table.place.account == stack.account);
    json!({
        "name": environment,
        "account": stack.account,
        "region": stack.region,
        "bus": stack.bus,
        "rules": rules.collect::<Vec<Value>>(),
        "dlqs": queues.collect::<Vec<Value>>(),
        "function": function,
        "alarms": alarms.collect::<Vec<Value>>(),
        "version": version,
        "published": published,
        "table": table.map(|table| json!({"name": table.name, "ttl": table.ttl_enabled})),
    })
}

fn recent_sum(state: &State, now: Timestamp, key: &MetricKey) -> u64 {
    let sum = state.metrics.recent(key, now - PANEL_WINDOW, now).map_or(0.0, |bucket| bucket.sum);
    sum.round() as u64
}
