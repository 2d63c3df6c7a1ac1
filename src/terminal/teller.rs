//! What `alch run` prints of a run, for people or for programs, and the exit status that it ends with.

use std::collections::BTreeMap;
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::control::Tell;
use crate::domain::{Check, Event, Outcome, RuleState, RunId, StepId};

/// It succeeded, or the question was answered.
const SUCCEEDED: u8 = 0;
/// It failed, was refused, cancelled or pre-empted, or could not be started.
const FAILED: u8 = 1;
/// Done, but nothing has shown yet that it works.
const NOT_PROVEN: u8 = 3;

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
                    println!("{}", serde_json::to_string(event).unwrap_or_default());
                } else {
                    println!("{line}");
                }
            }
            Tell::Say { text } => {
                if self.json {
                    println!("{}", json!({ "say": text }));
                } else {
                    println!("{text}");
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

    /// Nothing more comes: with `--json` the last object says how it ended. The exit status.
    pub(super) fn over(&self) -> ExitCode {
        if self.json {
            println!("{}", self.summary());
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
