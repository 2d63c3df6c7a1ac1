//! A plan as people read it: its steps, what follows from a failed gate, how it is undone, the safeguards, and what was
//! found before it was made. The thread, the question for approval and the preview show the same.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::blocks::Draft;
use super::markup::{Markup, clip, length, md};
use super::{ViewContext, resend, versions, words};
use crate::domain::{
    Actor, Check, CodeRollback, Command, Environment, Facts, OnGateFailure, OnInconclusive, Plan, PlanDigest, Run,
    StepKind, Verdict,
};
use crate::slack::message::Message;

/// Lines of a plan that a message of the thread spells out.
const MAX_LINES: usize = 24;
/// Characters for the steps, where a message says more than the plan.
const ROOM_FOR_STEPS: usize = 1100;
/// Characters for the safeguards there.
const ROOM_FOR_SAFEGUARDS: usize = 1800;
/// The longest reason of a safeguard that does not hold, and of one that does.
const MAX_BAD_REASON: usize = 300;
const MAX_GOOD_REASON: usize = 140;

/// The plan of a run that needs no approval. None when the steps speak for themselves at once: a checklist, the
/// emergency path, nothing to do.
pub fn message(
    run: &Run,
    plan: &Plan,
    digest: &PlanDigest,
    again: bool,
    environment: Option<&Environment>,
) -> Option<Draft> {
    let speaks_itself = plan.steps.iter().all(|step| match step.kind {
        StepKind::Checklist | StepKind::Inspect { .. } | StepKind::DisableAll { .. } => true,
        StepKind::SetRule { .. }
        | StepKind::Watch { .. }
        | StepKind::WatchAll { .. }
        | StepKind::Monitor { .. }
        | StepKind::Effect { .. }
        | StepKind::Notify { .. }
        | StepKind::Gate { .. } => false,
    });
    if speaks_itself {
        return None;
    }
    let title = md!("{} of {}", if again { "New plan" } else { "Plan" }, run.id).bold();
    let why = if again { " (the wait is over, and the world was looked at again)" } else { "" };
    let expected = plan.expected();
    let ends = if expected > SignedDuration::ZERO {
        let end = run.last_at.checked_add(expected).unwrap_or(Timestamp::MAX);
        md!("takes {}, until about {}", expected, Markup::minute(end))
    } else {
        md!("takes a moment")
    };
    let mut draft = Draft::new();
    draft.section(md!("📋 {}{}: {}", title, why, ends));
    let mut steps = words::plan(&plan.steps);
    let more = steps.len().saturating_sub(MAX_LINES);
    steps.truncate(MAX_LINES);
    steps.extend((more > 0).then(|| md!("… and {} more", more)));
    draft.lines(steps);
    versions::changes(&mut draft, plan);
    draft.lines(on_failure(plan));
    if let Some((_, facts)) = &run.facts {
        draft.lines(resend::remarks(&facts.remarks));
    }
    if let Some((at, facts)) = &run.facts {
        draft.lines(found(facts, *at, environment));
    }
    let notes = run.notes.iter().take(5).map(|note| md!("{}", clip(note, 300)));
    draft.context(Markup::join(std::iter::once(md!("plan {}", digest.to_string())).chain(notes), "\n"));
    Some(draft)
}

/// The answer to `plan …`: what would be done, and what would hold it up.
pub fn preview(
    plan: &Plan,
    digest: &PlanDigest,
    safeguards: &[Check],
    facts: &Facts,
    context: &ViewContext<'_>,
) -> Message {
    let environment = context.environments.get(&plan.environment);
    let mut draft = Draft::new();
    draft.section(md!(
        "👀 {}: this is how it would go now. Nothing was done and nothing was recorded.",
        md!("Plan of {}", clip(&words::subject(&plan.command), 200)).bold(),
    ));
    let blocking: Vec<&Check> = safeguards.iter().filter(|check| check.verdict > Verdict::Inconclusive).collect();
    if !blocking.is_empty() {
        let why = md!("because this does not hold: {}", titles(&blocking));
        draft.section(md!("❌ {}, {}.", Markup::from("It would be blocked").bold(), why));
    }
    if let Some(approval) = &plan.approval {
        let by = environment.map(|environment| approvers(environment, &plan.command)).unwrap_or_default();
        let needed = words::count(i64::from(approval.needed), "approval");
        draft.section(md!("🖐️ It needs {}{}.", needed, if by.is_empty() { by } else { md!(" by {}", by) }));
    }
    let run_command = Command::Plan { of: Box::new(plan.command.clone()) };
    let pointer = Markup::code(&clip(&format!("{} {}", context.command_word, run_command.text()), 200));
    steps(&mut draft, plan, &md!("see {}", pointer));
    draft.lines(resend::remarks(&facts.remarks));
    versions::changes(&mut draft, plan);
    draft.lines(consequences(plan, context));
    draft.lines(safeguard_lines(safeguards, &BTreeMap::new()));
    draft.lines(world(plan, Some(facts), environment));
    let command = Markup::code(&clip(&format!("{} {}", context.command_word, plan.command.text()), 300));
    draft.context(md!("To do it: {} · plan {}", command, digest.to_string()));
    draft.finish()
}

/// The steps under their title, cut with a pointer to where the rest is.
pub fn steps(draft: &mut Draft, plan: &Plan, rest: &Markup) {
    let expected = plan.expected();
    let takes = if expected > SignedDuration::ZERO { md!("takes {}", expected) } else { md!("takes a moment") };
    let title = md!("{} ({})", Markup::from("What it does").bold(), takes);
    let mut lines = words::plan(&plan.steps);
    if lines.is_empty() {
        lines.push(md!("Nothing: everything is as wanted already."));
    }
    draft.lines(std::iter::once(title).chain(fit(lines, ROOM_FOR_STEPS, rest)));
}

/// As many lines as fit in, and where the others are.
fn fit(mut lines: Vec<Markup>, mut room: usize, rest: &Markup) -> Vec<Markup> {
    let fits = lines.iter().take_while(|line| {
        let long = length(line.as_str()) + 1;
        let fits = long <= room;
        room = room.saturating_sub(long);
        fits
    });
    let kept = fits.count();
    let more = lines.len() - kept;
    lines.truncate(kept);
    lines.extend((more > 0).then(|| md!("… and {} more: {}", more, rest)));
    lines
}

/// What happens when it goes badly, how it is undone, and who is told.
pub fn consequences(plan: &Plan, context: &ViewContext<'_>) -> Vec<Markup> {
    let typed = |command: Command| Markup::code(&clip(&format!("{} {}", context.command_word, command.text()), 200));
    let environment = plan.environment.clone();
    let undo = match &plan.command {
        Command::Smoke { .. } => {
            md!(
                "nothing does: what runs is not stopped by Alch; {} turns all rules off",
                typed(Command::Rollback { environment })
            )
        }
        // A restore of the function alone.
        Command::Restore { .. } if plan.steps.iter().all(|step| step.kind.rule().is_none()) => {
            md!("{} stops the function again, at any time", typed(Command::HardStop { environment }))
        }
        Command::HardStop { .. } => md!("{} gives the function back", typed(Command::Restore { environment })),
        Command::Disable { rules, .. } => typed(Command::Enable { rules: rules.clone(), environment }),
        Command::Deploy { .. } | Command::CodeRollback { .. } => {
            let back = Command::CodeRollback {
                environment: environment.clone(),
                by: CodeRollback::Stack,
                to: None,
                package: None,
            };
            let off = typed(Command::Rollback { environment });
            md!("{} puts the version before back; {} turns all rules off at once, at any time", typed(back), off)
        }
        _ => md!("{} turns all rules off at once, at any time", typed(Command::Rollback { environment })),
    };
    let mut lines = on_failure(plan);
    lines.push(md!("To undo it: {}.", undo));
    let told = plan.notify.iter().take(8).map(Markup::destination);
    let told = Markup::join(told, ", ");
    let before = plan.steps.iter().any(|step| matches!(step.kind, StepKind::Notify { .. }));
    lines.push(match (plan.notify.is_empty(), before) {
        (true, _) => md!("Nobody is told before and after: no stakeholders are configured."),
        (false, true) => md!("Told before and after: {}", told),
        (false, false) => md!("Told at the end: {}", told),
    });
    lines
}

/// What happens when a gate does not pass.
fn on_failure(plan: &Plan) -> Vec<Markup> {
    let gates: Vec<OnInconclusive> = plan
        .steps
        .iter()
        .filter_map(|step| match step.kind {
            StepKind::Gate { on_inconclusive, .. } => Some(on_inconclusive),
            _ => None,
        })
        .collect();
    if gates.is_empty() {
        return Vec::new();
    }
    let failed = match (plan.on_gate_failure, plan.approval.is_some()) {
        (OnGateFailure::Hold, false) => md!("If a gate fails: stop, leave things as they are."),
        (OnGateFailure::Hold, true) => md!("If a gate fails: stop, leave things as they are, and ask a person."),
        (OnGateFailure::Disable, _) => md!("If a gate fails: stop, and disable what this run enabled."),
    };
    let quiet = if gates.contains(&OnInconclusive::Ask) {
        md!("Without traffic: ask a person.")
    } else {
        md!("Without traffic: go on, and end as not yet proven.")
    };
    vec![failed, quiet]
}

/// The safeguards: first those that block, then those that somebody overrode, then those that hold.
pub fn safeguard_lines(safeguards: &[Check], overridden: &BTreeMap<String, (Timestamp, Actor, String)>) -> Vec<Markup> {
    if safeguards.is_empty() {
        return Vec::new();
    }
    let (unasked, asked): (Vec<&Check>, Vec<&Check>) =
        safeguards.iter().partition(|check| check.verdict == Verdict::Inconclusive);
    let held = asked.iter().filter(|check| check.verdict == Verdict::Pass).count();
    let mut lines = vec![md!("{}: {} of {} hold", Markup::from("Safeguards").bold(), held, asked.len())];
    let mut asked = asked;
    asked.sort_by_key(|check| check.verdict == Verdict::Pass);
    let bare: Vec<Markup> = asked.iter().map(|check| safeguard(check, overridden.get(&check.name))).collect();
    let long: usize = bare.iter().map(|line| length(line.as_str()) + 1).sum();
    // Each is named; what room is left tells why, of the first ones.
    let mut room = ROOM_FOR_SAFEGUARDS.saturating_sub(long);
    let told = asked.iter().zip(bare).map(|(check, line)| {
        let reason = clip(&check.reason, MAX_GOOD_REASON);
        let more = length(&reason) + 2;
        if check.verdict != Verdict::Pass || reason.is_empty() || more > room {
            return line;
        }
        room -= more;
        md!("{}. {}", line, reason)
    });
    lines.extend(fit(told.collect(), ROOM_FOR_SAFEGUARDS, &md!("too long for here")));
    lines.extend(unasked.into_iter().take(9).map(|check| {
        let reason = clip(&check.reason, MAX_GOOD_REASON);
        md!("➖ {}{}", clip(&check.title, 80), if reason.is_empty() { reason } else { format!(": {reason}") })
    }));
    lines
}

/// One that blocks with its reason; one that holds in short.
fn safeguard(check: &Check, overridden: Option<&(Timestamp, Actor, String)>) -> Markup {
    let title = Markup::from(clip(&check.title, 80));
    let value = if check.value.is_empty() { "not known".to_owned() } else { clip(&check.value, 120) };
    let limit = if check.limit.is_empty() { String::new() } else { format!(" (needed: {})", clip(&check.limit, 60)) };
    if let Some((at, by, why)) = overridden {
        return md!(
            "⚠️ {} · {}: {}{}. By {} at {}: {}",
            Markup::from("overridden").bold(),
            title,
            value,
            limit,
            Markup::actor(by),
            Markup::minute(*at),
            clip(why, MAX_BAD_REASON),
        );
    }
    let reason =
        if check.reason.is_empty() { String::new() } else { format!(". {}", clip(&check.reason, MAX_BAD_REASON)) };
    match check.verdict {
        Verdict::Pass => md!("✅ {}: {}{}", title, value, limit),
        Verdict::Inconclusive | Verdict::Unknown | Verdict::Fail => md!(
            "{} · {}: {}{}{}",
            Markup::from(words::verdict(check.verdict)).bold(),
            title.bold(),
            value,
            limit,
            reason
        ),
    }
}

/// The names of checks, for a sentence.
pub fn titles(checks: &[&Check]) -> Markup {
    Markup::join(checks.iter().take(9).map(|check| Markup::from(clip(&check.title, 80))), ", ")
}

/// Who may approve a command, mentioned.
pub fn approvers(environment: &Environment, command: &Command) -> Markup {
    let approvers = environment.approvers(command.name());
    Markup::join(approvers.iter().take(8).map(Markup::principal), " ")
}

/// What the plan rests on: the version, the alarms, and the rules as found.
pub fn world(plan: &Plan, facts: Option<&Facts>, environment: Option<&Environment>) -> Vec<Markup> {
    let mut lines = Vec::new();
    if let Some(world) = &plan.world {
        lines.push(match &world.version {
            Some(version) => md!("Version: {}", clip(&version.name(), 120)),
            None => md!("⚠️ Version: could not be read"),
        });
        let alarms = Markup::join(world.alarms.iter().take(8).map(|name| Markup::from(clip(name, 90))), ", ");
        lines.push(if alarms.is_empty() { md!("No alarm is in ALARM.") } else { md!("🚨 In ALARM now: {}", alarms) });
    }
    if let Some(facts) = facts {
        let states = facts.rules.iter().map(|(name, fact)| (name.clone(), fact.state)).collect();
        lines.push(words::rule_states(&states, environment).cut(500));
        lines.extend(facts.notes.iter().take(3).map(|note| md!("⚠️ could not be seen: {}", clip(note, 200))));
    }
    lines
}

/// What was there before.
fn found(facts: &Facts, at: Timestamp, environment: Option<&Environment>) -> Vec<Markup> {
    let mut lines = vec![md!("{} at {}", Markup::from("Found").bold(), Markup::time(at))];
    let states = facts.rules.iter().map(|(name, fact)| (name.clone(), fact.state)).collect();
    lines.push(words::rule_states(&states, environment).cut(700));
    let dlqs = facts.dlqs.iter().take(8).map(|(name, depth)| md!("DLQ {}: {}", clip(name, 90), words::depth(depth)));
    lines.extend(dlqs);
    let ok = facts.alarms.values().filter(|alarm| words::is_quiet(alarm)).count();
    if !facts.alarms.is_empty() {
        lines.push(md!("Alarms: {} of {} are OK", ok, facts.alarms.len()));
    }
    let loud = facts.alarms.iter().filter(|(_, alarm)| !words::is_quiet(alarm)).take(8);
    lines.extend(loud.map(|(name, alarm)| md!("{}: {}", words::alarm_state(alarm.state), clip(name, 90))));
    if let Some((rollback, states)) = &facts.before_rollback {
        lines.push(md!("Before rollback {}:", *rollback));
        lines.push(words::rule_states(states, environment).cut(700));
    }
    lines.extend(facts.notes.iter().take(5).map(|note| md!("⚠️ could not be seen: {}", clip(note, 200))));
    lines
}
