//! EventBridge's operations: buses, rules, targets, archives. Replays and events are in `replays` and `bus_events`.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::bus_events;
use super::faults::{STALE_READS, archive_fault, denial_fault};
use super::input::Input;
use super::refusal::Refusal;
use super::replays;
use super::serve::CallContext;
use super::state::{Archive, Bus, Rule, RuleState, State};
use super::wire::Service;

/// How old a stale read is at most.
const STALE_FOR: SignedDuration = SignedDuration::from_secs(5);

const MISSING: &str = "ResourceNotFoundException";

pub fn answer(state: &mut State, call: &CallContext, input: Input) -> Result<Value, Refusal> {
    match call.operation {
        "DescribeEventBus" => {
            let index = find_bus(state, call, input.text("Name"))?;
            let bus = &state.buses[index];
            let mut value = bus_value(bus);
            let mut stacks = state.stacks.iter();
            let stack = stacks.find(|stack| stack.bus == bus.name && stack.account == bus.place.account);
            if stack.is_some_and(|stack| state.fault(&denial_fault(&stack.environment, "bus"))) {
                let statement = json!({
                    "Sid": "nobody", "Effect": "Deny", "Principal": "*", "Action": "events:PutEvents", "Resource": bus.arn(),
                });
                value["Policy"] = json!(json!({"Version": "2012-10-17", "Statement": [statement]}).to_string());
            }
            Ok(value)
        }
        "ListEventBuses" => list_event_buses(state, call, input),
        "DescribeRule" => describe_rule(state, call, input),
        "ListRules" => list_rules(state, call, input),
        "EnableRule" => set_rule_state(state, call, input, RuleState::Enabled),
        "DisableRule" => set_rule_state(state, call, input, RuleState::Disabled),
        "ListTargetsByRule" => list_targets(state, call, input),
        "ListArchives" => list_archives(state, call, input),
        "DescribeArchive" => describe_archive(state, call, input),
        "StartReplay" | "DescribeReplay" | "ListReplays" | "CancelReplay" => replays::answer(state, call, input),
        "PutEvents" => bus_events::put_events(state, call, input),
        other => Err(Refusal::unknown_operation(Some(Service::Events), other)),
    }
}

/// The bus that a call speaks of: by name or ARN, and the default one if it names none.
fn find_bus(state: &State, call: &CallContext, named: Option<&str>) -> Result<usize, Refusal> {
    let named = named.unwrap_or("default");
    let is_arn = named.starts_with("arn:");
    let mut buses = state.buses.iter().enumerate().filter(|(_, bus)| call.sees(&bus.place));
    let found = buses.find(|(_, bus)| if is_arn { bus.arn() == named } else { bus.name == named });
    let name = named.rsplit('/').next().unwrap_or(named);
    let (index, _) = found.ok_or_else(|| Refusal::sender(MISSING, format!("Event bus {name} does not exist.")))?;
    Ok(index)
}

fn find_rule(state: &State, call: &CallContext, input: Input, field: &str) -> Result<(usize, usize), Refusal> {
    let name = input.required(field)?;
    let bus = find_bus(state, call, input.text("EventBusName"))?;
    // A caller who may be in any of several accounts means the one that has the rule.
    let same_name = |index: usize| state.buses[index].name == state.buses[bus].name;
    let visible = |index: usize| call.sees(&state.buses[index].place);
    let is_arn = input.text("EventBusName").is_some_and(|bus| bus.starts_with("arn:"));
    let candidates =
        (0..state.buses.len()).filter(|index| *index == bus || (!is_arn && same_name(*index) && visible(*index)));
    for candidate in candidates {
        if let Some(rule) = state.buses[candidate].rules.iter().position(|rule| rule.name == name) {
            return Ok((candidate, rule));
        }
    }
    let bus = &state.buses[bus].name;
    Err(Refusal::sender(MISSING, format!("Rule {name} does not exist on EventBus {bus}.")))
}

fn describe_rule(state: &State, call: &CallContext, input: Input) -> Result<Value, Refusal> {
    let (bus, rule) = find_rule(state, call, input, "Name")?;
    let bus = &state.buses[bus];
    let mut value = rule_value(state, bus, &bus.rules[rule], call.now);
    value["CreatedBy"] = json!(bus.place.account);
    Ok(value)
}

fn list_rules(state: &State, call: &CallContext, input: Input) -> Result<Value, Refusal> {
    let bus = &state.buses[find_bus(state, call, input.text("EventBusName"))?];
    let prefix = input.text("NamePrefix").unwrap_or_default();
    let mut rules: Vec<&Rule> = bus.rules.iter().filter(|rule| rule.name.starts_with(prefix)).collect();
    rules.sort_by(|one, other| one.name.cmp(&other.name));
    let (page, next) = input.page(rules, "NextToken", page_size(call, input)?)?;
    let rules: Vec<Value> = page.into_iter().map(|rule| rule_value(state, bus, rule, call.now)).collect();
    Ok(with_token(json!({"Rules": rules}), next))
}

fn set_rule_state(state: &mut State, call: &CallContext, input: Input, wanted: RuleState) -> Result<Value, Refusal> {
    let (bus, rule) = find_rule(state, call, input, "Name")?;
    let rule = &mut state.buses[bus].rules[rule];
    if rule.managed_by.is_some() {
        let message = format!("Rule {} is managed by another service and cannot be changed.", rule.name);
        return Err(Refusal::sender("ManagedRuleException", message));
    }
    rule.enter(wanted, call.now);
    Ok(json!({}))
}

impl Rule {
    /// Brings the rule to a state. One that is enabled already, in whichever way, stays as it is.
    pub fn enter(&mut self, wanted: RuleState, now: Timestamp) {
        let same = wanted == self.state || (wanted == RuleState::Enabled && self.state.lets_events_through());
        if !same {
            self.before = self.state;
            self.state = wanted;
            self.since = now;
        }
    }
}

fn list_targets(state: &State, call: &CallContext, input: Input) -> Result<Value, Refusal> {
    let (bus, rule) = find_rule(state, call, input, "Rule")?;
    let targets = state.buses[bus].rules[rule].targets.iter().map(|target| {
        let mut value = json!({"Id": target.id, "Arn": target.arn});
        if let Some(dlq_arn) = &target.dlq_arn {
            value["DeadLetterConfig"] = json!({"Arn": dlq_arn});
        }
        value
    });
    let (page, next) = input.page(targets.collect(), "NextToken", page_size(call, input)?)?;
    Ok(with_token(json!({"Targets": page}), next))
}

fn list_event_buses(state: &State, call: &CallContext, input: Input) -> Result<Value, Refusal> {
    let prefix = input.text("NamePrefix").unwrap_or_default();
    let visible = state.buses.iter().filter(|bus| call.sees(&bus.place) && bus.name.starts_with(prefix));
    let (page, next) = input.page(visible.map(bus_value).collect(), "NextToken", page_size(call, input)?)?;
    Ok(with_token(json!({"EventBuses": page}), next))
}

fn list_archives(state: &State, call: &CallContext, input: Input) -> Result<Value, Refusal> {
    let filters = ["EventSourceArn", "NamePrefix", "State"].map(|name| input.text(name));
    if filters.iter().flatten().count() > 1 {
        return Err(input.wrong("At most one filter is allowed for ListArchives."));
    }
    let [source, prefix, wanted] = filters;
    let archives = state.archives.iter().filter(|archive| {
        call.sees(&archive.place)
            && source.is_none_or(|arn| archive.bus_arn == arn)
            && prefix.is_none_or(|prefix| archive.name.starts_with(prefix))
            && wanted.is_none_or(|state| state == "ENABLED")
    });
    let (page, next) = input.page(
        archives.map(|archive| archive_value(state, archive)).collect(),
        "NextToken",
        page_size(call, input)?,
    )?;
    Ok(with_token(json!({"Archives": page}), next))
}

fn describe_archive(state: &State, call: &CallContext, input: Input) -> Result<Value, Refusal> {
    let name = input.required("ArchiveName")?;
    let mut archives = state.archives.iter().filter(|archive| call.sees(&archive.place));
    let archive = archives
        .find(|archive| archive.name == name)
        .ok_or_else(|| Refusal::sender(MISSING, format!("Archive {name} does not exist.")))?;
    let mut value = archive_value(state, archive);
    value["ArchiveArn"] = json!(archive.place.arn("events", &format!("archive/{name}")));
    Ok(value)
}

fn page_size(call: &CallContext, input: Input) -> Result<usize, Refusal> {
    let limit = input.number("Limit", 100, 1..=100)?;
    Ok(usize::try_from(limit).unwrap_or(1).min(call.page_max))
}

fn with_token(mut value: Value, next: Option<String>) -> Value {
    if let Some(next) = next {
        value["NextToken"] = json!(next);
    }
    value
}

fn bus_value(bus: &Bus) -> Value {
    let created = bus.created.as_second();
    json!({"Name": bus.name, "Arn": bus.arn(), "CreationTime": created, "LastModifiedTime": created})
}

fn archive_value(state: &State, archive: &Archive) -> Value {
    let stack =
        state.stacks.iter().find(|stack| stack.archive == archive.name && stack.account == archive.place.account);
    let disabled = stack.is_some_and(|stack| state.fault(&archive_fault(&stack.environment)));
    json!({
        "ArchiveName": archive.name,
        "EventSourceArn": archive.bus_arn,
        "State": if disabled { "DISABLED" } else { "ENABLED" },
        "RetentionDays": 365,
        "SizeBytes": archive.events * 512,
        "EventCount": archive.events,
        "CreationTime": archive.created.as_second(),
    })
}

fn rule_value(state: &State, bus: &Bus, rule: &Rule, now: Timestamp) -> Value {
    let is_stale = state.fault(STALE_READS) && now.duration_since(rule.since) < STALE_FOR;
    let seen = if is_stale { rule.before } else { rule.state };
    let mut value = json!({
        "Name": rule.name,
        "Arn": bus.rule_arn(rule),
        "EventBusName": bus.name,
        "EventPattern": rule.pattern.to_string(),
        "State": seen.as_str(),
    });
    if let Some(principal) = &rule.managed_by {
        value["ManagedBy"] = json!(principal);
    }
    value
}
