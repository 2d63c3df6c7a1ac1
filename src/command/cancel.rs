//! `cancel`: stop a run.

use super::help::Topic;
use super::{Line, Refusal, target};
use crate::domain::Command;

pub(super) const TOPIC: Topic = Topic {
    name: "cancel",
    usage: "cancel <run>",
    line: "Stop a run at its next safe point",
    long: "Stops a run before its next step. A call to AWS that is under way is finished first. The run then says what state things are in. In the run's thread the run need not be named.",
    examples: &["R-42"],
};

/// Reads the words after `cancel`.
pub(super) fn read(line: Line<'_>) -> Result<Command, Refusal> {
    Ok(Command::Cancel { run: target::run(&line.plain()?, &TOPIC, line.context)? })
}
