//! The thread of a run: which events speak, and what they say.
//!
//! Each message follows from the journal up to its event and nothing later, so it never changes once it is posted, and
//! posting on after a restart is comparing keys. Steps that go well are silent where the gate speaks for them.

use jiff::{SignedDuration, Timestamp};

use super::blocks::Draft;
use super::markup::{Markup, clip, md};
use super::{ViewContext, card, checks, words};
use crate::domain::{
    Answer, Change, Command, Environment, Event, Facts, OnGateFailure, OnInconclusive, Outcome, Plan, PlanDigest,
    Recorded, Run, StepId, StepKind, StepProgress, StepStatus,
};
use crate::slack::message::Message;

/// Trouble is told when it lasts: from this on between its beginning and the next try. The card tells it at once.
const LASTING_TROUBLE: SignedDuration = SignedDuration::from_secs(30);
/// Lines of a plan, or of changes, that a message spells out.
const MAX_LINES: usize = 24;

/// One message of a thread.
#[derive(Clone, Debug, PartialEq)]
pub struct ThreadMessage {
    /// Its name within the run: the number of the event that it tells.
    pub key: String,
    /// What it says.
    pub message: Message,
    /// Whether the channel sees it too.
    pub broadcast: bool,
    /// Whether it may change as the journal grows, and is brought up to date where it stands.
    pub live: bool,
}

/// The thread as far as the journal goes. A longer journal only adds messages.
pub fn thread(journal: &[Recorded], context: &ViewContext<'_>) -> Vec<ThreadMessage> {
    let Some((first, rest)) = journal.split_first() else { return Vec::new() };
    let Some(run) = Run::from_journal(std::slice::from_ref(first)) else { return Vec::new() };
    let mut teller = Teller { run, context, plans: 0, trouble_told: None };
    rest.iter().filter_map(|recorded| teller.tell(recorded)).collect()
}

/// Walks through a journal and knows no more of the run than had happened at each event.
struct Teller<'a> {
    run: Run,
    context: &'a ViewContext<'a>,
    plans: usize,
    /// When the trouble began that was told last.
    trouble_told: Option<Timestamp>,
}

impl Teller<'_> {
    fn tell(&mut self, recorded: &Recorded) -> Option<ThreadMessage> {
        let over = self.run.ended.is_some();
        let draft = self.before(&recorded.event);
        self.run.apply(recorded);
        if over {
            // A signal that came too late: it changed nothing, and the end was already told.
            return None;
        }
        let message = draft.or_else(|| self.after(&recorded.event))?.finish();
        let bad_end = self.run.ended.as_ref().is_some_and(|ended| {
            ended.outcome == Outcome::Failed || matches!(self.run.command, Command::Rollback { .. })
        });
        Some(ThreadMessage { key: recorded.seq.to_string(), message, broadcast: bad_end, live: false })
    }

    /// Signals, of which only the first counts: what they mean depends on the run before them.
    fn before(&self, event: &Event) -> Option<Draft> {
        let run = &self.run;
        let text = match event {
            Event::Answered { step, answer, actor } => {
                run.step(step)?.question.as_ref()?;
                let chose = match answer {
                    Answer::WaitOn => "wait on for traffic",
                    Answer::Continue => "continue although it is not proven",
                    Answer::Undo => "undo what this run did",
                    Answer::Retry => "try the step again",
                };
                md!("🗳️ {} chose to {}.", Markup::actor(actor), Markup::from(chose).bold())
            }
            Event::CancelRequested { actor } if run.cancel.is_none() => md!(
                "⏹️ {} asked to {}. It stops at its next safe point and says what state things are in.",
                Markup::actor(actor),
                md!("cancel {}", run.id).bold(),
            ),
            Event::Preempted { by } if run.preempted.is_none() => {
                md!("⏏️ {}: {} stops at its next safe point.", md!("Rollback {} goes first", *by).bold(), run.id)
            }
            Event::Undoing { reason } if run.undoing.is_none() => {
                md!("↩️ {}: {}", md!("Undoing what {} did", run.id).bold(), Markup::prose(&clip(reason, 900)))
            }
            _ => return None,
        };
        Some(section(text))
    }

    /// Everything else, told of the run as the event left it.
    fn after(&mut self, event: &Event) -> Option<Draft> {
        let run = &self.run;
        match event {
            Event::Planned { plan, digest } => {
                self.plans += 1;
                plan_message(&self.run, plan, digest, self.plans > 1, self.environment())
            }
            Event::Waiting { holder } => Some(section(md!(
                "⏸️ {}: {} is queued behind it and starts by itself. {} takes it out of the queue.",
                md!("{} is held by {}", &run.environment, *holder).bold(),
                run.id,
                self.typed(&Command::Cancel { run: run.id }),
            ))),
            Event::Finished { step, status, .. } => self.finished(step, *status),
            Event::Troubled { .. } => self.troubled(),
            Event::Asked { question, until, .. } => {
                let mut draft = section(md!(
                    "❓ {}, {}\n{}",
                    Markup::actor(&run.actor),
                    md!("{} asks", run.id).bold(),
                    Markup::prose(&clip(question, 1500)),
                ));
                draft.section(md!(
                    "The buttons are on the card above; the question stands until {}.",
                    Markup::day(*until)
                ));
                let answers = [Answer::WaitOn, Answer::Continue, Answer::Undo];
                draft.context(Markup::join(
                    answers.map(|answer| self.typed(&Command::Answer { run: run.id, answer })),
                    "  ",
                ));
                Some(draft)
            }
            Event::Undone { step, change } => Some(section(undone(run.step(step), step, change))),
            Event::RulesDisabled { rules, elapsed_ms, verified } => {
                Some(checks::rules_disabled(run, rules, *elapsed_ms, *verified))
            }
            Event::Ended { .. } => self.ended(),
            _ => None,
        }
    }

    fn finished(&self, step: &StepId, status: StepStatus) -> Option<Draft> {
        let run = &self.run;
        let progress = run.step(step)?;
        let bad = match status {
            StepStatus::Failed | StepStatus::Unknown => true,
            StepStatus::Pending
            | StepStatus::Running
            | StepStatus::Done
            | StepStatus::Already
            | StepStatus::Inconclusive
            | StepStatus::Undone
            | StepStatus::Skipped => false,
        };
        match &progress.step.kind {
            StepKind::Gate { .. } => Some(checks::gate(run, progress)),
            StepKind::Watch { .. } | StepKind::WatchAll { .. } if bad => Some(checks::gate(run, progress)),
            StepKind::Checklist => Some(checks::checklist(run, progress)),
            StepKind::SetRule { rule, to, .. } if status == StepStatus::Already && to.is_enabled() => {
                let checked = run.steps.iter().any(|other| match &other.step.kind {
                    StepKind::Gate { rule: gated, .. } => gated == rule,
                    _ => false,
                });
                let still = if checked { " It is checked all the same." } else { "" };
                Some(section(md!(
                    "✅ {}: nothing was changed.{}",
                    md!("{} was enabled already", &rule.name).bold(),
                    still
                )))
            }
            // The rules were told one by one when they were disabled.
            StepKind::DisableAll { .. } if run.disabled.is_some() => None,
            StepKind::SetRule { .. } | StepKind::Notify { .. } | StepKind::DisableAll { .. } if bad => {
                let (mark, word) = words::step_mark(status);
                let title = md!("{}: {}", progress.step.kind.title(), word).bold();
                Some(section(md!("{} {}\n{}", mark, title, Markup::prose(&clip(&progress.summary, 1500)))))
            }
            _ => None,
        }
    }

    fn troubled(&mut self) -> Option<Draft> {
        let (problem, since, retry_at) = self.run.trouble.as_ref()?;
        let lasts = words::between(*since, *retry_at) >= LASTING_TROUBLE;
        if !lasts || self.trouble_told == Some(*since) {
            return None;
        }
        let text = md!(
            "⚠️ {} since {}: {}\nThe run goes on by itself when this passes; the next try is at {}.",
            Markup::from("Trouble").bold(),
            Markup::time(*since),
            Markup::prose(&clip(problem, 1000)),
            Markup::time(*retry_at),
        );
        self.trouble_told = Some(*since);
        Some(section(text))
    }

    fn ended(&self) -> Option<Draft> {
        let run = &self.run;
        let ended = run.ended.as_ref()?;
        let mut draft = section(md!(
            "{}: {}",
            Markup::from(words::outcome(run, ended.outcome)).bold(),
            md!("{} {}", run.id, words::subject(&run.command)),
        ));
        draft.section(Markup::prose(&clip(&ended.summary, 2000)));
        let changed: Vec<Markup> = changes(run);
        let nothing_changed = changed.is_empty();
        if !nothing_changed {
            draft.lines(std::iter::once(md!("{}", md!("What changed").bold())).chain(changed));
        }
        if !ended.rules.is_empty() {
            let states = words::rule_states(&ended.rules, self.environment()).cut(1000);
            draft.lines([md!("{}", md!("{} now", &run.environment).bold()), states]);
        }
        if !ended.next.is_empty() {
            let title = if nothing_changed { "Next" } else { "To undo or go on" };
            draft.lines([Markup::from(title).bold(), card::next_commands(&ended.next, self.context)]);
        }
        if ended.outcome == Outcome::Failed && run.command.acts() {
            draft.section(self.contacts());
        }
        draft.context(md!(
            "{} · asked by {} · took {}",
            run.id,
            Markup::actor(&run.actor),
            words::between(run.requested_at, ended.at)
        ));
        Some(draft)
    }

    fn contacts(&self) -> Markup {
        let (primary, escalation) = self.context.contacts;
        let named = |role: &'static str, who: &str| match who {
            "" => Markup::default(),
            _ => md!("{}: {}", role, clip(who, 200)),
        };
        Markup::join([named("☎️ Primary contact", primary), named("Escalation", escalation)], " · ")
    }

    fn environment(&self) -> Option<&Environment> {
        self.context.environments.get(&self.run.environment)
    }

    fn typed(&self, command: &Command) -> Markup {
        Markup::code(&format!("{} {}", self.context.command_word, command.text()))
    }
}

fn section(text: Markup) -> Draft {
    let mut draft = Draft::new();
    draft.section(text);
    draft
}

/// The plan. None when the steps speak for themselves at once: a checklist, the emergency path, nothing to do.
fn plan_message(
    run: &Run,
    plan: &Plan,
    digest: &PlanDigest,
    again: bool,
    environment: Option<&Environment>,
) -> Option<Draft> {
    let speaks_itself =
        plan.steps.iter().all(|step| matches!(step.kind, StepKind::Checklist | StepKind::DisableAll { .. }));
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
    let mut draft = section(md!("📋 {}{}: {}", title, why, ends));
    let mut steps = words::plan(&plan.steps);
    let more = steps.len().saturating_sub(MAX_LINES);
    steps.truncate(MAX_LINES);
    steps.extend((more > 0).then(|| md!("… and {} more", more)));
    draft.lines(steps);
    draft.lines(rules_of_the_plan(plan));
    if let Some((at, facts)) = &run.facts {
        draft.lines(found(facts, *at, environment));
    }
    let notes = run.notes.iter().take(5).map(|note| md!("{}", clip(note, 300)));
    draft.context(Markup::join(std::iter::once(md!("plan {}", digest.to_string())).chain(notes), "\n"));
    Some(draft)
}

/// What happens when a gate does not pass.
fn rules_of_the_plan(plan: &Plan) -> Vec<Markup> {
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
    let failed = match plan.on_gate_failure {
        OnGateFailure::Hold => md!("If a gate fails: stop, leave things as they are."),
        OnGateFailure::Disable => md!("If a gate fails: stop, and disable what this run enabled."),
    };
    let quiet = if gates.contains(&OnInconclusive::Ask) {
        md!("Without traffic: ask a person.")
    } else {
        md!("Without traffic: go on, and end as not yet proven.")
    };
    vec![failed, quiet]
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

fn undone(progress: Option<&StepProgress>, step: &StepId, change: &Change) -> Markup {
    let what = progress
        .and_then(|progress| progress.step.kind.rule())
        .map_or_else(|| step.to_string(), |rule| rule.name.clone());
    md!("↩️ {}: {}", md!("{} is {} again", what, change.to.word()).bold(), words::change(change))
}

/// What this run did to the rules, undone things included.
fn changes(run: &Run) -> Vec<Markup> {
    let set = run.steps.iter().filter_map(|progress| {
        let (_, change) = progress.applied.as_ref().filter(|(_, change)| change.changed)?;
        let rule = progress.step.kind.rule()?;
        let back = if progress.status == StepStatus::Undone { ", undone again" } else { "" };
        Some(md!("• {}: {} → {}{}", &rule.name, change.from.word(), change.to.word(), back))
    });
    let off = run.disabled.iter().flatten().filter(|outcome| outcome.before != outcome.after).map(|outcome| {
        let word = |state: Option<crate::domain::RuleState>| state.map_or("unknown", |state| state.word());
        md!("• {}: {} → {}", &outcome.rule.name, word(outcome.before), word(outcome.after))
    });
    let mut all: Vec<Markup> = set.chain(off).collect();
    let more = all.len().saturating_sub(MAX_LINES);
    all.truncate(MAX_LINES);
    all.extend((more > 0).then(|| md!("… and {} more", more)));
    all
}
