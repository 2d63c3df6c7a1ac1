//! `status`: what state environments are in.

use super::help::{Example, Topic};
use super::{Context, Refusal, target};
use crate::domain::Command;

pub(super) const TOPIC: Topic = Topic {
    name: "status",
    usage: "status [env]",
    line: "Show the state of an environment, or of all",
    long: "Shows the rules' states, who holds the environment and for what, and the last runs. Changes nothing.",
    examples: &[Example::Bare, Example::Environment],
};

/// Reads the words after `status`.
pub(super) fn read(words: &[String], context: &Context) -> Result<Command, Refusal> {
    Ok(Command::Status { environment: target::optional_environment(words, &TOPIC, context)? })
}
