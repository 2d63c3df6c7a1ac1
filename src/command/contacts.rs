//! `contacts`: whom to turn to.

use super::help::Topic;
use super::{Line, Refusal, target};
use crate::domain::Command;

pub(super) const TOPIC: Topic = Topic {
    name: "contacts",
    usage: "contacts",
    line: "Show whom to turn to",
    long: "Shows the contacts of the settings: who looks after the system, and who is called when that does not help. Changes nothing.",
    examples: &[""],
};

/// Reads the words after `contacts`.
pub(super) fn read(line: Line<'_>) -> Result<Command, Refusal> {
    target::nothing(&line.plain()?, &TOPIC, line.context)?;
    Ok(Command::Contacts)
}
