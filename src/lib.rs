//! Alch, a ChatOps bot for Slack that runs an EventBridge deployment runbook.
//!
//! Start with `docs/architecture.md`.

pub mod clock;
#[cfg(feature = "sandbox")]
pub mod sandbox;
