//! Runs plans: [`next()`] says what comes next, and one loop does it. Nothing here knows Slack.

mod act;
mod approval;
mod conclude;
mod drift;
pub mod emergency;
mod execute;
mod interlock;
mod next;
mod prepare;
mod publish;
mod scheduler;
#[cfg(test)]
mod tests;

use jiff::{SignedDuration, Timestamp};

pub use execute::{Engine, Place};
pub use next::{Next, next};
pub use prepare::{Preview, PreviewError};
pub use scheduler::LEASE;

/// A time after `at`. What would lie beyond the end of time is its end.
fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_add(by).unwrap_or(Timestamp::MAX)
}
