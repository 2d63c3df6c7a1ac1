//! `subscriptions`: list who is subscribed to the alarms.

use super::help::Topic;
use super::{Line, Refusal, target};
use crate::domain::Command;

pub(super) const TOPIC: Topic = Topic {
    name: "subscriptions",
    usage: "subscriptions <env>",
    line: "List who is subscribed to the alarms",
    long: "Reads the subscriptions of the alarm topic, confirmed and pending. Changes nothing.",
    examples: &["{env}"],
};

/// Reads the words after `subscriptions`.
pub(super) fn read(line: Line<'_>) -> Result<Command, Refusal> {
    Ok(Command::Subscriptions { environment: target::environment(&line.plain()?, &TOPIC, line.context)? })
}
