//! `enrol`: a second factor for approvals.

use clap::Args;

use super::clean::Word;
use super::help::Topic;
use super::{Line, Quoted, Refusal, target};
use crate::domain::Command;

pub(super) const TOPIC: Topic = Topic {
    name: "enrol",
    usage: "enrol [--reset <@person>]",
    line: "Enrol a second factor for approvals",
    long: "Gives you a key for an authenticator app, once; ask for it in a direct message. Where the settings ask for it, an approval then takes a code of the app: who has only your Slack cannot approve. `--reset` takes away somebody's, so that they can enrol again; only admins may, and not their own. `enroll` is understood too.",
    examples: &["", "--reset <@U012AB3CD>"],
};

/// What can be said by name.
#[derive(Args)]
pub(super) struct Options {
    #[arg(long)]
    reset: Option<Word>,
}

/// Reads the words after `enrol`.
pub(super) fn read(line: Line<'_>, options: Options) -> Result<Command, Refusal> {
    let mut reset = line.option("reset", options.reset)?;
    let words = line.plain()?;
    let words = match &words[..] {
        [verb, person, more @ ..] if reset.is_none() && verb.eq_ignore_ascii_case("reset") => {
            reset = Some(person.clone());
            more
        }
        [verb] if reset.is_none() && verb.eq_ignore_ascii_case("reset") => {
            return Err(line.missing("Whose second factor is to be reset?"));
        }
        words => words,
    };
    target::nothing(words, &TOPIC, line.context)?;
    let reset = reset.map(|person| read_person(&person, &line)).transpose()?;
    Ok(Command::Enrol { reset })
}

/// The id of a mention, `<@U…>`, or the id itself.
fn read_person(text: &str, line: &Line<'_>) -> Result<String, Refusal> {
    let id = text.strip_prefix("<@").and_then(|id| id.strip_suffix('>')).unwrap_or(text);
    let id = id.trim_start_matches('@').to_ascii_uppercase();
    if id.len() > 2 && id.starts_with(['U', 'W']) && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Ok(id);
    }
    Err(Refusal::UnknownName {
        word: Quoted(text.to_owned()),
        kind: "person",
        near: None,
        known:
            " Mention them so that Slack completes the name, or write the id from their profile, such as `U012AB3CD`."
                .to_owned(),
        usage: line.usage(),
    })
}
