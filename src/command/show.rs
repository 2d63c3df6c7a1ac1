//! `show`: one run's story.

use super::help::{Example, Topic};
use super::{Context, Refusal, target};
use crate::domain::Command;

pub(super) const TOPIC: Topic = Topic {
    name: "show",
    usage: "show <run>",
    line: "Tell the story of one run",
    long: "Tells what a run did, step by step, from its journal. In the run's thread the run need not be named. Changes nothing.",
    examples: &[Example::Run],
};

/// Reads the words after `show`.
pub(super) fn read(words: &[String], context: &Context) -> Result<Command, Refusal> {
    Ok(Command::Show { run: target::run(words, &TOPIC, context)? })
}
