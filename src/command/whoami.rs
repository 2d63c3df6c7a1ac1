//! `whoami`: who am I, and what may I do.

use super::help::Topic;
use super::{Line, Refusal, target};
use crate::domain::Command;

pub(super) const TOPIC: Topic = Topic {
    name: "whoami",
    usage: "whoami",
    line: "Show who you are to me, and what you may do",
    long: "Shows your Slack ids, what Slack says of your account, and which commands you may use in which environment. Changes nothing.",
    examples: &[""],
};

/// Reads the words after `whoami`.
pub(super) fn read(line: Line<'_>) -> Result<Command, Refusal> {
    target::nothing(&line.plain()?, &TOPIC, line.context)?;
    Ok(Command::Whoami)
}
