//! Put messages of the rules' dead-letter queue on the bus again: the interlock first, then a few messages at a time.

use jiff::SignedDuration;

use super::replay::{because, interlocked, utc};
use super::{NoPlan, step};
use crate::checks::idempotency;
use crate::domain::{Command, DeadLetterGroup, Effect, Environment, Facts, Inspection, Remark, Step, StepKind};

/// How many messages are put back when nothing else is said.
pub const DEFAULT_LIMIT: u32 = 100;
/// Between two handfuls of messages: time for what fails again to come back.
const POLL: SignedDuration = SignedDuration::from_secs(5);
/// How long it may take in all.
const PATIENCE: SignedDuration = SignedDuration::from_hours(1);
/// Groups of messages that are spelled out.
const MAX_GROUPS: usize = 8;

/// The interlock, and the messages.
pub(super) fn steps(command: &Command, facts: &Facts, environment: &Environment) -> Result<Vec<Step>, NoPlan> {
    let Command::Redrive { limit, .. } = command else { return Err(NoPlan::NotAFlow(command.name())) };
    let known = facts.redrive.as_ref().ok_or_else(|| because("the dead-letter queue could not be looked into"))?;
    if !known.bus_exists {
        return Err(because(format!(
            "there is no bus {}: EventBridge would take the events and lose them",
            environment.bus
        )));
    }
    let depth = facts.dlqs.get(&known.queue).map_or(0, |depth| depth.total());
    if depth == 0 && known.groups.is_empty() {
        return Err(because(format!("{} is empty", known.queue)));
    }
    if !known.groups.is_empty() && known.groups.iter().all(|group| group.stuck == group.count) {
        let why = known.groups.first().map(|group| group.example.clone()).unwrap_or_default();
        return Err(because(format!("none of the messages that were looked at can be put on the bus: {why}")));
    }
    let sendable: Vec<&DeadLetterGroup> = known.groups.iter().filter(|group| group.stuck < group.count).collect();
    if !sendable.is_empty() && sendable.iter().all(|group| gets_nothing(&group.rule, facts)) {
        return Err(because(all_off(&sendable, environment)));
    }
    interlocked(&known.idempotency, command, environment)?;
    let redrive = Effect::Redrive {
        queue: known.queue.clone(),
        bus: environment.bus.clone(),
        limit: limit.unwrap_or(DEFAULT_LIMIT),
    };
    Ok(vec![
        step("idempotency", StepKind::Inspect { inspection: Inspection::Idempotency, lasting: None }),
        step("redrive", StepKind::Effect { effect: redrive, poll: POLL, patience: PATIENCE }),
    ])
}

/// Whether the rule that a message came from is off. Its event would be taken by the bus and reach nobody.
fn gets_nothing(rule: &str, facts: &Facts) -> bool {
    match facts.rules.get(rule) {
        Some(fact) => !fact.state.is_enabled(),
        // It names no rule of this environment: any that is on may match.
        None => !facts.rules.is_empty() && facts.rules.values().all(|fact| !fact.state.is_enabled()),
    }
}

fn all_off(sendable: &[&DeadLetterGroup], environment: &Environment) -> String {
    let known = environment.rules.iter().filter(|rule| sendable.iter().any(|group| group.rule == rule.name));
    let mut names: Vec<&str> = known.map(|rule| rule.name.as_str()).collect();
    if names.is_empty() {
        names.extend(environment.rules.iter().map(|rule| rule.name.as_str()));
    }
    let are = if names.len() == 1 { "is" } else { "are" };
    let first = names.first().copied().unwrap_or("all");
    format!(
        "{} {are} off: the bus would take the events, nothing would get them, and their messages would be gone. Turn it on \
         first: `enable {first} {}`",
        names.join(", "),
        environment.name
    )
}

/// What people have to know before they let it begin.
pub(super) fn remarks(command: &Command, facts: &Facts, environment: &Environment) -> Vec<Remark> {
    let (Command::Redrive { limit, .. }, Some(known)) = (command, &facts.redrive) else { return Vec::new() };
    let limit = limit.unwrap_or(DEFAULT_LIMIT);
    let seen: u32 = known.groups.iter().map(|group| group.count).sum();
    let stuck: u32 = known.groups.iter().map(|group| group.stuck).sum();
    let depth = facts.dlqs.get(&known.queue).map(|depth| depth.total());
    let lies = depth.map_or_else(|| "an unknown number of".to_owned(), |depth| format!("about {depth}"));
    let mut remarks = vec![Remark::said(format!(
        "{} holds {lies} messages; {seen} were looked at. At most {limit} are put on {} again.",
        known.queue, environment.bus
    ))];
    let groups: Vec<String> = known
        .groups
        .iter()
        .take(MAX_GROUPS)
        .map(|group| format!("{} of {} with {} ({})", group.count, group.rule, group.error, group.example))
        .collect();
    if !groups.is_empty() {
        let more = known.groups.len().saturating_sub(MAX_GROUPS);
        let more = if more > 0 { format!("; and {more} more kinds") } else { String::new() };
        remarks.push(Remark::said(format!("Those looked at: {}{more}.", groups.join("; "))));
    }
    if stuck > 0 {
        remarks.push(Remark::warned(format!(
            "{stuck} of those looked at cannot be put on the bus and stay where they are."
        )));
    }
    let waiting = known.groups.iter().filter(|group| gets_nothing(&group.rule, facts));
    let waiting: Vec<String> =
        waiting.map(|group| format!("{} of {}", group.count - group.stuck, group.rule)).collect();
    if !waiting.is_empty() {
        remarks.push(Remark::warned(format!(
            "What came from a rule that is off stays where it is, because nothing would get it: {}.",
            waiting.join(", ")
        )));
    }
    remarks.push(Remark::warned(
        "PutEvents goes to every rule of the bus that matches, and not only to the one that failed: what other rules have \
         handled already, they get again."
            .to_owned(),
    ));
    let sendable = seen - stuck;
    let key = &environment.table.key;
    remarks.push(if known.keyed < sendable {
        Remark::warned(format!(
            "EventBridge gives each event a new id. {} of {sendable} have no {key} in their detail by which the function \
             could tell them from new ones.",
            sendable - known.keyed
        ))
    } else {
        Remark::said(format!(
            "EventBridge gives each event a new id; all that were looked at have {key} in their detail, by which the \
             function tells repeats."
        ))
    });
    if let Some(oldest) = known.oldest {
        let (warns, text) = idempotency::reach(environment, oldest, known.at);
        // Where nothing tells an event from a new one, its age makes no difference.
        let text = if known.keyed == 0 && sendable > 0 { String::new() } else { format!(" {text}") };
        remarks.push(Remark { loud: warns, text: format!("The oldest is from {}.{text}", utc(oldest)) });
    }
    remarks.push(Remark::said(
        "Each message is deleted only after its event was put; after a crash in between, at most one event is put twice. \
         It stops by itself when messages come back. Nothing is purged."
            .to_owned(),
    ));
    remarks
}
