//! Put messages of the rules' dead-letter queue on the bus again: the interlock first, then a few messages at a time.

use jiff::SignedDuration;

use super::replay::{because, interlocked, utc};
use super::{NoPlan, step};
use crate::checks::idempotency;
use crate::domain::{Command, Effect, Environment, Facts, Inspection, Remark, Step, StepKind};

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
        remarks.push(Remark { loud: warns, text: format!("The oldest is from {}. {text}", utc(oldest)) });
    }
    remarks.push(Remark::said(
        "Each message is deleted only after its event was put; after a crash in between, at most one event is put twice. \
         It stops by itself when messages come back. Nothing is purged."
            .to_owned(),
    ));
    remarks
}
