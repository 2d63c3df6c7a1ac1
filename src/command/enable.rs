//! `enable`: turn rules on, each watched and gated.

use super::help::Topic;
use super::{Line, Refusal, target};
use crate::domain::Command;

pub(super) const TOPIC: Topic = Topic {
    name: "enable",
    usage: "enable <rule|all> <env>",
    line: "Enable a rule, watch it, and check that it is well",
    long: "Calls EnableRule for the rule on its event bus, reads it back, waits while watching the metrics, and then checks the gate: failed invocations, throttles and errors, messages in the dead-letter queues, alarms. `all` takes the rules in the configured order, one at a time, and stops at the first gate that fails. A rule that is enabled already is left so and still checked.",
    examples: &["{rule} {env}", "all {env}"],
};

/// Reads the words after `enable`.
pub(super) fn read(line: Line<'_>) -> Result<Command, Refusal> {
    let (rules, environment) = target::rules_and_environment(&line.plain()?, &TOPIC, line.context)?;
    Ok(Command::Enable { rules, environment })
}
