//! A run, folded from its journal. Facts are stored; this is what follows from them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Actor, Answer, Approval, Change, Check, Command, Delivery, Destination, Event, Facts, Moment, Origin, Plan,
    PlanDigest, Progress, Receipt, Recorded, Round, RuleOutcome, RuleState, RunId, Step, StepId, StepKind, Subject,
    Verdict,
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
    /// Never acted: the environment was held, or the plan was rejected.
    Refused,
    /// Never acted, or stopped: nobody approved in time.
    Expired,
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
            Self::Expired => "expired",
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
    /// Left out by a person.
    Skipped,
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
    /// What shows that its effect was done, and when that was recorded.
    pub effected: Option<(Timestamp, Receipt)>,
    /// How far it is: the newest lines, and how it stands.
    pub progress: Progress,
    /// The checks as last recorded, and when.
    pub checks: Vec<Check>,
    /// The checks that failed at any time, by title, and when that was first recorded, UTC.
    pub failures: BTreeMap<String, Timestamp>,
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
    Approving,
    Scheduled,
    Waiting,
    Running,
    Paused,
    Asking,
    Undoing,
    Ended(Outcome),
}

/// A run in which nothing new begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// Since when, UTC.
    pub at: Timestamp,
    /// Who paused it.
    pub actor: Actor,
    /// Why.
    pub reason: Option<String>,
    /// Whether it is a stakeholder's objection.
    pub objection: bool,
}

/// Somebody wants a step left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkipRequest {
    /// Which.
    pub step: StepId,
    /// When it was asked for, UTC.
    pub at: Timestamp,
    /// By whom.
    pub actor: Actor,
    /// Why.
    pub reason: String,
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
    /// The safeguards as asked for the plan.
    pub safeguards: Vec<Check>,
    /// The safeguards that were overridden for the plan: by name, when, by whom, why.
    pub overridden: BTreeMap<String, (Timestamp, Actor, String)>,
    /// The questions for approval, in the order asked.
    pub rounds: Vec<Round>,
    /// Whether the world was looked at again after the approval, and is what was approved.
    pub cleared: bool,
    /// Whether nothing new is to begin.
    pub paused: Option<Pause>,
    /// A step that somebody wants left out, until it is.
    pub skip: Option<SkipRequest>,
    /// Which people called the escalation contact, and when, UTC.
    pub escalations: Vec<(Timestamp, Actor)>,
    /// Who was told, before and after.
    pub deliveries: Vec<Delivery>,
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
    /// What is being retried.
    pub trouble: Option<Trouble>,
    /// What the emergency path did.
    pub disabled: Option<Vec<RuleOutcome>>,
    /// How it ended.
    pub ended: Option<Ended>,
    /// Whether what was prepared and not carried out was taken away, or given up on.
    pub discarded: bool,
    /// The number of its last event.
    pub last_seq: i64,
    /// When its last event was recorded, UTC.
    pub last_at: Timestamp,
}

/// What AWS could not be asked or did not do, and is asked again.
#[derive(Clone, Debug, PartialEq)]
pub struct Trouble {
    /// What went wrong last, for people.
    pub problem: String,
    /// During which step; none before the plan, and for notices.
    pub step: Option<StepId>,
    /// When it began, UTC.
    pub since: Timestamp,
    /// When it is tried again, UTC.
    pub retry_at: Timestamp,
    /// Until when, UTC, if the journal says so.
    pub gives_up_at: Option<Timestamp>,
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
            safeguards: Vec::new(),
            overridden: BTreeMap::new(),
            rounds: Vec::new(),
            cleared: false,
            paused: None,
            skip: None,
            escalations: Vec::new(),
            deliveries: Vec::new(),
            locked: false,
            waiting_for: None,
            steps: Vec::new(),
            cancel: None,
            preempted: None,
            undoing: None,
            trouble: None,
            disabled: None,
            ended: None,
            discarded: false,
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
                if self.plan.as_ref().is_none_or(|(_, before)| before != digest) {
                    // What people decided was about another plan.
                    self.rounds.iter_mut().filter(|round| round.digest != *digest).for_each(|round| {
                        round.superseded = true;
                    });
                    self.overridden.clear();
                    self.cleared = false;
                    // Who was told of another plan is told of this one.
                    self.deliveries.retain(|delivery| delivery.moment != Moment::Before);
                }
                self.plan = Some((plan.clone(), digest.clone()));
            }
            Event::Safeguarded { checks } => self.safeguards.clone_from(checks),
            Event::Drifted { .. } => self.trouble = None,
            Event::ApprovalAsked { subject, digest, needed, until } => self.rounds.push(Round {
                subject: subject.clone(),
                digest: digest.clone(),
                needed: *needed,
                asked_at: at,
                until: *until,
                reminded: None,
                escalated: None,
                approvals: Vec::new(),
                rejected: None,
                lapsed: false,
                superseded: false,
            }),
            Event::Approved { subject, digest, actor, note, stepped_up } => {
                self.decide(subject, digest, at, |round| {
                    // Each person counts once, whatever was clicked.
                    if round.approvals.iter().all(|approval| approval.actor != *actor) {
                        let (actor, note, stepped_up) = (actor.clone(), note.clone(), *stepped_up);
                        round.approvals.push(Approval { at, actor, note, stepped_up });
                    }
                });
            }
            Event::Rejected { subject, digest, actor, reason } => {
                self.decide(subject, digest, at, |round| round.rejected = Some((at, actor.clone(), reason.clone())));
                if let Subject::Skip(_) = subject {
                    self.skip = None;
                }
            }
            Event::Reminded { subject } => self.in_open_round(subject, |round| round.reminded = Some(at)),
            Event::Lapsed { subject } => {
                self.in_open_round(subject, |round| round.lapsed = true);
                if let Subject::Skip(_) = subject {
                    self.skip = None;
                }
            }
            Event::Escalated { actor: Actor::Alch, .. } => {
                for round in self.rounds.iter_mut().filter(|round| round.is_open()) {
                    round.escalated.get_or_insert(at);
                }
            }
            Event::Escalated { actor, .. } => self.escalations.push((at, actor.clone())),
            Event::Overridden { safeguard, digest, actor, reason } => {
                let is_asked =
                    self.round(&Subject::Plan).is_some_and(|round| round.is_open() && round.digest == *digest);
                if is_asked && !self.overridden.contains_key(safeguard) {
                    if self.overridden.is_empty() {
                        // An overridden safeguard needs one approval more; several at once need one more together.
                        self.in_open_round(&Subject::Plan, |round| round.needed += 1);
                    }
                    self.overridden.insert(safeguard.clone(), (at, actor.clone(), reason.clone()));
                }
            }
            Event::Cleared { digest } => {
                self.trouble = None;
                self.cleared = self.plan.as_ref().is_some_and(|(_, planned)| planned == digest);
            }
            Event::Paused { actor, reason, objection } => {
                // An objection weighs more than a pause: who asked for the run cannot lift it alone.
                if self.paused.as_ref().is_none_or(|pause| *objection && !pause.objection) {
                    let (actor, reason, objection) = (actor.clone(), reason.clone(), *objection);
                    self.paused = Some(Pause { at, actor, reason, objection });
                }
            }
            Event::Resumed { .. } => self.paused = None,
            Event::SkipRequested { step, actor, reason } => {
                let (step, actor, reason) = (step.clone(), actor.clone(), reason.clone());
                // A wish about a step that is over meanwhile gives way to a newer one.
                if self.skip.as_ref().is_none_or(|skip| skip.step != step) {
                    self.skip = Some(SkipRequest { step, at, actor, reason });
                }
            }
            Event::Delivered { moment, to, receipt } => {
                self.trouble = None;
                self.deliver(Delivery { moment: *moment, to: to.clone(), receipt: Ok(receipt.clone()) });
            }
            Event::Undelivered { moment, to, problem } => {
                self.trouble = None;
                self.deliver(Delivery { moment: *moment, to: to.clone(), receipt: Err(problem.clone()) });
            }
            Event::Held { .. } | Event::Released { .. } => {}
            Event::Discarded { .. } => self.discarded = true,
            Event::Waiting { holder } => self.waiting_for = Some(*holder),
            Event::Locked => {
                self.locked = true;
                // An approved plan is looked at again before it is carried out.
                let approved = self.plan.as_ref().is_some_and(|(plan, _)| plan.approval.is_some());
                if self.waiting_for.take().is_some() && !approved {
                    // The world may have moved while the run waited: observe and plan again.
                    self.facts = None;
                    self.plan = None;
                    self.steps.clear();
                }
            }
            Event::Started { step } => {
                self.trouble = None;
                self.update(step, |progress| {
                    progress.status = StepStatus::Running;
                    progress.started_at = Some(at);
                });
            }
            Event::Applied { step, change } => {
                self.trouble = None;
                self.update(step, |progress| progress.applied = Some((at, change.clone())));
            }
            Event::Effected { step, receipt } => {
                self.trouble = None;
                self.update(step, |progress| progress.effected = Some((at, receipt.clone())));
            }
            Event::Progressed { step, progress: news } => {
                self.trouble = None;
                self.update(step, |progress| progress.progress.add(news));
            }
            Event::Checked { step, checks } => {
                self.trouble = None;
                self.update(step, |progress| {
                    progress.checks.clone_from(checks);
                    for check in checks.iter().filter(|check| check.verdict == Verdict::Fail) {
                        progress.failures.entry(check.title.clone()).or_insert(at);
                    }
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
                if self.skip.as_ref().is_some_and(|skip| skip.step == *step) {
                    self.skip = None;
                }
            }
            Event::Troubled { step, problem, retry_at, gives_up_at } => {
                let since = self.trouble.as_ref().map_or(at, |trouble| trouble.since);
                let (problem, step) = (problem.clone(), step.clone());
                let (retry_at, gives_up_at) = (*retry_at, *gives_up_at);
                self.trouble = Some(Trouble { problem, step, since, retry_at, gives_up_at });
            }
            Event::Asked { step, question, until } => self.update(step, |progress| {
                progress.question = Some((question.clone(), *until));
                progress.answer = None;
            }),
            Event::Answered { step, answer, actor } => {
                let asked = self.step(step).is_some_and(|progress| progress.question.is_some());
                if asked && *answer == Answer::Retry {
                    // Who could not be told before is tried again.
                    self.deliveries.retain(|delivery| delivery.moment != Moment::Before || delivery.receipt.is_ok());
                }
                self.update(step, |progress| {
                    // Only the first answer to an open question counts; a second click finds it closed.
                    if progress.question.take().is_some() {
                        progress.answer = Some((*answer, actor.clone()));
                        match answer {
                            Answer::WaitOn => progress.waiting_on_since = Some(at),
                            Answer::Retry => *progress = StepProgress::pending(progress.step.clone()),
                            Answer::Continue | Answer::Undo => {}
                        }
                    }
                });
            }
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

    /// A decision counts for the open question about its subject and digest, within its time.
    fn decide(&mut self, subject: &Subject, digest: &PlanDigest, at: Timestamp, change: impl FnOnce(&mut Round)) {
        self.in_open_round(subject, |round| {
            if round.digest == *digest && at < round.until {
                change(round);
            }
        });
    }

    fn in_open_round(&mut self, subject: &Subject, change: impl FnOnce(&mut Round)) {
        if let Some(round) = self.rounds.iter_mut().rev().find(|round| round.subject == *subject && round.is_open()) {
            change(round);
        }
    }

    fn deliver(&mut self, delivery: Delivery) {
        self.deliveries.retain(|other| (other.moment, &other.to) != (delivery.moment, &delivery.to));
        self.deliveries.push(delivery);
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
            None if self.open_round().is_some_and(|round| !matches!(round.subject, Subject::Skip(_))) => {
                Phase::Approving
            }
            None if self.paused.is_some() => Phase::Paused,
            None if self.steps.iter().any(|progress| progress.question.is_some()) => Phase::Asking,
            None if self.plan.is_none() => Phase::Planning,
            None if self.starts_at().is_some() && !self.cleared => Phase::Scheduled,
            None => Phase::Running,
        }
    }

    /// The question for approval that is open; a newer one before an older one.
    pub fn open_round(&self) -> Option<&Round> {
        self.rounds.iter().rev().find(|round| round.is_open())
    }

    /// The newest question for approval about this subject.
    pub fn round(&self, subject: &Subject) -> Option<&Round> {
        self.rounds.iter().rev().find(|round| round.subject == *subject && !round.superseded)
    }

    /// Whether enough people have approved the plan that stands, or it needs no approval.
    pub fn is_approved(&self) -> bool {
        let Some((plan, digest)) = &self.plan else { return false };
        plan.approval.is_none()
            || self.round(&Subject::Plan).is_some_and(|round| round.digest == *digest && round.is_granted())
    }

    /// The safeguards that fail or cannot be asked and that nobody has overridden: while there are any, nothing acts.
    pub fn blocking(&self) -> Vec<&Check> {
        let blocks =
            |check: &&Check| check.verdict > super::Verdict::Inconclusive && !self.overridden.contains_key(&check.name);
        self.safeguards.iter().filter(blocks).collect()
    }

    /// When it is to begin, UTC, if it was asked for a certain time.
    pub fn starts_at(&self) -> Option<Timestamp> {
        match &self.command {
            Command::Promote { at, .. } => *at,
            _ => None,
        }
    }

    /// The destinations that are still to be told at this moment: those without a receipt and without a reason for it.
    pub fn untold(&self, moment: Moment) -> Vec<&Destination> {
        let Some((plan, _)) = &self.plan else { return Vec::new() };
        let due = match moment {
            Moment::Before => self.steps.iter().any(|progress| {
                matches!(progress.step.kind, StepKind::Notify { .. }) && progress.status == StepStatus::Running
            }),
            // Who was not told before, because nothing acted, is not told after.
            Moment::After => self.ended.is_some() && (self.disabled.is_some() || self.told_before()),
        };
        let told = |to: &Destination| self.deliveries.iter().any(|other| other.moment == moment && other.to == *to);
        plan.notify.iter().filter(|to| due && !told(to)).collect()
    }

    /// Whether anybody may have been told that something is about to happen.
    fn told_before(&self) -> bool {
        self.steps
            .iter()
            .any(|progress| matches!(progress.step.kind, StepKind::Notify { .. }) && progress.started_at.is_some())
    }

    /// The step that is under way or comes next; none when all are over.
    pub fn current(&self) -> Option<&StepProgress> {
        self.steps.iter().find(|progress| !progress.status.is_over())
    }

    /// What is in the names that AWS gets and that follow from the run, so that a repeat finds them: `R42-20261123T030000`.
    /// The time keeps apart the runs of two databases.
    pub fn mark(&self) -> String {
        format!("R{}-{}", self.id.0, self.requested_at.strftime("%Y%m%dT%H%M%S"))
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
            effected: None,
            progress: Progress::default(),
            checks: Vec::new(),
            failures: BTreeMap::new(),
            checked_at: None,
            finished_at: None,
            summary: String::new(),
            waiting_on_since: None,
            question: None,
            answer: None,
        }
    }
}
