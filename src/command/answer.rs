//! `answer`: tell a run that asks what to do.

use super::help::Topic;
use super::refusal::nearest;
use super::{Line, Quoted, Refusal, target};
use crate::domain::{Answer, Command};

pub(super) const TOPIC: Topic = Topic {
    name: "answer",
    usage: "answer <run> wait|continue|undo|retry",
    line: "Answer a run that asks",
    long: "A run asks when a gate saw no traffic, and in production when a step failed: `wait` waits as long again, `continue` goes on although it is not proven, `undo` disables what this run enabled and ends it, `retry` tries the step again. In the run's thread the word alone is enough.",
    examples: &["R-42 continue"],
};

const ANSWERS: [Answer; 4] = [Answer::WaitOn, Answer::Continue, Answer::Undo, Answer::Retry];

/// Whether a word is an answer without `answer` before it. `retry` is a command of its own.
pub(super) fn is_enough(word: &str) -> bool {
    read_word(word).is_some_and(|answer| answer != Answer::Retry)
}

/// The answer that a word gives.
fn read_word(word: &str) -> Option<Answer> {
    ANSWERS.into_iter().find(|answer| answer.word().eq_ignore_ascii_case(word))
}

/// Reads the words after `answer`.
pub(super) fn read(line: Line<'_>) -> Result<Command, Refusal> {
    let words = line.plain()?;
    let usage = || line.usage();
    let (answers, others): (Vec<&String>, Vec<&String>) = words.iter().partition(|word| read_word(word).is_some());
    // A word that is no run is a misspelt answer, if there is no other answer.
    if let (Some(word), []) = (others.iter().find(|word| word.parse::<crate::domain::RunId>().is_err()), &answers[..]) {
        return Err(Refusal::UnknownName {
            word: Quoted((*word).clone()),
            kind: "answer",
            near: nearest(word, ANSWERS.map(Answer::word)).map(str::to_owned),
            known: " The answers are `wait`, `continue`, `undo` and `retry`.".to_owned(),
            usage: usage(),
        });
    }
    let others: Vec<String> = others.into_iter().cloned().collect();
    let run = target::run(&others, &TOPIC, line.context)?;
    match answers[..] {
        [word] => match read_word(word) {
            Some(answer) => Ok(Command::Answer { run, answer }),
            None => Err(Refusal::TooMany { word: Quoted(word.clone()), usage: usage() }),
        },
        [] => {
            let piece = "Which answer: `wait`, `continue`, `undo` or `retry`?".to_owned();
            Err(Refusal::Missing { piece, usage: usage() })
        }
        [_, _, ..] => {
            let contradiction = "You gave more than one answer.".to_owned();
            Err(Refusal::Contradiction { contradiction, usage: usage() })
        }
    }
}
