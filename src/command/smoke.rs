//! `smoke`: invoke the function once in paper mode, and look whether events flow.

use super::help::Topic;
use super::{Line, Refusal, target};
use crate::domain::Command;

pub(super) const TOPIC: Topic = Topic {
    name: "smoke",
    usage: "smoke <env>",
    line: "Refuses, until the function can prove paper mode",
    long: "A smoke test invokes the function once. The function does not heed the payload's paper flag, so it trades unless it is set up for paper. This version cannot have it prove that right before the invoke, and so invokes nothing.",
    examples: &["{env}"],
};

/// Reads the words after `smoke`.
pub(super) fn read(line: Line<'_>) -> Result<Command, Refusal> {
    Ok(Command::Smoke { environment: target::environment(&line.plain()?, &TOPIC, line.context)? })
}
