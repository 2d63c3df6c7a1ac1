//! `freeze`, `unfreeze`, `lock`, `unlock`: close an environment, or keep it for oneself.

use clap::Args;
use jiff::SignedDuration;

use super::clean::{self, Word};
use super::help::Topic;
use super::line::Reason;
use super::refusal::nearest;
use super::target::{find_environment, list_environments, unknown_name};
use super::{Line, Quoted, Refusal, span, target};
use crate::domain::{Command, HoldKind};

pub(super) const FREEZE: Topic = Topic {
    name: "freeze",
    usage: "freeze <env> <reason> [--for 4h]",
    line: "Close an environment to all but a rollback",
    long: "Nothing acts in a frozen environment but a rollback, and runs under way begin no new step. It lasts until `unfreeze`, or as long as `--for` says, 30 days at most. The reason is shown to whoever is refused.",
    examples: &["{env} \"month-end closing\" --for 4h"],
};

pub(super) const UNFREEZE: Topic = Topic {
    name: "unfreeze",
    usage: "unfreeze <env>",
    line: "Lift a freeze",
    long: "Opens a frozen environment again. Runs that were held up by it go on.",
    examples: &["{env}"],
};

pub(super) const LOCK: Topic = Topic {
    name: "lock",
    usage: "lock <env> [reason] [--for 4h]",
    line: "Keep an environment for yourself",
    long: "Others do not act in a locked environment, but for a rollback; you do. It lasts until `unlock`, or as long as `--for` says, 30 days at most.",
    examples: &["{env} \"looking into the queue\" --for 1h", "{env}"],
};

pub(super) const UNLOCK: Topic = Topic {
    name: "unlock",
    usage: "unlock <env>",
    line: "Give a locked environment back",
    long: "Lifts your lock. An admin may lift other people's.",
    examples: &["{env}"],
};

/// The longest that an environment is held without being asked for again.
const MAX_LASTING: SignedDuration = SignedDuration::from_hours(24 * 30);

/// What can be said by name.
#[derive(Args)]
pub(super) struct Options {
    #[arg(id = "for", long = "for")]
    lasting: Option<Word>,
    #[command(flatten)]
    reason: Reason,
}

/// Reads the words after `unfreeze` or `unlock`.
pub(super) fn read_release(kind: HoldKind, line: Line<'_>) -> Result<Command, Refusal> {
    Ok(Command::Release { kind, environment: target::environment(&line.plain()?, line.topic, line.context)? })
}

/// Reads the words after `freeze` or `lock`.
pub(super) fn read_hold(kind: HoldKind, mut line: Line<'_>, options: Options) -> Result<Command, Refusal> {
    let by_option = line.reason_option(options.reason)?;
    let lasting = line.option("for", options.lasting)?.map(|lasting| read_lasting(&lasting, &line)).transpose()?;
    let environment = environment_before_reason(&mut line)?;
    if let [word] = &line.words[..]
        && !word.quoted
        && let Some(second) = find_environment(&word.plain(), line.context)
    {
        let contradiction =
            format!("You named `{environment}` and `{}`. One environment at a time, please.", second.name);
        return Err(Refusal::Contradiction { contradiction, usage: line.usage() });
    }
    let reason = match kind {
        HoldKind::Freeze => line.required_reason(by_option)?,
        HoldKind::Lock => line.reason(by_option)?.unwrap_or_default(),
    };
    Ok(Command::Hold { kind, environment, reason, lasting })
}

fn read_lasting(text: &str, line: &Line<'_>) -> Result<SignedDuration, Refusal> {
    let quoted = || Quoted(text.to_owned());
    match span::read(text) {
        Some(lasting) if lasting <= MAX_LASTING => Ok(lasting),
        Some(_) => Err(line.unfit(format!("{} is too long: 30 days at most. It can be asked for again.", quoted()))),
        None => Err(line.unfit(format!("{} is no length of time. Write it like `90m`, `4h` or `1d`.", quoted()))),
    }
}

/// The environment in front of a reason, or behind one in quotation marks, or the thread's.
fn environment_before_reason(line: &mut Line<'_>) -> Result<String, Refusal> {
    let context = line.context;
    let named = |word: &Word| find_environment(&word.plain(), context).map(|known| known.name.clone());
    let implied = context.implied.as_ref().and_then(|implied| context.environment(&implied.environment));
    if let Some(name) = line.words.first().and_then(named) {
        line.words.remove(0);
        return Ok(name);
    }
    if let [reason, last] = &line.words[..]
        && reason.quoted
        && let Some(name) = named(last)
    {
        line.words.pop();
        return Ok(name);
    }
    let first = line.words.first().filter(|word| !word.quoted).map(Word::plain);
    match (first, implied) {
        (Some(word), None) => {
            clean::refuse_odd_letters([&word])?;
            Err(unknown_name(&word, false, None, true, context, line.usage()))
        }
        // A misspelt environment must not become a reason.
        (Some(word), Some(_))
            if nearest(&word, context.environments.iter().map(|known| known.name.as_str())).is_some() =>
        {
            Err(unknown_name(&word, false, None, true, context, line.usage()))
        }
        (_, Some(implied)) => Ok(implied.name.clone()),
        (None, None) => Err(line.missing(&format!("Which environment? {}", list_environments(context)))),
    }
}
