//! `runs`: recent runs.

use super::help::Topic;
use super::{Line, Refusal, target};
use crate::domain::Command;

pub(super) const TOPIC: Topic = Topic {
    name: "runs",
    usage: "runs [env]",
    line: "List recent runs",
    long: "Lists the latest runs of an environment, or of all, with how each ended. Changes nothing.",
    examples: &["", "{env}"],
};

/// Reads the words after `runs`.
pub(super) fn read(line: Line<'_>) -> Result<Command, Refusal> {
    Ok(Command::Runs { environment: target::optional_environment(&line.plain()?, &TOPIC, line.context)? })
}
