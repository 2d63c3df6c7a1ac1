//! `hard-stop`: after a rollback: stop the function itself too.

use super::help::Topic;
use super::{Line, Refusal, target};
use crate::domain::Command;

pub(super) const TOPIC: Topic = Topic {
    name: "hard-stop",
    usage: "hard-stop <env>",
    line: "After a rollback: stop the function itself too",
    long: "Sets the function's reserved concurrency to 0, so that events which are queued for it already do not run either, and records the former value. `restore` gives it back, unless somebody has changed it since. Needs nobody's approval: where others approve, a card asks any responder for one click, whoever asked; the button of a rollback that is over is that click.",
    examples: &["{env}"],
};

/// Reads the words after `hard-stop`.
pub(super) fn read(line: Line<'_>) -> Result<Command, Refusal> {
    Ok(Command::HardStop { environment: target::environment(&line.plain()?, &TOPIC, line.context)? })
}
