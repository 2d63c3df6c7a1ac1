//! `rollback`: the emergency path, all rules off.

use super::help::Topic;
use super::{Line, Refusal, target};
use crate::domain::Command;

pub(super) const TOPIC: Topic = Topic {
    name: "rollback",
    usage: "rollback <env>",
    line: "Emergency: all rules off at once, verified",
    long: "Calls DisableRule for all configured rules of the environment at the same time, without waiting for a queue, a lock or another run, and verifies with one list call. A run that holds the environment is stopped at its next safe point. Other teams' rules and the rules that AWS manages are not touched. Events that are in the function's queue already still arrive. `restore` goes the way back.",
    examples: &["{env}"],
};

/// Reads the words after `rollback`.
pub(super) fn read(line: Line<'_>) -> Result<Command, Refusal> {
    Ok(Command::Rollback { environment: target::environment(&line.plain()?, &TOPIC, line.context)? })
}
