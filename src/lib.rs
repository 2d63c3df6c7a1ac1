//! Alch, a ChatOps bot for Slack that runs an EventBridge deployment runbook.
//!
//! Start with `docs/architecture.md`.

// The futures of the AWS SDK are nested deeper than the compiler follows by default.
#![recursion_limit = "256"]

// Tests in the crate share `tests/support` with the integration tests, which know the crate by its name.
#[cfg(test)]
extern crate self as alch;

pub mod app;
pub mod audit;
pub mod aws;
pub mod chart;
pub mod checks;
pub mod cli;
pub mod clock;
pub mod command;
pub mod config;
pub mod control;
pub mod domain;
pub mod engine;
pub mod iam;
pub mod journal;
pub mod notice;
pub mod policy;
pub mod requests;
pub mod runbook;
pub mod sam;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod slack;
pub mod step_up;
pub mod store;
pub mod terminal;
pub mod web;
pub mod window;
