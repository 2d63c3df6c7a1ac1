//! `escalate`: call the escalation contact to a run.

use super::help::Topic;
use super::line::Reason;
use super::{Line, Refusal};
use crate::domain::Command;

pub(super) const TOPIC: Topic = Topic {
    name: "escalate",
    usage: "escalate <run> [reason]",
    line: "Call the escalation contact to a run",
    long: "Calls whoever the settings name as the escalation contact into the run's thread, with what the run does and your reason. Changes nothing in AWS. In the run's thread the run need not be named.",
    examples: &["R-42", "R-42 \"orders are not going through\""],
};

/// Reads the words after `escalate`.
pub(super) fn read(mut line: Line<'_>, reason: Reason) -> Result<Command, Refusal> {
    let by_option = line.reason_option(reason)?;
    let run = line.run_before_reason()?;
    Ok(Command::Escalate { run, reason: line.reason(by_option)? })
}
