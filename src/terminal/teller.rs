//! What `alch run` prints of a run, for people or for programs, and the exit status that it ends with.

use std::collections::BTreeMap;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::say;
use crate::control::Tell;
use crate::domain::{Check, Event, Outcome, Remark, RuleState, RunId, StepId, StepStatus, Verdict};
use crate::slack::view;

/// It succeeded, or the question was answered.
const SUCCEEDED: u8 = 0;
/// It failed, was refused, cancelled or pre-empted, or could not be started.
const FAILED: u8 = 1;
/// Done, but nothing has shown yet that it works.
const NOT_PROVEN: u8 = 3;
/// Before a line that belongs to the one above it: as wide as a time of day.
const INDENT: &str = "         ";

/// Prints, and remembers what the last line of all has to say.
pub(super) struct Teller {
    json: bool,
    command: String,
    run: Option<RunId>,
    environment: Option<String>,
    /// The latest checks of each step, in the order in which they were first made.
    checks: Vec<(StepId, Vec<Check>)>,
    ended: Ended,
    said: Option<String>,
    end: Option<(Option<Outcome>, bool)>,
}

/// What the run's own end says.
#[derive(Default)]
struct Ended {
    summary: Option<String>,
    rules: BTreeMap<String, RuleState>,
    next: Vec<String>,
}

impl Teller {
    /// For a command, as it was typed.
    pub(super) fn new(json: bool, command: String) -> Self {
        Self {
            json,
            command,
            run: None,
            environment: None,
            checks: Vec::new(),
            ended: Ended::default(),
            said: None,
            end: None,
        }
    }

    /// Prints one thing. With `--json` it is one object on one line.
    pub(super) fn tell(&mut self, tell: &Tell) {
        match tell {
            Tell::Event { event, line } => {
                self.run = Some(event.run);
                self.remember(&event.event);
                if self.json {
                    say(serde_json::to_string(event).unwrap_or_default());
                } else {
                    say(line);
                    for line in remarks(&event.event).into_iter().chain(self.reasons(&event.event)) {
                        say(view::tame(&line));
                    }
                }
            }
            Tell::Say { text } => {
                if self.json {
                    say(json!({ "say": text }));
                } else {
                    say(text);
                }
                self.said = Some(text.clone());
            }
            Tell::End { outcome, succeeded } => self.end = Some((*outcome, *succeeded)),
        }
    }

    fn remember(&mut self, event: &Event) {
        match event {
            Event::Requested { environment, .. } => self.environment = Some(environment.clone()),
            Event::Checked { step, checks } => match self.checks.iter_mut().find(|(known, _)| known == step) {
                Some((_, known)) => known.clone_from(checks),
                None => self.checks.push((step.clone(), checks.clone())),
            },
            Event::Ended { summary, rules, next, .. } => {
                self.ended = Ended { summary: Some(summary.clone()), rules: rules.clone(), next: next.clone() };
            }
            _ => {}
        }
    }

    /// Why a step that is over is not well, and what mends it: a line for each check that did not pass. Those of one reason
    /// share it, and a whole leaves it to its parts.
    fn reasons(&self, event: &Event) -> Vec<String> {
        let Event::Finished {
            step,
            status: StepStatus::Failed | StepStatus::Inconclusive | StepStatus::Unknown,
            summary,
        } = event
        else {
            return Vec::new();
        };
        let checks = self.checks.iter().find(|(known, _)| known == step).map(|(_, checks)| checks.as_slice());
        let open: Vec<&Check> = checks.unwrap_or_default().iter().filter(|one| one.verdict != Verdict::Pass).collect();
        let has_parts = |whole: &Check| open.iter().any(|part| part.name.starts_with(&format!("{}/", whole.name)));
        let mut groups: Vec<(Verdict, &str, Vec<String>)> = Vec::new();
        for check in open.iter().filter(|check| !has_parts(check) && !summary.contains(&check.reason)) {
            let title = format!("{} {}", check.title, check.value).trim_end().to_owned();
            match groups.iter_mut().find(|(verdict, reason, _)| (*verdict, *reason) == (check.verdict, &*check.reason))
            {
                Some((_, _, titles)) => titles.push(title),
                None => groups.push((check.verdict, &check.reason, vec![title])),
            }
        }
        let line = |(verdict, reason, titles): (Verdict, &str, Vec<String>)| {
            format!("{INDENT}{}: {}: {reason}", verdict.word(), titles.join(", "))
        };
        groups.into_iter().map(line).collect()
    }

    /// Nothing more comes: with `--json` the last object says how it ended. The exit status.
    pub(super) fn over(&self) -> ExitCode {
        if self.json {
            say(self.summary());
        }
        ExitCode::from(self.status())
    }

    fn status(&self) -> u8 {
        match self.end {
            Some((_, true)) => SUCCEEDED,
            Some((Some(Outcome::Unproven), false)) => NOT_PROVEN,
            Some((_, false)) | None => FAILED,
        }
    }

    fn summary(&self) -> Value {
        let outcome = self.end.and_then(|(outcome, _)| outcome);
        let check = |step: &StepId, check: &Check| {
            json!({
                "step": step,
                "name": check.name,
                "title": check.title,
                "verdict": check.verdict,
                "value": check.value,
                "reason": check.reason,
            })
        };
        let checks = self.checks.iter().flat_map(|(step, checks)| checks.iter().map(move |found| check(step, found)));
        json!({
            "kind": "summary",
            "run": self.run,
            "environment": self.environment,
            "command": self.command,
            "outcome": outcome,
            "succeeded": self.status() == SUCCEEDED,
            "exit_status": self.status(),
            "summary": self.ended.summary.as_ref().or(self.said.as_ref()),
            "rules": self.ended.rules,
            "checks": checks.collect::<Vec<_>>(),
            "next": self.ended.next,
        })
    }
}

/// What people have to know before what was asked for is done.
fn remarks(event: &Event) -> Vec<String> {
    let Event::Observed { facts } = event else { return Vec::new() };
    let line = |remark: &Remark| format!("{INDENT}{}: {}", if remark.loud { "warning" } else { "note" }, remark.text);
    facts.remarks.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_status_follows_from_the_end() {
        for (end, status) in [
            (Some((None, true)), 0),
            (Some((Some(Outcome::Succeeded), true)), 0),
            (Some((Some(Outcome::Unproven), false)), 3),
            (Some((Some(Outcome::Failed), false)), 1),
            (Some((Some(Outcome::Refused), false)), 1),
            (Some((Some(Outcome::Preempted), false)), 1),
            (Some((None, false)), 1),
            // Whoever was told ended before the answer did.
            (None, 1),
        ] {
            let teller = Teller { end, ..Teller::new(true, "verify dev".to_owned()) };
            assert_eq!(teller.status(), status, "{end:?}");
            let summary = teller.summary();
            assert_eq!((&summary["exit_status"], &summary["succeeded"]), (&json!(status), &json!(status == 0)));
        }
    }
}
