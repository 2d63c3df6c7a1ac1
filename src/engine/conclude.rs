//! How a run ends, in words: what happened, what it means for the environment now, and what to do next. Pure.

use std::collections::BTreeMap;

use super::next::{DOUBTFUL, SILENT, unproven};
use crate::aws::AllDisabled;
use crate::checks::rule_state;
use crate::domain::{
    Actor, CodeRollback, Command, Effect, Event, Outcome, RuleState, Run, Selection, StepKind, StepProgress,
    StepStatus, Subject, Verdict,
};

/// The end of a run that has nothing more to do.
pub(super) fn conclude(run: &Run) -> Event {
    let outcome = outcome(run);
    // What a rollback makes of the rules is told by it; what this run knew of them is over.
    let rules = if outcome == Outcome::Preempted { BTreeMap::new() } else { run.rule_states() };
    let rules = monitored(run).unwrap_or_else(|| as_gates_saw(run, rules));
    let mut sentences = vec![happened(run, outcome)];
    if outcome != Outcome::Succeeded || !run.command.acts() {
        sentences.extend(now(run, &rules));
    }
    Event::Ended { outcome, summary: sentences.join(" "), next: next(run, outcome), rules }
}

/// The end of a run that never acted.
pub(super) fn refused(reason: String) -> Event {
    ended_early(Outcome::Refused, reason)
}

/// The end of a run that could not begin.
pub(super) fn could_not_begin(reason: String) -> Event {
    ended_early(Outcome::Failed, format!("{reason} Nothing was changed."))
}

fn ended_early(outcome: Outcome, summary: String) -> Event {
    Event::Ended { outcome, summary, rules: BTreeMap::new(), next: Vec::new() }
}

/// The end of a rollback. `under_way` is the stack with its status, if CloudFormation is at work on it.
pub(super) fn rolled_back(environment: &str, done: &AllDisabled, under_way: Option<&str>) -> Event {
    let AllDisabled { rules, elapsed_ms, verified } = done;
    let left: Vec<String> = rules
        .iter()
        .filter(|outcome| outcome.after != Some(RuleState::Disabled))
        .map(|outcome| {
            let why = outcome.error.as_deref().unwrap_or("its state could not be read back");
            format!("{} ({why})", outcome.rule.name)
        })
        .collect();
    let seconds = seconds(*elapsed_ms);
    let (outcome, mut summary) = if *verified && left.is_empty() {
        let text = format!(
            "All {} rules of {environment} are off, verified after {seconds}. Events that arrive now start nothing and are \
             not queued; the archive keeps them. Events already handed to the function are still worked on.",
            rules.len()
        );
        (Outcome::Succeeded, text)
    } else {
        let text = format!(
            "Not all rules of {environment} are shown to be off after {seconds}: {}. Run the rollback again, or disable \
             them in the AWS console.",
            left.join(", ")
        );
        (Outcome::Failed, text)
    };
    if let Some(stack) = under_way {
        summary.push_str(&format!(
            " {stack}: CloudFormation goes on by itself, and a template that says ENABLED turns rules on again. Look at `status \
             {environment}` when it has settled, and roll back once more if one is on."
        ));
    }
    let states = rules.iter().filter_map(|outcome| Some((outcome.rule.name.clone(), outcome.after?))).collect();
    let again = if outcome == Outcome::Succeeded { "restore" } else { "rollback" };
    // The checklist shows what is left in the dead-letter queues.
    let next = ["status", "verify", again].map(|command| format!("{command} {environment}")).to_vec();
    Event::Ended { outcome, summary, rules: states, next }
}

fn outcome(run: &Run) -> Outcome {
    let any = |status| run.steps.iter().any(|progress| progress.status == status);
    let closed = run.rounds.iter().rev().find(|round| {
        !matches!(round.subject, Subject::Skip(_)) && !round.superseded && (round.lapsed || round.rejected.is_some())
    });
    if run.preempted.is_some() {
        Outcome::Preempted
    } else if let Some(round) = closed {
        match (&round.subject, &round.rejected) {
            (_, None) => Outcome::Expired,
            (Subject::Step(_), Some(_)) => Outcome::Cancelled,
            (_, Some(_)) => Outcome::Refused,
        }
    } else if any(StepStatus::Failed) || any(StepStatus::Unknown) || run.undoing.is_some() {
        // A cancel that comes when it has failed already does not make it less of a failure.
        Outcome::Failed
    } else if run.cancel.is_some() && !matches!(run.command, Command::Monitor { .. }) {
        Outcome::Cancelled
    } else if any(StepStatus::Inconclusive) || any(StepStatus::Skipped) {
        Outcome::Unproven
    } else {
        Outcome::Succeeded
    }
}

fn happened(run: &Run, outcome: Outcome) -> String {
    match outcome {
        Outcome::Succeeded => succeeded(run),
        Outcome::Unproven => match &run.command {
            Command::Verify { environment } => format!("{environment} could not be shown to be well."),
            Command::Subscribe { .. } | Command::TestAlarm { .. } => by_steps(run),
            Command::ReplayStart { .. } | Command::Smoke { .. } => {
                format!("Not everything is proven. {}", by_steps(run))
            }
            _ => {
                let skipped = names(run, |progress| progress.status == StepStatus::Skipped);
                let mut told = Vec::new();
                for why in [SILENT, DOUBTFUL] {
                    let rules =
                        names(run, |progress| progress.status == StepStatus::Inconclusive && unproven(progress) == why);
                    if !rules.is_empty() {
                        told.push(format!("{rules}: enabled, not yet proven: {why}."));
                    }
                }
                if !skipped.is_empty() {
                    told.push(format!("{skipped}: not proven, because a step was left out on a person's word."));
                }
                if told.is_empty() {
                    told.push("Done, but not everything is proven.".to_owned());
                }
                told.join(" ")
            }
        },
        Outcome::Failed => failed(run),
        Outcome::Cancelled => cancelled(run),
        Outcome::Preempted => {
            let by = run.preempted.map(|by| format!(" {by}")).unwrap_or_default();
            let how = stopped(run).map(|how| format!(" {how}")).unwrap_or_default();
            format!("Stopped: the rollback{by} goes first and turns all rules off; its thread says how they are.{how}")
        }
        Outcome::Refused => {
            let reason = run.rounds.iter().rev().find_map(|round| round.rejected.as_ref());
            let reason = reason.map(|(_, _, reason)| format!("Rejected: {}. ", reason.trim_end_matches('.')));
            format!("{}Nothing was changed.", reason.unwrap_or_default())
        }
        Outcome::Expired if acted(run) => {
            "Nobody gave the go-ahead for the next step in time; what was done stays done.".to_owned()
        }
        Outcome::Expired => "Nobody approved in time. Nothing was changed.".to_owned(),
    }
}

fn cancelled(run: &Run) -> String {
    let rejected = run.rounds.iter().rev().find_map(|round| round.rejected.as_ref());
    let by_itself = matches!(run.cancel, Some((_, Actor::Alch)));
    let tail = if acted(run) { "what was done stays done." } else { "nothing was changed." };
    match (&run.cancel, rejected) {
        (None, Some((_, _, reason))) => {
            format!("The go-ahead was rejected: {}; {tail}", reason.trim_end_matches('.'))
        }
        _ if by_itself => format!("Nobody said in time how to go on, so it stopped by itself; {tail}"),
        _ => match stopped(run) {
            Some(how) => format!("Stopped, as asked. {how}"),
            None => format!("Stopped at the next safe point, as asked; {tail}"),
        },
    }
}

/// What became of an effect that was under way when the run had to stop: it was stopped, or it went on by itself to its end.
fn stopped(run: &Run) -> Option<String> {
    let is_stack = |progress: &&StepProgress| {
        let StepKind::Effect { effect, .. } = &progress.step.kind else { return false };
        matches!(effect, Effect::ExecuteChangeSet { .. } | Effect::RecoverStack { .. })
    };
    let last = run.steps.iter().rfind(|progress| progress.status.is_over()).filter(is_stack);
    let stopped = run.steps.iter().find(|progress| progress.status == StepStatus::Skipped).or(last);
    let stopped = stopped.filter(|progress| progress.effected.is_some() && !progress.summary.is_empty())?;
    Some(format!("{}: {}.", stopped.step.kind.title(), stopped.summary.trim_end_matches('.')))
}

/// Whether this run has changed anything.
fn acted(run: &Run) -> bool {
    run.steps.iter().any(|progress| {
        progress.applied.as_ref().is_some_and(|(_, change)| change.changed)
            || progress.effected.as_ref().is_some_and(|(_, receipt)| receipt.changed)
    })
}

fn succeeded(run: &Run) -> String {
    match &run.command {
        Command::Verify { environment } => format!("Every check of {environment} passes."),
        Command::Disable { .. } => {
            let already = names(run, |progress| progress.status == StepStatus::Already);
            let done = names(run, |progress| progress.status == StepStatus::Done);
            match (done.is_empty(), already.is_empty()) {
                (false, true) => format!("{done}: disabled."),
                (false, false) => format!("{done}: disabled. {already}: disabled already."),
                (true, _) => format!("{already}: disabled already; nothing was changed."),
            }
        }
        Command::Restore { .. } if run.steps.is_empty() => {
            "Every rule that was enabled before the rollback is enabled already; nothing was changed.".to_owned()
        }
        _ if run.steps.iter().any(|progress| is_told_by_itself(&progress.step.kind)) => by_steps(run),
        _ => {
            let acts = |progress: &StepProgress| matches!(progress.step.kind, StepKind::SetRule { .. });
            let done = names(run, |progress| acts(progress) && progress.status == StepStatus::Done);
            let already = names(run, |progress| acts(progress) && progress.status == StepStatus::Already);
            match (done.is_empty(), already.is_empty()) {
                (false, true) => format!("{done}: enabled and healthy."),
                (false, false) => format!("{done}: enabled and healthy. {already}: enabled already, and healthy."),
                (true, _) => format!("{already}: enabled already, and healthy."),
            }
        }
    }
}

/// The rules' states as a monitor saw them last.
fn monitored(run: &Run) -> Option<BTreeMap<String, RuleState>> {
    let monitor = run.steps.iter().find(|progress| matches!(progress.step.kind, StepKind::Monitor { .. }))?;
    Some(seen(monitor).filter_map(|(rule, state)| Some((rule.to_owned(), state?))).collect())
}

/// The states that the run knows, but for what its gates found that somebody has changed since.
fn as_gates_saw(run: &Run, mut rules: BTreeMap<String, RuleState>) -> BTreeMap<String, RuleState> {
    for (rule, state) in run.steps.iter().flat_map(seen) {
        match state {
            Some(state) => drop(rules.insert(rule.to_owned(), state)),
            None => drop(rules.remove(rule)),
        }
    }
    rules
}

/// The rules whose states a step has seen, each with its state; none for one that is missing.
fn seen(progress: &StepProgress) -> impl Iterator<Item = (&str, Option<RuleState>)> {
    progress.checks.iter().filter(|check| check.verdict != Verdict::Unknown).filter_map(|check| {
        let rule = check.name.strip_prefix(rule_state::RULE_STATE)?.strip_prefix(':')?;
        let states = [RuleState::Enabled, RuleState::Disabled];
        Some((rule, states.into_iter().find(|state| state.word() == check.value)))
    })
}

/// Whether a step's own words tell what came of it.
fn is_told_by_itself(kind: &StepKind) -> bool {
    matches!(kind, StepKind::Effect { .. } | StepKind::Inspect { .. } | StepKind::Monitor { .. })
}

/// What came of the steps, in their own words.
fn by_steps(run: &Run) -> String {
    let told = run.steps.iter().filter(|progress| is_told_by_itself(&progress.step.kind));
    let told: Vec<String> = told
        .filter(|progress| !progress.summary.is_empty())
        .map(|progress| format!("{}: {}.", progress.step.kind.title(), progress.summary.trim_end_matches('.')))
        .collect();
    if told.is_empty() { "There was nothing to do.".to_owned() } else { told.join(" ") }
}

fn failed(run: &Run) -> String {
    let Some(failed) =
        run.steps.iter().find(|progress| matches!(progress.status, StepStatus::Failed | StepStatus::Unknown))
    else {
        return "Undone, as asked.".to_owned();
    };
    let what = match &failed.step.kind {
        StepKind::SetRule { rule, to, .. } => {
            format!("{} could not be {}", rule.name, if to.is_enabled() { "enabled" } else { "disabled" })
        }
        StepKind::Watch { rule, .. } | StepKind::Gate { rule, .. } if failed.status == StepStatus::Unknown => {
            format!("The gate of {} could not be decided", rule.name)
        }
        StepKind::Watch { rule, .. } | StepKind::Gate { rule, .. } => format!("The gate of {} failed", rule.name),
        StepKind::WatchAll { .. } => "Something failed while everything was watched".to_owned(),
        StepKind::Notify { .. } => "Not every stakeholder could be told beforehand".to_owned(),
        StepKind::Checklist => "Not every check passes".to_owned(),
        StepKind::Effect { effect, .. } if failed.status == StepStatus::Unknown => {
            format!("It is not known how “{}” ended", effect.title())
        }
        StepKind::Effect { .. } | StepKind::Inspect { .. } | StepKind::Monitor { .. } => {
            format!("“{}” failed", failed.step.kind.title())
        }
        StepKind::DisableAll { .. } => "Not all rules could be disabled".to_owned(),
    };
    let summary = failed.summary.trim_end_matches('.');
    match &run.undoing {
        None => format!("{what}: {summary}."),
        // First what it means for the environment: the reasons may be long.
        Some(_) if run.to_undo().next().is_none() => format!("{what}. What this run changed is undone. {summary}."),
        Some(_) => format!("{what}. Not everything that this run changed could be undone! {summary}."),
    }
}

/// What the environment's rules are now, and which were not reached.
fn now(run: &Run, rules: &BTreeMap<String, RuleState>) -> Option<String> {
    if !run.command.acts() || rules.is_empty() {
        return None;
    }
    let states: Vec<String> = rules.iter().map(|(name, state)| format!("{name} is {}", state.word())).collect();
    Some(format!("Now {}.", states.join(", ")))
}

/// Commands that go on or go back.
fn next(run: &Run, outcome: Outcome) -> Vec<String> {
    let environment = &run.environment;
    if !run.command.acts() {
        return match outcome {
            Outcome::Succeeded => Vec::new(),
            _ if matches!(run.command, Command::Subscribe { .. } | Command::TestAlarm { .. }) => {
                vec![format!("subscriptions {environment}")]
            }
            _ => vec![format!("verify {environment}")],
        };
    }
    let mut next = Vec::new();
    if outcome == Outcome::Succeeded && matches!(run.command, Command::HardStop { .. }) {
        return vec![format!("status {environment}"), format!("restore {environment}")];
    }
    match outcome {
        Outcome::Succeeded | Outcome::Refused | Outcome::Expired => {}
        Outcome::Unproven | Outcome::Failed | Outcome::Cancelled => next.push(format!("status {environment}")),
        Outcome::Preempted => return vec![format!("status {environment}"), format!("restore {environment}")],
    }
    let acts = run.steps.iter().filter(|progress| progress.step.kind.acts()).count();
    let undo: Vec<_> =
        run.to_undo().filter_map(|progress| Some((progress.step.kind.rule()?, progress.step.undo?))).collect();
    match &run.command {
        // What was sent again is in the world now; whether it was handled shows in the queues.
        Command::ReplayStart { .. } | Command::Redrive { .. } if acted(run) => {
            return vec![format!("dlq {environment}"), format!("verify {environment}")];
        }
        // Another invoke is a person's own idea.
        Command::Smoke { .. } if acted(run) => {
            return vec![
                format!("status {environment}"),
                format!("dlq {environment}"),
                format!("verify {environment}"),
            ];
        }
        // A code rollback of the stack lies behind the version that it put back, and one of the function is made whole by it.
        Command::Deploy { .. } | Command::CodeRollback { by: CodeRollback::Function, .. }
            if outcome == Outcome::Succeeded && acted(run) =>
        {
            let environment = environment.clone();
            let back = Command::CodeRollback { environment, by: CodeRollback::Stack, to: None, package: None };
            return vec![format!("verify {}", run.environment), back.text()];
        }
        Command::CodeRollback { .. } if outcome == Outcome::Succeeded && acted(run) => {
            return vec![format!("verify {environment}")];
        }
        Command::Enable { rules: Selection::All, .. } | Command::Promote { .. } if undo.len() == acts && acts > 1 => {
            next.push(format!("disable all {environment}"));
        }
        _ => next.extend(undo.into_iter().map(|(rule, state)| {
            let verb = if state.is_enabled() { "enable" } else { "disable" };
            format!("{verb} {} {environment}", rule.name)
        })),
    }
    if matches!(outcome, Outcome::Failed | Outcome::Cancelled) {
        next.push(run.command.text());
    }
    next
}

/// The rules of the steps that `include` picks, once each, in order.
fn names(run: &Run, include: impl Fn(&StepProgress) -> bool) -> String {
    let mut names: Vec<&str> = Vec::new();
    for progress in run.steps.iter().filter(|progress| include(progress)) {
        if let Some(rule) = progress.step.kind.rule()
            && !names.contains(&rule.name.as_str())
        {
            names.push(&rule.name);
        }
    }
    names.join(", ")
}

/// Milliseconds as people say them: `0.8 s`.
fn seconds(elapsed_ms: u64) -> String {
    let tenths = elapsed_ms.div_ceil(100);
    format!("{}.{} s", tenths / 10, tenths % 10)
}
