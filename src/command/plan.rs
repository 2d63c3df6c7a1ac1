//! `plan`: what another command would do, and whether its safeguards hold.

use super::help::{self, Topic};
use super::{Line, Refusal, canonical, target};

pub(super) const TOPIC: Topic = Topic {
    name: "plan",
    usage: "plan <command>",
    line: "Show what a command would do, and do nothing",
    long: "Shows the plan of a command that has steps as it would be now: every step, how long it takes, how it is undone, and which safeguards hold. Reads AWS and changes nothing: of a deployment by change set it says only that, because the change set is what tells, and a preview makes none.",
    examples: &["enable {rule} {env}", "promote {to}"],
};

/// The commands that have a plan.
pub(super) const PLANNED: [&str; 12] = [
    "promote",
    "enable",
    "disable",
    "restore",
    "rollback",
    "verify",
    "deploy",
    "recover",
    "smoke",
    "replay",
    "hard-stop",
    "dlq",
];

/// What to say when no command that has a plan follows.
pub(super) fn refuse(word: &str, line: &Line<'_>) -> Refusal {
    match help::find(canonical(word)) {
        Some(topic) => line.unfit(format!(
            "`{}` has no plan: it runs no steps in an environment. Those that have one are {}.",
            topic.name,
            target::and(&PLANNED.map(|name| format!("`{name}`")))
        )),
        None => Refusal::unknown_command(word, line.context),
    }
}
