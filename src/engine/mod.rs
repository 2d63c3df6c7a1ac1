//! Runs plans: [`next()`] says what comes next, and one loop does it. Nothing here knows Slack.
//!
//! Where a plan needs approval, `approval` says when people are asked, reminded and no longer waited for; whose decision
//! counts is policy's, and reaches a run as a signal in its journal. `prepare` makes a plan with its safeguards, before it
//! is asked about and again after, and `drift` says what has moved in between. `emergency` is the way past all that.

mod act;
mod approval;
mod change_set;
mod conclude;
mod drift;
mod effects;
pub mod emergency;
mod execute;
mod function;
mod inspect;
mod interlock;
mod meter;
mod monitor;
mod next;
mod prepare;
mod publish;
mod resend;
mod retention;
mod scheduler;
mod smoke;
mod soak;
#[cfg(test)]
mod tests;
mod trouble;

use jiff::{SignedDuration, Timestamp};

pub use change_set::running_label;
pub use execute::{Engine, Place};
pub use meter::Meter;
pub use next::{Next, next};
pub use prepare::{Preview, PreviewError};
pub use retention::JournalsKept;

/// A time after `at`. What would lie beyond the end of time is its end.
fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_add(by).unwrap_or(Timestamp::MAX)
}
