//! The words and marks that the views share. A mark never stands without its word.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::markup::{Markup, clip, md};
pub use crate::domain::span;
use crate::domain::{
    Actor, AlarmState, AlarmStatus, Change, Check, Command, DlqDepth, Effect, Environment, Expected, ExpectedBy,
    Outcome, Phase, Rule, RuleState, Run, Selection, Step, StepKind, StepStatus, Verdict,
};

/// From `start` to `end`.
pub fn between(start: Timestamp, end: Timestamp) -> SignedDuration {
    end.duration_since(start)
}

/// Milliseconds as AWS calls are measured: `212 ms`, `1.4 s`.
pub fn millis(ms: u64) -> String {
    if ms < 1000 {
        format!("{ms} ms")
    } else {
        span(SignedDuration::from_millis(i64::try_from(ms).unwrap_or(i64::MAX)))
    }
}

/// `1 rule`, `3 rules`, `no rules`.
pub fn count(number: i64, noun: &str) -> String {
    match number {
        0 => format!("no {noun}s"),
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    }
}

/// The command in one line: `enable signal-generated · dev`.
pub fn subject(command: &Command) -> String {
    let what = |verb: &str, rules: &Selection, environment: &str| match rules {
        Selection::All => format!("{verb} all rules · {environment}"),
        Selection::One(rule) => format!("{verb} {rule} · {environment}"),
    };
    match command {
        Command::Enable { rules, environment } => what("enable", rules, environment),
        Command::Disable { rules, environment } => what("disable", rules, environment),
        Command::Rollback { environment } => format!("rollback · {environment}"),
        Command::Restore { environment } => format!("restore · {environment}"),
        Command::Verify { environment } => format!("verify · {environment}"),
        Command::Promote { environment, .. } => format!("promote · {environment}"),
        Command::Hold { environment, .. } | Command::Release { environment, .. } => {
            format!("{} · {environment}", command.name())
        }
        Command::Enrol { reset: None } => "second factor set up".to_owned(),
        Command::Enrol { reset: Some(_) } => "second factor reset".to_owned(),
        _ => command.text(),
    }
}

/// A step's mark and, where the mark alone would be needed to know, its word.
pub fn step_mark(status: StepStatus) -> (&'static str, &'static str) {
    match status {
        StepStatus::Pending => ("▫️", "to do"),
        StepStatus::Running => ("⏳", "running"),
        StepStatus::Done => ("✅", "done"),
        StepStatus::Already => ("✅", "nothing to do"),
        StepStatus::Failed => ("❌", "failed"),
        StepStatus::Inconclusive => ("❔", "not proven"),
        StepStatus::Unknown => ("⚠️", "unknown"),
        StepStatus::Undone => ("↩️", "undone"),
        StepStatus::Skipped => ("⏭️", "skipped"),
    }
}

/// A verdict's mark and word.
pub fn verdict(verdict: Verdict) -> String {
    let mark = match verdict {
        Verdict::Pass => "✅",
        Verdict::Inconclusive => "❔",
        Verdict::Unknown => "⚠️",
        Verdict::Fail => "❌",
    };
    format!("{mark} {}", verdict.word())
}

/// An outcome's mark and word, as the command deserves it.
pub fn outcome(run: &Run, outcome: Outcome) -> String {
    let mark = match outcome {
        Outcome::Succeeded => "✅",
        Outcome::Unproven => "❔",
        Outcome::Failed => "❌",
        Outcome::Cancelled => "⏹️",
        Outcome::Preempted => "⏏️",
        Outcome::Refused => "🚫",
        Outcome::Expired => "⌛",
    };
    let word = match (outcome, &run.command) {
        (Outcome::Unproven, Command::Enable { .. } | Command::Restore { .. } | Command::Promote { .. }) => {
            "enabled, not yet proven"
        }
        _ => outcome.word(),
    };
    format!("{mark} {word}")
}

/// A phase's mark and word.
pub fn phase(run: &Run) -> String {
    match run.phase() {
        Phase::Planning => "🔎 looking and planning".to_owned(),
        Phase::Waiting => "⏸️ queued".to_owned(),
        Phase::Approving if run.command.is_emergency() => "🛑 waiting for the click".to_owned(),
        Phase::Approving => "🖐️ waiting for approval".to_owned(),
        Phase::Scheduled => "🗓️ scheduled".to_owned(),
        Phase::Paused => "⏸️ paused".to_owned(),
        Phase::Running if run.cancel.is_some() || run.preempted.is_some() => "⏹️ stopping".to_owned(),
        Phase::Running => "⏳ running".to_owned(),
        Phase::Asking => "❓ waiting for an answer".to_owned(),
        Phase::Undoing => "↩️ undoing".to_owned(),
        Phase::Ended(ended) => outcome(run, ended),
    }
}

/// A rule's state with its mark.
pub fn rule_state(state: RuleState) -> String {
    format!("{} {}", if state.is_enabled() { "🟢" } else { "⚪" }, state.word())
}

/// All rules by their states, in the environment's order where that is known.
pub fn rule_states(states: &BTreeMap<String, RuleState>, environment: Option<&Environment>) -> Markup {
    let place = |name: &str| {
        let rules = environment.map_or(&[][..], |environment| environment.rules.as_slice());
        rules.iter().position(|rule| rule.name == name).unwrap_or(rules.len())
    };
    let mut states: Vec<(&String, &RuleState)> = states.iter().collect();
    states.sort_by_key(|(name, _)| place(name));
    let kinds = |enabled: bool| {
        let names: Vec<Markup> = states
            .iter()
            .filter(|(_, state)| state.is_enabled() == enabled)
            .map(|(name, _)| Markup::from(*name))
            .collect();
        match (names.is_empty(), enabled) {
            (true, _) => Markup::default(),
            (false, true) => md!("🟢 enabled: {}", Markup::join(names, ", ")),
            (false, false) => md!("⚪ disabled: {}", Markup::join(names, ", ")),
        }
    };
    Markup::join([kinds(true), kinds(false)], "\n")
}

/// An alarm's state with its mark.
pub fn alarm_state(state: AlarmState) -> &'static str {
    match state {
        AlarmState::Ok => "✅ OK",
        AlarmState::Alarm => "🚨 in alarm",
        AlarmState::InsufficientData => "❔ insufficient data",
    }
}

/// Whether an alarm is OK. Insufficient data is not: it proves nothing.
pub fn is_quiet(alarm: &AlarmStatus) -> bool {
    alarm.state == AlarmState::Ok
}

/// What lies in a queue: `empty`, `3 messages (2 visible, 1 in flight, 0 delayed)`.
pub fn depth(depth: &DlqDepth) -> String {
    if depth.total() == 0 {
        return "empty".to_owned();
    }
    let messages = count(depth.total(), "message");
    format!("{messages} ({} visible, {} in flight, {} delayed)", depth.visible, depth.in_flight, depth.delayed)
}

/// A change: `disabled → enabled, 212 ms`.
pub fn change(change: &Change) -> String {
    if change.changed {
        format!("{} → {}, {}", change.from.word(), change.to.word(), millis(change.elapsed_ms))
    } else {
        format!("was {} already", change.to.word())
    }
}

/// A person without markup, for terminals and other plain places.
pub fn plain_actor(actor: &Actor) -> String {
    match actor {
        Actor::Slack { user, .. } => format!("@{user}"),
        Actor::Terminal { .. } | Actor::Alch => actor.to_string(),
    }
}

/// What was counted so far, from the checks' own values: invocations and failed invocations, where both were measured.
pub fn live_numbers(checks: &[Check]) -> Option<String> {
    let number =
        |name: &str| checks.iter().find(|check| check.name == name).and_then(|check| leading_number(&check.value));
    let invocations = number("traffic").map(|n| count(n, "invocation"));
    let failures = number("failed-invocations").map(|n| count(n, "failure"));
    match (invocations, failures) {
        (None, None) => None,
        (one, other) => Some(one.into_iter().chain(other).collect::<Vec<_>>().join(", ")),
    }
}

fn leading_number(value: &str) -> Option<i64> {
    let digits = value.bytes().take_while(u8::is_ascii_digit).count();
    value.get(..digits)?.parse().ok()
}

/// The lines of a plan: what each step changes or how long it takes. What follows the act upon the same rule stands on
/// its line, so that a plan has a line a rule.
pub fn plan(steps: &[Step]) -> Vec<Markup> {
    let mut lines: Vec<(Option<&Rule>, Markup)> = Vec::new();
    for step in steps {
        let rule = step.kind.rule();
        let asks = if step.needs_person { ", after a go-ahead of its own" } else { "" };
        match (lines.last_mut(), follow_up(&step.kind)) {
            (Some((last, line)), Some(more)) if rule.is_some() && *last == rule => {
                *line = md!("{}; {}{}", &*line, more, asks)
            }
            (Some(_) | None, _) => lines.push((rule, md!("{}{}", alone(&step.kind), asks))),
        }
    }
    let numbered = lines.into_iter().enumerate();
    numbered.map(|(index, (_, line))| md!("{}. {}", index + 1, line.cut(500))).collect()
}

fn alone(kind: &StepKind) -> Markup {
    let title = Markup::from(clip(&kind.title(), 90)).bold();
    match kind {
        StepKind::SetRule { from, to, .. } if from.is_enabled() == to.is_enabled() => {
            md!("{}: is {} already, nothing to change", title, to.word())
        }
        StepKind::SetRule { from, to, .. } => md!("{}: {} → {}", title, from.word(), to.word()),
        StepKind::Watch { lasting, poll, .. } => md!("{}: for {}, looking every {}", title, *lasting, *poll),
        StepKind::Gate { settle, .. } => md!("{}: the gate decides after {}", title, *settle),
        StepKind::WatchAll { lasting, poll, .. } => md!("{}: for {}, looking every {}", title, *lasting, *poll),
        StepKind::Notify { .. } => md!("{}: before anything acts", title),
        StepKind::Effect { effect, .. } => effect_line(title, effect),
        StepKind::Inspect { lasting: Some(lasting), .. } => md!("{}: for up to {}", title, *lasting),
        StepKind::Checklist | StepKind::Inspect { lasting: None, .. } => title,
        StepKind::Monitor { lasting, poll, .. } => md!("{}: for {}, looking every {}", title, *lasting, *poll),
        StepKind::DisableAll { rules, .. } => {
            md!("{}: {}", title, rules.iter().map(|rule| rule.name.as_str()).collect::<Vec<_>>().join(", "))
        }
    }
}

fn effect_line(title: Markup, effect: &Effect) -> Markup {
    match effect {
        Effect::StartReplay { rules, order, .. } => {
            let names = rules.iter().map(|rule| rule.name.as_str()).collect::<Vec<_>>().join(", ");
            md!(
                "{}: from {} to {}, to {}",
                title,
                Markup::minute(order.from),
                Markup::minute(order.to),
                clip(&names, 200)
            )
        }
        Effect::Invoke { payload, variable, .. } => md!(
            "{}: once, with {}, if its variable {} proves paper mode right before",
            title,
            Markup::code(&clip(payload, 200)),
            Markup::code(&clip(variable, 80)),
        ),
        Effect::UpdateCode { package, before, expected, .. } => {
            let short = |code: &str| Markup::code(&code.chars().take(12).collect::<String>());
            let expected = expected.as_ref().map(|Expected { code, by }| match by {
                ExpectedBy::Journal { run } => md!(", which has to be {}, as recorded in {}", short(code), *run),
                ExpectedBy::DryRun => md!(", which has to be {}, as Lambda computes of the package", short(code)),
            });
            let package = Markup::code(&clip(&package.to_string(), 200));
            md!("{}: {} in place of code {}{}", title, package, short(before), expected.unwrap_or_default())
        }
        Effect::SetConcurrency { from, to, .. } => {
            let words = |number: &Option<u32>| number.map_or_else(|| "none".to_owned(), |number| number.to_string());
            md!("{}: reserved concurrency {} → {}", title, words(from), words(to))
        }
        Effect::Redrive { limit, .. } => md!("{}: at most {}", title, count(i64::from(*limit), "message")),
        _ => title,
    }
}

fn follow_up(kind: &StepKind) -> Option<String> {
    match kind {
        StepKind::Watch { lasting, poll, .. } => {
            Some(format!("watch for {}, looking every {}", span(*lasting), span(*poll)))
        }
        StepKind::Gate { settle, .. } => Some(format!("gate after {} more", span(*settle))),
        StepKind::SetRule { .. }
        | StepKind::WatchAll { .. }
        | StepKind::Monitor { .. }
        | StepKind::Effect { .. }
        | StepKind::Inspect { .. }
        | StepKind::Notify { .. }
        | StepKind::Checklist
        | StepKind::DisableAll { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_read_as_aws_calls_are_measured() {
        assert_eq!(millis(212), "212 ms");
        assert_eq!(millis(1400), "1.4 s");
    }

    #[test]
    fn numbers_are_read_from_the_checks_values() {
        let check = |name: &str, value: &str| Check {
            name: name.to_owned(),
            title: String::new(),
            verdict: Verdict::Pass,
            value: value.to_owned(),
            limit: String::new(),
            reason: String::new(),
            evidence: Default::default(),
        };
        assert_eq!(live_numbers(&[]), None);
        assert_eq!(live_numbers(&[check("failed-invocations", ""), check("traffic", "–")]), None);
        let both = [check("failed-invocations", "0"), check("traffic", "3 in 2 min")];
        assert_eq!(live_numbers(&both).as_deref(), Some("3 invocations, no failures"));
    }
}
