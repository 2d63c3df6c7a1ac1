//! The rehearsal: in the environment before, the same version was rolled back and brought up again, and not too long ago.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{Finding, Question, Readings, since, unread};
use crate::checks::words::{date_time, lasting};
use crate::domain::{Command, Environment, Outcome, RuleState, Run, RunId, Verdict, Version};

/// Asks for the rehearsal.
pub(super) fn check(question: &Question<'_>, readings: &Readings) -> Finding {
    let environment = question.environment;
    let Some(within) = environment.safeguards.rehearsal else {
        return Finding::not_configured(environment, "safeguards.rehearsal");
    };
    let limit = format!("at most {} ago", lasting(within));
    let Some(source) = question.source else { return Finding::no_source(environment, limit) };
    let name = &source.name;
    let how = format!("Rehearse it: `rollback {name}`, then `restore {name}` until every rule is enabled again.");
    let finding = match &readings.version {
        Err(why) => Finding::new(Verdict::Unknown, "", limit, unread(&environment.name, why)),
        Ok(version) => match last_rehearsal(&readings.source_runs, version, source) {
            Err(why) => Finding::new(Verdict::Fail, "not rehearsed", limit, format!("{why} {how}")),
            Ok(Rehearsal { rollback, at, up, found_all_off }) => {
                let ago = question.now.duration_since(at);
                let mut told = format!(
                    "{rollback} turned {name} off on {} and {} brought every rule up again with {}.",
                    date_time(at),
                    up.id,
                    version.name()
                );
                if found_all_off {
                    told.push_str(" Every rule was off already when it began.");
                }
                let verdict = if ago <= within { Verdict::Pass } else { Verdict::Fail };
                if verdict == Verdict::Fail {
                    told.push_str(&format!(" That is too long ago. {how}"));
                }
                Finding::new(verdict, format!("{} ago", lasting(ago)), limit, told)
            }
        },
    };
    finding.resting_on(format!("runs of {name}")).between(since(question), question.now)
}

/// A rollback from which everything was brought up again.
struct Rehearsal<'a> {
    rollback: RunId,
    /// When the rollback was over.
    at: Timestamp,
    /// The run that enabled the last rule.
    up: &'a Run,
    /// Whether the rollback had nothing to turn off.
    found_all_off: bool,
}

/// The newest rehearsal of this version, or why there is none. `runs` are the newest first.
fn last_rehearsal<'a>(runs: &'a [Run], version: &Version, source: &Environment) -> Result<Rehearsal<'a>, String> {
    let name = &source.name;
    let mut why = None;
    let rolled_back = |run: &Run| matches!(run.command, Command::Rollback { .. });
    for (index, rollback) in runs.iter().enumerate().filter(|(_, run)| rolled_back(run)) {
        let Some(ended) = rollback.ended.as_ref().filter(|ended| ended.outcome == Outcome::Succeeded) else {
            why.get_or_insert_with(|| format!("{} did not turn {name} off as it should.", rollback.id));
            continue;
        };
        // A rollback looks at nothing before it acts, so what it turned off is known from the run before it.
        let was = version_of(rollback).or_else(|| runs[index + 1..].iter().find_map(version_of));
        if was.is_some_and(|was| !was.is_same(version)) {
            why.get_or_insert_with(|| format!("{} turned another version off than {}.", rollback.id, version.name()));
            continue;
        }
        let later: Vec<&Run> = runs[..index].iter().rev().take_while(|run| !rolled_back(run)).collect();
        match brought_up(&later, version, source) {
            Ok(up) => {
                let outcomes = rollback.disabled.as_deref().unwrap_or_default();
                let found_all_off =
                    !outcomes.is_empty() && outcomes.iter().all(|rule| rule.before == Some(RuleState::Disabled));
                return Ok(Rehearsal { rollback: rollback.id, at: ended.at, up, found_all_off });
            }
            Err(missing) => {
                why.get_or_insert_with(|| {
                    let rules = missing.join(", ");
                    format!("After {} not every rule was enabled again with {}: {rules}.", rollback.id, version.name())
                });
            }
        }
    }
    Err(why.unwrap_or_else(|| format!("No rollback of {name} is recorded since it is looked at.")))
}

fn version_of(run: &Run) -> Option<&Version> {
    run.facts.as_ref()?.1.version.as_ref()
}

/// The run with which every rule was enabled again, all by runs of this version that succeeded; else the rules that were
/// not. `later` are the oldest first.
fn brought_up<'a>(later: &[&'a Run], version: &Version, source: &Environment) -> Result<&'a Run, Vec<String>> {
    let mut on: BTreeSet<String> = BTreeSet::new();
    for run in later {
        let brings_up =
            matches!(run.command, Command::Enable { .. } | Command::Restore { .. } | Command::Promote { .. });
        let succeeded = run.ended.as_ref().is_some_and(|ended| ended.outcome == Outcome::Succeeded);
        let counts = brings_up && succeeded && version_of(run).is_some_and(|found| found.is_same(version));
        for (rule, state) in run.set_states() {
            if !state.is_enabled() {
                on.remove(&rule);
            } else if counts {
                on.insert(rule);
            }
        }
        if counts && source.rules.iter().all(|rule| on.contains(&rule.name)) {
            return Ok(run);
        }
    }
    Err(source.rules.iter().map(|rule| rule.name.clone()).filter(|rule| !on.contains(rule)).collect())
}
