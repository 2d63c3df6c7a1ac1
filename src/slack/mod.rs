//! Slack: what comes in, what goes out, and how a run looks there. Only here is Slack spoken.

pub mod message;
pub mod view;
