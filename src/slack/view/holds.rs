//! Environments that people have frozen or locked, and what an audit handed out: short answers to one person.

use jiff::Timestamp;

use super::blocks::Draft;
use super::markup::{Markup, clip, md};
use super::words;
use crate::domain::{Actor, Command, Hold, HoldKind, RunId};
use crate::slack::message::Message;

/// The environment is kept from who asked: by whom, why, since when, until when, and how it is lifted.
pub fn kept_out(hold: &Hold, environment: &str, asked: &Command, command_word: &str) -> Message {
    let mut draft = Draft::new();
    draft.section(line(hold, environment));
    draft.section(md!("Not started: {}. Nothing was changed.", Markup::code(&clip(&asked.text(), 200))));
    draft.section(lifting(hold, environment, command_word));
    draft.finish()
}

/// The environment is frozen or locked by another person already, so it was not done again.
pub fn held_already(hold: &Hold, environment: &str, command_word: &str) -> Message {
    let mut draft = Draft::new();
    draft.section(line(hold, environment));
    let mine = match hold.kind {
        HoldKind::Freeze => md!("It stays as it is: your freeze was not added, and nothing was changed."),
        HoldKind::Lock => md!("One person at a time: your lock was not added, and nothing was changed."),
    };
    draft.section(mine);
    draft.section(lifting(hold, environment, command_word));
    draft.finish()
}

/// Another person's lock is lifted by its holder or an admin only.
pub fn not_yours(hold: &Hold, environment: &str) -> Message {
    let mut draft = Draft::new();
    draft.section(line(hold, environment));
    draft.section(md!(
        "Only {} or an admin of {} can lift that. Nothing was changed.",
        Markup::actor(&hold.by),
        md!("{}", environment).bold(),
    ));
    draft.finish()
}

/// One line about a hold that stands: who, why, since and until when.
pub fn line(hold: &Hold, environment: &str) -> Markup {
    let mark = match hold.kind {
        HoldKind::Freeze => "🧊",
        HoldKind::Lock => "🔐",
    };
    let until = match hold.until {
        Some(until) => md!("until {}", Markup::day(until)),
        None => md!("until it is lifted"),
    };
    md!(
        "{} {} by {} since {}, {}: {} ({})",
        mark,
        md!("{} is {}", environment, hold.kind.word()).bold(),
        Markup::actor(&hold.by),
        Markup::day(hold.since),
        until,
        clip(&hold.reason, 300),
        md!("{}", hold.run),
    )
}

fn lifting(hold: &Hold, environment: &str, command_word: &str) -> Markup {
    let lift = Command::Release { kind: hold.kind, environment: environment.to_owned() };
    let lift = Markup::code(&format!("{command_word} {}", lift.text()));
    match hold.kind {
        HoldKind::Freeze => md!("It is lifted with {}. A rollback is taken all the same.", lift),
        HoldKind::Lock => md!(
            "{} lifts it with {}; so can an admin. A rollback is taken all the same.",
            Markup::actor(&hold.by),
            lift
        ),
    }
}

/// What a file for auditors holds.
#[derive(Clone, Debug)]
pub struct AuditFile {
    /// Of which environment; all when not said.
    pub environment: Option<String>,
    /// Only what was recorded then or later, UTC.
    pub since: Option<Timestamp>,
    /// How many runs it speaks of.
    pub runs: u64,
    /// How many events it has.
    pub events: u64,
    /// The journal's head: the last run, and the hash of its first event.
    pub head: Option<(RunId, String)>,
}

/// The file was handed out.
pub fn audit_uploaded(name: &str, file: &AuditFile) -> Message {
    let mut draft = Draft::new();
    let events = words::count(i64::try_from(file.events).unwrap_or(i64::MAX), "event");
    draft.section(md!("🧾 {} is here, with {}. Slack may take a moment to show it.", Markup::code(name), events));
    draft.finish()
}

/// What comes with the file: who asked, what is in it, and what its hashes are held against.
pub fn audit_file(file: &AuditFile, asked_by: &Actor) -> Message {
    let mut draft = Draft::new();
    draft.section(md!(
        "🧾 Audit for {}: {}, {}{}{}.",
        Markup::actor(asked_by),
        words::count(i64::try_from(file.events).unwrap_or(i64::MAX), "event"),
        words::count(i64::try_from(file.runs).unwrap_or(i64::MAX), "run"),
        file.environment.as_ref().map(|name| md!(" of {}", name)).unwrap_or_else(|| md!(" of all environments")),
        file.since.map(|since| md!(", since {}", Markup::day(since))).unwrap_or_default(),
    ));
    if let Some((run, hash)) = &file.head {
        draft.section(md!("Head of the journal: {} {}", md!("{}", *run), Markup::code(hash)));
    }
    draft.finish()
}
