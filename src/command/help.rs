//! `help`: what there is to say about each command, with examples from the configuration, as Slack's mrkdwn.

use super::refusal::{Usage, escape, nearest};
use super::{Context, Quoted, Refusal, target};
use super::{answer, cancel, disable, enable, restore, rollback, runs, show, status, verify, whoami};
use crate::domain::Command;

/// What there is to say about a command.
pub(super) struct Topic {
    pub(super) name: &'static str,
    pub(super) usage: &'static str,
    /// In a list: what it does, in a few words.
    pub(super) line: &'static str,
    /// By itself: what it does to AWS.
    pub(super) long: &'static str,
    pub(super) examples: &'static [Example],
}

/// An example that is made with the names of the configuration.
#[derive(Clone, Copy)]
pub(super) enum Example {
    /// Nothing after the command.
    Bare,
    /// A rule and an environment.
    Rule,
    /// All rules of an environment.
    All,
    /// An environment.
    Environment,
    /// A run.
    Run,
    /// A run and an answer.
    Answer,
    /// A command.
    Topic,
}

const TOPIC: Topic = Topic {
    name: "help",
    usage: "help [command]",
    line: "Show all commands, or one in full",
    long: "Shows what a command does, how it is typed, and examples.",
    examples: &[Example::Bare, Example::Topic],
};

/// All topics, in the order in which they are listed; the same as [`super::WORDS`].
const TOPICS: [&Topic; 12] = [
    &enable::TOPIC,
    &disable::TOPIC,
    &rollback::TOPIC,
    &restore::TOPIC,
    &verify::TOPIC,
    &status::TOPIC,
    &runs::TOPIC,
    &show::TOPIC,
    &cancel::TOPIC,
    &answer::TOPIC,
    &whoami::TOPIC,
    &TOPIC,
];

/// Reads the words after `help`.
pub(super) fn read(words: &[String], context: &Context) -> Result<Command, Refusal> {
    let Some((first, more)) = words.split_first() else { return Ok(Command::Help { topic: None }) };
    target::nothing(more, &TOPIC, context)?;
    match TOPICS.iter().find(|topic| topic.name.eq_ignore_ascii_case(first)) {
        Some(topic) => Ok(Command::Help { topic: Some(topic.name.to_owned()) }),
        None => Err(Refusal::UnknownName {
            word: Quoted(first.clone()),
            kind: "command",
            near: nearest(first, TOPICS.map(|topic| topic.name)).map(str::to_owned),
            known: String::new(),
            usage: usage(&TOPIC, context),
        }),
    }
}

/// All commands, a line each.
pub fn overview(context: &Context) -> String {
    let mut text = String::from("*What I can do*\n");
    for topic in TOPICS {
        text.push_str(&format!("• `{} {}`: {}\n", context.command_word, escape(topic.usage), topic.line));
    }
    let names: Vec<String> = context.environments.iter().map(|known| format!("`{}`", known.name)).collect();
    text.push_str(&format!("Environments: {}. ", names.join(", ")));
    text.push_str(&format!("More about a command: `{} help enable`. ", context.command_word));
    text.push_str("In the thread of a run, mention me: there the run and its environment go without saying.");
    text
}

/// One command in full. An unknown name gives the overview.
pub fn topic(name: &str, context: &Context) -> String {
    let Some(topic) = TOPICS.iter().find(|topic| topic.name == name) else { return overview(context) };
    let mut text = format!("*{}*: {}\n", topic.name, topic.line);
    text.push_str(&format!("Usage: `{} {}`\n{}\n", context.command_word, escape(topic.usage), topic.long));
    for example in topic.examples {
        text.push_str(&format!("• `{}`\n", escape(&example.render(topic, context))));
    }
    text.trim_end().to_owned()
}

/// Each command's usage with the names of the environments, and what it does, for lists that complete what is being typed.
pub fn hints(context: &Context) -> Vec<(String, String)> {
    let names: Vec<&str> = context.environments.iter().map(|known| known.name.as_str()).collect();
    let names = names.join("|");
    let usage = |topic: &Topic| topic.usage.replace("<env>", &names).replace("[env]", &format!("[{names}]"));
    TOPICS.iter().map(|topic| (usage(topic), topic.line.to_owned())).collect()
}

/// The topic of a command's first word.
pub(super) fn of(word: &str) -> &'static Topic {
    TOPICS.into_iter().find(|topic| topic.name == word).unwrap_or(&TOPIC)
}

/// How the command is typed.
pub(super) fn usage(topic: &Topic, context: &Context) -> Box<Usage> {
    let example = topic.examples.first().copied().unwrap_or(Example::Bare);
    Box::new(Usage {
        usage: format!("{} {}", context.command_word, topic.usage),
        example: example.render(topic, context),
    })
}

impl Example {
    /// The example for a topic, as typed.
    fn render(self, topic: &Topic, context: &Context) -> String {
        let first = context.environments.first();
        let environment = first.map_or("<env>", |known| &known.name);
        let rule = first.and_then(|known| known.rules.first()).map_or("<rule>", |rule| &rule.name);
        let words = match self {
            Self::Bare => String::new(),
            Self::Rule => format!(" {rule} {environment}"),
            Self::All => format!(" all {environment}"),
            Self::Environment => format!(" {environment}"),
            Self::Run => " R-42".to_owned(),
            Self::Answer => " R-42 continue".to_owned(),
            Self::Topic => " enable".to_owned(),
        };
        format!("{} {}{words}", context.command_word, topic.name)
    }
}
