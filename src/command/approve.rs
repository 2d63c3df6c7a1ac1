//! `approve`: yes to what a run asks for, by the plan that was read.

use super::help::Topic;
use super::line::Reason;
use super::line::is_clear_run;
use super::target::{WHICH_RUN, nothing};
use super::{Line, Quoted, Refusal};
use crate::domain::{Command, RunId};

pub(super) const TOPIC: Topic = Topic {
    name: "approve",
    usage: "approve <run> <plan> [--note <words>]",
    line: "Approve what a run asks for, as its button does",
    long: "An approval belongs to the plan that you read: name it by the first six or more digits that its message shows. When the world has moved since, the run shows the difference and asks again. Nobody approves their own request unless the settings say so. A note is shown with your name. In the run's thread the run need not be named.",
    examples: &["R-42 3f9a0c2b", "R-42 3f9a0c2b --note \"checked the queue\""],
};

/// The fewest digits that name a plan.
const MIN_DIGITS: usize = 6;
/// As many as a digest has (SHA-256, hexadecimal).
const MAX_DIGITS: usize = 64;

/// Reads the words after `approve`.
pub(super) fn read(mut line: Line<'_>, note: Reason) -> Result<Command, Refusal> {
    let note = line.reason_option(note)?;
    let mut words = line.plain()?;
    let run = match place_of_run(&line, &words) {
        Some(at) => Ok(words.remove(at)),
        None => line.context.implied.as_ref().map(|implied| implied.run.to_string()).ok_or(()),
    };
    let run = run.map_err(|()| line.missing(WHICH_RUN))?;
    let run: RunId = run.parse().map_err(|_| super::target::unknown_run(&run, line.usage()))?;
    let Some((plan, more)) = words.split_first() else {
        return Err(line.missing("Which plan? Its message shows the digits that it is named by."));
    };
    nothing(more, &TOPIC, line.context)?;
    let plan = plan.to_ascii_lowercase();
    if (MIN_DIGITS..=MAX_DIGITS).contains(&plan.len()) && plan.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(Command::Approve { run, plan, note });
    }
    Err(Refusal::UnknownName {
        word: Quoted(plan),
        kind: "plan",
        near: None,
        known: format!(" A plan is named by the first {MIN_DIGITS} or more digits that its message shows."),
        usage: line.usage(),
    })
}

/// Where the run stands. A digest may be all digits: a bare number is the run only where one has to be named, or where
/// there are two words.
fn place_of_run(line: &Line<'_>, words: &[String]) -> Option<usize> {
    if line.words.iter().any(is_clear_run) {
        return words.iter().position(|word| word.starts_with(['R', 'r', '#']));
    }
    let needed = line.context.implied.is_none() || words.len() > 1;
    words.iter().position(|word| needed && word.parse::<RunId>().is_ok())
}
