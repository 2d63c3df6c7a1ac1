//! The acting part of the loop: what a run does to rules, each act after a look, with the environment in hand, and read
//! back.

use super::conclude::could_not_begin;
use super::effects::without_lock;
use super::execute::{DATABASE_RETRY, Drive, Place, Turn, could_not_undo};
use crate::aws::{Aws, AwsError, Session};
use crate::domain::{Change, Event, Held, Rule, RuleState, Run, StepId, StepKind, StepStatus};
use crate::runbook::steps;
use crate::store::{LockOutcome, StoreError, Tenure};

impl Drive<'_> {
    pub(super) async fn apply(&self, place: &Place, run: &Run, step: &StepId) -> Result<Turn, StoreError> {
        if matches!(run.step(step).map(|progress| &progress.step.kind), Some(StepKind::Effect { .. })) {
            return self.effect(place, run, step).await;
        }
        let Some((bus, rule, from, to)) = set_rule(run, step) else {
            // The emergency path drives its own runs.
            return self.record(vec![could_not_begin("This step is not the engine's.".to_owned())]).await;
        };
        let found = match steps::find(&place.aws, bus, rule).await {
            Ok(found) => found,
            Err(error) => return self.trouble(run, Some(step), error).await,
        };
        if found.state.is_enabled() == to.is_enabled() {
            // If an earlier claim recorded the intent, then it was that one which did it.
            let ours = self.began.as_ref() != Some(step) && from.is_enabled() != to.is_enabled();
            return self.applied(step, from_found(if ours { from } else { found.state }, found.state, ours)).await;
        }
        match self.act(place, run, step, (bus, rule), &found, to).await? {
            Some(Ok(change)) => self.applied(step, change).await,
            Some(Err(steps::ActError::Aws(error))) => self.trouble(run, Some(step), error).await,
            Some(Err(error @ steps::ActError::NotSeen { .. })) => {
                self.troubled(run, Some(step), error.to_string(), true).await
            }
            Some(Err(error @ (steps::ActError::NotStarted(_) | steps::ActError::Refused(_)))) => {
                self.record(vec![Event::Finished {
                    step: step.clone(),
                    status: StepStatus::Failed,
                    summary: error.to_string(),
                }])
                .await
            }
            None => Ok(Turn::Again),
        }
    }

    async fn act(
        &self,
        place: &Place,
        run: &Run,
        step: &StepId,
        (bus, rule): (&str, &Rule),
        found: &steps::Found,
        to: RuleState,
    ) -> Result<Option<Result<Change, steps::ActError>>, StoreError> {
        // Before the environment is looked at: a rollback must not wait for STS.
        let aws = match self.acting(place, run, step).await {
            Ok(aws) => aws,
            Err(error) => return Ok(Some(Err(error.into()))),
        };
        let act = async |held: Held<'_>| steps::set(&aws, &held, bus, rule, found, to).await;
        self.holding(place, run, act).await
    }

    /// Gets the session that a step acts in before its intent is recorded: when STS cannot be asked, it is sure that nothing
    /// was sent. What to do instead of beginning the step, if there is none.
    pub(super) async fn not_ready(
        &mut self,
        place: &Place,
        run: &Run,
        step: &StepId,
    ) -> Result<Option<Turn>, StoreError> {
        let kind = run.step(step).map(|progress| &progress.step.kind);
        if !matches!(kind, Some(StepKind::SetRule { .. } | StepKind::Effect { .. })) {
            return Ok(None);
        }
        let inner = &self.engine.0;
        if let Some(trouble) = &run.trouble
            && inner.clock.now() < trouble.retry_at
        {
            let back = inner.store.put_back(&self.claim, run.last_seq, trouble.retry_at).await?;
            return Ok(Some(if back { Turn::Over } else { self.still_ours().await? }));
        }
        match place.aws.acting_for(&session(run, step)).await {
            Ok(aws) => {
                self.acting = Some((step.clone(), aws));
                Ok(None)
            }
            Err(error) => self.trouble(run, Some(step), error).await.map(Some),
        }
    }

    /// The clients that a step acts with.
    pub(super) async fn acting(&self, place: &Place, run: &Run, step: &StepId) -> Result<Aws, AwsError> {
        match &self.acting {
            Some((of, aws)) if of == step => Ok(aws.clone()),
            Some(_) | None => place.aws.acting_for(&session(run, step)).await,
        }
    }

    /// Acts, if this run may: it still holds its lease and its environment, and no rollback is under way. None when not.
    pub(super) async fn holding<T>(
        &self,
        place: &Place,
        run: &Run,
        act: impl AsyncFnOnce(Held<'_>) -> T,
    ) -> Result<Option<T>, StoreError> {
        let inner = &self.engine.0;
        let now = inner.clock.now();
        let Some(_act) = place.interlock.act().await else {
            tokio::time::sleep(DATABASE_RETRY).await;
            return Ok(None);
        };
        let tenure = self.tenure().await?;
        if let LockOutcome::HeldBy(holder) = inner.store.lock(&run.environment, run.id, now).await? {
            // Taken by a rollback, whose signal follows or is in the journal already.
            if run.preempted.is_none() {
                inner.store.signal(run.id, &[Event::Preempted { by: holder.run }], now).await?;
            }
            return Ok(None);
        }
        Ok(Some(act(Held::granted(&place.environment.name, Some(run.id)).within(tenure)).await))
    }

    /// Acts without the lock, if this run still holds its lease; see [`without_lock`].
    pub(super) async fn unlocked<T>(
        &self,
        place: &Place,
        run: &Run,
        act: impl AsyncFnOnce(Held<'_>) -> T,
    ) -> Result<T, StoreError> {
        let tenure = self.tenure().await?;
        Ok(act(without_lock(place, run).within(tenure)).await)
    }

    /// Lengthens the lease for what is about to be sent. Fenced when the run is not this claim's any more: it is looked at
    /// after the lease is lengthened, so that nobody can take it in between.
    pub(super) async fn tenure(&self) -> Result<Tenure, StoreError> {
        let inner = &self.engine.0;
        let tenure = inner.replica.renew().await?;
        if tenure.name() != self.claim.owner || !inner.store.still_claimed(&self.claim).await? {
            return Err(StoreError::Fenced);
        }
        Ok(tenure)
    }

    async fn applied(&self, step: &StepId, change: Change) -> Result<Turn, StoreError> {
        let (status, summary) = if change.changed {
            (StepStatus::Done, format!("{} → {}", change.from.word(), change.to.word()))
        } else {
            (StepStatus::Already, format!("was {} already", change.to.word()))
        };
        let finished = Event::Finished { step: step.clone(), status, summary };
        self.record(vec![Event::Applied { step: step.clone(), change }, finished]).await
    }

    pub(super) async fn settle(&self, place: &Place, run: &Run, step: &StepId) -> Result<Turn, StoreError> {
        let Some((bus, rule, from, to)) = set_rule(run, step) else {
            return self.settle_effect(place, run, step).await;
        };
        match steps::find(&place.aws, bus, rule).await {
            Ok(found) if found.state.is_enabled() == to.is_enabled() && from.is_enabled() != to.is_enabled() => {
                self.applied(step, from_found(from, found.state, true)).await
            }
            Ok(found) => {
                let summary = format!("stopped before it was done; {}", found.state.word());
                self.record(vec![Event::Finished { step: step.clone(), status: StepStatus::Already, summary }]).await
            }
            Err(error) => self.trouble(run, Some(step), error).await,
        }
    }

    pub(super) async fn undo(&self, place: &Place, run: &Run, step: &StepId) -> Result<Turn, StoreError> {
        let undo = run.step(step).and_then(|progress| progress.step.undo);
        let (Some((bus, rule, _, _)), Some(back)) = (set_rule(run, step), undo) else { return Ok(Turn::Again) };
        let found = match steps::find(&place.aws, bus, rule).await {
            Ok(found) => found,
            Err(error) => return self.trouble(run, Some(step), error).await,
        };
        let change = if found.state.is_enabled() == back.is_enabled() {
            from_found(found.state, found.state, false)
        } else {
            match self.act(place, run, step, (bus, rule), &found, back).await? {
                Some(Ok(change)) => change,
                Some(Err(steps::ActError::Aws(error))) => return self.trouble(run, Some(step), error).await,
                Some(Err(error @ steps::ActError::NotSeen { .. })) => {
                    return self.troubled(run, Some(step), error.to_string(), true).await;
                }
                Some(Err(error @ (steps::ActError::NotStarted(_) | steps::ActError::Refused(_)))) => {
                    return self.record(vec![could_not_undo(run, &error.to_string())]).await;
                }
                None => return Ok(Turn::Again),
            }
        };
        self.record(vec![Event::Undone { step: step.clone(), change }]).await
    }
}

/// Whom the calls of a step are made for.
pub(super) fn session(run: &Run, step: &StepId) -> Session {
    Session {
        run: Some(run.id),
        step: step.0.clone(),
        actor: run.actor.clone(),
        command: run.command.name().to_owned(),
        urgent: run.command.is_emergency(),
    }
}

fn from_found(from: RuleState, to: RuleState, changed: bool) -> Change {
    Change { from, to, changed, request_ids: Vec::new(), elapsed_ms: 0 }
}

fn set_rule<'a>(run: &'a Run, step: &StepId) -> Option<(&'a str, &'a Rule, RuleState, RuleState)> {
    match &run.step(step)?.step.kind {
        StepKind::SetRule { rule, bus, from, to } => Some((bus, rule, *from, *to)),
        _ => None,
    }
}
