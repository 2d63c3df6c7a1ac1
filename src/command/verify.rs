//! `verify`: the checklist.

use super::help::Topic;
use super::{Line, Refusal, target};
use crate::domain::Command;

pub(super) const TOPIC: Topic = Topic {
    name: "verify",
    usage: "verify <env>",
    line: "Go through the checklist and report",
    long: "Goes through the nine items of the checklist (rules, dead-letter queues, alarms, subscriptions, table and expiry, what the function may do, what it ran, throttles) and reports each with what it rests on and what mends it. Changes nothing.",
    examples: &["{env}"],
};

/// Reads the words after `verify`.
pub(super) fn read(line: Line<'_>) -> Result<Command, Refusal> {
    Ok(Command::Verify { environment: target::environment(&line.plain()?, &TOPIC, line.context)? })
}
