//! `doctor`: look for traps in the live account.

use super::help::Topic;
use super::{Line, Refusal, target};
use crate::domain::Command;

pub(super) const TOPIC: Topic = Topic {
    name: "doctor",
    usage: "doctor <env>",
    line: "Look for traps in the live account",
    long: "Looks for what makes an environment look well when it is not: rules on another bus, alarms on dimensions that no metric has, rules without targets, missing permissions, an archive that is gone, unconfirmed subscriptions, rights that I lack. Each with its mend. Changes nothing.",
    examples: &["{env}"],
};

/// Reads the words after `doctor`.
pub(super) fn read(line: Line<'_>) -> Result<Command, Refusal> {
    Ok(Command::Doctor { environment: target::environment(&line.plain()?, &TOPIC, line.context)? })
}
