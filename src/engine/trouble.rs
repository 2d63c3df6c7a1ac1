//! When AWS fails: how long a step goes on trying, how often, and what is recorded of it.

use jiff::{SignedDuration, Timestamp};

use super::conclude::could_not_begin;
use super::execute::{Drive, Turn, could_not_undo};
use super::later;
use crate::aws::{AwsError, AwsErrorKind};
use crate::domain::{Environment, Event, Run, StepId, StepStatus};
use crate::store::StoreError;

/// How long AWS may go on failing in one step before the step has failed.
pub(super) const TROUBLE_BUDGET: SignedDuration = SignedDuration::from_mins(10);
/// The longest time between two tries.
pub(super) const LONGEST_RETRY: SignedDuration = SignedDuration::from_secs(30);
/// The shortest.
const SHORTEST_RETRY: SignedDuration = SignedDuration::from_secs(1);

impl Drive<'_> {
    /// AWS failed: try again later while that can help, else the step, or the run before its plan, has failed.
    pub(super) async fn trouble(&self, run: &Run, step: Option<&StepId>, error: AwsError) -> Result<Turn, StoreError> {
        if error.kind == AwsErrorKind::LeaseLapsed {
            // No trouble of AWS: nothing was sent. With a new lease the run goes on, unless it has passed on.
            return Ok(Turn::Again);
        }
        // Credentials may be renewed meanwhile, by a role or a person. A run that has begun nothing is asked for again
        // instead.
        let may_pass = error.is_transient() || (error.is_credentials() && step.is_some());
        let mut problem = error.to_string();
        if error.is_not_found()
            && let Some(place) = self.engine.place(&run.environment)
        {
            let Environment { account, region, .. } = &place.environment;
            let account = account.as_ref().map(|account| format!("account {account}, ")).unwrap_or_default();
            problem.push_str(&format!("; it was looked for in {account}{region}"));
        }
        self.troubled(run, step, problem, may_pass).await
    }

    /// Something failed that may pass, or not: for as long as it may, it is tried again later.
    pub(super) async fn troubled(
        &self,
        run: &Run,
        step: Option<&StepId>,
        problem: String,
        may_pass: bool,
    ) -> Result<Turn, StoreError> {
        let now = self.engine.0.clock.now();
        let since = run.trouble.as_ref().map_or(now, |trouble| trouble.since);
        let gives_up_at = later(since, TROUBLE_BUDGET);
        if may_pass && now < gives_up_at {
            let (step, retry_at) = (step.cloned(), retry_at(run, since, now).min(gives_up_at));
            return self
                .record(vec![Event::Troubled { step, problem, retry_at, gives_up_at: Some(gives_up_at) }])
                .await;
        }
        let mut summary = format!("{problem}.");
        if may_pass {
            summary.push_str(&format!(" Tried again for {} min, then given up.", now.duration_since(since).as_mins()));
        }
        let event = match step {
            None => could_not_begin(summary),
            Some(_) if run.undoing.is_some() => could_not_undo(run, &summary),
            Some(step) => Event::Finished { step: step.clone(), status: StepStatus::Failed, summary },
        };
        self.record(vec![event]).await
    }
}

/// When to try again: after half as long as the trouble has lasted, within bounds.
fn retry_at(run: &Run, since: Timestamp, now: Timestamp) -> Timestamp {
    let wait = (now.duration_since(since) / 2).clamp(SHORTEST_RETRY, LONGEST_RETRY);
    later(now, jittered(wait, run))
}

/// Three quarters of a wait to all of it, so that runs which met the same trouble do not all come back at once. It follows
/// from the run and its last event.
pub(super) fn jittered(wait: SignedDuration, run: &Run) -> SignedDuration {
    let spread = run.id.0.wrapping_mul(97).wrapping_add(run.last_seq.wrapping_mul(61)).rem_euclid(250);
    let share = u32::try_from(spread).unwrap_or_default();
    wait.mul_f64(0.75 + f64::from(share) / 1000.0)
}
