//! `restore`: the way back after a rollback.

use super::help::Topic;
use super::{Line, Refusal, target};
use crate::domain::Command;

pub(super) const TOPIC: Topic = Topic {
    name: "restore",
    usage: "restore <env>",
    line: "Bring back the rules as they were before the last rollback",
    long: "Enables the rules that were enabled before the last rollback, in the configured order, one at a time, each watched and gated as with `enable`. Rules that were off before stay off.",
    examples: &["{env}"],
};

/// Reads the words after `restore`.
pub(super) fn read(line: Line<'_>) -> Result<Command, Refusal> {
    Ok(Command::Restore { environment: target::environment(&line.plain()?, &TOPIC, line.context)? })
}
