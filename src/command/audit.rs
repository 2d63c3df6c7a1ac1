//! `audit`: hand out the journals.

use clap::Args;
use jiff::SignedDuration;

use super::clean::Word;
use super::help::Topic;
use super::refusal::nearest;
use super::{Line, Quoted, Refusal, span, target};
use crate::domain::{AuditFormat, Command};

pub(super) const TOPIC: Topic = Topic {
    name: "audit",
    usage: "audit [env] [--since 7d] [--format csv|jsonl]",
    line: "Hand out the journals as a file",
    long: "Gives every event of every run, of one environment or of all, as a file: who asked for what, who approved it, what was done and what came of it. `jsonl` has each event in full, a line each; `csv` has columns. `alch audit verify` on a terminal shows that nothing was changed afterwards. Changes nothing.",
    examples: &["", "{env} --since 7d --format csv"],
};

/// What can be said by name.
#[derive(Args)]
pub(super) struct Options {
    #[arg(long)]
    since: Option<Word>,
    #[arg(long)]
    format: Option<Word>,
}

/// The farthest that is looked back; whoever wants more wants all.
const MAX_SINCE: SignedDuration = SignedDuration::from_hours(24 * 3_660);

/// Reads the words after `audit`.
pub(super) fn read(line: Line<'_>, options: Options) -> Result<Command, Refusal> {
    let since = line.option("since", options.since)?;
    let format = line.option("format", options.format)?;
    let since = since.map(|since| read_since(&since, &line)).transpose()?;
    let format = format.map_or(Ok(AuditFormat::Jsonl), |format| read_format(&format, &line))?;
    let environment = target::optional_environment(&line.plain()?, &TOPIC, line.context)?;
    Ok(Command::Audit { environment, since, format })
}

fn read_since(text: &str, line: &Line<'_>) -> Result<SignedDuration, Refusal> {
    span::read(text).filter(|since| *since <= MAX_SINCE).ok_or_else(|| {
        line.unfit(format!("{} is no time to look back. Write it like `24h` or `7d`.", Quoted(text.to_owned())))
    })
}

fn read_format(text: &str, line: &Line<'_>) -> Result<AuditFormat, Refusal> {
    match text.to_ascii_lowercase().as_str() {
        "csv" => Ok(AuditFormat::Csv),
        "jsonl" => Ok(AuditFormat::Jsonl),
        other => Err(Refusal::UnknownName {
            word: Quoted(other.to_owned()),
            kind: "format",
            near: nearest(other, ["csv", "jsonl"]).map(str::to_owned),
            known: " The formats are `csv` and `jsonl`.".to_owned(),
            usage: line.usage(),
        }),
    }
}
