//! `whoami`: who am I, and what may I do.

use super::help::{Example, Topic};
use super::{Context, Refusal, target};
use crate::domain::Command;

pub(super) const TOPIC: Topic = Topic {
    name: "whoami",
    usage: "whoami",
    line: "Show who you are to me, and what you may do",
    long: "Shows your Slack ids, what Slack says of your account, and which commands you may use in which environment. Changes nothing.",
    examples: &[Example::Bare],
};

/// Reads the words after `whoami`.
pub(super) fn read(words: &[String], context: &Context) -> Result<Command, Refusal> {
    target::nothing(words, &TOPIC, context)?;
    Ok(Command::Whoami)
}
