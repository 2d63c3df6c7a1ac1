//! What is read for a smoke test: before it, whether the function may be invoked; after it, whether events flowed.

use std::collections::BTreeMap;

use futures_util::future::{join_all, join3};
use jiff::Timestamp;

use super::execute::Place;
use crate::aws::AwsError;
use crate::checks::{minute_after, minute_of, smoke};
use crate::domain::{Check, Effect, Facts, Run, SmokeFacts, StepKind};
use crate::runbook::steps::smoke::{stopped, unread};

/// Whether the function proves paper mode now; none where nothing says how it would.
pub(super) async fn facts(place: &Place) -> Result<Option<SmokeFacts>, AwsError> {
    let environment = &place.environment;
    let Some(smoke) = &environment.smoke else { return Ok(None) };
    let function = &environment.function;
    let (mode, concurrency, archive) = join3(
        place.aws.mode(function, smoke.qualifier.as_deref(), &smoke.proof_variable, &smoke.expected),
        place.aws.concurrency(function),
        place.aws.archive(&environment.archive),
    )
    .await;
    let refusal = match mode {
        Err(error) if error.is_transient() => return Err(error),
        Err(error) => Some(unread(function, &error)),
        Ok(mode) => smoke::unproven(function, &smoke.proof_variable, &mode.proof),
    };
    // One that is stopped and cannot be asked about is refused by Lambda.
    let is_stopped = concurrency.is_ok_and(|read| read.value == Some(0));
    let refusal = refusal.or_else(|| is_stopped.then(|| stopped(function, &environment.name)));
    let archived = archive.ok().and_then(|read| read.value).map(|archive| archive.events);
    Ok(Some(SmokeFacts { refusal, archived }))
}

/// Whether events flowed since the run has invoked the function.
pub(super) async fn evidence(place: &Place, run: &Run, now: Timestamp) -> Vec<Check> {
    static NOTHING: std::sync::LazyLock<Facts> = std::sync::LazyLock::new(Facts::default);
    let invoke = run
        .steps
        .iter()
        .find(|progress| matches!(progress.step.kind, StepKind::Effect { effect: Effect::Invoke { .. }, .. }));
    let Some(invoke) = invoke else { return Vec::new() };
    let (environment, aws) = (&place.environment, &place.aws);
    let since = invoke.started_at.unwrap_or(run.requested_at);
    let (from, until) = (minute_of(since), minute_after(now));
    let metrics = join_all(
        environment
            .rules
            .iter()
            .map(|rule| async { (rule.name.clone(), aws.gate_metrics(environment, rule, from, until).await) }),
    );
    let dlqs = join_all(
        environment
            .dlqs
            .iter()
            .map(|queue| async { (queue.clone(), aws.read_dlq(queue).await.map_err(|error| error.to_string())) }),
    );
    let (metrics, dlqs, states, archive) =
        tokio::join!(metrics, dlqs, aws.rule_states(&environment.bus), aws.archive(&environment.archive));
    let readings = smoke::Readings {
        at: now,
        from,
        until,
        states,
        metrics: metrics.into_iter().collect::<BTreeMap<_, _>>(),
        archive: archive.map_err(|error| error.to_string()),
        dlqs: dlqs.into_iter().collect(),
    };
    let question = smoke::Question {
        environment,
        since,
        answered: invoke.finished_at.unwrap_or(now),
        status: invoke.status,
        told: &invoke.summary,
        baseline: run.facts.as_ref().map_or(&*NOTHING, |(_, facts)| facts),
    };
    smoke::evidence(&question, &readings)
}
