//! `reject`: no to what a run asks for.

use super::help::Topic;
use super::line::Reason;
use super::{Line, Refusal};
use crate::domain::Command;

pub(super) const TOPIC: Topic = Topic {
    name: "reject",
    usage: "reject <run> <reason>",
    line: "Reject what a run asks for, with a reason",
    long: "What the run asked for does not happen: a plan that is rejected ends the run before it has acted. The reason is journalled and shown in the run's thread. In the run's thread the run need not be named.",
    examples: &["R-42 \"the market is too nervous today\""],
};

/// Reads the words after `reject`.
pub(super) fn read(mut line: Line<'_>, reason: Reason) -> Result<Command, Refusal> {
    let by_option = line.reason_option(reason)?;
    let run = line.run_before_reason()?;
    Ok(Command::Reject { run, reason: line.required_reason(by_option)? })
}
