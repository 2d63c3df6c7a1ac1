//! `deploy`: bring a version of the stack to an environment.

use clap::Args;

use super::clean::Word;
use super::help::Topic;
use super::line::Reason;
use super::{Line, Refusal, target};
use crate::domain::Command;

pub(super) const TOPIC: Topic = Topic {
    name: "deploy",
    usage: "deploy <env> [--version V] [--leave-rules] [--reason \"…\"]",
    line: "Deploy a version of the stack",
    long: "Makes a change set and shows it, or builds and deploys with SAM, as the environment is configured. Then checks bus, table and queue, and brings every rule back to the state that it had before: a template that says ENABLED would turn on what was turned off. `--leave-rules` leaves them as the template does.",
    examples: &["{env} --version 2026.11.20", "{env}"],
};

/// What can be said by name.
#[derive(Args)]
pub(super) struct Options {
    #[arg(long)]
    version: Option<Word>,
    #[arg(long)]
    leave_rules: bool,
    #[command(flatten)]
    reason: Reason,
}

/// Reads the words after `deploy`.
pub(super) fn read(mut line: Line<'_>, options: Options) -> Result<Command, Refusal> {
    let reason = line.reason_option(options.reason)?;
    let version = line.version_option("version", options.version)?;
    let environment = target::environment(&line.plain()?, &TOPIC, line.context)?;
    Ok(Command::Deploy { environment, version, leave_rules: options.leave_rules, reason })
}
