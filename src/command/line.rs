//! The words after a command's own, without its options: runs and reasons are taken out of them, and what is left are
//! names. Also reads what the options say.

use clap::{ArgAction, Args};
use jiff::Timestamp;

use super::clean::{self, Word};
use super::help::{self, Topic};
use super::refusal::{Quoted, Usage};
use super::target::WHICH_RUN;
use super::{Context, MAX_REASON_CHARS, Refusal};
use crate::domain::RunId;

/// The longest name of a version: the longest value of a CloudFormation tag.
const MAX_VERSION_CHARS: usize = 256;

/// A command's words, with what they are read by.
pub(super) struct Line<'a> {
    pub(super) topic: &'static Topic,
    pub(super) words: Vec<Word>,
    pub(super) context: &'a Context,
    /// When it was typed, UTC.
    pub(super) now: Timestamp,
}

/// A reason by its name, for those who do not just write it behind the rest.
#[derive(Args)]
pub(super) struct Reason {
    #[arg(long, alias = "note", num_args = 1.., action = ArgAction::Set)]
    reason: Option<Vec<Word>>,
}

impl Line<'_> {
    /// How the command is typed.
    pub(super) fn usage(&self) -> Box<Usage> {
        help::usage(self.topic, self.context)
    }

    /// What is left as names.
    pub(super) fn plain(&self) -> Result<Vec<String>, Refusal> {
        let words: Vec<String> = self.words.iter().map(Word::plain).filter(|word| !word.is_empty()).collect();
        clean::refuse_odd_letters(&words)?;
        Ok(words)
    }

    /// The value of an option that takes one word, or words in quotation marks.
    pub(super) fn option(&self, name: &str, word: Option<Word>) -> Result<Option<String>, Refusal> {
        word.map(|word| self.value(name, &[word])).transpose()
    }

    /// The value of an option that takes the name of a version.
    pub(super) fn version_option(&self, name: &str, word: Option<Word>) -> Result<Option<String>, Refusal> {
        let version = self.option(name, word)?;
        if version.as_ref().is_some_and(|version| version.chars().count() > MAX_VERSION_CHARS) {
            return Err(self.unfit(format!("A version's name has at most {MAX_VERSION_CHARS} characters.")));
        }
        Ok(version)
    }

    /// The value of an option that takes a moment: as many words as are parts of a date.
    pub(super) fn moment_option(&mut self, name: &str, words: Option<Vec<Word>>) -> Result<Option<String>, Refusal> {
        let context = self.context;
        let is_part = |word: &Word| {
            let plain = word.plain();
            !word.quoted && super::moment::is_part(&plain) && context.environment(&plain).is_none()
        };
        words.map(|words| self.reach(words, is_part)).map(|words| self.value(name, &words)).transpose()
    }

    /// The value of the option that takes a sentence, which reaches until the next option.
    pub(super) fn reason_option(&mut self, Reason { reason }: Reason) -> Result<Option<String>, Refusal> {
        let Some(words) = reason else { return Ok(None) };
        match said(&self.reach(words, |_| true)) {
            reason if reason.is_empty() => Err(self.missing("The reason is empty.")),
            reason => self.within_limit(reason).map(Some),
        }
    }

    /// The words of an option's value: one in quotation marks, or the first and those behind it that go on with it. The
    /// others are the command's.
    fn reach(&mut self, mut words: Vec<Word>, goes_on: impl Fn(&Word) -> bool) -> Vec<Word> {
        let whole = words.first().is_some_and(|first| first.quoted);
        let more = words.iter().skip(1).take_while(|word| !whole && goes_on(word)).count();
        self.words.extend(words.drain((1 + more).min(words.len())..));
        words
    }

    /// A reason: the option's, or all words that are left. None when there are none.
    pub(super) fn reason(&mut self, by_option: Option<String>) -> Result<Option<String>, Refusal> {
        match (by_option, said(&std::mem::take(&mut self.words))) {
            (by_option, left) if left.is_empty() => Ok(by_option),
            (None, reason) => self.within_limit(reason).map(Some),
            (Some(_), left) => Err(Refusal::TooMany { word: Quoted(left), usage: self.usage() }),
        }
    }

    /// A reason that has to be there.
    pub(super) fn required_reason(&mut self, by_option: Option<String>) -> Result<String, Refusal> {
        let reason = self.reason(by_option)?;
        reason.ok_or_else(|| self.missing("Why? A reason is needed: it is journalled, and others read it."))
    }

    /// The run that stands in front of a reason, or behind one in quotation marks, or is implied by the thread. There, a
    /// bare number may be the beginning of the reason.
    pub(super) fn run_before_reason(&mut self) -> Result<RunId, Refusal> {
        let implied = self.context.implied.as_ref().map(|implied| implied.run);
        if let Some(word) = self.words.first().filter(|word| !word.quoted && (implied.is_none() || is_clear_run(word)))
        {
            match word.plain().parse() {
                Ok(run) => {
                    self.words.remove(0);
                    return Ok(run);
                }
                Err(_) if is_clear_run(word) => return Err(self.unknown_run(&word.plain())),
                Err(_) => {}
            }
        }
        if let [reason, last] = &self.words[..]
            && reason.quoted
            && is_clear_run(last)
        {
            let run = last.plain().parse().map_err(|_| self.unknown_run(&last.plain()))?;
            self.words.pop();
            return Ok(run);
        }
        implied.ok_or_else(|| self.missing(WHICH_RUN))
    }

    pub(super) fn missing(&self, piece: &str) -> Refusal {
        Refusal::Missing { piece: piece.to_owned(), usage: self.usage() }
    }

    pub(super) fn unfit(&self, problem: impl Into<String>) -> Refusal {
        Refusal::Unfit { problem: problem.into(), usage: self.usage() }
    }

    fn unknown_run(&self, word: &str) -> Refusal {
        super::target::unknown_run(word, self.usage())
    }

    fn within_limit(&self, reason: String) -> Result<String, Refusal> {
        if reason.chars().count() <= MAX_REASON_CHARS {
            return Ok(reason);
        }
        Err(self.unfit(format!("That reason is too long: it may have {MAX_REASON_CHARS} characters.")))
    }

    /// Words as one value.
    fn value(&self, name: &str, words: &[Word]) -> Result<String, Refusal> {
        let plain = |word: &Word| if word.quoted { word.value.trim().to_owned() } else { word.plain() };
        let words: Vec<String> = words.iter().map(plain).collect();
        clean::refuse_odd_letters(&words)?;
        match words.join(" ") {
            value if value.is_empty() => Err(self.missing(&format!("What is `--{name}`?"))),
            value => Ok(value),
        }
    }
}

/// Whether a word can only be meant as a run: `R-42`, `r42`, `#42`.
pub(super) fn is_clear_run(word: &Word) -> bool {
    let plain = word.plain();
    let behind = plain.strip_prefix(['R', 'r', '#']).map(|rest| rest.strip_prefix('-').unwrap_or(rest));
    !word.quoted && behind.is_some_and(|rest| rest.starts_with(|letter: char| letter.is_ascii_digit()))
}

/// What words say: one in quotation marks says what is inside them, several say what was typed.
fn said(words: &[Word]) -> String {
    match words {
        [word] if word.quoted => clean::sentence(&word.value),
        words => clean::sentence(&words.iter().map(|word| word.raw.as_str()).collect::<Vec<_>>().join(" ")),
    }
}
