//! Events of the world: what one looks like, which rules match it, the archive's memory of them, and PutEvents. How
//! events come about by themselves is in `flow`.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::input::Input;
use super::refusal::Refusal;
use super::serve::CallContext;
use super::state::{Bus, Rule, State};

/// How many events an archive remembers one by one; it goes on counting the older ones.
const REMEMBERED_MAX: usize = 5_000;
/// How long an event takes to arrive in the archive. The real service may take ten times as long.
pub const ARRIVAL_LAG: SignedDuration = SignedDuration::from_mins(1);
const ENTRIES_MAX: usize = 10;
const ENTRY_MAX_BYTES: usize = 262_144;

/// An event on a bus.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BusEvent {
    /// The id that EventBridge gave it.
    pub id: String,
    /// When it happened.
    pub at: Timestamp,
    /// Who sent it.
    pub source: String,
    /// What it is.
    pub detail_type: String,
    /// The detail's JSON as it was put.
    pub detail: String,
    /// What it is about, as ARNs.
    pub resources: Vec<String>,
}

impl BusEvent {
    /// The event as a target gets it. A replayed one names its replay.
    pub fn envelope(&self, bus: &Bus, replay: Option<&str>) -> String {
        let mut value = json!({
            "version": "0",
            "id": self.id,
            "detail-type": self.detail_type,
            "source": self.source,
            "account": bus.place.account,
            "time": self.at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "region": bus.place.region,
            "resources": self.resources,
        });
        if let Some(name) = replay {
            value["replay-name"] = json!(name);
        }
        // The detail goes in as it came: its numbers are not to be read and written again.
        let text = value.to_string();
        format!("{},\"detail\":{}}}", text.trim_end_matches('}'), self.detail)
    }
}

impl Rule {
    /// The type of the events that come for this rule by themselves: `signal-generated` has `SignalGenerated`.
    pub fn event_type(&self) -> String {
        let name = self.owner.as_ref().map_or(&self.name, |(_, short)| short);
        event_type(name)
    }

    /// Whether the rule's pattern picks an event. Patterns here name sources and detail types, by value or prefix.
    pub fn matches(&self, event: &BusEvent) -> bool {
        let Some(pattern) = self.pattern.as_object().filter(|_| self.managed_by.is_none()) else { return false };
        pattern.iter().all(|(field, wanted)| {
            let value = match field.as_str() {
                "source" => &event.source,
                "detail-type" => &event.detail_type,
                _ => return false,
            };
            wanted.as_array().into_iter().flatten().any(|wanted| match (wanted.as_str(), wanted["prefix"].as_str()) {
                (Some(exact), _) => exact == value,
                (None, Some(prefix)) => value.starts_with(prefix),
                (None, None) => false,
            })
        })
    }
}

/// Words joined, each with a capital.
pub fn event_type(name: &str) -> String {
    name.split('-')
        .map(|word| {
            let mut letters = word.chars();
            letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect::<String>()
        })
        .collect()
}

impl State {
    /// The next event that comes by itself for a rule.
    pub fn fresh_event(&mut self, at: Timestamp, bus: usize, rule: usize) -> BusEvent {
        let rule = &self.buses[bus].rules[rule];
        let stack =
            rule.owner.as_ref().and_then(|(name, _)| self.stacks.iter().find(|stack| stack.environment == *name));
        let (source, key) = match stack {
            Some(stack) => (stack.function.clone(), stack.table_key.clone()),
            None => ("another-team".to_owned(), "id".to_owned()),
        };
        let detail_type = rule.event_type();
        self.event_count += 1;
        let id = event_id(self.event_count);
        BusEvent { detail: json!({key: id}).to_string(), id, at, source, detail_type, resources: Vec::new() }
    }

    /// Keeps an event in the archives of its bus.
    pub fn archive(&mut self, bus: usize, event: &BusEvent) {
        let arn = self.buses[bus].arn();
        for archive in self.archives.iter_mut().filter(|archive| archive.bus_arn == arn) {
            archive.events += 1;
            archive.remembered.push_back(event.clone());
            while archive.remembered.len() > REMEMBERED_MAX {
                archive.remembered.pop_front();
            }
        }
    }
}

fn event_id(number: u64) -> String {
    format!("00000000-0000-4000-9000-{number:012}")
}

/// The events of a window, from `from` to before `to`, that have arrived in an archive.
pub fn in_window(remembered: &VecDeque<BusEvent>, from: Timestamp, to: Timestamp, now: Timestamp) -> Vec<BusEvent> {
    let arrived = |event: &&BusEvent| event.at >= from && event.at < to && event.at + ARRIVAL_LAG <= now;
    let mut events: Vec<BusEvent> = remembered.iter().filter(arrived).cloned().collect();
    events.sort_by_key(|event| event.at);
    events
}

/// PutEvents. The call as a whole succeeds whatever becomes of its entries, and an entry for a bus that does not exist
/// looks like one that was put.
pub fn put_events(state: &mut State, call: &CallContext, input: Input) -> Result<Value, Refusal> {
    let entries = input.list("Entries");
    if entries.is_empty() || entries.len() > ENTRIES_MAX {
        let message = "Value at 'entries' failed to satisfy constraint: Member must have length between 1 and 10";
        return Err(input.wrong(message));
    }
    let results: Vec<Value> = entries.iter().map(|entry| put(state, call, Input { value: entry, ..input })).collect();
    let failed = results.iter().filter(|result| result.get("ErrorCode").is_some()).count();
    Ok(json!({"FailedEntryCount": failed, "Entries": results}))
}

fn put(state: &mut State, call: &CallContext, entry: Input) -> Value {
    let refused = |code: &str, message: String| json!({"ErrorCode": code, "ErrorMessage": message});
    for (field, said) in [("Source", "Source"), ("DetailType", "DetailType"), ("Detail", "Detail")] {
        if entry.text(field).is_none() {
            let message = format!("Parameter {said} is not valid. Reason: {said} is a required argument.");
            return refused("InvalidArgument", message);
        }
    }
    let text = |field| entry.text(field).unwrap_or_default().to_owned();
    let (source, detail) = (text("Source"), text("Detail"));
    if !serde_json::from_str::<Value>(&detail).is_ok_and(|detail| detail.is_object()) {
        return refused("MalformedDetail", "Detail is malformed.".to_owned());
    }
    if source.starts_with("aws.") {
        return refused("NotAuthorizedForSource", "Not authorized for the source.".to_owned());
    }
    if entry.value.to_string().len() > ENTRY_MAX_BYTES {
        return refused("InvalidArgument", "Total size of the entries in the request is over the limit.".to_owned());
    }
    let named = entry.text("EventBusName").unwrap_or("default");
    state.event_count += 1;
    let id = event_id(state.event_count);
    let at = entry.value.get("Time").and_then(Value::as_f64).and_then(|at| Timestamp::from_second(at as i64).ok());
    let resources = entry.texts("Resources").into_iter().map(str::to_owned).collect();
    let at = at.unwrap_or(call.now);
    let event = BusEvent { id: id.clone(), at, source, detail_type: text("DetailType"), detail, resources };
    let of_name = |bus: &Bus| call.sees(&bus.place) && (bus.name == named || bus.arn() == named);
    if let Some(bus) = state.buses.iter().position(of_name) {
        state.archive(bus, &event);
        for rule in 0..state.buses[bus].rules.len() {
            let known = &state.buses[bus].rules[rule];
            if known.matches(&event) && known.state.lets_events_through() {
                state.match_rule(call.now, bus, rule, &event, None);
            }
        }
    }
    json!({"EventId": id})
}
