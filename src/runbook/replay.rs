//! Replay events of the archive: the interlock first, then one replay to the chosen rules, observed until it is over.

use jiff::{SignedDuration, Timestamp};

use super::{NoPlan, step};
use crate::checks::idempotency;
use crate::domain::{
    Command, Effect, Environment, Facts, Inspection, Remark, ReplayFacts, ReplayOrder, Rule, Step, StepKind,
};

/// How long an event may take to arrive in an archive.
const ARRIVAL: SignedDuration = SignedDuration::from_mins(10);
/// How long a replay may take before Alch stops looking and asks a person.
const PATIENCE: SignedDuration = SignedDuration::from_hours(24);

/// The interlock, and the replay.
pub(super) fn steps(command: &Command, facts: &Facts, environment: &Environment) -> Result<Vec<Step>, NoPlan> {
    let Command::ReplayStart { from: Some(from), to: Some(to), even_off, .. } = command else {
        return Err(because("a replay needs its times: --from and --to"));
    };
    let known = facts.replay.as_ref().ok_or_else(|| because("the archive could not be read"))?;
    let order = order(command, facts, environment, known, (*from, *to))?;
    let rules: Vec<Rule> = chosen(command, environment).into_iter().cloned().collect();
    let off: Vec<String> = off(&rules, facts).map(|rule| rule.name.clone()).collect();
    if off.len() == rules.len() && !even_off {
        return Err(because(format!(
            "every rule that was chosen is disabled ({}), and a disabled rule gets nothing from a replay: enable them \
             first, or add --even-off to replay all the same",
            off.join(", ")
        )));
    }
    interlocked(&known.idempotency, command, environment)?;
    let replay =
        Effect::StartReplay { archive: environment.archive.clone(), bus: environment.bus.clone(), rules, off, order };
    Ok(vec![
        step("idempotency", StepKind::Inspect { inspection: Inspection::Idempotency, lasting: None }),
        step("replay", StepKind::Effect { effect: replay, poll: environment.waits.poll, patience: PATIENCE }),
    ])
}

/// Where approvals are asked for, they are asked for nothing that the interlock would stop; elsewhere the step shows it.
pub(super) fn interlocked(
    checks: &[crate::domain::Check],
    command: &Command,
    environment: &Environment,
) -> Result<(), NoPlan> {
    match idempotency::stops(checks).filter(|_| environment.needs_approval(command)) {
        Some(why) => Err(because(format!("it is not shown that handling an event twice is harmless: {why}"))),
        None => Ok(()),
    }
}

/// What StartReplay is asked, if the archive allows it.
fn order(
    command: &Command,
    facts: &Facts,
    environment: &Environment,
    known: &ReplayFacts,
    (from, to): (Timestamp, Timestamp),
) -> Result<ReplayOrder, NoPlan> {
    let Some(archive) = &known.archive else {
        return Err(because(format!("there is no archive {} (`archive` in the configuration)", environment.archive)));
    };
    if !archive.bus_arn.ends_with(&format!(":event-bus/{}", environment.bus)) {
        return Err(because(format!(
            "the archive {} keeps events of {}, and not of {}: mend `archive` or `bus` in the configuration",
            archive.name, archive.bus_arn, environment.bus
        )));
    }
    if matches!(archive.state.as_str(), "CREATING" | "CREATE_FAILED") {
        return Err(because(format!("the archive {} is {}: it has nothing to replay", archive.name, archive.state)));
    }
    if from >= to {
        return Err(because("--from has to lie before --to"));
    }
    if to > known.at {
        return Err(because(format!("the window has to be over: it ends at {}", utc(to))));
    }
    if let Some(kept_since) = kept_since(archive.retention_days, known.at)
        && from < kept_since
    {
        return Err(because(format!(
            "the archive keeps events for {} days, so those from before {} are gone: begin later",
            archive.retention_days.unwrap_or_default(),
            utc(kept_since)
        )));
    }
    if let Some(since) = archive.since.filter(|since| to <= *since) {
        return Err(because(format!("the archive keeps events since {} only: there is nothing to replay", utc(since))));
    }
    let mut rule_arns = Vec::new();
    for rule in chosen(command, environment) {
        if let Some(by) = facts.rules.get(&rule.name).and_then(|fact| fact.managed_by.clone()) {
            return Err(NoPlan::Managed { rule: rule.name.clone(), by });
        }
        match known.rule_arns.get(&rule.name).filter(|arn| !arn.is_empty()) {
            Some(arn) => rule_arns.push(arn.clone()),
            None => return Err(NoPlan::UnreadRule(rule.name.clone())),
        }
    }
    if rule_arns.is_empty() {
        return Err(because("no rule is chosen, and without one EventBridge would replay to all rules of the bus"));
    }
    Ok(ReplayOrder { archive_arn: archive.arn.clone(), bus_arn: archive.bus_arn.clone(), rule_arns, from, to })
}

/// The rules that are meant, in the configured order.
pub(super) fn chosen<'a>(command: &Command, environment: &'a Environment) -> Vec<&'a Rule> {
    let Command::ReplayStart { rules: named, .. } = command else { return Vec::new() };
    environment.rules.iter().filter(|rule| named.is_empty() || named.contains(&rule.name)).collect()
}

fn off<'a>(rules: &'a [Rule], facts: &Facts) -> impl Iterator<Item = &'a Rule> {
    rules.iter().filter(|rule| facts.rules.get(&rule.name).is_none_or(|fact| !fact.state.is_enabled()))
}

/// Before this time, events are gone.
fn kept_since(retention_days: Option<u32>, now: Timestamp) -> Option<Timestamp> {
    let days = i64::from(retention_days?);
    now.checked_sub(SignedDuration::from_hours(days * 24)).ok()
}

/// What people have to know before they let it begin.
pub(super) fn remarks(command: &Command, facts: &Facts, environment: &Environment) -> Vec<Remark> {
    let (Command::ReplayStart { from: Some(from), to: Some(to), .. }, Some(known)) = (command, &facts.replay) else {
        return Vec::new();
    };
    let rules: Vec<Rule> = chosen(command, environment).into_iter().cloned().collect();
    let names = |rules: Vec<&Rule>| rules.iter().map(|rule| rule.name.as_str()).collect::<Vec<_>>().join(", ");
    let off: Vec<&Rule> = off(&rules, facts).collect();
    let on: Vec<&Rule> = rules.iter().filter(|rule| !off.contains(rule)).collect();
    let mut remarks = Vec::new();
    remarks.push(Remark::said(format!("The window is {} to {}.", utc(*from), utc(*to))));
    if let Some(archive) = &known.archive {
        let kept = match archive.retention_days {
            Some(days) => format!("for {days} days"),
            None => "for ever".to_owned(),
        };
        let filtered = if archive.filtered { ", only those that its pattern picks" } else { "" };
        remarks.push(Remark::said(format!(
            "From the archive {}, which keeps events {kept}{filtered}, to its bus {} and to these rules alone: {}.",
            archive.name,
            environment.bus,
            names(rules.iter().collect())
        )));
    }
    if !off.is_empty() {
        let rest = match on.is_empty() {
            true => "No rule gets anything.".to_owned(),
            false => format!("Enabled: {}.", names(on)),
        };
        remarks.push(Remark::warned(format!(
            "Disabled now: {}. A disabled rule matches nothing, and the replay ends as completed all the same. {rest}",
            names(off)
        )));
    }
    remarks.push(count(known, &rules, (*from, *to)));
    remarks.push(Remark::said(
        "Handlers run again for each event, and not in the order in which the events came.".to_owned(),
    ));
    let (warns, text) = idempotency::reach(environment, *from, known.at);
    remarks.push(Remark { loud: warns, text });
    if known.at.duration_since(*to) < ARRIVAL {
        remarks.push(Remark::warned(format!(
            "Events take up to {} min to arrive in the archive: some of the last ones may not be replayed. To be sure, \
             start it after {}.",
            ARRIVAL.as_mins(),
            utc(to.saturating_add(ARRIVAL).unwrap_or(*to))
        )));
    }
    if let Some(since) = known.archive.as_ref().and_then(|archive| archive.since).filter(|since| *since > *from) {
        remarks.push(Remark::warned(format!("The archive keeps events since {} only.", utc(since))));
    }
    if !known.under_way.is_empty() {
        let names = known.under_way.join(", ");
        remarks.push(Remark::warned(format!("Another replay of this archive is under way: {names}.")));
    }
    remarks
}

/// How many events it may be, and how exactly that is known.
fn count(known: &ReplayFacts, rules: &[Rule], (from, to): (Timestamp, Timestamp)) -> Remark {
    let average = known.archive.as_ref().and_then(|archive| {
        let age = known.at.duration_since(archive.since?).as_secs();
        let window = to.duration_since(from.max(archive.since?)).as_secs().max(0);
        (age > 0).then(|| (i128::from(archive.events) * i128::from(window) / i128::from(age), archive.events))
    });
    let average = match average {
        Some((about, all)) => format!(
            "About {about} events of all kinds lie in the window, if they came evenly: the archive counts {all} in all, up \
             to a day late."
        ),
        None => "How many events lie in the window is not known.".to_owned(),
    };
    let matched: Vec<String> = rules
        .iter()
        .filter_map(|rule| known.matched.get(&rule.name).map(|count| format!("{} {count}", rule.name)))
        .collect();
    let matched = if matched.is_empty() {
        "The metrics do not tell how many of them the rules matched.".to_owned()
    } else {
        format!(
            "The metrics have seen the rules match, while they were enabled: {}. What came while one was disabled is not \
             in there, and is replayed too.",
            matched.join(", ")
        )
    };
    Remark::said(format!("{average} {matched}"))
}

pub(super) fn because(why: impl Into<String>) -> NoPlan {
    NoPlan::Because(why.into())
}

/// A time for people: `2026-11-23 03:00 UTC`.
pub(super) fn utc(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}
