//! From what people type to a typed [`Command`]. Owns the words, their order and their help; decides nothing about who
//! may do it. One file a command.
//!
//! Nothing is guessed: a word is known or refused with what was probably meant.

mod answer;
mod cancel;
mod clean;
mod disable;
mod enable;
pub mod help;
mod refusal;
mod restore;
mod rollback;
mod runs;
mod show;
mod status;
mod target;
mod verify;
mod whoami;

#[cfg(test)]
mod tests;

use clap::error::{ContextKind, ContextValue};
use clap::{Args, Parser, Subcommand};

use crate::domain::{Command, Rule, RunId};

pub use refusal::{Quoted, Refusal, Usage, escape};

/// The longest text that is read, in characters.
pub const MAX_TEXT_CHARS: usize = 1_000;

/// The first words of all commands. No environment can be called so.
pub const WORDS: [&str; 12] = [
    "enable", "disable", "rollback", "restore", "verify", "status", "runs", "show", "cancel", "answer", "whoami",
    "help",
];

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

/// Understands a text, or says what is wrong with it. An empty text asks for help.
pub fn parse(text: &str, context: &Context) -> Result<Parsed, Refusal> {
    if text.chars().count() > MAX_TEXT_CHARS {
        return Err(Refusal::TooLong);
    }
    let mut words = clean::words(text, &context.command_word)?;
    let text = words.join(" ");
    clean::refuse_odd_letters(&words)?;
    let Some(first) = words.first_mut() else {
        return Ok(Parsed { command: Command::Help { topic: None }, text });
    };
    first.make_ascii_lowercase();
    let first = first.clone();
    if answer::read_word(&first).is_some() {
        words.insert(0, "answer".to_owned());
    } else if matches!(first.as_str(), "--help" | "-h" | "-?" | "?") {
        words = vec!["help".to_owned()];
    } else if !WORDS.contains(&first.as_str()) {
        return Err(Refusal::unknown_command(&first, context));
    } else if words[1..].iter().any(|word| matches!(word.as_str(), "--help" | "-h")) {
        words = vec!["help".to_owned(), first];
    }
    let topic = help::of(&words[0]);
    let grammar = Grammar::try_parse_from(&words).map_err(|error| {
        let option = match error.get(ContextKind::InvalidArg) {
            Some(ContextValue::String(option)) => option.clone(),
            _ => words.iter().find(|word| word.starts_with('-')).cloned().unwrap_or_default(),
        };
        Refusal::UnknownOption { option: Quoted(option), usage: help::usage(topic, context) }
    })?;
    Ok(Parsed { command: grammar.verb.read(context)?, text })
}

/// The grammar as clap sees it: a verb and its words, no options yet. Which word is which does not depend on the order,
/// so that is decided with the configured names, in each command's file.
#[derive(Parser)]
#[command(no_binary_name = true, disable_help_flag = true, disable_help_subcommand = true, color = clap::ColorChoice::Never)]
struct Grammar {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
#[command(rename_all = "lower")]
enum Verb {
    Enable(Words),
    Disable(Words),
    Rollback(Words),
    Restore(Words),
    Verify(Words),
    Status(Words),
    Runs(Words),
    Show(Words),
    Cancel(Words),
    Answer(Words),
    Whoami(Words),
    Help(Words),
}

#[derive(Args)]
#[command(disable_help_flag = true)]
struct Words {
    words: Vec<String>,
}

impl Verb {
    fn read(self, context: &Context) -> Result<Command, Refusal> {
        match self {
            Self::Enable(Words { words }) => enable::read(&words, context),
            Self::Disable(Words { words }) => disable::read(&words, context),
            Self::Rollback(Words { words }) => rollback::read(&words, context),
            Self::Restore(Words { words }) => restore::read(&words, context),
            Self::Verify(Words { words }) => verify::read(&words, context),
            Self::Status(Words { words }) => status::read(&words, context),
            Self::Runs(Words { words }) => runs::read(&words, context),
            Self::Show(Words { words }) => show::read(&words, context),
            Self::Cancel(Words { words }) => cancel::read(&words, context),
            Self::Answer(Words { words }) => answer::read(&words, context),
            Self::Whoami(Words { words }) => whoami::read(&words, context),
            Self::Help(Words { words }) => help::read(&words, context),
        }
    }
}
