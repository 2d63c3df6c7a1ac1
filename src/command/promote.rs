//! `promote`: bring an environment to what runs in the one before it.

use clap::{ArgAction, Args};

use super::clean::Word;
use super::help::Topic;
use super::line::Reason;
use super::target::{and, optional_environment};
use super::{Known, Line, Refusal, moment};
use crate::domain::Command;

pub(super) const TOPIC: Topic = Topic {
    name: "promote",
    usage: "promote [env] [--version V] [--at \"sat 10:00\"] [--reason \"…\"]",
    line: "Promote what runs in the environment before, safeguarded",
    long: "Asks every safeguard, shows the plan, asks for approval, tells stakeholders, enables the rules one after the other, each watched, and verifies at the end. The environment need not be named when only one takes promotions. `--version` refuses another version than the one you mean. `--at` waits, once approved: `\"sat 10:00\"`, `\"tomorrow 10:00\"`, `10:00`, `\"2027-01-30 10:00\"`, the same with an offset, or `\"next window\"`; times are in the zone of the environment's deployment window, UTC when it has none. The reason is told to stakeholders.",
    examples: &["{to}", "{to} --at \"sat 10:00\" --reason \"weekly release\"", "{to} --version v1.4.2"],
};

/// What can be said by name.
#[derive(Args)]
pub(super) struct Options {
    #[arg(long)]
    version: Option<Word>,
    #[arg(long, num_args = 1.., action = ArgAction::Set)]
    at: Option<Vec<Word>>,
    #[command(flatten)]
    reason: Reason,
}

/// Reads the words after `promote`.
pub(super) fn read(mut line: Line<'_>, options: Options) -> Result<Command, Refusal> {
    let reason = line.reason_option(options.reason)?;
    let at = line.moment_option("at", options.at)?;
    let version = line.version_option("version", options.version)?;
    let environment = destination(&line)?;
    let at =
        at.map(|at| moment::read(&at, environment, line.now).map_err(|problem| line.unfit(problem))).transpose()?;
    Ok(Command::Promote { environment: environment.name.clone(), version, at, reason })
}

/// The environment that is promoted to: the named one, the thread's, or the only one.
fn destination<'a>(line: &Line<'a>) -> Result<&'a Known, Refusal> {
    let words = line.plain()?;
    let context = line.context;
    let takers: Vec<&Known> = context.environments.iter().filter(|known| known.promote_from.is_some()).collect();
    let names: Vec<String> = takers.iter().map(|known| format!("`{}`", known.name)).collect();
    if takers.is_empty() {
        return Err(line.unfit("No environment takes promotions: none has `promote_from` in the settings."));
    }
    let named = optional_environment(&words, &TOPIC, context)?.and_then(|name| context.environment(&name));
    match (named, &takers[..]) {
        (Some(named), _) if named.promote_from.is_some() => Ok(named),
        (Some(named), _) if !words.is_empty() => Err(line.unfit(format!(
            "Nothing is promoted to `{}`: it has no `promote_from` in the settings. {} can be promoted to.",
            named.name,
            and(&names)
        ))),
        (_, [only]) => Ok(only),
        (_, _) => Err(line.missing(&format!("To which environment? {} can be promoted to.", and(&names)))),
    }
}
