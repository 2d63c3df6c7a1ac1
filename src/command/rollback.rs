//! `rollback`: the emergency path, all rules off; with `--code`, the code of a version before.

use clap::Args;

use super::clean::Word;
use super::help::Topic;
use super::{Line, Refusal, target};
use crate::domain::{CodeRollback, Command};

pub(super) const TOPIC: Topic = Topic {
    name: "rollback",
    usage: "rollback <env> [--code [--stack|--function] [--to V]]",
    line: "Emergency: all rules off at once, verified",
    long: "Calls DisableRule for all configured rules of the environment at the same time, without waiting for a queue, a lock or another run, and verifies with one list call. A run that holds the environment is stopped at its next safe point. Other teams' rules and the rules that AWS manages are not touched. Events that are in the function's queue already still arrive. `restore` goes the way back. With `--code` it puts the version before back instead, and leaves the rules as they are: `--stack` (what is done when neither is said) deploys its template, `--function` changes the function's code alone, from the package that was deployed with that version (the one before when none is said; `versions` lists them) or `--package s3://bucket/key`, and holds it against the hash that was recorded then or that Lambda computes of the package.",
    examples: &["{env}", "{env} --code", "{env} --code --function --to 2026.11.20"],
};

/// What can be said by name.
#[derive(Args)]
pub(super) struct Options {
    #[arg(long)]
    code: bool,
    #[arg(long)]
    stack: bool,
    #[arg(long)]
    function: bool,
    #[arg(long)]
    to: Option<Word>,
    #[arg(long)]
    package: Option<Word>,
}

/// Reads the words after `rollback`.
pub(super) fn read(line: Line<'_>, options: Options) -> Result<Command, Refusal> {
    let Options { code, stack, function, to, package } = options;
    let environment = target::environment(&line.plain()?, &TOPIC, line.context)?;
    if !code {
        if stack || function || to.is_some() || package.is_some() {
            return Err(line.unfit(
                "`--stack`, `--function`, `--to` and `--package` are about code: write `--code` too. Without it, a \
                 rollback turns all rules off.",
            ));
        }
        return Ok(Command::Rollback { environment });
    }
    if stack && function {
        return Err(line.unfit("`--stack` puts all of it back, `--function` its code alone: say one of the two."));
    }
    if stack && package.is_some() {
        return Err(line.unfit("A package is the function's: `--package` goes with `--function`."));
    }
    let by = if function || package.is_some() { CodeRollback::Function } else { CodeRollback::Stack };
    let to = line.version_option("to", to)?;
    let package = line.option("package", package)?;
    Ok(Command::CodeRollback { environment, by, to, package })
}
