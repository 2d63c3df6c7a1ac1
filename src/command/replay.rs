//! `replay`: replay events of the archive, and look after replays.

use clap::{ArgAction, Args};
use jiff::Timestamp;

use super::clean::Word;
use super::help::Topic;
use super::{Context, Line, Refusal, escape, moment, target};
use crate::domain::{Command, Selection};

pub(super) const TOPIC: Topic = Topic {
    name: "replay",
    usage: "replay start|status|cancel|list <env> [--from … --to …] [--rule R]",
    line: "Replay events of the archive to the rules",
    long: "`start` replays the events that the archive got in that time to the rules, all or those named; handlers run again. A disabled rule gets nothing; when all are disabled, `--even-off` says that it is meant. Without times, a form asks for them. Times are in the zone of the environment's deployment window, UTC when it has none. It begins only when the idempotency table is in order, and stops by itself when messages come into the dead-letter queue. `status` tells how far it is, `cancel` stops it, `list` shows what was replayed.",
    examples: &[
        "start {env} --from \"2026-11-20 09:00\" --to \"2026-11-20 12:00\"",
        "start {env}",
        "status {env}",
        "cancel {env}",
    ],
};

/// What can be said by name.
#[derive(Args)]
pub(super) struct Options {
    #[arg(long, num_args = 1.., action = ArgAction::Set)]
    from: Option<Vec<Word>>,
    #[arg(long, num_args = 1.., action = ArgAction::Set)]
    to: Option<Vec<Word>>,
    #[arg(long, action = ArgAction::Append)]
    rule: Vec<Word>,
    /// Although all of the rules are disabled.
    #[arg(long)]
    even_off: bool,
}

/// What is done with replays.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Deed {
    Start,
    Status,
    Cancel,
    List,
}

/// Reads the words after `replay`.
pub(super) fn read(mut line: Line<'_>, options: Options) -> Result<Command, Refusal> {
    let even_off = options.even_off;
    let from = line.moment_option("from", options.from)?;
    let to = line.moment_option("to", options.to)?;
    let mut words = line.plain()?;
    let deed = words.iter().position(|word| deed(word).is_some());
    let deed = deed.map(|at| words.remove(at)).and_then(|word| self::deed(&word)).unwrap_or(Deed::Start);
    let environment = target::environment(&words, &TOPIC, line.context)?;
    if deed != Deed::Start && (from.is_some() || to.is_some() || !options.rule.is_empty() || even_off) {
        return Err(line.unfit("`--from`, `--to`, `--rule` and `--even-off` go with `replay start`."));
    }
    match deed {
        Deed::Status => return Ok(Command::ReplayStatus { environment }),
        Deed::Cancel => return Ok(Command::ReplayCancel { environment }),
        Deed::List => return Ok(Command::ReplayList { environment }),
        Deed::Start => {}
    }
    let mut rules = Vec::new();
    for rule in options.rule {
        let named = [rule.plain(), environment.clone()];
        if let (Selection::One(rule), _) = target::rules_and_environment(&named, &TOPIC, line.context)?
            && !rules.contains(&rule)
        {
            rules.push(rule);
        }
    }
    let Some(known) = line.context.environment(&environment) else {
        return Err(line.missing("In which environment?"));
    };
    let past = |text: String| moment::read_past(&text, known, line.now).map_err(|problem| line.unfit(problem));
    let (from, to) = (from.map(past).transpose()?, to.map(past).transpose()?);
    match (from, to) {
        (Some(from), Some(to)) if from >= to => Err(line.unfit("`--from` has to lie before `--to`.")),
        (Some(_), None) => Err(line.missing("Until when? Write `--to` too.")),
        (None, Some(_)) => Err(line.missing("From when on? Write `--from` too.")),
        (from, to) => Ok(Command::ReplayStart { environment, from, to, rules, even_off }),
    }
}

/// What was chosen in the form for a replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayTimes<'a> {
    /// From when on: a day and a time.
    pub from: &'a str,
    /// Until when, exclusive.
    pub to: &'a str,
    /// The rules, by short name; all when empty.
    pub rules: Vec<String>,
    /// Whether it is meant although all of the rules are disabled.
    pub even_off: bool,
}

/// What in the form a refusal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplayField {
    /// The beginning.
    From,
    /// The end.
    To,
    /// The rules.
    Rules,
}

/// The command that a form asks for, its times read like typed ones.
///
/// # Errors
/// With what is wrong, as Slack's mrkdwn, and where.
pub fn replay_of(
    environment: &str,
    chosen: ReplayTimes<'_>,
    context: &Context,
    now: Timestamp,
) -> Result<Command, (ReplayField, String)> {
    let Some(known) = context.environment(environment) else {
        return Err((ReplayField::From, "There is no such environment any more.".to_owned()));
    };
    let read = |field, text: &str| moment::read_past(text, known, now).map_err(|problem| (field, problem));
    let (from, to) = (read(ReplayField::From, chosen.from)?, read(ReplayField::To, chosen.to)?);
    if from >= to {
        return Err((ReplayField::To, "It has to end after it begins.".to_owned()));
    }
    if let Some(unknown) = chosen.rules.iter().find(|name| known.rules.iter().all(|rule| rule.name != **name)) {
        return Err((ReplayField::Rules, format!("There is no rule {} any more.", escape(unknown))));
    }
    // All rules are the same as none named: what is typed and what is clicked is one command.
    let all = known.rules.iter().all(|rule| chosen.rules.contains(&rule.name));
    let rules = if all { Vec::new() } else { chosen.rules };
    let (environment, even_off) = (known.name.clone(), chosen.even_off);
    Ok(Command::ReplayStart { environment, from: Some(from), to: Some(to), rules, even_off })
}

fn deed(word: &str) -> Option<Deed> {
    match word.to_ascii_lowercase().as_str() {
        "start" => Some(Deed::Start),
        "status" => Some(Deed::Status),
        "cancel" => Some(Deed::Cancel),
        "list" => Some(Deed::List),
        _ => None,
    }
}
