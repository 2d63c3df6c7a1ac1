//! What the effects of steps do: find what is there, act, observe until it is over, stop. Each family has a file; here
//! they are told apart.

use jiff::Timestamp;

use super::{ActError, function, keep, redrive, replay, sam, smoke, stack, topic};
use crate::aws::{Aws, AwsError};
use crate::domain::{Check, Effect, Environment, Held, Progress, Receipt, Run, StepProgress, StepStatus};
use crate::sam::Sam;

/// Where and for whom an effect is.
#[derive(Clone, Copy, Debug)]
pub struct Site<'a> {
    /// The environment's clients.
    pub aws: &'a Aws,
    /// The processes of this Alch.
    pub sam: &'a Sam,
    /// The environment as configured.
    pub environment: &'a Environment,
    /// The run, as its journal tells it.
    pub run: &'a Run,
    /// The step in it.
    pub step: &'a StepProgress,
    /// The time.
    pub now: Timestamp,
}

/// What was found before an act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// It is not done, and may be done now.
    NotDone,
    /// It is done: by this run before a crash, or the world was so already.
    Done(Receipt),
    /// It may have been done and nobody can tell; in words for people, with what to look at. A person is asked.
    Unknown(String),
    /// It must not be done; why, for people. Nothing was done.
    Refused(String),
}

/// What a look at an effect under way shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observation {
    /// What is new since the last look.
    pub news: Option<Progress>,
    /// Checks, where the effect is judged by some.
    pub checks: Vec<Check>,
    /// How it ended, if it is over, in words for people.
    pub over: Option<(StepStatus, String)>,
    /// Why it has to be stopped now, if it has: [`stop`] is asked instead, at this look and each that says so again.
    pub stop: Option<String>,
}

impl Observation {
    /// It is over.
    pub fn over(status: StepStatus, summary: impl Into<String>) -> Self {
        Self { over: Some((status, summary.into())), ..Self::default() }
    }
}

/// Looks whether the effect is done already or may be done. Changes nothing. `first` says that nobody can have acted for
/// this step yet: its intent was recorded a moment ago by the same claim, and no call was sent since.
///
/// # Errors
/// When AWS cannot be asked.
pub async fn find(site: &Site<'_>, effect: &Effect, first: bool) -> Result<Found, AwsError> {
    match effect {
        Effect::ExecuteChangeSet { stack, change_set, version, changes } => {
            stack::find(site, stack::Planned { stack, id: change_set, version, changes }, first).await
        }
        Effect::RecoverStack { stack, .. } => stack::find_recovery(site, stack, first).await,
        Effect::KeepRules { bus, rules } => keep::find(site, bus, rules).await,
        Effect::SamBuild { checkout } => Ok(sam::find_build(site, checkout, first).await),
        Effect::SamDeploy { stack, checkout } => sam::find_deploy(site, stack, checkout, first).await,
        Effect::Invoke { function, qualifier, payload, variable, expected } => {
            let qualifier = qualifier.as_deref();
            let wish = smoke::Wish { function, qualifier, payload, variable, expected };
            Ok(smoke::find(site, wish, first).await)
        }
        Effect::UpdateCode { function, package, version, before, revision, expected } => {
            let (version, expected) = (version.as_deref(), expected.as_ref());
            let wish = function::Code { function, package, version, before, revision, expected };
            function::find_code(site, wish, first).await
        }
        Effect::RecordCode { version, .. } => function::record_code(site, version.as_deref()).await.map(Found::Done),
        Effect::SetConcurrency { function, from, to } => {
            let wish = function::Concurrency { function, from: *from, to: *to };
            function::find_concurrency(site, wish).await
        }
        Effect::StartReplay { order, .. } => replay::find(site, order).await,
        Effect::Redrive { queue, bus, limit } => {
            redrive::find(site, redrive::Redrive { queue, bus, limit: *limit }).await
        }
        Effect::Subscribe { topic, endpoint } => topic::find_subscription(site, topic, endpoint, first).await,
        Effect::TestAlarm { topic } => Ok(topic::find_test(site, topic, first)),
    }
}

/// Does it. Only after [`find`] has said that it is not done.
///
/// # Errors
/// When AWS refuses or cannot be asked, or does not show the change.
pub async fn act(site: &Site<'_>, held: &Held<'_>, effect: &Effect) -> Result<Receipt, ActError> {
    match effect {
        Effect::ExecuteChangeSet { stack, change_set, version, changes } => {
            stack::execute(site, held, stack::Planned { stack, id: change_set, version, changes }).await
        }
        Effect::RecoverStack { stack, .. } => stack::recover(site, held, stack).await,
        Effect::KeepRules { bus, rules } => keep::act(site, held, bus, rules).await,
        Effect::SamBuild { checkout } => sam::build(site, checkout).await,
        Effect::SamDeploy { stack, checkout } => sam::deploy(site, held, stack, checkout).await,
        Effect::Invoke { function, qualifier, payload, variable, expected } => {
            let qualifier = qualifier.as_deref();
            let wish = smoke::Wish { function, qualifier, payload, variable, expected };
            smoke::act(site, held, wish).await
        }
        Effect::UpdateCode { function, package, version, before, revision, expected } => {
            let (version, expected) = (version.as_deref(), expected.as_ref());
            let wish = function::Code { function, package, version, before, revision, expected };
            function::update_code(site, held, wish).await
        }
        // It is over with the look.
        Effect::RecordCode { version, .. } => Ok(function::record_code(site, version.as_deref()).await?),
        Effect::SetConcurrency { function, from, to } => {
            let wish = function::Concurrency { function, from: *from, to: *to };
            function::set_concurrency(site, held, wish).await
        }
        Effect::StartReplay { order, .. } => replay::act(site, held, order).await,
        Effect::Redrive { queue, bus, limit } => redrive::act(redrive::Redrive { queue, bus, limit: *limit }),
        Effect::Subscribe { topic, endpoint } => topic::subscribe(site, topic, endpoint).await,
        Effect::TestAlarm { topic } => topic::publish_test(site, topic).await,
    }
}

/// Looks how far an effect is that was done. What is over at once says so at the first look.
///
/// # Errors
/// When AWS cannot be asked.
pub async fn observe(site: &Site<'_>, effect: &Effect, receipt: &Receipt) -> Result<Observation, AwsError> {
    match effect {
        Effect::ExecuteChangeSet { stack, change_set, version, changes } => {
            stack::observe(site, stack::Planned { stack, id: change_set, version, changes }).await
        }
        Effect::RecoverStack { stack, .. } => stack::observe_recovery(site, stack).await,
        Effect::KeepRules { .. } => Ok(keep::observe(receipt)),
        Effect::SamBuild { checkout } => Ok(sam::observe_build(site, checkout).await),
        Effect::SamDeploy { stack, checkout } => sam::observe_deploy(site, stack, checkout).await,
        Effect::Invoke { function, qualifier, payload, variable, expected } => {
            let qualifier = qualifier.as_deref();
            let wish = smoke::Wish { function, qualifier, payload, variable, expected };
            smoke::observe(site, wish).await
        }
        Effect::UpdateCode { function, package, version, before, revision, expected } => {
            let (version, expected) = (version.as_deref(), expected.as_ref());
            let wish = function::Code { function, package, version, before, revision, expected };
            function::observe_code(site, wish, receipt).await
        }
        Effect::RecordCode { .. } => Ok(Observation::over(StepStatus::Done, receipt.said.clone())),
        Effect::SetConcurrency { function, from, to } => {
            let wish = function::Concurrency { function, from: *from, to: *to };
            function::observe_concurrency(site, wish, receipt).await
        }
        Effect::StartReplay { .. } => replay::observe(site).await,
        // A redrive is worked on.
        Effect::Redrive { .. } => Ok(Observation::default()),
        Effect::Subscribe { topic, endpoint } => topic::observe_subscription(site, topic, endpoint, receipt).await,
        Effect::TestAlarm { .. } => Ok(topic::observe_test(receipt)),
    }
}

/// Goes on with an effect that is done a handful at a time, where [`Effect::is_worked_on`]; else as [`observe`].
///
/// # Errors
/// When AWS refuses or cannot be asked.
pub async fn work(
    site: &Site<'_>,
    held: &Held<'_>,
    effect: &Effect,
    receipt: &Receipt,
) -> Result<Observation, AwsError> {
    match effect {
        Effect::Redrive { queue, bus, limit } => {
            redrive::work(site, held, redrive::Redrive { queue, bus, limit: *limit }).await
        }
        Effect::ExecuteChangeSet { .. }
        | Effect::RecoverStack { .. }
        | Effect::KeepRules { .. }
        | Effect::SamBuild { .. }
        | Effect::SamDeploy { .. }
        | Effect::Invoke { .. }
        | Effect::UpdateCode { .. }
        | Effect::RecordCode { .. }
        | Effect::SetConcurrency { .. }
        | Effect::StartReplay { .. }
        | Effect::Subscribe { .. }
        | Effect::TestAlarm { .. } => observe(site, effect, receipt).await,
    }
}

/// Stops an effect under way because the run is to stop: what can be stopped is, what cannot is observed until it is over,
/// or left alone with words that say so. Asked again until it says that it is over.
///
/// # Errors
/// When AWS refuses or cannot be asked.
pub async fn stop(
    site: &Site<'_>,
    held: &Held<'_>,
    effect: &Effect,
    receipt: &Receipt,
) -> Result<Observation, AwsError> {
    match effect {
        Effect::ExecuteChangeSet { stack, change_set, version, changes } => {
            stack::stop(site, stack::Planned { stack, id: change_set, version, changes }).await
        }
        Effect::RecoverStack { stack, .. } => stack::observe_recovery(site, stack).await,
        Effect::KeepRules { .. } => Ok(keep::observe(receipt)),
        Effect::SamBuild { .. } => sam::stop(site, None).await,
        Effect::SamDeploy { stack, .. } => sam::stop(site, Some(stack)).await,
        Effect::Invoke { function, qualifier, payload, variable, expected } => {
            let qualifier = qualifier.as_deref();
            let wish = smoke::Wish { function, qualifier, payload, variable, expected };
            smoke::stop(site, wish).await
        }
        Effect::UpdateCode { function, package, version, before, revision, expected } => {
            let (version, expected) = (version.as_deref(), expected.as_ref());
            let wish = function::Code { function, package, version, before, revision, expected };
            function::observe_code(site, wish, receipt).await
        }
        Effect::RecordCode { .. } => Ok(Observation::over(StepStatus::Done, receipt.said.clone())),
        Effect::SetConcurrency { function, from, to } => {
            let wish = function::Concurrency { function, from: *from, to: *to };
            function::observe_concurrency(site, wish, receipt).await
        }
        Effect::StartReplay { .. } => replay::stop(site, held).await,
        Effect::Redrive { .. } => Ok(redrive::stop(site)),
        Effect::Subscribe { endpoint, .. } => Ok(topic::stop_waiting(endpoint)),
        Effect::TestAlarm { .. } => Ok(topic::observe_test(receipt)),
    }
}
