//! A journal on a terminal: one plain line an event, in UTC.

use jiff::{Timestamp, tz::TimeZone};

use super::markup::tame;
use super::words;
use crate::domain::{Check, Destination, Event, Moment, Recorded, RuleState, Run, StepId, Subject, Verdict};

/// The line of one event; `run` is the run as the event left it.
pub fn terminal(recorded: &Recorded, run: &Run) -> String {
    let line = format!("{} {}", clock(recorded.at), said(&recorded.event, run));
    // A reason from AWS may hold anything; a terminal obeys control characters.
    tame(&line).trim_end().to_owned()
}

/// The time of day, UTC.
pub fn clock(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%H:%M:%S").to_string()
}

/// A day and a time, UTC.
fn day(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M").to_string()
}

/// What an event says, without markup and without its time.
pub fn said(event: &Event, run: &Run) -> String {
    match event {
        Event::Requested { command, actor, notes, .. } => {
            let notes: String = notes.iter().map(|note| format!("; {note}")).collect();
            format!("{}: {} asked: {}{notes}", run.id, words::plain_actor(actor), command.text())
        }
        Event::Observed { facts } => {
            let on = facts.rules.values().filter(|rule| rule.state.is_enabled()).count();
            let messages: i64 = facts.dlqs.values().map(|depth| depth.total()).sum();
            let loud = facts.alarms.values().filter(|alarm| !words::is_quiet(alarm)).count();
            let notes: String = facts.notes.iter().map(|note| format!("; could not see: {note}")).collect();
            format!(
                "found {on} of {} rules enabled, {} in the DLQs, {loud} of {} alarms not OK{notes}",
                facts.rules.len(),
                words::count(messages, "message"),
                facts.alarms.len()
            )
        }
        Event::Planned { plan, digest } => {
            let steps: Vec<String> = plan.steps.iter().map(|step| step.kind.title()).collect();
            let steps = if steps.is_empty() { "nothing to do".to_owned() } else { steps.join(", ") };
            let expected = plan.expected();
            let takes = if expected.is_zero() { String::new() } else { format!(", takes {}", words::span(expected)) };
            format!("plan {digest}{takes}: {steps}")
        }
        Event::Waiting { holder } => format!("waiting: {} is held by {holder}", run.environment),
        Event::Locked => format!("holding {}", run.environment),
        Event::Started { step } => format!("begins: {}", title(run, step)),
        Event::Applied { step, change } => {
            let rule = rule(run, step);
            if change.changed {
                format!(
                    "{} {rule} ({} → {}, {})",
                    change.to.word(),
                    change.from.word(),
                    change.to.word(),
                    words::millis(change.elapsed_ms)
                )
            } else {
                format!("{rule} was {} already", change.to.word())
            }
        }
        Event::Effected { step, receipt } => {
            let already = if receipt.changed { "" } else { " (nothing was changed)" };
            format!("{}: {}{already}", title(run, step), receipt.said)
        }
        Event::Progressed { step, progress } => {
            let share = progress.permille.map(|share| format!(" ({} %)", share / 10)).unwrap_or_default();
            let lines: String = progress.lines.iter().map(|line| format!("; {line}")).collect();
            format!("{}: {}{share}{lines}", title(run, step), progress.now)
        }
        Event::Checked { checks, .. } => format!("checked: {}", tally(checks)),
        Event::Finished { step, status, summary } => {
            let tail = if summary.is_empty() { String::new() } else { format!(": {summary}") };
            format!("{}: {}{tail}", words::step_mark(*status).1, title(run, step))
        }
        Event::Troubled { problem, retry_at, .. } => {
            format!("trouble: {problem}; trying again at {}", clock(*retry_at))
        }
        Event::Asked { question, until, .. } => format!("asks until {}: {question}", clock(*until)),
        Event::Answered { answer, actor, .. } => format!("{} answered: {}", words::plain_actor(actor), answer.word()),
        Event::CancelRequested { actor } => {
            format!("{} asked to cancel; stopping at the next safe point", words::plain_actor(actor))
        }
        Event::Safeguarded { checks } => format!("safeguards: {}", tally(checks)),
        Event::Preempted { by } => format!("rollback {by} goes first; stopping at the next safe point"),
        Event::Undoing { reason } => format!("undoing: {reason}"),
        Event::Undone { step, change } => {
            format!("{} {} again ({})", change.to.word(), rule(run, step), words::change(change))
        }
        Event::RulesDisabled { rules, elapsed_ms, verified } => {
            let off = rules.iter().filter(|rule| rule.after == Some(RuleState::Disabled)).count();
            let verified = if *verified { "verified" } else { "NOT verified" };
            let errors: String = rules
                .iter()
                .filter_map(|rule| rule.error.as_ref().map(|error| format!("; {}: {error}", rule.rule.name)))
                .collect();
            format!("{off} of {} rules off in {}, {verified}{errors}", rules.len(), words::millis(*elapsed_ms))
        }
        Event::Ended { outcome, summary, next, .. } => {
            let next = if next.is_empty() { String::new() } else { format!(" Next: {}", next.join("; ")) };
            format!("{} {}: {summary}{next}", run.id, outcome.word())
        }
        Event::Drifted { differences } => format!("the world has moved: {}", differences.join("; ")),
        Event::ApprovalAsked { subject, digest, needed, until } => format!(
            "asks for {} of {} (plan {digest}) until {}",
            words::count(i64::from(*needed), "approval"),
            about(subject, run),
            clock(*until)
        ),
        Event::Approved { subject, actor, note, stepped_up, .. } => {
            let note = note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
            let factor = if *stepped_up { " with a second factor" } else { "" };
            format!("{} approved {}{factor}{note}", words::plain_actor(actor), about(subject, run))
        }
        Event::Rejected { subject, actor, reason, .. } => {
            format!("{} rejected {}: {reason}", words::plain_actor(actor), about(subject, run))
        }
        Event::Reminded { subject } => format!("reminded of the decision about {}", about(subject, run)),
        Event::Lapsed { subject } => format!("nobody decided in time about {}", about(subject, run)),
        Event::Escalated { actor, contact, reason } => {
            format!("{} called {contact}: {reason}", words::plain_actor(actor))
        }
        Event::Overridden { safeguard, actor, reason, .. } => {
            format!("{} overrode the safeguard {safeguard}: {reason}", words::plain_actor(actor))
        }
        Event::Cleared { digest } => format!("nothing has moved; plan {digest} begins"),
        Event::Paused { actor, reason, objection } => {
            let what = if *objection { "objected, so the run is paused" } else { "paused the run" };
            let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            format!("{} {what}{reason}", words::plain_actor(actor))
        }
        Event::Resumed { actor } => format!("{} resumed the run", words::plain_actor(actor)),
        Event::SkipRequested { step, actor, reason } => {
            format!("{} asked to skip “{}”: {reason}", words::plain_actor(actor), title(run, step))
        }
        Event::Delivered { moment, to, receipt } => format!("told {} {}: {receipt}", stakeholder(to), when(*moment)),
        Event::Undelivered { moment, to, problem } => {
            format!("could NOT tell {} {}: {problem}", stakeholder(to), when(*moment))
        }
        Event::Held { hold } => {
            let until = hold.until.map(|until| format!(" until {}", day(until))).unwrap_or_default();
            let by = words::plain_actor(&hold.by);
            format!("{} is {} by {by}{until}: {}", run.environment, hold.kind.word(), hold.reason)
        }
        Event::Discarded { change_sets, problem } => match problem {
            None => format!("not executed, and so deleted: {}", change_sets.join(", ")),
            Some(problem) => format!("change sets may be left behind: {problem}"),
        },
        Event::Released { hold } => format!("{} is not {} any more", run.environment, hold.word()),
    }
}

/// What a decision is about.
fn about(subject: &Subject, run: &Run) -> String {
    match subject {
        Subject::Plan => "the plan".to_owned(),
        Subject::Step(step) => format!("“{}”", title(run, step)),
        Subject::Skip(step) => format!("skipping “{}”", title(run, step)),
    }
}

fn stakeholder(destination: &Destination) -> &str {
    match destination {
        Destination::Slack(id) => id,
        Destination::Topic(topic) => topic,
    }
}

fn when(moment: Moment) -> &'static str {
    match moment {
        Moment::Before => "before it begins",
        Moment::After => "of the end",
    }
}

fn title(run: &Run, step: &StepId) -> String {
    run.step(step).map_or_else(|| step.to_string(), |progress| progress.step.kind.title())
}

fn rule(run: &Run, step: &StepId) -> String {
    let rule = run.step(step).and_then(|progress| progress.step.kind.rule());
    rule.map_or_else(|| step.to_string(), |rule| rule.name.clone())
}

/// How many passed, and the others by name. The parts of a check are told by it.
fn tally(checks: &[Check]) -> String {
    let whole: Vec<&Check> = checks.iter().filter(|check| !check.is_part()).collect();
    let passed = whole.iter().filter(|check| check.verdict == Verdict::Pass).count();
    let others: String = whole
        .iter()
        .filter(|check| check.verdict != Verdict::Pass)
        .map(|check| format!("; {}: {} {}", check.verdict.word(), check.title, check.value))
        .collect();
    let live = words::live_numbers(checks).map(|numbers| format!(" ({numbers})")).unwrap_or_default();
    format!("{passed} of {} pass{live}{others}", whole.len())
}
