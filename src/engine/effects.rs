//! The acting part of the loop for effects: after a look, with the environment in hand, recorded with its receipt, and
//! observed until it is over.

use super::execute::{Drive, Engine, Place, Turn};
use crate::aws::AwsError;
use crate::domain::{Effect, Event, Held, Receipt, Run, StepId, StepKind, StepStatus};
use crate::runbook::steps::ActError;
use crate::runbook::steps::effects::{self, Found, Observation, Site};
use crate::store::StoreError;

/// For what needs no lock: what only tells somebody; what is prepared while planning and changes nothing of the environment,
/// a change set; and stopping what the run itself has begun, also when a rollback has taken the environment from it.
pub(super) fn without_lock<'a>(place: &'a Place, run: &Run) -> Held<'a> {
    Held::granted(&place.environment.name, Some(run.id))
}

impl<'e> Drive<'e> {
    /// Does the effect of a step whose intent is recorded, unless it is found done.
    pub(super) async fn effect(&self, place: &Place, run: &Run, step: &StepId) -> Result<Turn, StoreError> {
        let Some((site, effect)) = self.site(place, run, step) else { return Ok(Turn::Again) };
        // After trouble a call may have been sent.
        let first = self.began.as_ref() == Some(step) && run.trouble.is_none();
        match effects::find(&site, effect, first).await {
            Ok(Found::NotDone) => {}
            Ok(Found::Done(receipt)) => return self.effected(step, receipt).await,
            Ok(Found::Unknown(why)) => return self.over(step, StepStatus::Unknown, why).await,
            Ok(Found::Refused(why)) => return self.over(step, StepStatus::Failed, why).await,
            Err(error) => return self.trouble(run, Some(step), error).await,
        }
        // What acts does so in a session of its own. A rollback must not wait for that, so it comes first.
        let aws = match self.acting(place, run, step).await {
            Ok(aws) => aws,
            Err(error) => return self.trouble(run, Some(step), error).await,
        };
        let site = Site { aws: &aws, ..site };
        let done = if effect.holds_environment() {
            let act = async |held: Held<'_>| effects::act(&site, &held, effect).await;
            match self.holding(place, run, act).await? {
                Some(done) => done,
                None => return Ok(Turn::Again),
            }
        } else {
            let act = async |held: Held<'_>| effects::act(&site, &held, effect).await;
            self.unlocked(place, run, act).await?
        };
        match done {
            Ok(receipt) => self.effected(step, receipt).await,
            Err(ActError::Aws(error)) => self.trouble(run, Some(step), error).await,
            Err(error @ (ActError::NotSeen { .. } | ActError::NotStarted(_) | ActError::Refused(_))) => {
                self.over(step, StepStatus::Failed, error.to_string()).await
            }
        }
    }

    /// The run is to stop, and it is not known whether the step's effect was done: find out, without acting.
    pub(super) async fn settle_effect(&self, place: &Place, run: &Run, step: &StepId) -> Result<Turn, StoreError> {
        let Some((site, effect)) = self.site(place, run, step) else { return Ok(Turn::Again) };
        match effects::find(&site, effect, false).await {
            Ok(Found::Done(receipt)) => self.effected(step, receipt).await,
            Ok(Found::NotDone | Found::Refused(_)) => {
                self.over(step, StepStatus::Already, "stopped before it was done".to_owned()).await
            }
            Ok(Found::Unknown(why)) => self.over(step, StepStatus::Unknown, why).await,
            Err(error) => self.trouble(run, Some(step), error).await,
        }
    }

    /// Looks how far an effect is; `stop` says that the run is to stop, and the effect with it.
    pub(super) async fn observe(
        &mut self,
        place: &Place,
        run: &Run,
        step: &StepId,
        stop: bool,
    ) -> Result<Turn, StoreError> {
        let asked_at = self.engine.0.clock.now();
        let Some((site, effect)) = self.site(place, run, step) else { return Ok(Turn::Again) };
        let Some((_, receipt)) = &site.step.effected else { return Ok(Turn::Again) };
        let observed = if stop {
            // Processes of this machine end whether AWS can be asked or not.
            self.engine.0.sam.jobs.stop_all_of(run.id);
            self.stop_effect(place, &site, effect, receipt).await?
        } else if effect.is_worked_on() {
            let aws = match self.acting(place, run, step).await {
                Ok(aws) => aws,
                Err(error) => return self.trouble(run, Some(step), error).await,
            };
            let site = Site { aws: &aws, ..site };
            let work = async |held: Held<'_>| effects::work(&site, &held, effect, receipt).await;
            match self.holding(place, run, work).await? {
                Some(worked) => worked,
                None => return Ok(Turn::Again),
            }
        } else {
            effects::observe(&site, effect, receipt).await
        };
        let observed = match observed {
            // It cannot go on as it is: stopped here and now, though nobody asked.
            Ok(Observation { stop: Some(_), .. }) if !stop => self.stop_effect(place, &site, effect, receipt).await?,
            other => other,
        };
        let Observation { news, checks, over, stop: _ } = match observed {
            Ok(observation) => observation,
            Err(error) => return self.trouble(run, Some(step), error).await,
        };
        let mut events = Vec::new();
        events.extend(news.map(|progress| Event::Progressed { step: step.clone(), progress }));
        if !checks.is_empty() && checks != site.step.checks {
            events.push(Event::Checked { step: step.clone(), checks });
        }
        events.extend(over.map(|(status, summary)| Event::Finished { step: step.clone(), status, summary }));
        self.claim.polled_at = Some(asked_at);
        self.record(events).await
    }

    /// Stops an effect, in a session of its own.
    async fn stop_effect(
        &self,
        place: &Place,
        site: &Site<'_>,
        effect: &Effect,
        receipt: &Receipt,
    ) -> Result<Result<Observation, AwsError>, StoreError> {
        let aws = match self.acting(place, site.run, &site.step.step.id).await {
            Ok(aws) => aws,
            Err(error) => return Ok(Err(error)),
        };
        let site = Site { aws: &aws, ..*site };
        let stop = async |held: Held<'_>| effects::stop(&site, &held, effect, receipt).await;
        self.unlocked(place, site.run, stop).await
    }

    fn site<'a>(&self, place: &'a Place, run: &'a Run, step: &StepId) -> Option<(Site<'a>, &'a Effect)>
    where
        'e: 'a,
    {
        let progress = run.step(step)?;
        let StepKind::Effect { effect, .. } = &progress.step.kind else { return None };
        let now = self.engine.0.clock.now();
        let engine: &'e Engine = self.engine;
        let (aws, sam) = (&place.aws, &engine.0.sam);
        Some((Site { aws, sam, environment: &place.environment, run, step: progress, now }, effect))
    }

    async fn effected(&self, step: &StepId, receipt: Receipt) -> Result<Turn, StoreError> {
        self.record(vec![Event::Effected { step: step.clone(), receipt }]).await
    }

    async fn over(&self, step: &StepId, status: StepStatus, summary: String) -> Result<Turn, StoreError> {
        self.record(vec![Event::Finished { step: step.clone(), status, summary }]).await
    }
}
