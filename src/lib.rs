//! Alch, a ChatOps bot for Slack that runs an EventBridge deployment runbook.
//!
//! Start with `docs/architecture.md`.

pub mod clock;
pub mod domain;
pub mod journal;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod slack;
pub mod store;
