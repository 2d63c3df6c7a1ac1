//! `help`: the list of all commands, and what there is to say about each, with examples from the configuration, as Slack's
//! mrkdwn.

use super::refusal::{Usage, escape, nearest};
use super::{Context, Known, Line, Quoted, Refusal, WORDS, canonical, target};
use super::{
    answer, approve, audit, cancel, contacts, deploy, disable, dlq, doctor, enable, enrol, escalate, hard_stop, hold,
    monitor, object, pause, plan, promote, recover, reject, replay, restore, rollback, runs, show, skip, smoke, status,
    subscribe, subscriptions, test_alarm, verify, versions, whoami,
};
use crate::domain::Command;

/// What there is to say about a command.
pub(super) struct Topic {
    pub(super) name: &'static str,
    pub(super) usage: &'static str,
    /// In a list: what it does, in a few words.
    pub(super) line: &'static str,
    /// By itself: what it does to AWS.
    pub(super) long: &'static str,
    /// What is typed after the name; `{env}` and `{rule}` stand for the first ones of the configuration, `{to}` for the
    /// first environment that takes promotions.
    pub(super) examples: &'static [&'static str],
}

const TOPIC: Topic = Topic {
    name: "help",
    usage: "help [command]",
    line: "Show all commands, or one in full",
    long: "Shows what a command does, how it is typed, and examples.",
    examples: &["", "enable"],
};

/// All topics, in the order in which they are listed, by what people are about.
const GROUPS: [(&str, &[&Topic]); 8] = [
    (
        "Deploying",
        &[
            &deploy::TOPIC,
            &promote::TOPIC,
            &enable::TOPIC,
            &disable::TOPIC,
            &restore::TOPIC,
            &smoke::TOPIC,
            &plan::TOPIC,
            &versions::TOPIC,
        ],
    ),
    (
        "Watching",
        &[&status::TOPIC, &verify::TOPIC, &doctor::TOPIC, &monitor::TOPIC, &runs::TOPIC, &show::TOPIC, &audit::TOPIC],
    ),
    ("Approvals", &[&approve::TOPIC, &reject::TOPIC, &super::r#override::TOPIC, &object::TOPIC]),
    ("A run under way", &[&answer::TOPIC, &pause::PAUSE, &pause::RESUME, &pause::RETRY, &skip::TOPIC, &cancel::TOPIC]),
    (
        "In an incident",
        &[
            &rollback::TOPIC,
            &hard_stop::TOPIC,
            &recover::TOPIC,
            &dlq::TOPIC,
            &replay::TOPIC,
            &escalate::TOPIC,
            &contacts::TOPIC,
        ],
    ),
    ("Alarms", &[&subscribe::TOPIC, &subscriptions::TOPIC, &test_alarm::TOPIC]),
    ("An environment", &[&hold::FREEZE, &hold::UNFREEZE, &hold::LOCK, &hold::UNLOCK]),
    ("You", &[&whoami::TOPIC, &enrol::TOPIC, &TOPIC]),
];

/// How many topics there are.
pub(super) const TOPICS: usize = {
    let (mut count, mut group) = (0, 0);
    while group < GROUPS.len() {
        count += GROUPS[group].1.len();
        group += 1;
    }
    count
};

/// The names of all topics, in their order.
pub(super) const fn words() -> [&'static str; TOPICS] {
    let mut words = [""; TOPICS];
    let (mut count, mut group) = (0, 0);
    while group < GROUPS.len() {
        let mut topic = 0;
        while topic < GROUPS[group].1.len() {
            words[count] = GROUPS[group].1[topic].name;
            count += 1;
            topic += 1;
        }
        group += 1;
    }
    words
}

fn topics() -> impl Iterator<Item = &'static Topic> {
    GROUPS.into_iter().flat_map(|(_, topics)| topics.iter().copied())
}

/// Reads the words after `help`.
pub(super) fn read(line: Line<'_>) -> Result<Command, Refusal> {
    let words = line.plain()?;
    let Some((first, more)) = words.split_first() else { return Ok(Command::Help { topic: None }) };
    target::nothing(more, &TOPIC, line.context)?;
    match find(canonical(&first.to_ascii_lowercase())) {
        Some(topic) => Ok(Command::Help { topic: Some(topic.name.to_owned()) }),
        None => Err(Refusal::UnknownName {
            word: Quoted(first.clone()),
            kind: "command",
            near: nearest(first, WORDS).map(str::to_owned),
            known: String::new(),
            usage: line.usage(),
        }),
    }
}

/// All commands, a line each, in groups with an empty line between them.
pub fn overview(context: &Context) -> String {
    let mut text = String::new();
    for (title, topics) in GROUPS {
        text.push_str(&format!("*{title}*\n"));
        for topic in topics {
            // Options are for those who ask about one command: the whole has to fit into a message.
            let usage = topic.usage.split(" [--").next().unwrap_or(topic.usage);
            text.push_str(&format!("• `{} {}`: {}\n", context.command_word, escape(usage), topic.line));
        }
        text.push('\n');
    }
    let names: Vec<String> = context.environments.iter().map(|known| format!("`{}`", known.name)).collect();
    text.push_str(&format!("Environments: {}. ", names.join(", ")));
    text.push_str(&format!("A command with its options: `{} help enable`. ", context.command_word));
    text.push_str("In the thread of a run, mention me: there the run and its environment go without saying.");
    text
}

/// One command in full. An unknown name gives the overview.
pub fn topic(name: &str, context: &Context) -> String {
    let Some(topic) = find(name) else { return overview(context) };
    let mut text = format!("*{}*: {}\n", topic.name, topic.line);
    text.push_str(&format!("Usage: `{} {}`\n{}\n", context.command_word, escape(topic.usage), topic.long));
    for example in topic.examples {
        text.push_str(&format!("• `{}`\n", escape(&render(example, topic, context))));
    }
    text.trim_end().to_owned()
}

/// Each command's usage with the names of the environments, and what it does, for lists that complete what is being typed.
pub fn hints(context: &Context) -> Vec<(String, String)> {
    let usage = |topic: &Topic| {
        let is_meant = |known: &&Known| topic.name != promote::TOPIC.name || known.promote_from.is_some();
        let names: Vec<&str> = context.environments.iter().filter(is_meant).map(|known| known.name.as_str()).collect();
        let names = names.join("|");
        topic.usage.replace("<env>", &names).replace("[env]", &format!("[{names}]"))
    };
    topics().map(|topic| (usage(topic), topic.line.to_owned())).collect()
}

/// The topic of this name.
pub(super) fn find(word: &str) -> Option<&'static Topic> {
    topics().find(|topic| topic.name == word)
}

/// How the command is typed.
pub(super) fn usage(topic: &Topic, context: &Context) -> Box<Usage> {
    let example = topic.examples.first().copied().unwrap_or_default();
    Box::new(Usage {
        usage: format!("{} {}", context.command_word, topic.usage),
        example: render(example, topic, context),
    })
}

/// An example for a topic with the names of the configuration, as typed.
fn render(example: &str, topic: &Topic, context: &Context) -> String {
    let first = context.environments.first();
    let environment = first.map_or("<env>", |known| &known.name);
    let rule = first.and_then(|known| known.rules.first()).map_or("<rule>", |rule| &rule.name);
    let to = context.environments.iter().find(|known| known.promote_from.is_some());
    let to = to.map_or("<env>", |known| &known.name);
    let words = example.replace("{env}", environment).replace("{rule}", rule).replace("{to}", to);
    format!("{} {} {words}", context.command_word, topic.name).trim_end().to_owned()
}
