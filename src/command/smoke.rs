//! `smoke`: invoke the function once in paper mode, and look whether events flow.

use super::help::Topic;
use super::{Line, Refusal, target};
use crate::domain::Command;

pub(super) const TOPIC: Topic = Topic {
    name: "smoke",
    usage: "smoke <env>",
    line: "Invoke the function once, in paper mode",
    long: "Reads the function's configuration, and goes on only when it proves to be in paper mode. Invokes it once with the configured payload, shows what it answered, and checks rule invocations, archive and dead-letter queues.",
    examples: &["{env}"],
};

/// Reads the words after `smoke`.
pub(super) fn read(line: Line<'_>) -> Result<Command, Refusal> {
    Ok(Command::Smoke { environment: target::environment(&line.plain()?, &TOPIC, line.context)? })
}
