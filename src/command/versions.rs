//! `versions`: list the versions that are known.

use super::help::Topic;
use super::{Line, Refusal, target};
use crate::domain::Command;

pub(super) const TOPIC: Topic = Topic {
    name: "versions",
    usage: "versions <env>",
    line: "List the versions that are known",
    long: "Lists what runs now and what was deployed through me: version, when, by whom, and the run. Changes nothing.",
    examples: &["{env}"],
};

/// Reads the words after `versions`.
pub(super) fn read(line: Line<'_>) -> Result<Command, Refusal> {
    Ok(Command::Versions { environment: target::environment(&line.plain()?, &TOPIC, line.context)? })
}
