//! What people and other runs say to a run: each signal as a message of the thread, if it counted.
//!
//! Whether it counted depends on the run before it, what it means on the run after.

use super::blocks::Draft;
use super::markup::{Markup, clip, md};
use super::{ViewContext, approval, plan, words};
use crate::domain::{Actor, Answer, Command, Event, Recorded, Round, Run, StepKind, StepStatus, Subject};

/// The longest reason of a person.
const MAX_REASON: usize = 900;

/// A signal with the run before and after it.
pub struct Signal<'a> {
    /// The run before.
    pub before: &'a Run,
    /// The run after.
    pub after: &'a Run,
    /// What the views know.
    pub context: &'a ViewContext<'a>,
}

/// Whether an event is one of them.
pub fn is_signal(event: &Event) -> bool {
    match event {
        Event::Answered { .. }
        | Event::CancelRequested { .. }
        | Event::Preempted { .. }
        | Event::Undoing { .. }
        | Event::Approved { .. }
        | Event::Rejected { .. }
        | Event::Reminded { .. }
        | Event::Lapsed { .. }
        | Event::Escalated { .. }
        | Event::Overridden { .. }
        | Event::Paused { .. }
        | Event::Resumed { .. }
        | Event::SkipRequested { .. } => true,
        Event::Requested { .. }
        | Event::Observed { .. }
        | Event::Planned { .. }
        | Event::Safeguarded { .. }
        | Event::Drifted { .. }
        | Event::ApprovalAsked { .. }
        | Event::Cleared { .. }
        | Event::Delivered { .. }
        | Event::Undelivered { .. }
        | Event::Held { .. }
        | Event::Released { .. }
        | Event::Discarded { .. }
        | Event::Waiting { .. }
        | Event::Locked
        | Event::Started { .. }
        | Event::Applied { .. }
        | Event::Effected { .. }
        | Event::Progressed { .. }
        | Event::Checked { .. }
        | Event::Finished { .. }
        | Event::Troubled { .. }
        | Event::Asked { .. }
        | Event::Undone { .. }
        | Event::RulesDisabled { .. }
        | Event::Ended { .. } => false,
    }
}

impl Signal<'_> {
    /// What is said of it; none when it changed nothing, or another message says it.
    pub fn told(&self, recorded: &Recorded) -> Option<Draft> {
        let run = self.after;
        let decided = self.before.rounds != self.after.rounds;
        let lines = match &recorded.event {
            Event::Answered { step, answer, actor } => {
                self.before.step(step)?.question.as_ref()?;
                vec![md!("🗳️ {} chose to {}.", Markup::actor(actor), Markup::from(chosen(*answer)).bold())]
            }
            Event::CancelRequested { actor } if self.before.cancel.is_none() => vec![md!(
                "⏹️ {} asked to {}. It stops at its next safe point and says what state things are in.",
                Markup::actor(actor),
                md!("cancel {}", run.id).bold(),
            )],
            Event::Preempted { by } if self.before.preempted.is_none() => {
                vec![md!("⏏️ {}: {} stops at its next safe point.", md!("Rollback {} goes first", *by).bold(), run.id)]
            }
            Event::Undoing { reason } if self.before.undoing.is_none() => vec![md!(
                "↩️ {}: {}",
                md!("Undoing what {} did", run.id).bold(),
                Markup::prose(&clip(reason, MAX_REASON))
            )],
            Event::Approved { subject: Subject::Plan, .. } => {
                // The question itself shows who approved; news is only that it has to wait.
                let at = run
                    .starts_at()
                    .filter(|at| *at > recorded.at && run.is_approved() && !self.before.is_approved())?;
                vec![md!(
                    "🗓️ {}: it begins by itself {}. Before that, the world is looked at again.",
                    md!("{} is approved and scheduled", run.id).bold(),
                    Markup::day(at)
                )]
            }
            Event::Rejected { subject, actor, reason, .. } if decided => vec![
                md!(
                    "🚫 {}: {}",
                    md!("{} rejected {}", Markup::actor(actor), self.what(subject)).bold(),
                    clip(reason, MAX_REASON)
                ),
                self.undecided(subject),
            ],
            Event::Reminded { subject } if decided => self.reminded(subject)?,
            Event::Lapsed { subject } if decided => {
                vec![
                    md!(
                        "⌛ {}: nobody decided in time.",
                        md!("The question about {} lapsed", self.what(subject)).bold()
                    ),
                    self.undecided(subject),
                ]
            }
            Event::Escalated { actor, contact, reason } => vec![md!(
                "📣 {}: {}: {}",
                Markup::contact(contact),
                md!("{} calls you to {}", Markup::actor(actor), run.id).bold(),
                Markup::prose(&clip(reason, MAX_REASON)),
            )],
            Event::Overridden { safeguard, actor, reason, .. }
                if self.before.overridden.len() != self.after.overridden.len() =>
            {
                self.overridden(safeguard, actor, reason)
            }
            Event::Paused { actor, reason, objection } => self.paused(actor, reason.as_deref(), *objection)?,
            Event::Resumed { actor } if self.before.paused.is_some() => {
                let mut lines =
                    vec![md!("▶️ {}: it goes on.", md!("{} resumed {}", Markup::actor(actor), run.id).bold())];
                lines.extend(self.state());
                lines
            }
            Event::SkipRequested { step, actor, reason } if self.before.skip.is_none() => {
                let title = run.step(step).map_or_else(|| step.0.clone(), |progress| progress.step.kind.title());
                let then = if run.plan.as_ref().is_some_and(|(plan, _)| plan.approval.is_some()) {
                    md!("Approvers are asked.")
                } else {
                    md!("It is left out now.")
                };
                let asks = md!("{} asked to skip “{}”", Markup::actor(actor), clip(&title, 90)).bold();
                vec![md!("⏭️ {}: {}", asks, clip(reason, MAX_REASON)), then]
            }
            _ => return None,
        };
        let mut draft = Draft::new();
        draft.lines(lines);
        Some(draft)
    }

    /// What a question is about, for a sentence.
    fn what(&self, subject: &Subject) -> Markup {
        let title = |step| self.after.step(step).map_or_else(String::new, |progress| progress.step.kind.title());
        match subject {
            Subject::Plan => match &self.after.command {
                Command::Rollback { environment } => md!("the rollback of {}", environment),
                Command::HardStop { environment } => md!("the hard stop of {}", environment),
                _ => md!("the plan of {}", self.after.id),
            },
            Subject::Step(step) => md!("“{}”", clip(&title(step), 90)),
            Subject::Skip(step) => md!("skipping “{}”", clip(&title(step), 90)),
        }
    }

    /// What it means that a question was not answered with yes.
    fn undecided(&self, subject: &Subject) -> Markup {
        let environment = &self.after.environment;
        match subject {
            Subject::Plan if self.after.command.is_emergency() => {
                md!("Nothing was turned off. {} asks again.", self.typed(&self.after.command))
            }
            Subject::Plan => md!("Nothing was done in {}.", environment),
            Subject::Step(_) => md!("The step is not done; what was done before it stays as it is."),
            Subject::Skip(_) => md!("Nothing is left out."),
        }
    }

    fn reminded(&self, subject: &Subject) -> Option<Vec<Markup>> {
        let run = self.after;
        let round: &Round = run.round(subject)?;
        let environment = self.context.environments.get(&run.environment);
        let who = environment.map(|environment| plan::approvers(environment, &run.command)).unwrap_or_default();
        let where_to = if run.command.is_emergency() { "The button is on the card." } else { "The buttons are above." };
        let title = md!("Still to be decided: {}", self.what(subject)).bold();
        let said = md!(
            "⏰ {}: {} of {} approved, until {}. {}",
            title,
            round.approvals.len(),
            round.needed as usize,
            Markup::day(round.until),
            where_to,
        );
        Some(vec![Markup::join([said, who], " ")])
    }

    fn overridden(&self, safeguard: &str, actor: &Actor, reason: &str) -> Vec<Markup> {
        let run = self.after;
        let title = run.safeguards.iter().find(|check| check.name == safeguard);
        let title = clip(title.map_or(safeguard, |check| check.title.as_str()), 90);
        let mut lines = vec![md!(
            "⚠️ {}: {}",
            md!("{} overrode the safeguard “{}”", Markup::actor(actor), title).bold(),
            clip(reason, MAX_REASON)
        )];
        let needed = run.round(&Subject::Plan).map(|round| words::count(i64::from(round.needed), "approval"));
        let blocking = run.blocking();
        lines.extend(needed.map(|needed| md!("{} are needed now. Stakeholders are told of the override.", needed)));
        if !blocking.is_empty() {
            lines.push(md!("Still blocking: {}", plan::titles(&blocking)));
        }
        lines
    }

    fn paused(&self, actor: &Actor, reason: Option<&str>, objection: bool) -> Option<Vec<Markup>> {
        let (run, already) = (self.after, self.before.paused.is_some());
        if already && !objection {
            return None;
        }
        let why = reason.map(|reason| md!(": {}", clip(reason, MAX_REASON))).unwrap_or_default();
        let mut lines = Vec::new();
        if objection {
            lines.push(md!("✋ {}{}", md!("{} objects", Markup::actor(actor)).bold(), why));
            let asked = Markup::actor(&run.actor);
            let word = if already { "stays" } else { "is" };
            lines.push(md!("{}: {} {} paused, and nothing new begins.", asked, run.id, word));
        } else {
            lines.push(md!("⏸️ {}{}", md!("{} paused {}", Markup::actor(actor), run.id).bold(), why));
            lines.push(md!("Nothing new begins."));
        }
        lines.extend(self.state());
        lines.push(md!(
            "To go on: {} · to stop: {}",
            self.typed(&Command::Resume { run: run.id }),
            self.typed(&Command::Cancel { run: run.id })
        ));
        Some(lines)
    }

    /// The environment's state now, and what is still watched.
    fn state(&self) -> Vec<Markup> {
        let run = self.after;
        let mut lines = approval::states(run, self.context.environments.get(&run.environment));
        lines.push(watched(run));
        lines
    }

    fn typed(&self, command: &Command) -> Markup {
        Markup::code(&clip(&format!("{} {}", self.context.command_word, command.text()), 200))
    }
}

/// What of a run goes on although nothing new begins.
pub fn watched(run: &Run) -> Markup {
    let running = run.steps.iter().find(|progress| progress.status == StepStatus::Running);
    match running.map(|progress| &progress.step.kind) {
        Some(StepKind::Watch { rule, .. } | StepKind::Gate { rule, .. }) => md!("Still watched: {}", &rule.name),
        Some(StepKind::WatchAll { rules, .. } | StepKind::Monitor { rules, .. }) => {
            let names = rules.iter().take(12).map(|rule| Markup::from(clip(&rule.name, 60)));
            md!("Still watched: {}", Markup::join(names, ", "))
        }
        Some(
            kind @ (StepKind::SetRule { .. }
            | StepKind::Notify { .. }
            | StepKind::Checklist
            | StepKind::Effect { .. }
            | StepKind::Inspect { .. }
            | StepKind::DisableAll { .. }),
        ) => {
            md!("Under way: {}", clip(&kind.title(), 90))
        }
        None => md!("Nothing is being watched."),
    }
}

fn chosen(answer: Answer) -> &'static str {
    match answer {
        Answer::WaitOn => "wait on for traffic",
        Answer::Continue => "continue although it is not proven",
        Answer::Undo => "undo what this run did",
        Answer::Retry => "try the step again",
    }
}
