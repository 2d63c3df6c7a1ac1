//! `show`: one run's story.

use super::help::Topic;
use super::{Line, Refusal, target};
use crate::domain::Command;

pub(super) const TOPIC: Topic = Topic {
    name: "show",
    usage: "show <run>",
    line: "Tell the story of one run",
    long: "Tells what a run did, step by step, from its journal. In the run's thread the run need not be named. Changes nothing.",
    examples: &["R-42"],
};

/// Reads the words after `show`.
pub(super) fn read(line: Line<'_>) -> Result<Command, Refusal> {
    Ok(Command::Show { run: target::run(&line.plain()?, &TOPIC, line.context)? })
}
