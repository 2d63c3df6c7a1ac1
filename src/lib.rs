//! Alch, a ChatOps bot for Slack that runs an EventBridge deployment runbook.
//!
//! Start with `docs/architecture.md`.

pub mod aws;
pub mod checks;
pub mod clock;
pub mod domain;
pub mod slack;

// The support of the tests names the crate as its users do, and is used by the crate's own tests, too.
#[cfg(test)]
extern crate self as alch;
