//! `object`: a run is paused until somebody resumes it.

use super::help::Topic;
use super::line::Reason;
use super::{Line, Refusal};
use crate::domain::Command;

pub(super) const TOPIC: Topic = Topic {
    name: "object",
    usage: "object <run> <reason>",
    line: "Object to a run: it is paused",
    long: "For whoever was told of a run and sees a reason against it. The run begins no new step; what it did stays done. `resume` goes on, `cancel` ends it. In the run's thread the run need not be named.",
    examples: &["R-42 \"the broker is under maintenance until noon\""],
};

/// Reads the words after `object`.
pub(super) fn read(mut line: Line<'_>, reason: Reason) -> Result<Command, Refusal> {
    let by_option = line.reason_option(reason)?;
    let run = line.run_before_reason()?;
    Ok(Command::Object { run, reason: line.required_reason(by_option)? })
}
