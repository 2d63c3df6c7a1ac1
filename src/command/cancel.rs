//! `cancel`: stop a run.

use super::help::{Example, Topic};
use super::{Context, Refusal, target};
use crate::domain::Command;

pub(super) const TOPIC: Topic = Topic {
    name: "cancel",
    usage: "cancel <run>",
    line: "Stop a run at its next safe point",
    long: "Stops a run before its next step. A call to AWS that is under way is finished first. The run then says what state things are in. In the run's thread the run need not be named.",
    examples: &[Example::Run],
};

/// Reads the words after `cancel`.
pub(super) fn read(words: &[String], context: &Context) -> Result<Command, Refusal> {
    Ok(Command::Cancel { run: target::run(words, &TOPIC, context)? })
}
