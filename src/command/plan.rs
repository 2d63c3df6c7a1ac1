//! `plan`: what another command would do, and whether its safeguards hold.

use super::help::{self, Topic};
use super::{Line, Refusal, canonical};
use crate::domain::Command;

pub(super) const TOPIC: Topic = Topic {
    name: "plan",
    usage: "plan <command>",
    line: "Show what a command would do, and do nothing",
    long: "Shows the plan of `promote`, `enable`, `disable`, `restore`, `rollback` or `verify` as it would be now: every step, how long it takes, how it is undone, and which safeguards hold. Reads AWS and changes nothing.",
    examples: &["enable {rule} {env}", "promote {to}"],
    read,
};

/// The commands that have a plan.
pub(super) const PLANNED: [&str; 6] = ["promote", "enable", "disable", "restore", "rollback", "verify"];

/// Reads the command after `plan`.
pub(super) fn read(line: Line<'_>) -> Result<Command, Refusal> {
    let Some(word) = line.words.iter().map(super::Word::plain).find(|word| !word.is_empty()) else {
        return Err(line.missing("The plan of which command?"));
    };
    let word = word.to_ascii_lowercase();
    if let Some(topic) = help::find(canonical(&word)).filter(|topic| !PLANNED.contains(&topic.name)) {
        return Err(line.unfit(format!(
            "`{}` has no plan: it runs no steps in an environment. Those that have one are `promote`, `enable`, `disable`, \
             `restore`, `rollback` and `verify`.",
            topic.name
        )));
    }
    if super::answer::is_enough(&word) {
        return Err(Refusal::unknown_command(&word, line.context));
    }
    Ok(Command::Plan { of: Box::new(super::read(line.words, line.context, line.now)?) })
}
