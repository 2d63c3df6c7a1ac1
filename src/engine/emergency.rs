//! The emergency path: everything off, at once; then the telling.
//!
//! Nothing here stands before the AWS calls: no lock, no queue, no database, no Slack. The journal is written beside
//! them, and when the database is not there, later and loudly.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::conclude::rolled_back;
use super::execute::{Engine, Place};
use super::later;
use super::prepare::{Preview, PreviewError};
use crate::aws::{AllDisabled, Aws, Session};
use crate::domain::{
    Actor, ApprovalRule, Command, Environment, Event, Facts, Held, Origin, Plan, RuleOutcome, Run, RunId, StepId,
    StepStatus, Subject,
};
use crate::runbook;
use crate::store::{NewRun, StoreError};
use tokio::task::JoinHandle;

/// How long the telling waits for the database before it goes on without a run's number.
const JOURNAL_PATIENCE: Duration = Duration::from_secs(1);
/// Between two tries to journal what has been done already.
const JOURNAL_RETRY: Duration = Duration::from_secs(2);
/// How long the telling waits, once everything is off, to hear whether CloudFormation is at work on the stack.
const STACK_PATIENCE: Duration = Duration::from_millis(200);
/// How long an act that another process has begun may go on: the time limit of one attempt of a call, and a little.
const ACT_ELSEWHERE: Duration = Duration::from_secs(6);
/// How long acts of other runs that were under way are waited for before the last look.
const ACT_PATIENCE: Duration = Duration::from_secs(20);

/// Who wants what rolled back, or its function stopped.
#[derive(Clone, Debug)]
pub struct RollbackRequest {
    /// Where.
    pub environment: String,
    /// Who.
    pub actor: Actor,
    /// From where.
    pub origin: Origin,
    /// As it was typed.
    pub text: String,
    /// The request in the inbox, so that a restart takes it up.
    pub inbox_key: Option<String>,
    /// The run of a rollback that was interrupted by a crash.
    pub interrupted: Option<RunId>,
    /// When the request arrived, on the monotonic clock.
    pub arrived: Instant,
}

/// What a rollback has done.
#[derive(Clone, Debug)]
pub struct RollbackReport {
    /// The run it is journalled as; none while the database is not there.
    pub run: Option<RunId>,
    /// The end, as it is or will be journalled.
    pub ended: Event,
}

impl Engine {
    /// Disables every rule of the environment and verifies it. None when there is no such environment.
    pub async fn rollback(&self, request: RollbackRequest) -> Option<RollbackReport> {
        let place = self.place(&request.environment)?;
        let closed = place.interlock.close();
        let journal = tokio::spawn(self.clone().begin_rollback(request.clone()));
        let held = Held::granted(&place.environment.name, request.interrupted);
        let session = Session {
            run: request.interrupted,
            step: "disable-all".to_owned(),
            actor: request.actor.clone(),
            command: "rollback".to_owned(),
            urgent: true,
        };
        let aws = place.aws.in_emergency_for(&session);
        let mut done = disable_all(place, &aws, &held, request.arrived).await;
        if !closed.is_quiet() {
            // An act of another run was under way when the rollback began, and may have landed after it.
            let _ = tokio::time::timeout(ACT_PATIENCE, closed.quiet()).await;
            let again = disable_all(place, &aws, &held, request.arrived).await;
            done = merged(done, again);
        }
        if self.may_be_acted_elsewhere(&request.environment).await {
            // An act that another process had begun may land yet. None begins any more: the environment is taken.
            tokio::time::sleep(ACT_ELSEWHERE).await;
            let again = disable_all(place, &aws, &held, request.arrived).await;
            done = merged(done, again);
        }
        let under_way = tokio::time::timeout(STACK_PATIENCE, stack_under_way(place)).await.ok().flatten();
        let ended = rolled_back(&request.environment, &done, under_way.as_deref());
        let story = story(&place.environment, &done, &ended);
        let mut writing = tokio::spawn(self.clone().write_story(journal, request, story));
        let run = match tokio::time::timeout(JOURNAL_PATIENCE, &mut writing).await {
            Ok(written) => written.ok(),
            Err(_) => {
                tracing::error!(
                    "rolled back, but the database does not answer: the journal is written when it is back"
                );
                None
            }
        };
        Some(RollbackReport { run, ended })
    }

    /// Whether another process drives a run here. A database that does not answer keeps the others from acting too.
    async fn may_be_acted_elsewhere(&self, environment: &str) -> bool {
        let asked = self.replica().is_driven_elsewhere(environment);
        matches!(tokio::time::timeout(JOURNAL_PATIENCE, asked).await, Ok(Ok(true)))
    }

    /// The rollbacks that a crash has interrupted.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn interrupted_rollbacks(&self) -> Result<Vec<RollbackRequest>, StoreError> {
        let mut interrupted = Vec::new();
        for place in self.places() {
            for id in self.store().live_runs(&place.environment.name).await? {
                if let Some(run) = self.store().run(id).await?
                    && matches!(run.command, Command::Rollback { .. })
                    && run.round(&Subject::Plan).is_none_or(|round| round.is_granted())
                {
                    interrupted.push(RollbackRequest {
                        environment: run.environment,
                        actor: run.actor,
                        origin: run.origin,
                        text: run.text,
                        inbox_key: None,
                        interrupted: Some(id),
                        arrived: Instant::now(),
                    });
                }
            }
        }
        Ok(interrupted)
    }

    /// Journals the rollback's beginning, takes the environment, and tells the runs there that they are pre-empted.
    async fn begin_rollback(self, request: RollbackRequest) -> Result<RunId, StoreError> {
        let now = self.clock().now();
        let store = self.store();
        let command = Command::Rollback { environment: request.environment.clone() };
        let run = match request.interrupted {
            Some(run) => {
                self.approve_by_click(run, &request.actor, now).await?;
                run
            }
            None => {
                let requested = Event::Requested {
                    command: command.clone(),
                    text: request.text,
                    actor: request.actor,
                    environment: request.environment.clone(),
                    origin: request.origin,
                    queue: false,
                    notes: Vec::new(),
                };
                let new = NewRun {
                    requested: &requested,
                    environment: &request.environment,
                    driven: false,
                    inbox_key: request.inbox_key.as_deref(),
                };
                store.create_run(new, now).await?
            }
        };
        store.seize(&request.environment, run, now).await?;
        for other in store.live_runs(&request.environment).await? {
            // A hard stop is of the same side.
            let gives_way = |run: &Run| run.command.acts() && !matches!(run.command, Command::HardStop { .. });
            let acts = store.run(other).await?.is_some_and(|run| gives_way(&run) && run.preempted.is_none());
            if other != run && acts {
                store.signal(other, &[Event::Preempted { by: run }], now).await?;
            }
        }
        let begun = store.run(run).await?;
        if let Some(place) = self.place(&request.environment)
            && !begun.as_ref().is_some_and(|run: &Run| run.locked)
            && let Ok(plan) = runbook::plan(&command, &Facts::default(), &place.environment)
        {
            let started = plan.steps.iter().map(|step| Event::Started { step: step.id.clone() }).collect::<Vec<_>>();
            let planned = begun.is_none_or(|run| run.plan.is_none()).then(|| {
                let digest = plan.digest();
                Event::Planned { plan, digest }
            });
            let events: Vec<Event> = planned.into_iter().chain([Event::Locked]).chain(started).collect();
            store.signal(run, &events, now).await?;
        }
        Ok(run)
    }

    /// Records the click on the card as its approval, if that is not in the journal yet: the database may come back only
    /// when the rollback is over, and then nobody could be recorded as its approver any more.
    async fn approve_by_click(&self, run: RunId, actor: &Actor, now: Timestamp) -> Result<(), StoreError> {
        let click = |run: &Run| {
            let round = run.round(&Subject::Plan).filter(|round| round.is_open());
            let approved = round.map(|round| Event::Approved {
                subject: round.subject.clone(),
                digest: round.digest.clone(),
                actor: actor.clone(),
                note: None,
                stepped_up: false,
            });
            Ok::<_, Infallible>(approved.into_iter().collect())
        };
        self.store().decide(run, now, click).await.map(drop)
    }

    /// Makes the run of a rollback that waits for one click of a responder: the card shows what will be turned off, and
    /// nothing is done before. [`Engine::rollback`] with that run does it then.
    ///
    /// # Errors
    /// When the database fails, or there is no such environment.
    pub async fn offer_rollback(&self, request: RollbackRequest) -> Result<RunId, StoreError> {
        let place = self.place(&request.environment).ok_or(StoreError::NoRun)?;
        let command = Command::Rollback { environment: request.environment.clone() };
        let plan = runbook::plan(&command, &Facts::default(), &place.environment)
            .map_err(|no_plan| StoreError::Unreadable(no_plan.to_string()))?;
        self.offer(place, request, None, plan).await
    }

    /// The same of a hard stop; what it would take is read first. Once it has its click, the engine carries it out.
    ///
    /// # Errors
    /// When the database fails, AWS cannot be asked, or there is no such environment.
    pub async fn offer_hard_stop(&self, request: RollbackRequest) -> Result<RunId, PreviewError> {
        let place = self.place(&request.environment).ok_or(PreviewError::NoEnvironment)?;
        let command = Command::HardStop { environment: request.environment.clone() };
        let Preview { plan, facts, .. } = Box::pin(self.preview(&command, &request.actor)).await?;
        Ok(self.offer(place, request, Some(facts), plan).await?)
    }

    /// A run that waits for one click.
    async fn offer(
        &self,
        place: &Place,
        request: RollbackRequest,
        facts: Option<Facts>,
        plan: Plan,
    ) -> Result<RunId, StoreError> {
        let now = self.clock().now();
        let digest = plan.digest();
        let command = plan.command.clone();
        let asked = Event::ApprovalAsked {
            subject: Subject::Plan,
            digest: digest.clone(),
            needed: 1,
            until: later(now, place.environment.approvals.expires),
        };
        let requested = Event::Requested {
            command,
            text: request.text,
            actor: request.actor,
            environment: request.environment.clone(),
            origin: request.origin,
            queue: false,
            notes: Vec::new(),
        };
        let new = NewRun {
            requested: &requested,
            environment: &request.environment,
            driven: true,
            inbox_key: request.inbox_key.as_deref(),
        };
        let observed = facts.map(|facts| Event::Observed { facts });
        let events: Vec<Event> = observed.into_iter().chain([Event::Planned { plan, digest }, asked]).collect();
        self.store().create_run_with(new, &events, now).await
    }

    /// Journals what was done; tries until the database is back, because it must not be missing from the audit log.
    async fn write_story(
        self,
        beginning: JoinHandle<Result<RunId, StoreError>>,
        mut request: RollbackRequest,
        story: Vec<Event>,
    ) -> RunId {
        let mut begun = beginning.await.unwrap_or(Err(StoreError::NoRun));
        loop {
            let written = match begun {
                Ok(run) => {
                    request.interrupted = Some(run);
                    self.finish_story(run, &story).await.map(|()| run)
                }
                Err(error) => Err(error),
            };
            match written {
                Ok(run) => return run,
                Err(error) => {
                    tracing::error!(environment = %request.environment, %error, "a rollback is not journalled yet")
                }
            }
            tokio::time::sleep(JOURNAL_RETRY).await;
            begun = self.clone().begin_rollback(request.clone()).await;
        }
    }

    async fn finish_story(&self, run: RunId, story: &[Event]) -> Result<(), StoreError> {
        let untold = |run: &Run| Ok::<_, Infallible>(if run.ended.is_some() { Vec::new() } else { story.to_vec() });
        match self.store().decide(run, self.clock().now(), untold).await? {
            // Told already, perhaps by the one that a restart took for interrupted: nobody else would give the environment
            // back.
            Ok(told) => self.store().give_back(&told.environment, run).await,
            Err(never) => match never {},
        }
    }
}

/// The stack with its status, if CloudFormation is at work on it. Asked when everything is off: nothing competes with that.
async fn stack_under_way(place: &Place) -> Option<String> {
    let stack = &place.environment.stack;
    let state = place.aws.stack_state(stack).await.ok().flatten()?;
    state.is_in_progress().then(|| format!("{stack} is {}", state.status))
}

async fn disable_all(place: &Place, aws: &Aws, held: &Held<'_>, arrived: Instant) -> AllDisabled {
    let rules = &place.environment.rules;
    match aws.disable_all(held, &place.environment.bus, rules, arrived).await {
        Ok(done) => done,
        Err(error) => AllDisabled {
            rules: rules
                .iter()
                .map(|rule| RuleOutcome {
                    rule: rule.clone(),
                    before: None,
                    after: None,
                    attempts: 0,
                    elapsed_ms: 0,
                    error: Some(error.to_string()),
                })
                .collect(),
            elapsed_ms: u64::try_from(arrived.elapsed().as_millis()).unwrap_or(u64::MAX),
            verified: false,
        },
    }
}

/// Two passes as one: the states from before the first, everything else from the second.
fn merged(first: AllDisabled, second: AllDisabled) -> AllDisabled {
    let mut rules = second.rules;
    for outcome in &mut rules {
        if let Some(earlier) = first.rules.iter().find(|earlier| earlier.rule == outcome.rule) {
            outcome.before = earlier.before;
            outcome.attempts += earlier.attempts;
        }
    }
    AllDisabled { rules, ..second }
}

/// What is journalled. Where approvals are needed, the escalation contact is called: an incident there is theirs too.
fn story(environment: &Environment, done: &AllDisabled, ended: &Event) -> Vec<Event> {
    let step = StepId("disable-all".to_owned());
    let status = if done.verified { StepStatus::Done } else { StepStatus::Failed };
    let summary = if done.verified { "all off, and read back" } else { "not all rules are shown to be off" };
    let is_called = environment.approval == ApprovalRule::Required && !environment.escalation.is_empty();
    let called = is_called.then(|| Event::Escalated {
        actor: Actor::Alch,
        contact: environment.escalation.clone(),
        reason: format!("{} was rolled back; {summary}", environment.name),
    });
    let disabled =
        Event::RulesDisabled { rules: done.rules.clone(), elapsed_ms: done.elapsed_ms, verified: done.verified };
    let finished = Event::Finished { step, status, summary: summary.to_owned() };
    [disabled, finished].into_iter().chain(called).chain([ended.clone()]).collect()
}
