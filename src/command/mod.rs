//! From what people type to a typed [`Command`]. Owns the words, their order and their help; decides nothing about who
//! may do it. One file a command.
//!
//! Nothing is guessed: a word is known or refused with what was probably meant.

mod answer;
mod approve;
mod audit;
mod cancel;
mod clean;
mod contacts;
mod deploy;
mod disable;
mod dlq;
mod doctor;
mod enable;
mod enrol;
mod escalate;
mod grammar;
mod hard_stop;
pub mod help;
mod hold;
mod line;
mod moment;
mod monitor;
mod object;
mod r#override;
mod pause;
mod plan;
mod promote;
mod recover;
mod refusal;
mod reject;
mod replay;
mod restore;
mod rollback;
mod runs;
mod show;
mod skip;
mod smoke;
mod span;
mod status;
mod subscribe;
mod subscriptions;
mod target;
mod test_alarm;
mod verify;
mod versions;
mod whoami;

#[cfg(test)]
mod tests;

use jiff::Timestamp;

use crate::domain::{Command, Rule, RunId, Window};

use clean::Word;
use line::Line;
pub use refusal::{Quoted, Refusal, Usage, escape};
pub use replay::{ReplayField, ReplayTimes, replay_of};

/// The longest text that is read, in characters: a reason and a version in quotation marks fit.
pub const MAX_TEXT_CHARS: usize = 2_000;

/// The longest reason, in characters.
pub const MAX_REASON_CHARS: usize = 500;

/// The first words of all commands. No environment can be called so.
pub const WORDS: [&str; help::TOPICS] = help::words();

/// What the words of a command can mean: the configured names, and what the place implies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// The environments with their rules, in order.
    pub environments: Vec<Known>,
    /// What is typed before a command, such as `/alch`; for usage and examples.
    pub command_word: String,
    /// The run in whose thread it is typed.
    pub implied: Option<Implied>,
}

/// An environment as far as words are concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The name that people type.
    pub name: String,
    /// Its rules, in order.
    pub rules: Vec<Rule>,
    /// Where versions are promoted from to it; none when it takes no promotions.
    pub promote_from: Option<String>,
    /// When deployments are allowed in it; its zone is that of the times that people type.
    pub window: Option<Window>,
}

/// What the thread of a run implies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Implied {
    /// The run.
    pub run: RunId,
    /// Its environment.
    pub environment: String,
}

/// A text that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// What it asks for.
    pub command: Command,
    /// The text without what Slack had put into it, for the journal.
    pub text: String,
}

impl Context {
    /// The same words in the thread of a run.
    #[must_use]
    pub fn in_thread_of(&self, run: RunId, environment: &str) -> Self {
        Self { implied: Some(Implied { run, environment: environment.to_owned() }), ..self.clone() }
    }

    /// The same words after another command word, such as `@alch`.
    #[must_use]
    pub fn typed_after(&self, command_word: &str) -> Self {
        Self { command_word: command_word.to_owned(), ..self.clone() }
    }

    /// The environment of this name.
    pub fn environment(&self, name: &str) -> Option<&Known> {
        self.environments.iter().find(|known| known.name == name)
    }
}

/// Understands a text, or says what is wrong with it. An empty text asks for help. Times in it count from `now`.
pub fn parse(text: &str, context: &Context, now: Timestamp) -> Result<Parsed, Refusal> {
    if text.chars().count() > MAX_TEXT_CHARS {
        return Err(Refusal::TooLong);
    }
    let words = clean::words(text, &context.command_word)?;
    let shown: Vec<String> = words.iter().map(Word::shown).filter(|word| !word.is_empty()).collect();
    Ok(Parsed { command: read(words, context, now)?, text: shown.join(" ") })
}

fn read(mut words: Vec<Word>, context: &Context, now: Timestamp) -> Result<Command, Refusal> {
    // Marks of bold or code by themselves are no command.
    let Some(at) = words.iter().position(|word| !word.plain().is_empty()) else {
        return Ok(Command::Help { topic: None });
    };
    words.drain(..at);
    let typed = words[0].plain();
    clean::refuse_odd_letters([&typed])?;
    let first = canonical(&typed.to_ascii_lowercase()).to_owned();
    if matches!(first.as_str(), "--help" | "-h" | "-?" | "?") {
        return Ok(Command::Help { topic: None });
    }
    let topic = if answer::is_enough(&first) {
        &answer::TOPIC
    } else {
        words.remove(0);
        help::find(&first).ok_or_else(|| Refusal::unknown_command(&first, context))?
    };
    grammar::read(Line { topic, words, context, now })
}

/// A command's first word as Alch writes it.
fn canonical(word: &str) -> &str {
    if word == "enroll" { "enrol" } else { word }
}
