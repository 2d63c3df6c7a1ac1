//! From what was read of the world to verdicts: the gate of a rule, the checklist of an environment, and the safeguards
//! of production. Pure: the reading is done in `aws`, the time is a parameter. Anything that is not positively shown is
//! never a pass.

pub mod checklist;
pub mod dead_letters;
pub mod doctor;
pub mod facts;
pub mod gate;
pub mod idempotency;
pub mod infrastructure;
mod metric;
pub mod policy_document;
pub mod rule_state;
pub mod safeguards;
pub mod smoke;
pub mod template;
#[cfg(test)]
mod tests;
mod words;

pub use metric::{GateMetric, MetricQuery, Series, minute_after, minute_of};
pub use policy_document::Permission;

/// What was read, and the ids that AWS gave the requests for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<T> {
    /// What AWS said.
    pub value: T,
    /// The ids of the requests.
    pub request_ids: Vec<String>,
}

/// An answer, or the words for people why it could not be had.
pub type Reading<T> = Result<Answer<T>, String>;
