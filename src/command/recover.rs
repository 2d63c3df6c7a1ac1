//! `recover`: bring a stack out of a failed update.

use super::help::Topic;
use super::{Line, Refusal, target};
use crate::domain::Command;

pub(super) const TOPIC: Topic = Topic {
    name: "recover",
    usage: "recover <env>",
    line: "Bring a stack out of a failed update",
    long: "Looks at the state of the CloudFormation stack and does what it asks for: after UPDATE_ROLLBACK_FAILED the rollback is continued, after UPDATE_FAILED the update is rolled back. Where only a deletion would help, it says so and does nothing.",
    examples: &["{env}"],
};

/// Reads the words after `recover`.
pub(super) fn read(line: Line<'_>) -> Result<Command, Refusal> {
    Ok(Command::Recover { environment: target::environment(&line.plain()?, &TOPIC, line.context)? })
}
