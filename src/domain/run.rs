//! A run, folded from its journal. Facts are stored; this is what follows from them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Actor, Answer, Change, Check, Command, Event, Facts, Origin, Plan, PlanDigest, Recorded, RuleOutcome, RuleState,
    RunId, Step, StepId,
};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// All that was asked for is done and shown to be well.
    Succeeded,
    /// Done, but a gate was inconclusive: enabled, not yet proven.
    Unproven,
    /// Not all was done, or a gate or check failed.
    Failed,
    /// Stopped by a person.
    Cancelled,
    /// Stopped by a rollback.
    Preempted,
    /// Never acted: the environment was held by another run.
    Refused,
}

impl Outcome {
    /// The word for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Unproven => "not yet proven",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Preempted => "pre-empted",
            Self::Refused => "refused",
        }
    }
}

/// How far a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// Not begun.
    Pending,
    /// Begun.
    Running,
    /// Done.
    Done,
    /// Nothing to do: the world was so already.
    Already,
    /// Failed.
    Failed,
    /// Asked, but the answer proves nothing.
    Inconclusive,
    /// Could not be told within the grace time.
    Unknown,
    /// Done, and undone again by this run's abort.
    Undone,
}

impl StepStatus {
    /// Whether the step is over.
    pub fn is_over(self) -> bool {
        !matches!(self, Self::Pending | Self::Running)
    }
}

/// A step with what has happened to it.
#[derive(Clone, Debug, PartialEq)]
pub struct StepProgress {
    /// The step as planned.
    pub step: Step,
    /// How far it is.
    pub status: StepStatus,
    /// When it began, UTC.
    pub started_at: Option<Timestamp>,
    /// What its act changed, and when that was read back.
    pub applied: Option<(Timestamp, Change)>,
    /// The checks as last recorded, and when.
    pub checks: Vec<Check>,
    /// When the checks were last recorded, UTC.
    pub checked_at: Option<Timestamp>,
    /// When it was over, UTC.
    pub finished_at: Option<Timestamp>,
    /// How it ended, in words.
    pub summary: String,
    /// When a person last said to wait on, UTC; the step's wait counts from then.
    pub waiting_on_since: Option<Timestamp>,
    /// The question that stands open, and until when.
    pub question: Option<(String, Timestamp)>,
    /// What a person answered to it.
    pub answer: Option<(Answer, Actor)>,
}

/// What a run is doing, in one word, for lists and cards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Phase {
    Planning,
    Waiting,
    Running,
    Asking,
    Undoing,
    Ended(Outcome),
}

/// A run as its journal tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// What was asked for.
    pub command: Command,
    /// As it was typed.
    pub text: String,
    /// Who asked.
    pub actor: Actor,
    /// Where.
    pub environment: String,
    /// From where.
    pub origin: Origin,
    /// Whether it waits for a held environment.
    pub queue: bool,
    /// What the permission rested on.
    pub notes: Vec<String>,
    /// When it was asked for, UTC.
    pub requested_at: Timestamp,
    /// The world before the plan, and when it was observed.
    pub facts: Option<(Timestamp, Facts)>,
    /// The plan, with its digest.
    pub plan: Option<(Plan, PlanDigest)>,
    /// Whether it holds its environment. Says what was recorded; the lock itself is in the store.
    pub locked: bool,
    /// The run it waits for.
    pub waiting_for: Option<RunId>,
    /// The plan with marks.
    pub steps: Vec<StepProgress>,
    /// Who wants it to stop.
    pub cancel: Option<(Timestamp, Actor)>,
    /// The rollback that goes first.
    pub preempted: Option<RunId>,
    /// Why it undoes what it did.
    pub undoing: Option<String>,
    /// What is being retried: the problem, when it began, when it is tried again, UTC.
    pub trouble: Option<(String, Timestamp, Timestamp)>,
    /// What the emergency path did.
    pub disabled: Option<Vec<RuleOutcome>>,
    /// How it ended.
    pub ended: Option<Ended>,
    /// The number of its last event.
    pub last_seq: i64,
    /// When its last event was recorded, UTC.
    pub last_at: Timestamp,
}

/// The end of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// When, UTC.
    pub at: Timestamp,
    /// How.
    pub outcome: Outcome,
    /// In words.
    pub summary: String,
    /// The rules' states as last known.
    pub rules: BTreeMap<String, RuleState>,
    /// Commands to go on with.
    pub next: Vec<String>,
}

impl Run {
    /// Folds a journal. None when it does not begin with a request, which only an incomplete journal does.
    pub fn from_journal(journal: &[Recorded]) -> Option<Self> {
        let (first, rest) = journal.split_first()?;
        let Event::Requested { command, text, actor, environment, origin, queue, notes } = &first.event else {
            return None;
        };
        let mut run = Self {
            id: first.run,
            command: command.clone(),
            text: text.clone(),
            actor: actor.clone(),
            environment: environment.clone(),
            origin: origin.clone(),
            queue: *queue,
            notes: notes.clone(),
            requested_at: first.at,
            facts: None,
            plan: None,
            locked: false,
            waiting_for: None,
            steps: Vec::new(),
            cancel: None,
            preempted: None,
            undoing: None,
            trouble: None,
            disabled: None,
            ended: None,
            last_seq: first.seq,
            last_at: first.at,
        };
        for recorded in rest {
            run.apply(recorded);
        }
        Some(run)
    }

    /// Takes one more event of its journal.
    pub fn apply(&mut self, recorded: &Recorded) {
        let at = recorded.at;
        self.last_seq = recorded.seq;
        self.last_at = at;
        match &recorded.event {
            Event::Requested { .. } => {}
            Event::Observed { facts } => {
                self.facts = Some((at, facts.clone()));
                self.trouble = None;
            }
            Event::Planned { plan, digest } => {
                self.steps = plan.steps.iter().cloned().map(StepProgress::pending).collect();
                self.plan = Some((plan.clone(), digest.clone()));
            }
            Event::Waiting { holder } => self.waiting_for = Some(*holder),
            Event::Locked => {
                self.locked = true;
                if self.waiting_for.take().is_some() {
                    // The world may have moved while the run waited: observe and plan again.
                    self.facts = None;
                    self.plan = None;
                    self.steps.clear();
                }
            }
            Event::Started { step } => self.update(step, |progress| {
                progress.status = StepStatus::Running;
                progress.started_at = Some(at);
            }),
            Event::Applied { step, change } => {
                self.trouble = None;
                self.update(step, |progress| progress.applied = Some((at, change.clone())));
            }
            Event::Checked { step, checks } => {
                self.trouble = None;
                self.update(step, |progress| {
                    progress.checks.clone_from(checks);
                    progress.checked_at = Some(at);
                });
            }
            Event::Finished { step, status, summary } => {
                self.trouble = None;
                self.update(step, |progress| {
                    progress.status = *status;
                    progress.summary.clone_from(summary);
                    progress.finished_at = Some(at);
                    progress.question = None;
                });
            }
            Event::Troubled { problem, retry_at, .. } => {
                let since = self.trouble.as_ref().map_or(at, |(_, since, _)| *since);
                self.trouble = Some((problem.clone(), since, *retry_at));
            }
            Event::Asked { step, question, until } => self.update(step, |progress| {
                progress.question = Some((question.clone(), *until));
                progress.answer = None;
            }),
            Event::Answered { step, answer, actor } => self.update(step, |progress| {
                // Only the first answer to an open question counts; a second click finds it closed.
                if progress.question.take().is_some() {
                    progress.answer = Some((*answer, actor.clone()));
                    if *answer == Answer::WaitOn {
                        progress.waiting_on_since = Some(at);
                    }
                }
            }),
            Event::CancelRequested { actor } => {
                self.cancel.get_or_insert((at, actor.clone()));
            }
            Event::Preempted { by } => {
                self.preempted.get_or_insert(*by);
            }
            Event::Undoing { reason } => {
                self.undoing.get_or_insert(reason.clone());
            }
            Event::Undone { step, .. } => {
                self.trouble = None;
                self.update(step, |progress| progress.status = StepStatus::Undone);
            }
            Event::RulesDisabled { rules, .. } => self.disabled = Some(rules.clone()),
            Event::Ended { outcome, summary, rules, next } => {
                self.trouble = None;
                self.ended = Some(Ended {
                    at,
                    outcome: *outcome,
                    summary: summary.clone(),
                    rules: rules.clone(),
                    next: next.clone(),
                });
            }
        }
    }

    fn update(&mut self, step: &StepId, change: impl FnOnce(&mut StepProgress)) {
        if let Some(progress) = self.steps.iter_mut().find(|progress| progress.step.id == *step) {
            change(progress);
        }
    }

    /// What the run is doing.
    pub fn phase(&self) -> Phase {
        match &self.ended {
            Some(ended) => Phase::Ended(ended.outcome),
            None if self.undoing.is_some() => Phase::Undoing,
            None if self.waiting_for.is_some() => Phase::Waiting,
            None if self.steps.iter().any(|progress| progress.question.is_some()) => Phase::Asking,
            None if self.plan.is_none() => Phase::Planning,
            None => Phase::Running,
        }
    }

    /// The step that is under way or comes next; none when all are over.
    pub fn current(&self) -> Option<&StepProgress> {
        self.steps.iter().find(|progress| !progress.status.is_over())
    }

    /// The step of this name.
    pub fn step(&self, id: &StepId) -> Option<&StepProgress> {
        self.steps.iter().find(|progress| progress.step.id == *id)
    }

    /// The rules' states as this run last found or set them, by short name.
    pub fn rule_states(&self) -> BTreeMap<String, RuleState> {
        let mut states: BTreeMap<String, RuleState> = BTreeMap::new();
        if let Some((_, facts)) = &self.facts {
            states.extend(facts.rules.iter().map(|(name, fact)| (name.clone(), fact.state)));
        }
        states.extend(self.set_states());
        states
    }

    /// The states that the steps of this run have set, or found to be as wanted, by short name.
    pub fn set_states(&self) -> BTreeMap<String, RuleState> {
        let mut states = BTreeMap::new();
        for progress in &self.steps {
            if let (Some(rule), Some((_, change))) = (progress.step.kind.rule(), &progress.applied) {
                let state = match (progress.status, progress.step.undo) {
                    (StepStatus::Undone, Some(undone)) => undone,
                    _ => change.to,
                };
                states.insert(rule.name.clone(), state);
            }
        }
        states
    }

    /// What an abort has still to undo, latest first: acts of this run that changed something and can be undone.
    pub fn to_undo(&self) -> impl Iterator<Item = &StepProgress> {
        self.steps.iter().rev().filter(|progress| {
            progress.status != StepStatus::Undone
                && progress.step.undo.is_some()
                && progress.applied.as_ref().is_some_and(|(_, change)| change.changed)
        })
    }
}

impl StepProgress {
    fn pending(step: Step) -> Self {
        Self {
            step,
            status: StepStatus::Pending,
            started_at: None,
            applied: None,
            checks: Vec::new(),
            checked_at: None,
            finished_at: None,
            summary: String::new(),
            waiting_on_since: None,
            question: None,
            answer: None,
        }
    }
}
