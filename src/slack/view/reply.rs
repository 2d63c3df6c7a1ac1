//! Short answers to one person: who am I, held, refused, help, and what became of a click.

use super::blocks::{Button, Draft, Style};
use super::markup::{Markup, clip, md};
use super::{action, approval, words};
use crate::domain::{Actor, Answer, Command, Run};
use crate::slack::message::Message;

/// What `whoami` tells.
#[derive(Clone, Debug)]
pub struct Who {
    /// Who asked.
    pub actor: Actor,
    /// The roles that the person has, one line an environment, plain text.
    pub roles: Vec<String>,
    /// What the person may do, one line each, plain text.
    pub may: Vec<String>,
    /// What the person may not do and why, one line each, plain text.
    pub may_not: Vec<String>,
    /// Where their approvals take a one-time code and whether they can show one, plain text; none where none do.
    pub second_factor: Option<String>,
}

/// Who one is to Alch and what one may do.
pub fn whoami(who: &Who) -> Message {
    let mut draft = Draft::new();
    let id = match &who.actor {
        Actor::Slack { user, team } => md!(" (user {}, workspace {})", Markup::code(user), Markup::code(team)),
        Actor::Terminal { .. } | Actor::Alch => Markup::default(),
    };
    draft.section(md!("You are {}{}.", Markup::actor(&who.actor), id));
    draft.lines(who.roles.iter().take(20).map(|roles| md!("👤 {}", clip(roles, 250))));
    draft.lines(who.may.iter().take(20).map(|may| md!("✅ may {}", clip(may, 250))));
    draft.lines(who.may_not.iter().take(20).map(|may_not| md!("🚫 may not {}", clip(may_not, 250))));
    draft.lines(who.second_factor.iter().map(|factor| md!("🔑 {}", clip(factor, 250))));
    draft.finish()
}

/// The environment is held: by whom, for what, since when, and a button to queue what was asked for.
pub fn held(holder: &Run, permalink: Option<&str>, asked: &Command) -> Message {
    let mut draft = Draft::new();
    draft.section(md!(
        "🔒 {} by {}: {}, asked by {} {}. It is {}.",
        md!("{} is held", &holder.environment).bold(),
        md!("{}", holder.id).bold(),
        clip(&words::subject(&holder.command), 150),
        Markup::actor(&holder.actor),
        Markup::day(holder.requested_at),
        words::phase(holder),
    ));
    if let Some(permalink) = permalink {
        draft.section(Markup::link(permalink, "Look at the run"));
    }
    let queue = Button {
        label: "Queue it".to_owned(),
        action: action::QUEUE,
        value: asked.text(),
        style: Style::Primary,
        confirm: None,
    };
    draft.section(md!("Not started: {}", Markup::code(&clip(&asked.text(), 200))));
    draft.buttons(vec![queue], md!("Queue it with the button, or ask again when {} has ended.", holder.id));
    draft.finish()
}

/// No, and why. The text is plain.
pub fn refusal(text: &str) -> Message {
    let mut draft = Draft::new();
    draft.section(md!("🚫 {}", Markup::prose(&clip(text, 2500))));
    draft.finish()
}

/// A refusal of `command` or `policy`, in their words.
pub fn refused(refusal: &impl std::fmt::Display) -> Message {
    let mut draft = Draft::new();
    draft.section(md!("🚫 {}", Markup::written(&refusal.to_string()).cut(2500)));
    draft.finish()
}

/// How commands are used, in the words of `command`: a section for each of its paragraphs, as one alone cannot hold all.
pub fn help(text: &str) -> Message {
    let mut draft = Draft::new();
    for paragraph in text.split("\n\n") {
        draft.section(Markup::written(paragraph).cut(2800));
    }
    draft.finish()
}

/// The cancel was recorded.
pub fn cancel_accepted(run: &Run) -> Message {
    let mut draft = Draft::new();
    draft.section(md!(
        "⏹️ {} ({}) stops at its next safe point and tells in its thread what state things are in.",
        md!("{}", run.id).bold(),
        clip(&words::subject(&run.command), 150),
    ));
    draft.lines(approval::states(run, None));
    draft.finish()
}

/// What is said when an environment is monitored already.
pub fn monitored(run: &Run, permalink: Option<&str>, command_word: &str) -> Message {
    let mut draft = Draft::new();
    draft.section(md!(
        "👁️ {}: {}, asked by {} {}. A second one would tell the same.",
        md!("{} is monitored already", &run.environment).bold(),
        run.id,
        Markup::actor(&run.actor),
        Markup::day(run.requested_at),
    ));
    if let Some(permalink) = permalink {
        draft.section(Markup::link(permalink, "Look at the run"));
    }
    let stop = format!("{command_word} monitor stop {}", run.environment);
    draft.section(md!("To end it: {}", Markup::code(&clip(&stop, 200))));
    draft.finish()
}

/// The answer to a run's question was recorded.
pub fn answer_accepted(run: &Run, answer: Answer) -> Message {
    let mut draft = Draft::new();
    let what = match answer {
        Answer::WaitOn => "waits on for traffic and then decides again",
        Answer::Continue => "continues, although it is not proven",
        Answer::Undo => "undoes what it did, and ends",
        Answer::Retry => "tries the step again",
    };
    draft.section(md!("👍 {} {}.", md!("{}", run.id).bold(), what));
    draft.finish()
}

/// A click on what is no longer so: the run went on meanwhile.
pub fn stale_click(run: &Run) -> Message {
    let mut draft = Draft::new();
    let ended = run.ended.as_ref().map(|ended| md!(" since {}", Markup::day(ended.at))).unwrap_or_default();
    draft.section(md!(
        "That button is out of date and did nothing: {} is {}{}.",
        md!("{}", run.id).bold(),
        words::phase(run),
        ended,
    ));
    draft.finish()
}
