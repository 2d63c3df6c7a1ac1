//! `status`: what state environments are in.

use super::help::Topic;
use super::{Line, Refusal, target};
use crate::domain::Command;

pub(super) const TOPIC: Topic = Topic {
    name: "status",
    usage: "status [env]",
    line: "Show the state of an environment, or of all",
    long: "Shows the rules' states, who holds the environment and for what, and the last runs. Changes nothing.",
    examples: &["", "{env}"],
};

/// Reads the words after `status`.
pub(super) fn read(line: Line<'_>) -> Result<Command, Refusal> {
    Ok(Command::Status { environment: target::optional_environment(&line.plain()?, &TOPIC, line.context)? })
}
