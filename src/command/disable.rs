//! `disable`: turn rules off.

use super::help::Topic;
use super::{Line, Refusal, target};
use crate::domain::Command;

pub(super) const TOPIC: Topic = Topic {
    name: "disable",
    usage: "disable <rule|all> <env>",
    line: "Disable a rule, or all",
    long: "Calls DisableRule for the rule on its event bus and reads it back. Events that come while a rule is disabled are not queued; they stay in the archive. In an incident use `rollback`: it is faster and waits for nobody.",
    examples: &["{rule} {env}", "all {env}"],
};

/// Reads the words after `disable`.
pub(super) fn read(line: Line<'_>) -> Result<Command, Refusal> {
    let (rules, environment) = target::rules_and_environment(&line.plain()?, &TOPIC, line.context)?;
    Ok(Command::Disable { rules, environment })
}
