//! The words after a command's own: options are taken out of them first, by name and wherever they stand; then runs and
//! reasons; what is left are names.

use jiff::Timestamp;

use super::clean::{self, Word};
use super::help::{self, Topic};
use super::refusal::{Quoted, Usage, nearest};
use super::target::WHICH_RUN;
use super::{Context, MAX_REASON_CHARS, Refusal};
use crate::domain::RunId;

/// A command's words, with what they are read by.
pub(super) struct Line<'a> {
    pub(super) topic: &'static Topic,
    pub(super) words: Vec<Word>,
    pub(super) context: &'a Context,
    /// When it was typed, UTC.
    pub(super) now: Timestamp,
}

/// How far the value of an option reaches when it stands in no quotation marks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// One word.
    Word,
    /// As many words as are parts of a date.
    Moment,
    /// Until the next option.
    Sentence,
}

impl Line<'_> {
    /// How the command is typed.
    pub(super) fn usage(&self) -> Box<Usage> {
        help::usage(self.topic, self.context)
    }

    /// What is left as names, when no option is left.
    pub(super) fn plain(&self) -> Result<Vec<String>, Refusal> {
        if let Some(option) = self.words.iter().find_map(Word::dashed) {
            return Err(self.unknown_option(&option));
        }
        let words: Vec<String> = self.words.iter().map(Word::plain).filter(|word| !word.is_empty()).collect();
        clean::refuse_odd_letters(&words)?;
        Ok(words)
    }

    /// The value of an option that takes one word, or words in quotation marks.
    pub(super) fn option(&mut self, name: &str) -> Result<Option<String>, Refusal> {
        let Some(words) = self.take(name, Reach::Word)? else { return Ok(None) };
        self.value(name, &words).map(Some)
    }

    /// The value of an option that takes a moment.
    pub(super) fn moment_option(&mut self, name: &str) -> Result<Option<String>, Refusal> {
        let Some(words) = self.take(name, Reach::Moment)? else { return Ok(None) };
        self.value(name, &words).map(Some)
    }

    /// The value of an option that takes a sentence.
    pub(super) fn reason_option(&mut self) -> Result<Option<String>, Refusal> {
        let Some(words) = self.take("reason", Reach::Sentence)? else { return Ok(None) };
        match said(&words) {
            reason if reason.is_empty() => Err(self.missing("The reason is empty.")),
            reason => self.within_limit(reason).map(Some),
        }
    }

    /// A reason: the option's, or all words that are left. None when there are none.
    pub(super) fn reason(&mut self, by_option: Option<String>) -> Result<Option<String>, Refusal> {
        let left = std::mem::take(&mut self.words);
        let unknown = |word: &Word| word.dashed().filter(|option| is_option(option) && word.value.starts_with('-'));
        if let Some(option) = left.iter().find_map(unknown) {
            return Err(self.unknown_option(&option));
        }
        match (by_option, said(&left)) {
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

    fn unknown_option(&self, option: &str) -> Refusal {
        let option = option.split('=').next().unwrap_or_default().to_owned();
        let known = self.topic.usage.split(['[', ' ', ']']).filter(|word| word.starts_with("--"));
        let near = nearest(&option, known).map(str::to_owned);
        Refusal::UnknownOption { option: Quoted(option), near, usage: self.usage() }
    }

    fn within_limit(&self, reason: String) -> Result<String, Refusal> {
        if reason.chars().count() <= MAX_REASON_CHARS {
            return Ok(reason);
        }
        Err(self.unfit(format!("That reason is too long: it may have {MAX_REASON_CHARS} characters.")))
    }

    /// Takes an option and the words of its value out of the line.
    fn take(&mut self, name: &str, reach: Reach) -> Result<Option<Vec<Word>>, Refusal> {
        let is_it =
            |word: &Word| word.dashed().is_some_and(|option| split_option(&option).0.eq_ignore_ascii_case(name));
        let Some(at) = self.words.iter().position(is_it) else { return Ok(None) };
        let option = self.words.remove(at);
        if self.words.iter().any(is_it) {
            let contradiction = format!("You gave `--{name}` twice.");
            return Err(Refusal::Contradiction { contradiction, usage: self.usage() });
        }
        let mut value = Vec::new();
        if let Some((_, own)) = option.value.split_once('=').filter(|(_, own)| !own.is_empty()) {
            value.push(Word { raw: own.to_owned(), value: own.to_owned(), quoted: false, glued: false });
        }
        while at < self.words.len() && self.belongs(&self.words[at], &value, reach) {
            value.push(self.words.remove(at));
        }
        if value.is_empty() {
            return Err(self.missing(&format!("What is `--{name}`?")));
        }
        Ok(Some(value))
    }

    /// Whether a word goes on with the value of an option.
    fn belongs(&self, word: &Word, so_far: &[Word], reach: Reach) -> bool {
        let Some(first) = so_far.first() else { return word.quoted || !word.dashed().is_some_and(|it| is_option(&it)) };
        if first.quoted {
            return false;
        }
        match reach {
            Reach::Word => false,
            Reach::Moment => {
                let plain = word.plain();
                !word.quoted && super::moment::is_part(&plain) && self.context.environment(&plain).is_none()
            }
            Reach::Sentence => !word.dashed().is_some_and(|option| is_option(&option)),
        }
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

/// Two dashes and a name; a sentence may have `-5%`, and a dash by itself.
fn is_option(dashed: &str) -> bool {
    dashed.strip_prefix("--").is_some_and(|name| name.starts_with(|letter: char| letter.is_ascii_alphabetic()))
}

fn split_option(option: &str) -> (&str, &str) {
    option.trim_start_matches('-').split_once('=').unwrap_or((option.trim_start_matches('-'), ""))
}

/// What words say: one in quotation marks says what is inside them, several say what was typed.
fn said(words: &[Word]) -> String {
    if let [word] = words
        && word.quoted
    {
        return clean::sentence(&word.value);
    }
    let mut text = String::new();
    for word in words {
        if !word.glued && !text.is_empty() {
            text.push(' ');
        }
        text.push_str(&word.raw);
    }
    clean::sentence(&text)
}
