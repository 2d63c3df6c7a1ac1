//! `pause`, `resume`, `retry`: hold a run up, let it go on, let it try again.

use super::help::Topic;
use super::{Line, Refusal, target};
use crate::domain::Command;

pub(super) const PAUSE: Topic = Topic {
    name: "pause",
    usage: "pause <run>",
    line: "Begin no new step in a run",
    long: "The step under way is finished, and no new one begins until `resume`. Rules stay as they are. In the run's thread the run need not be named.",
    examples: &["R-42"],
};

pub(super) const RESUME: Topic = Topic {
    name: "resume",
    usage: "resume <run>",
    line: "Go on with a paused run",
    long: "Lets a run go on that was paused, or objected to. In the run's thread the run need not be named.",
    examples: &["R-42"],
};

pub(super) const RETRY: Topic = Topic {
    name: "retry",
    usage: "retry <run>",
    line: "Try a step again that failed, or a whole run that ended",
    long: "A run that asks because a step failed does the step again. A run that has ended is asked for anew, as a run of its own that goes through every check and approval again. In the run's thread the run need not be named.",
    examples: &["R-42"],
};

/// Reads the words after `pause`.
pub(super) fn read_pause(line: Line<'_>) -> Result<Command, Refusal> {
    Ok(Command::Pause { run: target::run(&line.plain()?, &PAUSE, line.context)? })
}

/// Reads the words after `resume`.
pub(super) fn read_resume(line: Line<'_>) -> Result<Command, Refusal> {
    Ok(Command::Resume { run: target::run(&line.plain()?, &RESUME, line.context)? })
}

/// Reads the words after `retry`.
pub(super) fn read_retry(line: Line<'_>) -> Result<Command, Refusal> {
    Ok(Command::Retry { run: target::run(&line.plain()?, &RETRY, line.context)? })
}
