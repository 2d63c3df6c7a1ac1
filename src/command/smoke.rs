//! `smoke`: invoke the function once in paper mode, and look whether events flow.

use super::help::Topic;
use super::{Line, Refusal, target};
use crate::domain::Command;

pub(super) const TOPIC: Topic = Topic {
    name: "smoke",
    usage: "smoke <env>",
    line: "Invoke the function once, if it proves paper mode, and look whether events flow",
    long: "The function does not heed the payload's paper flag, so it has to prove paper mode itself: a variable of its own must have an expected value, read right before the invoke. Without that proof nothing is invoked, and nothing overrides that. It is invoked once and never again by itself; to do it again is another run. Then the answer, the rules' invocations, the archive and the dead-letter queues are looked at until they show that events flowed.",
    examples: &["{env}"],
};

/// Reads the words after `smoke`.
pub(super) fn read(line: Line<'_>) -> Result<Command, Refusal> {
    Ok(Command::Smoke { environment: target::environment(&line.plain()?, &TOPIC, line.context)? })
}
