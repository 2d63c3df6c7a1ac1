//! `test-alarm`: publish a test to the alarm topic.

use super::help::Topic;
use super::{Line, Refusal, target};
use crate::domain::Command;

pub(super) const TOPIC: Topic = Topic {
    name: "test-alarm",
    usage: "test-alarm <env>",
    line: "Publish a test to the alarm topic",
    long: "Publishes one message, clearly marked as a test, to the topic of the alarms: it shows that the topic reaches its subscribers, and not that an alarm goes off.",
    examples: &["{env}"],
};

/// Reads the words after `test-alarm`.
pub(super) fn read(line: Line<'_>) -> Result<Command, Refusal> {
    Ok(Command::TestAlarm { environment: target::environment(&line.plain()?, &TOPIC, line.context)? })
}
