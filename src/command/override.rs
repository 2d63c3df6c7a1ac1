//! `override`: let a run go on although a safeguard fails.

use super::help::Topic;
use super::line::Reason;
use super::refusal::nearest;
use super::{Line, Quoted, Refusal};
use crate::domain::Command;

pub(super) const TOPIC: Topic = Topic {
    name: "override",
    usage: "override <run> <safeguard> <reason>",
    line: "Override a safeguard that fails, with a reason",
    long: "Lets a run go on although one of its safeguards fails: `soak`, `version`, `progressive`, `watched`, `rehearsal`, `window` or `stakeholders`. It takes an approver whom the settings entitle to it, is journalled, needs one approval more, and stakeholders are told. A freeze and a lock are lifted instead. In the run's thread the run need not be named.",
    examples: &["R-42 soak \"fixes the outage of this morning\""],
};

/// The safeguards that can be overridden, by the names of their checks.
const SAFEGUARDS: [&str; 7] = ["soak", "version", "progressive", "watched", "rehearsal", "window", "stakeholders"];

/// Reads the words after `override`: the safeguard and the run in any order, then the reason.
pub(super) fn read(mut line: Line<'_>, reason: Reason) -> Result<Command, Refusal> {
    let by_option = line.reason_option(reason)?;
    let first = take_safeguard(&mut line);
    let run = line.run_before_reason()?;
    let Some(safeguard) = first.or_else(|| take_safeguard(&mut line)) else { return Err(unknown(&line)) };
    Ok(Command::Override { run, safeguard: safeguard.to_owned(), reason: line.required_reason(by_option)? })
}

fn take_safeguard(line: &mut Line<'_>) -> Option<&'static str> {
    let word = line.words.first()?.plain();
    let safeguard = SAFEGUARDS.into_iter().find(|safeguard| safeguard.eq_ignore_ascii_case(&word))?;
    line.words.remove(0);
    Some(safeguard)
}

fn unknown(line: &Line<'_>) -> Refusal {
    let known = "They are `soak`, `version`, `progressive`, `watched`, `rehearsal`, `window` and `stakeholders`.";
    let Some(word) = line.words.first().map(super::Word::plain) else {
        return line.missing(&format!("Which safeguard? {known}"));
    };
    match word.to_ascii_lowercase().as_str() {
        "freeze" => line.unfit("A freeze cannot be overridden. `unfreeze` lifts it."),
        "lock" => line.unfit("A lock cannot be overridden. `unlock` lifts it."),
        _ => Refusal::UnknownName {
            near: nearest(&word, SAFEGUARDS).map(str::to_owned),
            word: Quoted(word),
            kind: "safeguard",
            known: format!(" {known}"),
            usage: line.usage(),
        },
    }
}
