//! `skip`: leave out the step under way.

use super::help::Topic;
use super::line::Reason;
use super::{Line, Refusal};
use crate::domain::Command;

pub(super) const TOPIC: Topic = Topic {
    name: "skip",
    usage: "skip <run> <reason>",
    line: "Leave out the step under way, with a reason",
    long: "The run goes on with its next step as if this one were done, and says so. Where acting needs approval, skipping needs one too. In the run's thread the run need not be named.",
    examples: &["R-42 \"no traffic before the market opens\""],
};

/// Reads the words after `skip`.
pub(super) fn read(mut line: Line<'_>, reason: Reason) -> Result<Command, Refusal> {
    let by_option = line.reason_option(reason)?;
    let run = line.run_before_reason()?;
    Ok(Command::Skip { run, reason: line.required_reason(by_option)? })
}
