//! `verify`: the checklist.

use super::help::Topic;
use super::{Line, Refusal, target};
use crate::domain::Command;

pub(super) const TOPIC: Topic = Topic {
    name: "verify",
    usage: "verify <env>",
    line: "Go through the checklist and report",
    long: "Reads the bus, the rules, the dead-letter queues, the alarms, the table and its expiry, and reports each as a check with what it rests on. Changes nothing.",
    examples: &["{env}"],
};

/// Reads the words after `verify`.
pub(super) fn read(line: Line<'_>) -> Result<Command, Refusal> {
    Ok(Command::Verify { environment: target::environment(&line.plain()?, &TOPIC, line.context)? })
}
