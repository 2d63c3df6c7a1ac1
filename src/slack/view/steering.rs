//! Short answers to the person who approved, paused, skipped or called somebody: what became of it, and what state the
//! environment is in.

use super::approval;
use super::blocks::Draft;
use super::markup::{Markup, clip, md};
use super::{plan, signals, words};
use crate::domain::{Command, Hold, HoldKind, Round, Run, Subject};
use crate::slack::message::Message;

/// The approval was recorded; `round` as it left it.
pub fn approved(run: &Run, round: &Round) -> Message {
    let given = round.approvals.len();
    let then = if round.is_granted() {
        match (&round.subject, run.starts_at()) {
            (Subject::Plan, Some(at)) => md!("It begins by itself {}.", Markup::day(at)),
            (Subject::Plan, None) => md!("The world is looked at again, and it begins if nothing has moved."),
            (Subject::Step(_), _) => md!("The step is done now."),
            (Subject::Skip(_), _) => md!("The step is left out now."),
        }
    } else {
        md!("Somebody else has to approve, too, until {}. Nothing is done before.", Markup::day(round.until))
    };
    let count = md!("{} of {}", given, words::count(i64::from(round.needed), "approval"));
    said([md!("✅ {}: {}.", md!("You approved {}", run.id).bold(), count), then], run)
}

/// The rejection was recorded.
pub fn rejected(run: &Run) -> Message {
    said([md!("🚫 {}. Its thread says so, with your reason.", md!("You rejected {}", run.id).bold())], run)
}

/// The override was recorded.
pub fn overridden(run: &Run, safeguard: &str) -> Message {
    let blocking = run.blocking();
    let then = if blocking.is_empty() {
        let needed = run.round(&Subject::Plan).map_or(1, |round| round.needed);
        md!("It can be approved now, and needs {}.", words::count(i64::from(needed), "approval"))
    } else {
        md!("Still blocking: {}", plan::titles(&blocking))
    };
    let title = md!("You overrode {} for {}", clip(safeguard, 60), run.id).bold();
    said([md!("⚠️ {}. The thread says so, and so does what stakeholders are told.", title), then], run)
}

/// The run is paused.
pub fn paused(run: &Run) -> Message {
    said([md!("⏸️ {}: nothing new begins.", md!("{} is paused", run.id).bold()), signals::watched(run)], run)
}

/// The objection was recorded, and the run is paused.
pub fn objected(run: &Run) -> Message {
    let title = md!("{} is paused by your objection", run.id).bold();
    let asked = Markup::actor(&run.actor);
    said([md!("✋ {}: nothing new begins, and {} is told why.", title, asked), signals::watched(run)], run)
}

/// The run goes on.
pub fn resumed(run: &Run) -> Message {
    said([md!("▶️ {}.", md!("{} goes on", run.id).bold()), signals::watched(run)], run)
}

/// The step that failed, or the run anew, is tried again.
pub fn retrying(run: &Run) -> Message {
    let text = md!("🔁 {} ({}).", md!("{} tries again", run.id).bold(), clip(&words::subject(&run.command), 150));
    said([text], run)
}

/// The wish to leave a step out was recorded.
pub fn skip_asked(run: &Run, needs_approval: bool) -> Message {
    let then = if needs_approval {
        md!("Approvers are asked in the thread; until somebody approves, the step goes on.")
    } else {
        md!("The step is left out now. What it would have shown is not known.")
    };
    said([md!("⏭️ {}.", md!("{}: skip asked for", run.id).bold()), then], run)
}

/// The escalation contact was called, in the thread and in the channel.
pub fn escalated(run: &Run, contact: &str) -> Message {
    said([md!("📣 {} was called to {}, in its thread and in the channel.", Markup::contact(contact), run.id)], run)
}

/// A freeze or a lock stands from now on.
pub fn hold_placed(hold: &Hold, environment: &str) -> Message {
    let until = hold.until.map_or_else(|| md!("until it is lifted"), |until| md!("until {}", Markup::day(until)));
    let passes = match hold.kind {
        HoldKind::Freeze => "Only a rollback passes.",
        HoldKind::Lock => "Only you act there, and a rollback.",
    };
    let lift = Command::Release { kind: hold.kind, environment: environment.to_owned() };
    let mut draft = Draft::new();
    draft.section(md!("🔒 {}, {}. {}", md!("{} is {}", environment, hold.kind.word()).bold(), until, passes));
    draft.context(md!("To lift it: {}", Markup::code(&lift.text())));
    draft.finish()
}

/// A freeze or a lock was lifted.
pub fn hold_lifted(kind: HoldKind, environment: &str) -> Message {
    let mut draft = Draft::new();
    draft.section(md!("🔓 {}.", md!("{} is not {} any more", environment, kind.word()).bold()));
    draft.finish()
}

/// Whom to turn to.
pub fn contacts(primary: Option<&str>, escalation: Option<&str>) -> Message {
    let line = |role: &'static str, who: Option<&str>| match who.filter(|who| !who.trim().is_empty()) {
        Some(who) => md!("{}: {}", Markup::from(role).bold(), Markup::contact(who)),
        None => md!("{}: not configured", Markup::from(role).bold()),
    };
    let mut draft = Draft::new();
    draft.lines([line("☎️ Primary contact", primary), line("📣 Escalation", escalation)]);
    draft.finish()
}

fn said(lines: impl IntoIterator<Item = Markup>, run: &Run) -> Message {
    let mut draft = Draft::new();
    draft.lines(lines.into_iter().chain(approval::states(run, None)));
    draft.finish()
}
