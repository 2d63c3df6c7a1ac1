//! Counts runs and their steps as this process sees them end. What the journals say in full, in numbers that can be watched.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::domain::{Outcome, Run, RunId, StepProgress, StepStatus};

/// How many runs are remembered as counted: one that is looked at again after its end is not counted again.
const REMEMBERED: usize = 1_000;
/// The upper bounds of the durations that are told apart, seconds: from one call to a night's monitoring.
const BUCKETS: [f64; 10] = [0.1, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0, 1800.0, 7200.0, 43200.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RunLabels {
    command: &'static str,
    environment: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StepLabels {
    step: String,
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DurationLabels {
    step: String,
}

/// The numbers of the runs that ended in this process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Meter {
    runs: Family<RunLabels, Counter>,
    steps: Family<StepLabels, Counter>,
    durations: Family<DurationLabels, Histogram, fn() -> Histogram>,
    counted: Arc<Mutex<BTreeSet<RunId>>>,
}

impl Default for Meter {
    fn default() -> Self {
        let durations = Family::new_with_constructor((|| Histogram::new(BUCKETS)) as fn() -> Histogram);
        Self { runs: Family::default(), steps: Family::default(), durations, counted: Arc::default() }
    }
}

impl Meter {
    /// Adds the numbers to `registry`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("runs", "Runs that ended, by command, environment and outcome", self.runs.clone());
        registry.register("steps", "Steps of runs that ended, by what they do and how they ended", self.steps.clone());
        registry.register(
            "step_duration_seconds",
            "How long steps took that began and ended, by what they do",
            self.durations.clone(),
        );
    }

    /// Counts a run that has ended, and its steps, once.
    pub(super) fn count(&self, run: &Run) {
        let Some(ended) = &run.ended else { return };
        {
            let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
            if !counted.insert(run.id) {
                return;
            }
            if counted.len() > REMEMBERED {
                counted.pop_first();
            }
        }
        let (command, environment) = (run.command.name(), run.environment.clone());
        let outcome = match ended.outcome {
            Outcome::Succeeded => "succeeded",
            Outcome::Unproven => "unproven",
            Outcome::Failed => "failed",
            Outcome::Cancelled => "cancelled",
            Outcome::Preempted => "preempted",
            Outcome::Refused => "refused",
            Outcome::Expired => "expired",
        };
        self.runs.get_or_create(&RunLabels { command, environment, outcome }).inc();
        for progress in &run.steps {
            self.count_step(progress);
        }
    }

    fn count_step(&self, progress: &StepProgress) {
        let status = match progress.status {
            // The run ended before it.
            StepStatus::Pending => return,
            StepStatus::Running => "interrupted",
            StepStatus::Done => "done",
            StepStatus::Already => "already",
            StepStatus::Failed => "failed",
            StepStatus::Inconclusive => "inconclusive",
            StepStatus::Unknown => "unknown",
            StepStatus::Undone => "undone",
            StepStatus::Skipped => "skipped",
        };
        // `gate:signal-generated` is a gate; the rules' names are no numbers' business.
        let id = &progress.step.id.0;
        let step = id.split(':').next().unwrap_or(id).to_owned();
        self.steps.get_or_create(&StepLabels { step: step.clone(), status }).inc();
        if let (Some(from), Some(until)) = (progress.started_at, progress.finished_at) {
            let lasted = until.duration_since(from).as_secs_f64();
            self.durations.get_or_create(&DurationLabels { step }).observe(lasted.max(0.0));
        }
    }
}
