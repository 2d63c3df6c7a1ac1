//! `runs`: recent runs.

use super::help::{Example, Topic};
use super::{Context, Refusal, target};
use crate::domain::Command;

pub(super) const TOPIC: Topic = Topic {
    name: "runs",
    usage: "runs [env]",
    line: "List recent runs",
    long: "Lists the latest runs of an environment, or of all, with how each ended. Changes nothing.",
    examples: &[Example::Bare, Example::Environment],
};

/// Reads the words after `runs`.
pub(super) fn read(words: &[String], context: &Context) -> Result<Command, Refusal> {
    Ok(Command::Runs { environment: target::optional_environment(words, &TOPIC, context)? })
}
