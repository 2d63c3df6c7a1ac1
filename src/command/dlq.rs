//! `dlq`: what lies in the dead-letter queues, and putting it on the bus again.

use clap::Args;

use super::clean::Word;
use super::help::Topic;
use super::{Line, Quoted, Refusal, target};
use crate::domain::Command;

pub(super) const TOPIC: Topic = Topic {
    name: "dlq",
    usage: "dlq [redrive] <env> [--limit N]",
    line: "Look into the dead-letter queues, or send their messages again",
    long: "Shows how many messages there are, how old the oldest is, and a sample by rule and error; nothing is deleted or hidden for longer than a moment. `redrive` puts messages of the rules' queue on the bus again, 100 when `--limit` says nothing else, and only when the idempotency table is in order: every rule that matches gets them, not only the one that failed. What came from a rule that is off stays. Nothing is ever purged.",
    examples: &["{env}", "redrive {env} --limit 20"],
};

/// What can be said by name.
#[derive(Args)]
pub(super) struct Options {
    #[arg(long)]
    limit: Option<Word>,
}

/// The most messages that one command puts back.
const MAX_LIMIT: u32 = 1_000;

/// Reads the words after `dlq`.
pub(super) fn read(line: Line<'_>, options: Options) -> Result<Command, Refusal> {
    let limit = line.option("limit", options.limit)?.map(|text| read_limit(&text, &line)).transpose()?;
    let mut words = line.plain()?;
    let redrive = words.iter().position(|word| word.eq_ignore_ascii_case("redrive"));
    if let Some(at) = redrive {
        words.remove(at);
    }
    let environment = target::environment(&words, &TOPIC, line.context)?;
    match (redrive, limit) {
        (Some(_), limit) => Ok(Command::Redrive { environment, limit }),
        (None, Some(_)) => Err(line.unfit("`--limit` goes with `dlq redrive`.")),
        (None, None) => Ok(Command::Dlq { environment }),
    }
}

fn read_limit(text: &str, line: &Line<'_>) -> Result<u32, Refusal> {
    text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit)).ok_or_else(|| {
        line.unfit(format!("{} is no number of messages from 1 to {MAX_LIMIT}.", Quoted(text.to_owned())))
    })
}
