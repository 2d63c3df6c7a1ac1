//! Runs plans: [`next()`] says what comes next, and one loop does it. Nothing here knows Slack.

mod act;
mod conclude;
pub mod emergency;
mod execute;
mod interlock;
mod next;
mod scheduler;
#[cfg(test)]
mod tests;

pub use execute::{Engine, Place};
pub use next::{Next, next};
pub use scheduler::LEASE;
