//! The loop that does what [`next`](super::next()) says: record the intent, do the effect, record the outcome, again.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::conclude::{conclude, could_not_begin, refused};
use super::drift::differences;
use super::interlock::Interlock;
use super::later;
use super::meter::Meter;
use super::next::{Next, judge, next};
use super::prepare::{Preview, Wish, start_of};
use super::resend;
use super::smoke;
use crate::aws::{Aws, AwsError};
use crate::checks::{checklist, gate, rule_state};
use crate::clock::Clock;
use crate::domain::{
    Check, Command, Environment, Event, Facts, HoldKind, Outcome, Rule, RuleState, Run, StepId, StepKind,
};
use crate::runbook;
use crate::sam::Sam;
use crate::store::{Claim, LockOutcome, Replica, Store, StoreError};

/// How often a run that waits for an environment looks by itself; the end of the holder wakes it earlier.
const QUEUE_LOOK: SignedDuration = SignedDuration::from_mins(1);
/// Between two tries when the database is gone.
pub(super) const DATABASE_RETRY: Duration = Duration::from_secs(1);
/// Before a run is taken up again whose driving panicked.
const PANIC_RETRY: Duration = Duration::from_secs(10);
/// How many runs back that changed rules the last wanted state of one is looked for. Runs that only looked do not count:
/// a soak alone makes one an hour.
pub(super) const HISTORY: i64 = 100;

/// An environment with its AWS.
#[derive(Debug)]
pub struct Place {
    /// As configured.
    pub environment: Environment,
    /// Its clients.
    pub aws: Aws,
    pub(super) interlock: Interlock,
}

/// Runs plans. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Engine(pub(super) Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) places: BTreeMap<String, Place>,
    /// This process among those that share the store.
    pub(super) replica: Replica,
    pub(super) command_word: String,
    /// The processes of this Alch.
    pub(super) sam: Sam,
    /// Counts what ends.
    pub(super) meter: Meter,
    /// How many runs are being driven right now.
    pub(super) active: watch::Sender<usize>,
}

impl Engine {
    /// An engine on these environments. `command_word` is what people type before a command, for the notices that tell
    /// them how to object.
    pub fn new(
        replica: Replica,
        clock: Clock,
        environments: Vec<(Environment, Aws)>,
        command_word: String,
        sam: Sam,
    ) -> Self {
        let places = environments
            .into_iter()
            .map(|(environment, aws)| {
                (environment.name.clone(), Place { environment, aws, interlock: Interlock::default() })
            })
            .collect();
        let store = replica.store().clone();
        let (meter, active) = (Meter::default(), watch::Sender::new(0));
        Self(Arc::new(Inner { store, clock, places, replica, command_word, sam, meter, active }))
    }

    /// What counts the runs that end here.
    pub fn meter(&self) -> &Meter {
        &self.0.meter
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// This process among those that share the store.
    pub fn replica(&self) -> &Replica {
        &self.0.replica
    }

    /// The clock.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// The environment of this name.
    pub fn place(&self, environment: &str) -> Option<&Place> {
        self.0.places.get(environment)
    }

    /// All environments, by name.
    pub fn places(&self) -> impl Iterator<Item = &Place> {
        self.0.places.values()
    }

    /// The state that each rule was last wanted in, as the journals tell it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn wanted_states(&self, environment: &str) -> Result<BTreeMap<String, RuleState>, StoreError> {
        let mut wanted = BTreeMap::new();
        for run in self.0.store.recent_changes(environment, HISTORY).await? {
            let disabled = run.disabled.iter().flatten();
            let disabled = disabled.map(|outcome| (outcome.rule.name.clone(), RuleState::Disabled));
            for (rule, state) in run.set_states().into_iter().chain(disabled) {
                wanted.entry(rule).or_insert(state);
            }
        }
        Ok(wanted)
    }

    /// Drives a run until it waits, has ended, or this process stops.
    pub(super) async fn drive(&self, claim: Claim, stop: CancellationToken) {
        let run = claim.run;
        let mut drive = Drive { engine: self, claim, began: None, acting: None };
        while !stop.is_cancelled() {
            match AssertUnwindSafe(drive.turn()).catch_unwind().await {
                Ok(Ok(Turn::Again)) => {}
                Ok(Ok(Turn::Over)) => return,
                Ok(Err(StoreError::Fenced)) => {
                    tracing::warn!(run.id = %run, "the lease has passed to another process; left to it");
                    return;
                }
                Ok(Err(error)) => {
                    tracing::error!(run.id = %run, %error, "the database failed; the run waits for it");
                    tokio::time::sleep(DATABASE_RETRY).await;
                }
                Err(_) => {
                    // A defect of ours must not take the run with it: its journal says where it stands.
                    tracing::error!(run.id = %run, "driving a run panicked; it is taken up again");
                    tokio::time::sleep(PANIC_RETRY).await;
                    drive.began = None;
                }
            }
        }
    }

    pub(super) async fn facts(&self, place: &Place, wish: &Wish<'_>) -> Result<Result<Facts, AwsError>, StoreError> {
        let command = wish.command;
        let rules = runbook::rules_of(command, &place.environment);
        let now = self.0.clock.now();
        let mut facts = match place.aws.observe(&place.environment, &rules, now).await {
            Ok(facts) => facts,
            Err(error) => return Ok(Err(error)),
        };
        if let (Command::Deploy { .. }, Some(deployer)) = (command, place.environment.sam()) {
            let Environment { stack, region, .. } = &place.environment;
            facts.sam = Some(self.0.sam.facts(deployer, stack, region).await);
        }
        match Box::pin(self.change_set_facts(place, wish)).await? {
            Ok(known) => facts.change_set = known.map(Box::new),
            Err(error) => return Ok(Err(error)),
        }
        if let Command::Recover { .. } = command {
            match place.aws.stack_state(&place.environment.stack).await {
                Ok(state) => facts.stack_status = state.map(|state| state.status),
                Err(error) => return Ok(Err(error)),
            }
        }
        if let Err(error) = Box::pin(self.add_function_facts(place, wish, &mut facts)).await? {
            return Ok(Err(error));
        }
        if let Some(window) = resend::window(command) {
            let chosen = runbook::chosen(command, &place.environment);
            match resend::replay_facts(place, &chosen, window, now).await {
                Ok(known) => facts.replay = Some(Box::new(known)),
                Err(error) => return Ok(Err(error)),
            }
        }
        if let Command::Redrive { .. } = command {
            match resend::redrive_facts(place, now).await {
                Ok(known) => facts.redrive = known.map(Box::new),
                Err(error) => return Ok(Err(error)),
            }
        }
        if let Command::Smoke { .. } = command {
            match smoke::facts(place).await {
                Ok(known) => facts.smoke = known.map(Box::new),
                Err(error) => return Ok(Err(error)),
            }
        }
        facts.remarks = runbook::remarks(command, &facts, &place.environment);
        Ok(Ok(facts))
    }
}

/// One claim of a run, being driven.
pub(super) struct Drive<'a> {
    pub(super) engine: &'a Engine,
    pub(super) claim: Claim,
    /// The step whose intent this claim has recorded: an act of it that is found done was not done before.
    pub(super) began: Option<StepId>,
    /// The session in which that step acts.
    pub(super) acting: Option<(StepId, Aws)>,
}

pub(super) enum Turn {
    Again,
    Over,
}

impl Drive<'_> {
    async fn turn(&mut self) -> Result<Turn, StoreError> {
        let inner = &self.engine.0;
        let Some(run) = inner.store.run(self.claim.run).await? else {
            return Err(StoreError::NoRun);
        };
        let Some(place) = inner.places.get(&run.environment) else {
            if run.ended.is_some() {
                return self.retire(&run).await;
            }
            let reason = format!("{} is not in the configuration any more.", run.environment);
            return self.record(vec![could_not_begin(reason)]).await;
        };
        let now = inner.clock.now();
        match next(&run, &place.environment, self.claim.polled_at, now) {
            Next::Ended => self.retire(&run).await,
            Next::Conclude => self.record(vec![conclude(&run)]).await,
            Next::Record(events) => {
                if let [Event::Started { step }] = events.as_slice() {
                    if let Some(paused) = self.frozen(&run, step).await? {
                        return self.record(vec![paused]).await;
                    }
                    if let Some(turn) = self.not_ready(place, &run, step).await? {
                        return Ok(turn);
                    }
                    self.began = Some(step.clone());
                }
                self.record(events).await
            }
            Next::Wait(until) => {
                let back = inner.store.put_back(&self.claim, run.last_seq, until.max(now)).await?;
                Ok(if back { Turn::Over } else { self.still_ours().await? })
            }
            Next::Plan => self.plan(place, &run).await,
            Next::Lock => self.lock(&run).await,
            Next::Clear => self.clear(place, &run).await,
            Next::Publish { moment, to } => self.publish(place, &run, moment, to).await,
            Next::Observe(step) => self.observe(place, &run, &step, false).await,
            Next::Stop(step) => self.observe(place, &run, &step, true).await,
            Next::Check { step, decide } => self.check(place, &run, &step, decide).await,
            Next::Apply(step) => self.apply(place, &run, &step).await,
            Next::Settle(step) => self.settle(place, &run, &step).await,
            Next::Undo(step) => self.undo(place, &run, &step).await,
            Next::Discard => Box::pin(self.discard(place, &run)).await,
        }
    }

    /// A run could not be put back: either a signal has arrived, or the lease has passed on.
    pub(super) async fn still_ours(&self) -> Result<Turn, StoreError> {
        let inner = &self.engine.0;
        if inner.store.still_claimed(&self.claim).await? { Ok(Turn::Again) } else { Err(StoreError::Fenced) }
    }

    /// Puts a run back for good that has ended and has nothing more to do, and counts it.
    pub(super) async fn retire(&self, run: &Run) -> Result<Turn, StoreError> {
        let inner = &self.engine.0;
        inner.store.retire(&self.claim, run.last_seq).await?;
        inner.meter.count(run);
        Ok(Turn::Over)
    }

    pub(super) async fn record(&self, events: Vec<Event>) -> Result<Turn, StoreError> {
        let inner = &self.engine.0;
        if !events.is_empty() {
            inner.store.append(self.claim.run, self.claim.fence, &events, inner.clock.now()).await?;
        }
        Ok(Turn::Again)
    }

    async fn plan(&self, place: &Place, run: &Run) -> Result<Turn, StoreError> {
        match self.prepared(place, run).await? {
            Err(turn) => Ok(turn),
            Ok(prepared) => self.record(planned(prepared)).await,
        }
    }

    /// Looks at the world again after the approval: what was approved is carried out, or people are asked anew.
    async fn clear(&self, place: &Place, run: &Run) -> Result<Turn, StoreError> {
        let Some((approved, digest)) = &run.plan else { return Ok(Turn::Again) };
        match self.prepared(place, run).await? {
            Err(turn) => Ok(turn),
            Ok(prepared) if prepared.digest == *digest => {
                let facts = prepared.facts;
                self.record(vec![Event::Observed { facts }, Event::Cleared { digest: digest.clone() }]).await
            }
            Ok(prepared) => {
                let drifted = Event::Drifted { differences: differences(approved, &prepared.plan) };
                self.record([vec![drifted], planned(prepared)].concat()).await
            }
        }
    }

    /// The plan as the world is now, or what its absence led to.
    async fn prepared(&self, place: &Place, run: &Run) -> Result<Result<Preview, Turn>, StoreError> {
        let start = start_of(run, self.engine.0.clock.now());
        let wish = Wish { command: &run.command, actor: &run.actor, run: Some(run), start };
        Ok(match self.engine.prepare(place, &wish).await? {
            Ok(Ok(prepared)) => Ok(prepared),
            Ok(Err((facts, no_plan))) => {
                let end = could_not_begin(format!("{no_plan}."));
                Err(self.record(vec![Event::Observed { facts }, end]).await?)
            }
            Err(error) => Err(self.trouble(run, None, error).await?),
        })
    }

    /// The pause that a freeze puts before a step that acts. A freeze closes the environment to runs that are under way
    /// too; what they have begun is finished and watched.
    async fn frozen(&self, run: &Run, step: &StepId) -> Result<Option<Event>, StoreError> {
        // What stops something is never held up.
        if run.command.is_emergency() || !run.step(step).is_some_and(|progress| progress.step.kind.acts()) {
            return Ok(None);
        }
        let inner = &self.engine.0;
        let now = inner.clock.now();
        let holds = inner.store.holds(&run.environment).await?;
        let freeze = holds.into_iter().find(|hold| hold.kind == HoldKind::Freeze && hold.stands(now));
        Ok(freeze.map(|freeze| Event::Paused {
            actor: freeze.by,
            reason: Some(format!("{} is frozen: {}", run.environment, freeze.reason)),
            objection: false,
        }))
    }

    async fn lock(&self, run: &Run) -> Result<Turn, StoreError> {
        let inner = &self.engine.0;
        let now = inner.clock.now();
        match inner.store.lock(&run.environment, run.id, now).await? {
            LockOutcome::Acquired => self.record(vec![Event::Locked]).await,
            // Who was approved waits for its turn: to be turned away would take all approvals anew.
            LockOutcome::HeldBy(holder) if !run.queue && run.rounds.is_empty() => {
                let reason = format!("{} is held by {} since {}.", run.environment, holder.run, holder.since);
                self.record(vec![refused(format!("{reason} Nothing was changed."))]).await
            }
            LockOutcome::HeldBy(holder) => {
                if run.waiting_for != Some(holder.run) {
                    return self.record(vec![Event::Waiting { holder: holder.run }]).await;
                }
                let until = later(now, QUEUE_LOOK);
                let back = inner.store.put_back(&self.claim, run.last_seq, until).await?;
                Ok(if back { Turn::Over } else { self.still_ours().await? })
            }
        }
    }

    async fn check(&mut self, place: &Place, run: &Run, step: &StepId, decide: bool) -> Result<Turn, StoreError> {
        let inner = &self.engine.0;
        let Some(progress) = run.step(step) else { return Ok(Turn::Again) };
        let asked_at = inner.clock.now();
        let checks = match &progress.step.kind {
            StepKind::Checklist => {
                let wanted = self.engine.wanted_states(&run.environment).await?;
                let readings = Box::pin(place.aws.read_checklist(&place.environment, asked_at)).await;
                checklist::checks(&place.environment, &wanted, &readings)
            }
            StepKind::Watch { rule, also, .. } => {
                self.gates(place, run, std::iter::once(rule).chain(also), asked_at).await
            }
            StepKind::WatchAll { rules, .. } => {
                let gates = self.gates(place, run, rules, asked_at).await;
                not_on(place, rules).await.into_iter().chain(gates).collect()
            }
            StepKind::Monitor { rules, .. } => self.monitor(place, run, rules, asked_at).await,
            StepKind::Inspect { inspection, .. } => self.engine.inspect(place, run, *inspection, asked_at).await,
            StepKind::Gate { rule, .. } => {
                let gates = self.gates(place, run, [rule], asked_at).await;
                // Not before: right after a change a list may still show what was.
                let states = if decide { not_on(place, [rule]).await } else { Vec::new() };
                states.into_iter().chain(gates).collect()
            }
            _ => return Ok(Turn::Again),
        };
        // A look counts from when it was asked: what arrived meanwhile is for the next one.
        self.claim.polled_at = Some(asked_at);
        self.record(judge(run, &place.environment, step, checks, decide, asked_at)).await
    }

    /// The states of the rules, and the gates of those that are on, or were at the beginning: what is off has no traffic.
    async fn monitor(&self, place: &Place, run: &Run, rules: &[Rule], asked_at: Timestamp) -> Vec<Check> {
        static NOTHING: std::sync::LazyLock<Facts> = std::sync::LazyLock::new(Facts::default);
        let before = run.facts.as_ref().map_or(&*NOTHING, |(_, facts)| facts);
        let listed = place.aws.rule_states(&place.environment.bus).await;
        let states = rule_state::checks(&place.environment, before, &listed);
        let is_on = |rule: &&Rule| {
            let now = listed.as_ref().ok().and_then(|answer| answer.value.get(&rule.rule));
            let then = before.rules.get(&rule.name).map(|fact| &fact.state);
            [now, then].into_iter().flatten().any(|state| state.is_enabled())
        };
        let gates = self.gates(place, run, rules.iter().filter(is_on), asked_at).await;
        states.into_iter().chain(gates).collect()
    }

    /// The gates of several rules, read at the same time; what is asked about the environment as a whole, once.
    async fn gates<'r>(
        &self,
        place: &Place,
        run: &Run,
        rules: impl IntoIterator<Item = &'r Rule>,
        asked_at: Timestamp,
    ) -> Vec<Check> {
        let asking = rules.into_iter().map(|rule| async move {
            let question = question(place, run, rule);
            let readings = place.aws.read_gate(&place.environment, rule, question.since, asked_at).await;
            gate::checks(&question, &readings)
        });
        let mut checks: Vec<Check> = Vec::new();
        for check in join_all(asking).await.into_iter().flatten() {
            if !checks.iter().any(|other| (&other.name, &other.title) == (&check.name, &check.title)) {
                checks.push(check);
            }
        }
        checks
    }
}

/// The rules of these that are not shown to be on.
async fn not_on(place: &Place, rules: impl IntoIterator<Item = &Rule>) -> Vec<Check> {
    let listed = place.aws.rule_states(&place.environment.bus).await;
    rule_state::not_on(&place.environment, rules, &listed)
}

/// The events of a plan that was made.
fn planned(prepared: Preview) -> Vec<Event> {
    let Preview { plan, digest, safeguards, facts } = prepared;
    let safeguarded = plan.approval.is_some().then_some(Event::Safeguarded { checks: safeguards });
    let observed = Some(Event::Observed { facts });
    observed.into_iter().chain(safeguarded).chain([Event::Planned { plan, digest }]).collect()
}

/// The run ends with something of it still in place, which nobody may overlook.
pub(super) fn could_not_undo(run: &Run, why: &str) -> Event {
    match conclude(run) {
        Event::Ended { summary, rules, next, .. } => {
            Event::Ended { outcome: Outcome::Failed, summary: format!("{summary} The undo failed: {why}"), rules, next }
        }
        other => other,
    }
}

/// What the gate of a rule asks: since the run enabled it, or over the lookback when it was enabled already.
fn question<'a>(place: &'a Place, run: &'a Run, rule: &'a Rule) -> gate::GateQuestion<'a> {
    static NOTHING: std::sync::LazyLock<Facts> = std::sync::LazyLock::new(Facts::default);
    let (observed_at, baseline) = run.facts.as_ref().map_or((run.requested_at, &*NOTHING), |(at, facts)| (*at, facts));
    let enabled = run.steps.iter().find_map(|progress| match &progress.step.kind {
        StepKind::SetRule { rule: set, .. } if set == rule => Some((progress.started_at?, progress.applied.as_ref()?)),
        _ => None,
    });
    let monitored = run.steps.iter().find_map(|progress| match progress.step.kind {
        StepKind::Monitor { .. } => progress.started_at,
        _ => None,
    });
    let (since, changed) = match enabled {
        // What happened before the monitor began is no news of it.
        _ if monitored.is_some() => (monitored.unwrap_or(observed_at), false),
        // From the intent on: the rule may have matched before AWS's answer was back.
        Some((started, (_, change))) if change.changed => (started, true),
        _ => {
            let lookback = place.environment.waits.lookback;
            (observed_at.saturating_sub(lookback).unwrap_or(observed_at), false)
        }
    };
    gate::GateQuestion { environment: &place.environment, rule, since, changed, baseline }
}
