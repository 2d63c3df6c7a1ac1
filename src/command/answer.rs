//! `answer`: tell a run that asks what to do.

use super::help::{self, Example, Topic};
use super::refusal::nearest;
use super::{Context, Quoted, Refusal, target};
use crate::domain::{Answer, Command};

pub(super) const TOPIC: Topic = Topic {
    name: "answer",
    usage: "answer <run> wait|continue|undo",
    line: "Answer a run that asks",
    long: "A run asks when a gate saw no traffic: `wait` waits as long again, `continue` goes on although it is not proven, `undo` disables what this run enabled and ends it. In the run's thread the word alone is enough.",
    examples: &[Example::Answer],
};

const ANSWERS: [Answer; 3] = [Answer::WaitOn, Answer::Continue, Answer::Undo];

/// The answer that a word gives.
pub(super) fn read_word(word: &str) -> Option<Answer> {
    ANSWERS.into_iter().find(|answer| answer.word().eq_ignore_ascii_case(word))
}

/// Reads the words after `answer`.
pub(super) fn read(words: &[String], context: &Context) -> Result<Command, Refusal> {
    let usage = || help::usage(&TOPIC, context);
    let (answers, others): (Vec<&String>, Vec<&String>) = words.iter().partition(|word| read_word(word).is_some());
    // A word that is no run is a misspelt answer, if there is no other answer.
    if let (Some(word), []) = (others.iter().find(|word| word.parse::<crate::domain::RunId>().is_err()), &answers[..]) {
        return Err(Refusal::UnknownName {
            word: Quoted((*word).clone()),
            kind: "answer",
            near: nearest(word, ANSWERS.map(Answer::word)).map(str::to_owned),
            known: " The answers are `wait`, `continue` and `undo`.".to_owned(),
            usage: usage(),
        });
    }
    let others: Vec<String> = others.into_iter().cloned().collect();
    let run = target::run(&others, &TOPIC, context)?;
    match answers[..] {
        [word] => match read_word(word) {
            Some(answer) => Ok(Command::Answer { run, answer }),
            None => Err(Refusal::TooMany { word: Quoted(word.clone()), usage: usage() }),
        },
        [] => {
            let piece = "Which answer: `wait`, `continue` or `undo`?".to_owned();
            Err(Refusal::Missing { piece, usage: usage() })
        }
        [_, _, ..] => {
            let contradiction = "You gave more than one answer.".to_owned();
            Err(Refusal::Contradiction { contradiction, usage: usage() })
        }
    }
}
