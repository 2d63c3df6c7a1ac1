//! Replays: EventBridge's operations on them, and how they go on by themselves, a minute of events at a time.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::bus_events::{BusEvent, in_window};
use super::input::Input;
use super::metrics::minute_of;
use super::refusal::Refusal;
use super::serve::CallContext;
use super::state::{Place, State};

/// Between two looks of a replay at what it has to do.
pub const REPLAY_BEAT: SignedDuration = SignedDuration::from_secs(1);
/// From the call until it runs.
const STARTS_AFTER: SignedDuration = SignedDuration::from_secs(5);
/// One minute of events takes so many beats.
const BEATS_PER_MINUTE: i64 = 2;
/// From the call until it is cancelled.
const CANCELLED_AFTER: SignedDuration = SignedDuration::from_secs(3);
/// Replays of one account and region at once.
const AT_ONCE_MAX: usize = 10;
const NAME_MAX: usize = 64;
const MISSING: &str = "ResourceNotFoundException";

/// How far a replay is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReplayPhase {
    Starting,
    Running,
    Cancelling,
    Completed,
    Cancelled,
}

impl ReplayPhase {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "STARTING",
            Self::Running => "RUNNING",
            Self::Cancelling => "CANCELLING",
            Self::Completed => "COMPLETED",
            Self::Cancelled => "CANCELLED",
        }
    }

    pub fn is_over(self) -> bool {
        match self {
            Self::Completed | Self::Cancelled => true,
            Self::Starting | Self::Running | Self::Cancelling => false,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Replay {
    pub place: Place,
    pub name: String,
    pub description: Option<String>,
    pub archive_arn: String,
    pub bus_arn: String,
    /// Empty: all rules of the bus.
    pub filter_arns: Vec<String>,
    pub from: Timestamp,
    pub to: Timestamp,
    pub phase: ReplayPhase,
    /// When it came to its phase.
    pub since: Timestamp,
    pub started: Timestamp,
    pub last_event: Option<Timestamp>,
    pub ended: Option<Timestamp>,
    /// What is still to be replayed, in the order of time.
    pub left: VecDeque<BusEvent>,
    /// The names of the rules that got an event again, one for each event.
    pub delivered: Vec<String>,
}

pub fn answer(state: &mut State, call: &CallContext, input: Input) -> Result<Value, Refusal> {
    match call.operation {
        "StartReplay" => start(state, call, input),
        "DescribeReplay" => {
            let index = find(state, call, input)?;
            let replay = &state.replays[index];
            let mut value = listed(replay);
            value["ReplayArn"] = json!(replay.place.arn("events", &format!("replay/{}", replay.name)));
            value["Destination"] = json!({"Arn": replay.bus_arn, "FilterArns": replay.filter_arns});
            if let Some(description) = &replay.description {
                value["Description"] = json!(description);
            }
            Ok(value)
        }
        "CancelReplay" => cancel(state, call, input),
        _ => list(state, call, input),
    }
}

fn find(state: &State, call: &CallContext, input: Input) -> Result<usize, Refusal> {
    let name = input.required("ReplayName")?;
    let mut replays = state.replays.iter().enumerate().filter(|(_, replay)| call.sees(&replay.place));
    let found = replays.find(|(_, replay)| replay.name == name).map(|(index, _)| index);
    found.ok_or_else(|| Refusal::sender(MISSING, format!("Replay {name} does not exist.")))
}

fn start(state: &mut State, call: &CallContext, input: Input) -> Result<Value, Refusal> {
    let wrong = |field: &str, reason: &str| input.wrong(format!("Parameter {field} is not valid. Reason: {reason}"));
    let name = input.required("ReplayName")?;
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || ".-_".contains(letter);
    if name.len() > NAME_MAX || !name.chars().all(allowed) {
        return Err(wrong("ReplayName", "Must match the pattern [\\.\\-_A-Za-z0-9]+ with at most 64 letters."));
    }
    let source = input.required("EventSourceArn")?;
    let Some((_, archive_name)) = source.split_once(":archive/") else {
        return Err(wrong("EventSourceArn", "Must contain an archive ARN."));
    };
    let time = |field| {
        let at = input.time(field)?;
        Timestamp::from_millisecond((at * 1000.0) as i64).map_err(|_| wrong(field, "It is no time."))
    };
    let (from, to) = (time("EventStartTime")?, time("EventEndTime")?);
    if from >= to {
        return Err(wrong("EventEndTime", "EventStartTime must be before EventEndTime."));
    }
    let destination = &input.value["Destination"];
    let bus_arn = destination["Arn"].as_str().unwrap_or_default();
    if !bus_arn.contains(":event-bus/") {
        return Err(wrong("Destination.Arn", "Must contain an event bus ARN."));
    }
    let named = |archive: &&super::state::Archive| {
        call.sees(&archive.place)
            && archive.name == archive_name
            && archive.place.arn("events", &format!("archive/{archive_name}")) == source
    };
    let Some(archive) = state.archives.iter().find(named) else {
        return Err(wrong("EventSourceArn", &format!("Archive {archive_name} does not exist.")));
    };
    if archive.bus_arn != bus_arn {
        return Err(wrong("Destination.Arn", "Cross event bus replay is not permitted."));
    }
    let filters = destination["FilterArns"].as_array().into_iter().flatten();
    let filter_arns: Vec<String> = filters.filter_map(Value::as_str).map(str::to_owned).collect();
    let bus = state.buses.iter().find(|bus| bus.arn() == bus_arn);
    let is_rule = |arn: &String| bus.is_some_and(|bus| bus.rules.iter().any(|rule| bus.rule_arn(rule) == *arn));
    if let Some(unknown) = filter_arns.iter().find(|arn| !is_rule(arn)) {
        return Err(wrong("Destination.FilterArns", &format!("Rule {unknown} does not exist on the event bus.")));
    }
    let of_place = || state.replays.iter().filter(|replay| replay.place == archive.place);
    if of_place().any(|replay| replay.name == name) {
        return Err(Refusal::sender("ResourceAlreadyExistsException", format!("Replay {name} already exists.")));
    }
    if of_place().filter(|replay| !replay.phase.is_over()).count() >= AT_ONCE_MAX {
        let message = format!("The number of active replays exceeds the limit of {AT_ONCE_MAX}.");
        return Err(Refusal::sender("LimitExceededException", message));
    }
    let replay = Replay {
        place: archive.place.clone(),
        name: name.to_owned(),
        description: input.text("Description").map(str::to_owned),
        archive_arn: source.to_owned(),
        bus_arn: bus_arn.to_owned(),
        filter_arns,
        from,
        to,
        phase: ReplayPhase::Starting,
        since: call.now,
        started: call.now,
        last_event: None,
        ended: None,
        left: in_window(&archive.remembered, from, to, call.now).into(),
        delivered: Vec::new(),
    };
    let arn = replay.place.arn("events", &format!("replay/{name}"));
    state.replays.push(replay);
    Ok(json!({"ReplayArn": arn, "State": "STARTING", "ReplayStartTime": seconds(call.now)}))
}

fn cancel(state: &mut State, call: &CallContext, input: Input) -> Result<Value, Refusal> {
    let index = find(state, call, input)?;
    let replay = &mut state.replays[index];
    match replay.phase {
        ReplayPhase::Starting | ReplayPhase::Running => {
            replay.phase = ReplayPhase::Cancelling;
            replay.since = call.now;
            let arn = replay.place.arn("events", &format!("replay/{}", replay.name));
            Ok(json!({"ReplayArn": arn, "State": "CANCELLING"}))
        }
        ReplayPhase::Cancelling | ReplayPhase::Completed | ReplayPhase::Cancelled => {
            let message = format!("Replay {} is not in a valid state for this operation.", replay.name);
            Err(Refusal::sender("IllegalStatusException", message))
        }
    }
}

fn list(state: &State, call: &CallContext, input: Input) -> Result<Value, Refusal> {
    let filters = ["EventSourceArn", "NamePrefix", "State"].map(|name| input.text(name));
    if filters.iter().flatten().count() > 1 {
        return Err(input.wrong("At most one filter is allowed for ListReplays."));
    }
    let [source, prefix, wanted] = filters;
    let replays = state.replays.iter().filter(|replay| {
        call.sees(&replay.place)
            && source.is_none_or(|arn| replay.archive_arn == arn)
            && prefix.is_none_or(|prefix| replay.name.starts_with(prefix))
            && wanted.is_none_or(|state| state == replay.phase.as_str())
    });
    let limit = usize::try_from(input.number("Limit", 100, 1..=100)?).unwrap_or(1).min(call.page_max);
    let (page, next) = input.page(replays.map(listed).collect(), "NextToken", limit)?;
    let mut value = json!({"Replays": page});
    if let Some(next) = next {
        value["NextToken"] = json!(next);
    }
    Ok(value)
}

/// A replay in a listing: neither its bus nor its rules are told there.
fn listed(replay: &Replay) -> Value {
    let mut value = json!({
        "ReplayName": replay.name,
        "EventSourceArn": replay.archive_arn,
        "State": replay.phase.as_str(),
        "EventStartTime": seconds(replay.from),
        "EventEndTime": seconds(replay.to),
        "ReplayStartTime": seconds(replay.started),
    });
    for (name, at) in [("EventLastReplayedTime", replay.last_event), ("ReplayEndTime", replay.ended)] {
        if let Some(at) = at {
            value[name] = json!(seconds(at));
        }
    }
    value
}

fn seconds(at: Timestamp) -> f64 {
    at.as_millisecond() as f64 / 1000.0
}

impl State {
    /// Lets a replay do what is due at one of its beats.
    pub fn replay_on(&mut self, at: Timestamp, index: usize) {
        let replay = &mut self.replays[index];
        let lasted = at.duration_since(replay.since);
        match replay.phase {
            ReplayPhase::Starting if lasted >= STARTS_AFTER => {
                replay.phase = ReplayPhase::Running;
                replay.since = at;
            }
            ReplayPhase::Cancelling if lasted >= CANCELLED_AFTER => self.replay_ends(at, index, ReplayPhase::Cancelled),
            ReplayPhase::Running if lasted.as_secs().rem_euclid(BEATS_PER_MINUTE) == 0 => self.replay_minute(at, index),
            ReplayPhase::Starting
            | ReplayPhase::Running
            | ReplayPhase::Cancelling
            | ReplayPhase::Completed
            | ReplayPhase::Cancelled => {}
        }
    }

    fn replay_ends(&mut self, at: Timestamp, index: usize, phase: ReplayPhase) {
        let replay = &mut self.replays[index];
        replay.phase = phase;
        replay.since = at;
        replay.ended = Some(at);
        replay.left.clear();
    }

    /// Replays the next minute that has events; where none is left, it is completed, whether any rule matched or not.
    fn replay_minute(&mut self, at: Timestamp, index: usize) {
        let replay = &mut self.replays[index];
        let Some(first) = replay.left.front() else {
            return self.replay_ends(at, index, ReplayPhase::Completed);
        };
        let minute = minute_of(first.at);
        let mut events = Vec::new();
        while replay.left.front().is_some_and(|event| minute_of(event.at) == minute) {
            events.extend(replay.left.pop_front());
        }
        replay.last_event = events.last().map(|event| event.at);
        let (name, filters, bus_arn) = (replay.name.clone(), replay.filter_arns.clone(), replay.bus_arn.clone());
        let Some(bus) = self.buses.iter().position(|bus| bus.arn() == bus_arn) else { return };
        for event in events {
            for rule in 0..self.buses[bus].rules.len() {
                let known = &self.buses[bus].rules[rule];
                let wanted = filters.is_empty() || filters.contains(&self.buses[bus].rule_arn(known));
                if wanted && known.state.lets_events_through() && known.matches(&event) {
                    self.replays[index].delivered.push(self.buses[bus].rules[rule].name.clone());
                    self.match_rule(at, bus, rule, &event, Some(&name));
                }
            }
        }
    }
}
