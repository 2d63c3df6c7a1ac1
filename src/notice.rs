//! What stakeholders are told by e-mail, before and after: plain text from a run. Sending it is the engine's; what Slack
//! shows is `slack::view`'s.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::domain::{
    Actor, Command, Environment, Moment, OnGateFailure, Outcome, RuleState, Run, Selection, Step, StepKind, StepStatus,
    Subject, span,
};

/// The longest subject: SNS takes 100 characters of ASCII.
const MAX_SUBJECT: usize = 100;
/// The width of a line, columns.
const WIDTH: usize = 76;
/// Where the values of labelled lines begin, columns.
const VALUES: usize = 15;
/// The longest text of a person, characters.
const MAX_WORDS: usize = 600;
/// Steps, rules or changes that are spelt out.
const MAX_LINES: usize = 40;

/// An e-mail: its subject in ASCII, on one line, and its text in lines of at most 76 columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// At most 100 characters.
    pub subject: String,
    /// Ends with a line break.
    pub text: String,
}

/// What is told of a run at a moment. `command_word` is the slash command, with its slash.
pub fn compose(run: &Run, environment: &Environment, moment: Moment, command_word: &str) -> Notice {
    let letter = Letter { run, environment, command_word, lines: Vec::new() };
    match moment {
        Moment::Before => letter.before(),
        Moment::After => letter.after(),
    }
}

/// An e-mail that is being written.
struct Letter<'a> {
    run: &'a Run,
    environment: &'a Environment,
    command_word: &'a str,
    lines: Vec<String>,
}

impl Letter<'_> {
    fn before(mut self) -> Notice {
        let (run, environment) = (self.run, self.environment);
        let begins = self.begins();
        let title = title(run);
        self.paragraph(&format!("{title} is about to begin in {}.", environment.name));
        self.what();
        self.field("Begins", &self.time(begins));
        if let Some((plan, _)) = &run.plan {
            let ends = begins.checked_add(plan.expected()).unwrap_or(Timestamp::MAX);
            self.field("Expected end", &format!("{}, after {}", self.time(ends), span(plan.expected())));
        }
        self.steps();
        self.blank();
        self.paragraph("To object, press \"Object\" under the notice in Slack, or type there:");
        self.command(&Command::Object { run: run.id, reason: "why".to_owned() });
        self.paragraph("An objection pauses it at once: nothing new begins until somebody decides.");
        self.finish("begins")
    }

    fn after(mut self) -> Notice {
        let (run, environment) = (self.run, self.environment);
        let Some(ended) = &run.ended else { return self.finish("has not ended") };
        let word = result(ended.outcome);
        self.paragraph(&format!("{} {word} in {}.", title(run), environment.name));
        self.paragraph(&clip(&ended.summary));
        self.what();
        let took = span(ended.at.duration_since(run.requested_at));
        self.field("Ended", &format!("{}, {took} after it was asked for", self.time(ended.at)));
        self.blank();
        self.list("What changed:", &changes(run), "Nothing was changed.");
        self.list("Checks:", &checks(run), "");
        let states: Vec<String> = self.states(&ended.rules);
        let unknown = match run.preempted {
            Some(by) => format!("What {} is now, the rollback {by} tells.", environment.name),
            None => "The states of the rules are not known.".to_owned(),
        };
        self.list(&format!("{} now:", environment.name), &states, &unknown);
        if !ended.next.is_empty() {
            self.paragraph("To undo or go on, type in Slack:");
            for next in ended.next.iter().take(6) {
                self.lines.push(format!("  {} {}", self.command_word, line(next)));
            }
            self.blank();
        }
        self.finish(word)
    }

    /// What, where, who, why, by whom approved, and what was overridden.
    fn what(&mut self) {
        let (run, environment) = (self.run, self.environment);
        self.field("What", &what(&run.command));
        let account = environment.account.as_deref().map(|account| format!("account {account}, "));
        self.field("Where", &format!("{} ({}{})", environment.name, account.unwrap_or_default(), environment.region));
        let version = run.plan.as_ref().and_then(|(plan, _)| plan.world.as_ref()?.version.as_ref());
        if let Some(version) = version {
            self.field("Version", &version.name());
        }
        self.field("Asked for by", &person(&run.actor));
        if let Command::Promote { reason: Some(reason), .. } = &run.command {
            self.field("Why", &clip(reason));
        }
        let word = if run.command.is_emergency() { "Clicked by" } else { "Approved by" };
        let approvals = run.round(&Subject::Plan).map_or(&[][..], |round| round.approvals.as_slice());
        for approval in approvals.iter().take(MAX_LINES) {
            let note = approval.note.as_deref().map(|note| format!(": {}", clip(note))).unwrap_or_default();
            self.field(word, &format!("{}, {}{note}", person(&approval.actor), self.time(approval.at)));
        }
        for (safeguard, (_, by, reason)) in run.overridden.iter().take(MAX_LINES) {
            self.field("OVERRIDDEN", &format!("the safeguard {safeguard}, by {}: {}", person(by), clip(reason)));
        }
    }

    /// When the run begins to act: when telling began.
    fn begins(&self) -> Timestamp {
        let notify = |kind: &StepKind| matches!(kind, StepKind::Notify { .. });
        let told = self.run.steps.iter().find(|progress| notify(&progress.step.kind));
        told.and_then(|progress| progress.started_at).unwrap_or(self.run.last_at)
    }

    fn steps(&mut self) {
        let Some((plan, _)) = &self.run.plan else { return };
        let steps: Vec<String> = plan.steps.iter().filter_map(step).collect();
        self.blank();
        self.list("What will be done:", &steps, "Nothing: everything is as wanted already.");
        let rollback = Command::Rollback { environment: self.environment.name.clone() };
        self.paragraph(match plan.on_gate_failure {
            OnGateFailure::Hold => "If a check fails, it stops and leaves things as they are for a person to decide.",
            OnGateFailure::Disable => "If a check fails, it stops and disables what it has enabled.",
        });
        self.paragraph("Everything can be turned off at any time:");
        self.command(&rollback);
    }

    /// The rules by their states, in the configured order.
    fn states(&self, states: &std::collections::BTreeMap<String, RuleState>) -> Vec<String> {
        let place = |name: &str| self.environment.rules.iter().position(|rule| rule.name == name).unwrap_or(usize::MAX);
        let mut named: Vec<(&String, &RuleState)> = states.iter().collect();
        named.sort_by_key(|(name, _)| place(name));
        named.into_iter().map(|(name, state)| format!("{}: {}", line(name), state.word())).collect()
    }

    /// In UTC, and in the zone of the environment's window, which is what its people think in.
    fn time(&self, at: Timestamp) -> String {
        let utc = at.to_zoned(TimeZone::UTC).strftime("%a %Y-%m-%d %H:%M UTC").to_string();
        let zone = self.environment.window.as_ref().and_then(|window| TimeZone::get(&window.zone).ok());
        match zone {
            Some(zone) => format!("{utc} ({})", at.to_zoned(zone).strftime("%a %H:%M %Z")),
            None => utc,
        }
    }

    fn field(&mut self, label: &str, value: &str) {
        let first = format!("{:<VALUES$}", format!("{label}:"));
        self.wrap(&first, &" ".repeat(VALUES), value);
    }

    fn paragraph(&mut self, text: &str) {
        for part in text.lines().filter(|part| !part.trim().is_empty()) {
            self.wrap("", "", part);
        }
        self.blank();
    }

    /// A title with its items; `none` stands for it all when there are none, and nothing when that is empty.
    fn list(&mut self, title: &str, items: &[String], none: &str) {
        if items.is_empty() {
            return self.paragraph(none);
        }
        self.lines.push(title.to_owned());
        for item in items.iter().take(MAX_LINES) {
            self.wrap("  - ", "    ", item);
        }
        if items.len() > MAX_LINES {
            self.lines.push(format!("  - and {} more", items.len() - MAX_LINES));
        }
        self.blank();
    }

    /// A command to copy: never broken over lines.
    fn command(&mut self, command: &Command) {
        self.lines.push(format!("  {} {}", self.command_word, line(&command.text())));
        self.blank();
    }

    fn blank(&mut self) {
        if self.lines.last().is_some_and(|line| !line.is_empty()) {
            self.lines.push(String::new());
        }
    }

    fn wrap(&mut self, first: &str, next: &str, text: &str) {
        let mut current = first.to_owned();
        let mut fresh = true;
        for word in line(text).split_whitespace() {
            let long = current.chars().count() + usize::from(!fresh) + word.chars().count();
            if long > WIDTH && !fresh {
                self.lines.push(std::mem::replace(&mut current, next.to_owned()));
                fresh = true;
            }
            if !fresh {
                current.push(' ');
            }
            current.push_str(word);
            fresh = false;
        }
        self.lines.push(current.trim_end().to_owned());
    }

    fn finish(self, word: &str) -> Notice {
        let Self { run, environment, mut lines, .. } = self;
        lines.push(format!("-- Alch, run {}", run.id));
        let subject = format!("[Alch] {}: {} {} {word}", environment.name, noun(&run.command), run.id);
        let subject = subject.chars().filter(|c| c.is_ascii() && !c.is_ascii_control()).take(MAX_SUBJECT).collect();
        Notice { subject, text: lines.join("\n") + "\n" }
    }
}

/// `Promotion R-5`.
fn title(run: &Run) -> String {
    let noun = noun(&run.command);
    let mut letters = noun.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    format!("{}{} {}", first.map(String::from).unwrap_or_default(), letters.as_str(), run.id)
}

fn noun(command: &Command) -> &'static str {
    match command {
        Command::Promote { .. } => "promotion",
        Command::Enable { .. } => "enabling",
        Command::Disable { .. } => "disabling",
        Command::Restore { .. } => "restoring",
        Command::Rollback { .. } => "rollback",
        _ => "run",
    }
}

fn what(command: &Command) -> String {
    let rules = |selection: &Selection| match selection {
        Selection::All => "all rules".to_owned(),
        Selection::One(rule) => format!("the rule {rule}"),
    };
    match command {
        Command::Promote { .. } => "promote: enable all rules, one after the other".to_owned(),
        Command::Enable { rules: which, .. } => format!("enable {}", rules(which)),
        Command::Disable { rules: which, .. } => format!("disable {}", rules(which)),
        Command::Restore { .. } => "restore the rules to their states from before the last rollback".to_owned(),
        Command::Rollback { .. } => "rollback: turn all rules off at once".to_owned(),
        other => other.text(),
    }
}

fn result(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Succeeded => "succeeded",
        Outcome::Unproven => "is done but not yet proven",
        Outcome::Failed => "FAILED",
        Outcome::Cancelled => "was cancelled",
        Outcome::Preempted => "was stopped by a rollback",
        Outcome::Refused => "was refused",
        Outcome::Expired => "expired",
    }
}

/// What a step will do; none for telling, which is what this is.
fn step(step: &Step) -> Option<String> {
    Some(match &step.kind {
        StepKind::Notify { .. } => return None,
        StepKind::SetRule { from, to, .. } => format!("{}: {} -> {}", step.kind.title(), from.word(), to.word()),
        StepKind::Watch { lasting, .. } | StepKind::WatchAll { lasting, .. } | StepKind::Monitor { lasting, .. } => {
            format!("{} for {}", step.kind.title(), span(*lasting))
        }
        StepKind::Gate { .. }
        | StepKind::Checklist
        | StepKind::Effect { .. }
        | StepKind::Inspect { .. }
        | StepKind::DisableAll { .. } => step.kind.title(),
    })
}

fn changes(run: &Run) -> Vec<String> {
    let set = run.steps.iter().filter_map(|progress| {
        let (_, change) = progress.applied.as_ref().filter(|(_, change)| change.changed)?;
        let back = if progress.status == StepStatus::Undone { ", and back again" } else { "" };
        let rule = progress.step.kind.rule()?;
        Some(format!("{}: {} -> {}{back}", rule.name, change.from.word(), change.to.word()))
    });
    let off = run.disabled.iter().flatten().filter(|outcome| outcome.before != outcome.after).map(|outcome| {
        let word = |state: Option<RuleState>| state.map_or("unknown", RuleState::word);
        format!("{}: {} -> {}", outcome.rule.name, word(outcome.before), word(outcome.after))
    });
    let effects = run.steps.iter().filter_map(|progress| {
        let (_, receipt) = progress.effected.as_ref().filter(|(_, receipt)| receipt.changed)?;
        Some(line(&receipt.said))
    });
    set.chain(effects).chain(off).collect()
}

/// How the gates and watches ended.
fn checks(run: &Run) -> Vec<String> {
    let judged = run.steps.iter().filter(|progress| {
        let judges = matches!(
            progress.step.kind,
            StepKind::Gate { .. }
                | StepKind::WatchAll { .. }
                | StepKind::Watch { .. }
                | StepKind::Checklist
                | StepKind::Inspect { .. }
        );
        let passed_by = matches!(progress.step.kind, StepKind::Watch { .. }) && progress.status == StepStatus::Done;
        judges && !passed_by && progress.status.is_over()
    });
    judged.map(|progress| format!("{}: {}", progress.step.kind.title(), word(progress.status))).collect()
}

fn word(status: StepStatus) -> &'static str {
    match status {
        StepStatus::Pending => "not begun",
        StepStatus::Running => "not finished",
        StepStatus::Done | StepStatus::Already => "passed",
        StepStatus::Failed => "FAILED",
        StepStatus::Inconclusive => "not proven, there was no traffic",
        StepStatus::Unknown => "could not be told",
        StepStatus::Undone => "undone",
        StepStatus::Skipped => "left out by a person",
    }
}

fn person(actor: &Actor) -> String {
    match actor {
        Actor::Slack { user, .. } => format!("Slack user {user}"),
        Actor::Terminal { user } => format!("{user} (terminal)"),
        Actor::Alch => "Alch".to_owned(),
    }
}

/// At most as much as a person may say here.
fn clip(text: &str) -> String {
    if text.chars().count() <= MAX_WORDS {
        return text.to_owned();
    }
    text.chars().take(MAX_WORDS - 1).chain(['…']).collect()
}

/// On one line, without control characters.
fn line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
