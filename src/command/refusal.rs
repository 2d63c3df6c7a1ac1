//! Why a text was not understood. `Display` is what the person reads in Slack.

use std::fmt;

use super::{Context, MAX_TEXT_CHARS, WORDS};

/// A text that was not understood. Its `Display` is Slack's mrkdwn; what the person typed is quoted harmlessly.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Longer than anything that makes sense.
    #[error("That is too long for a command: I read up to {MAX_TEXT_CHARS} characters.")]
    TooLong,
    /// A quotation mark without its partner.
    #[error("There is a quotation mark without its partner. Put one at either end of your words, or leave it out.")]
    OpenQuote,
    /// A letter that may be the twin of another.
    #[error("{word} has a letter that is not on an English keyboard: `{letter}` (U+{code:04X}){}. Please type it again.", like(*looks_like))]
    OddLetter {
        /// The word.
        word: Quoted,
        /// The letter.
        letter: char,
        /// Its number in Unicode.
        code: u32,
        /// The plain letter that it looks like.
        looks_like: Option<char>,
    },
    /// The first word is no command.
    #[error("I know no command {word}.{} Type `{command_word} help` for all of them.", did_you_mean(near))]
    UnknownCommand {
        /// The word.
        word: Quoted,
        /// What was probably meant.
        near: Option<String>,
        /// What is typed before a command.
        command_word: String,
    },
    /// No command has this option.
    #[error("I know no option {option}.{}\n{usage}", did_you_mean(near))]
    UnknownOption {
        /// The option.
        option: Quoted,
        /// What was probably meant.
        near: Option<String>,
        /// How it is done right.
        usage: Box<Usage>,
    },
    /// A word that names nothing.
    #[error("I know no {kind} {word}.{}{known}\n{usage}", did_you_mean(near))]
    UnknownName {
        /// The word.
        word: Quoted,
        /// What it should have named.
        kind: &'static str,
        /// What was probably meant.
        near: Option<String>,
        /// A sentence with the names that there are.
        known: String,
        /// How it is done right.
        usage: Box<Usage>,
    },
    /// A piece is not there.
    #[error("{piece}\n{usage}")]
    Missing {
        /// A sentence that says which.
        piece: String,
        /// How it is done right.
        usage: Box<Usage>,
    },
    /// A piece is there twice, or pieces do not fit each other.
    #[error("{contradiction}\n{usage}")]
    Contradiction {
        /// A sentence that says which.
        contradiction: String,
        /// How it is done right.
        usage: Box<Usage>,
    },
    /// A piece is understood, but cannot be taken.
    #[error("{problem}\n{usage}")]
    Unfit {
        /// Sentences that say why, and what can be.
        problem: String,
        /// How it is done right.
        usage: Box<Usage>,
    },
    /// More words than the command takes.
    #[error("I don't know what {word} means here.\n{usage}")]
    TooMany {
        /// The first word too many.
        word: Quoted,
        /// How it is done right.
        usage: Box<Usage>,
    },
}

impl Refusal {
    pub(super) fn unknown_command(word: &str, context: &Context) -> Self {
        Self::UnknownCommand {
            word: Quoted(word.to_owned()),
            near: nearest(word, WORDS).map(str::to_owned),
            command_word: context.command_word.clone(),
        }
    }
}

/// How a command is typed, with an example from this configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Such as `/alch enable <rule|all> <env>`.
    pub usage: String,
    /// Such as `/alch enable signal-generated dev`.
    pub example: String,
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Usage: `{}`", escape(&self.usage))?;
        if self.example != self.usage {
            write!(f, "\nFor example: `{}`", escape(&self.example))?;
        }
        Ok(())
    }
}

/// Something that a person typed. Shown as code, short, and without any meaning for Slack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quoted(pub String);

/// The most characters of it that are shown.
const MAX_QUOTED_CHARS: usize = 60;

impl fmt::Display for Quoted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain: String =
            self.0.chars().filter(|letter| *letter != '`' && !letter.is_control()).take(MAX_QUOTED_CHARS).collect();
        let more = if self.0.chars().count() > MAX_QUOTED_CHARS { "…" } else { "" };
        write!(f, "`{}{more}`", escape(&plain))
    }
}

/// A text in which Slack sees no mention, link or entity.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn did_you_mean(near: &Option<String>) -> String {
    near.as_ref().map(|word| format!(" Did you mean `{word}`?")).unwrap_or_default()
}

fn like(twin: Option<char>) -> String {
    twin.map(|letter| format!(", which looks like `{letter}`")).unwrap_or_default()
}

/// The known word that was probably meant.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_ascii_lowercase();
    known
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&word, candidate).max(containment(&word, candidate)), candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// `signal` is likely to mean `signal-generated`, and `generated` too.
fn containment(word: &str, candidate: &str) -> f64 {
    if word.len() >= 3 && candidate.contains(word) { 0.85 } else { 0.0 }
}
