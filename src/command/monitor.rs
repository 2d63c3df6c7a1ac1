//! `monitor`: watch an environment for a time and tell what changes.

use clap::Args;
use jiff::SignedDuration;

use super::clean::Word;
use super::help::Topic;
use super::{Line, Quoted, Refusal, span, target};
use crate::domain::Command;

pub(super) const TOPIC: Topic = Topic {
    name: "monitor",
    usage: "monitor [stop] <env> [--for 30m]",
    line: "Tell what changes, for a time",
    long: "Says how things stand, and from then on only what changes: rules, metrics, dead-letter queues, alarms; at the end a summary with a chart. Half an hour when not said. `stop` ends it earlier. Changes nothing.",
    examples: &["{env} --for 1h", "stop {env}"],
};

/// What can be said by name.
#[derive(Args)]
pub(super) struct Options {
    #[arg(long = "for")]
    lasting: Option<Word>,
}

/// The longest that is watched by one command.
const MAX_LASTING: SignedDuration = SignedDuration::from_hours(24);

/// Reads the words after `monitor`.
pub(super) fn read(line: Line<'_>, options: Options) -> Result<Command, Refusal> {
    let lasting = line.option("for", options.lasting)?.map(|text| read_lasting(&text, &line)).transpose()?;
    let mut words = line.plain()?;
    let stop = words.iter().position(|word| word.eq_ignore_ascii_case("stop"));
    if let Some(at) = stop {
        words.remove(at);
    }
    let environment = target::environment(&words, &TOPIC, line.context)?;
    match (stop, lasting) {
        (Some(_), Some(_)) => Err(line.unfit("`stop` ends it now: leave `--for` out.")),
        (Some(_), None) => Ok(Command::MonitorStop { environment }),
        (None, lasting) => Ok(Command::Monitor { environment, lasting }),
    }
}

fn read_lasting(text: &str, line: &Line<'_>) -> Result<SignedDuration, Refusal> {
    span::read(text).filter(|lasting| lasting.is_positive() && *lasting <= MAX_LASTING).ok_or_else(|| {
        let word = Quoted(text.to_owned());
        line.unfit(format!("{word} is no time to watch. Write it like `30m` or `2h`; a day is the most."))
    })
}
