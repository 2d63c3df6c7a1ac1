//! The grammar, as clap derives it: the verbs, the options of each, and words. Options stand anywhere, and `--` ends them.
//! Which word is an environment, a rule, a run or a reason is no matter of grammar: each command's file tells, with the
//! configured names.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory, Parser, Subcommand};

use super::clean::Word;
use super::help;
use super::line::Reason;
use super::refusal::nearest;
use super::{Line, Quoted, Refusal};
use super::{
    answer, approve, audit, cancel, contacts, deploy, disable, dlq, doctor, enable, enrol, escalate, hard_stop, hold,
    monitor, object, r#override, pause, plan, promote, recover, reject, replay, restore, rollback, runs, show, skip,
    smoke, status, subscribe, subscriptions, test_alarm, verify, versions, whoami,
};
use crate::domain::{Command, HoldKind};

/// Stands before a word that begins with a dash and is no option: clap would take it for one. Nobody can type it.
const NO_OPTION: char = '\0';

#[derive(Parser)]
#[command(no_binary_name = true, disable_help_subcommand = true)]
struct Grammar {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
#[command(rename_all = "lower")]
enum Verb {
    #[command(flatten)]
    Planned(Planned),
    #[command(disable_help_subcommand = true)]
    Plan {
        #[command(subcommand)]
        of: Planned,
    },
    Versions(Words),
    Subscribe(Words),
    Subscriptions(Words),
    #[command(name = "test-alarm")]
    TestAlarm(Words),
    Monitor(With<monitor::Options>),
    Doctor(Words),
    Status(Words),
    Runs(Words),
    Show(Words),
    Audit(With<audit::Options>),
    Approve(With<Reason>),
    Reject(With<Reason>),
    Override(With<Reason>),
    Object(With<Reason>),
    Answer(Words),
    Pause(Words),
    Resume(Words),
    Retry(Words),
    Skip(With<Reason>),
    Cancel(Words),
    Escalate(With<Reason>),
    Contacts(Words),
    Freeze(With<hold::Options>),
    Unfreeze(Words),
    Lock(With<hold::Options>),
    Unlock(Words),
    Whoami(Words),
    Enrol(With<enrol::Options>),
    Help(Words),
}

/// The verbs that have a plan.
#[derive(Subcommand)]
#[command(rename_all = "lower")]
enum Planned {
    Promote(With<promote::Options>),
    Enable(Words),
    Disable(Words),
    Restore(Words),
    Rollback(With<rollback::Options>),
    Verify(Words),
    Deploy(With<deploy::Options>),
    Recover(Words),
    Smoke(Words),
    Replay(With<replay::Options>),
    #[command(name = "hard-stop")]
    HardStop(Words),
    Dlq(With<dlq::Options>),
}

#[derive(Args)]
struct Words {
    words: Vec<Word>,
}

#[derive(Args)]
struct With<O: Args> {
    #[command(flatten)]
    options: O,
    words: Vec<Word>,
}

/// Reads the words after a verb.
pub(super) fn read(mut line: Line<'_>) -> Result<Command, Refusal> {
    let asked = line.topic;
    let mut verbs = vec![asked.name.to_owned()];
    let mut words = std::mem::take(&mut line.words).into_iter().peekable();
    if asked.name == plan::TOPIC.name
        && let Some(word) = words.next_if(|word| word.option().is_none())
    {
        let verb = word.plain().to_ascii_lowercase();
        line.topic = help::find(&verb).filter(|_| plan::PLANNED.contains(&&*verb)).unwrap_or(asked);
        verbs.push(verb);
    }
    match Grammar::try_parse_from(verbs.into_iter().chain(arguments(words))) {
        Ok(Grammar { verb }) => verb.read(line),
        Err(error) if error.kind() == ErrorKind::DisplayHelp => {
            Ok(Command::Help { topic: Some(asked.name.to_owned()) })
        }
        Err(error) => Err(refusal(&error, &line)),
    }
}

/// Words as clap knows them.
fn arguments(words: impl Iterator<Item = Word>) -> Vec<String> {
    let mut arguments = Vec::new();
    let mut options = true;
    for word in words {
        match word.option().filter(|_| options) {
            Some((name, value)) => {
                arguments.push(format!("--{}", if name == "h" { "help" } else { &name }));
                arguments.extend(value.filter(|value| !value.is_empty()).map(no_option));
            }
            None if options && word.raw == "--" => {
                options = false;
                arguments.push(word.raw);
            }
            None => arguments.push(no_option(&word.raw)),
        }
    }
    arguments
}

fn no_option(raw: &str) -> String {
    if raw.starts_with('-') { format!("{NO_OPTION}{raw}") } else { raw.to_owned() }
}

impl From<String> for Word {
    fn from(argument: String) -> Self {
        Self::from(argument.strip_prefix(NO_OPTION).unwrap_or(&argument))
    }
}

/// What clap finds wrong, in our words.
fn refusal(error: &clap::Error, line: &Line<'_>) -> Refusal {
    let said = |kind| match error.get(kind) {
        // Clap shows an option with a name for its value behind it.
        Some(ContextValue::String(text)) => text.split(' ').next().map(str::to_owned),
        _ => None,
    };
    let option = said(ContextKind::InvalidArg).unwrap_or_default();
    match error.kind() {
        ErrorKind::InvalidSubcommand => plan::refuse(&said(ContextKind::InvalidSubcommand).unwrap_or_default(), line),
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            line.missing("The plan of which command?")
        }
        ErrorKind::ArgumentConflict => {
            let contradiction = format!("You gave `{option}` twice.");
            Refusal::Contradiction { contradiction, usage: line.usage() }
        }
        ErrorKind::InvalidValue | ErrorKind::TooFewValues => line.missing(&format!("What is `{option}`?")),
        _ => {
            let grammar = Grammar::command();
            let known = grammar.find_subcommand(line.topic.name).into_iter().flat_map(clap::Command::get_opts);
            let known: Vec<String> = known.filter_map(|known| Some(format!("--{}", known.get_long()?))).collect();
            let near = nearest(&option, known.iter().map(String::as_str)).map(str::to_owned);
            Refusal::UnknownOption { option: Quoted(option), near, usage: line.usage() }
        }
    }
}

impl Verb {
    fn read(self, Line { topic, context, now, .. }: Line<'_>) -> Result<Command, Refusal> {
        let line = |words| Line { topic, words, context, now };
        match self {
            Self::Planned(of) => of.read(line),
            Self::Plan { of } => Ok(Command::Plan { of: Box::new(of.read(line)?) }),
            Self::Versions(Words { words }) => versions::read(line(words)),
            Self::Subscribe(Words { words }) => subscribe::read(line(words)),
            Self::Subscriptions(Words { words }) => subscriptions::read(line(words)),
            Self::TestAlarm(Words { words }) => test_alarm::read(line(words)),
            Self::Monitor(With { words, options }) => monitor::read(line(words), options),
            Self::Doctor(Words { words }) => doctor::read(line(words)),
            Self::Status(Words { words }) => status::read(line(words)),
            Self::Runs(Words { words }) => runs::read(line(words)),
            Self::Show(Words { words }) => show::read(line(words)),
            Self::Audit(With { words, options }) => audit::read(line(words), options),
            Self::Approve(With { words, options }) => approve::read(line(words), options),
            Self::Reject(With { words, options }) => reject::read(line(words), options),
            Self::Override(With { words, options }) => r#override::read(line(words), options),
            Self::Object(With { words, options }) => object::read(line(words), options),
            Self::Answer(Words { words }) => answer::read(line(words)),
            Self::Pause(Words { words }) => pause::read_pause(line(words)),
            Self::Resume(Words { words }) => pause::read_resume(line(words)),
            Self::Retry(Words { words }) => pause::read_retry(line(words)),
            Self::Skip(With { words, options }) => skip::read(line(words), options),
            Self::Cancel(Words { words }) => cancel::read(line(words)),
            Self::Escalate(With { words, options }) => escalate::read(line(words), options),
            Self::Contacts(Words { words }) => contacts::read(line(words)),
            Self::Freeze(With { words, options }) => hold::read_hold(HoldKind::Freeze, line(words), options),
            Self::Unfreeze(Words { words }) => hold::read_release(HoldKind::Freeze, line(words)),
            Self::Lock(With { words, options }) => hold::read_hold(HoldKind::Lock, line(words), options),
            Self::Unlock(Words { words }) => hold::read_release(HoldKind::Lock, line(words)),
            Self::Whoami(Words { words }) => whoami::read(line(words)),
            Self::Enrol(With { words, options }) => enrol::read(line(words), options),
            Self::Help(Words { words }) => help::read(line(words)),
        }
    }
}

impl Planned {
    fn read<'a>(self, line: impl FnOnce(Vec<Word>) -> Line<'a>) -> Result<Command, Refusal> {
        match self {
            Self::Promote(With { words, options }) => promote::read(line(words), options),
            Self::Enable(Words { words }) => enable::read(line(words)),
            Self::Disable(Words { words }) => disable::read(line(words)),
            Self::Restore(Words { words }) => restore::read(line(words)),
            Self::Rollback(With { words, options }) => rollback::read(line(words), options),
            Self::Deploy(With { words, options }) => deploy::read(line(words), options),
            Self::Recover(Words { words }) => recover::read(line(words)),
            Self::Smoke(Words { words }) => smoke::read(line(words)),
            Self::Replay(With { words, options }) => replay::read(line(words), options),
            Self::Verify(Words { words }) => verify::read(line(words)),
            Self::HardStop(Words { words }) => hard_stop::read(line(words)),
            Self::Dlq(With { words, options }) => dlq::read(line(words), options),
        }
    }
}
