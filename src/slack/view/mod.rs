//! How a run looks in Slack: pure functions from a journal, or the run folded from it, to messages.
//!
//! The card shows the run as it is now and is rendered anew; the messages of the thread each follow from the journal up
//! to one event and never change, but for those that show how things stand: questions for approval, progress, trouble with
//! AWS. Notices to stakeholders, forms and answers to one person are here too. Nothing here waits, asks the clock or knows how messages are sent.

mod approval;
mod blocks;
mod buttons;
mod card;
mod charts;
mod checks;
mod clicked;
mod degraded;
mod elsewhere;
mod holds;
mod home;
mod markup;
mod modals;
mod notices;
mod plain;
mod plan;
mod progress;
mod reply;
mod resend;
mod second_factor;
mod show;
mod signals;
mod status;
mod steering;
mod subscriptions;
mod terminal;
mod thread;
mod trouble;
mod versions;
mod words;

#[cfg(test)]
mod journals;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::SignedDuration;

pub use card::{card, card_changes_at};
pub use charts::Charted;
pub use clicked::{rollback_offer, rolled_back, run_made};
pub use degraded::{degraded, whole_again};
pub use elsewhere::elsewhere;
pub use holds::{AuditFile, audit_file, audit_uploaded, held_already, kept_out, not_yours};
pub use home::home;
pub use markup::tame;
pub use modals::{
    Carried, code_form, code_refused, enrolment_form, note, reason, reason_form, reason_refused, take_code,
};
pub use notices::{NoticeMessage, notices};
pub use plain::plain;
pub use plan::preview;
pub use reply::{Who, answer_accepted, cancel_accepted, held, help, monitored, refusal, refused, stale_click, whoami};
pub use resend::{
    QueueLook, ReplayChoice, ReplayForm, dead_letters, replay_choice, replay_form, replay_input, replay_list,
    replay_refused, replay_status,
};
pub use second_factor::{enrolled, enrolment_offer, reset_done, was_reset};
pub use show::{runs_list, show};
pub use status::{EnvironmentStatus, status};
pub use steering::{
    approved, contacts, escalated, hold_lifted, hold_placed, objected, overridden, paused, rejected, resumed, retrying,
    skip_asked,
};
pub use subscriptions::subscriptions;
pub use terminal::terminal;
pub use thread::{ThreadMessage, thread};
pub use versions::versions;

use crate::domain::Environment;

/// What the views know beside the run.
#[derive(Clone, Copy, Debug)]
pub struct ViewContext<'a> {
    /// The environments by name.
    pub environments: &'a BTreeMap<String, Environment>,
    /// How often the card of a run that is under way is rendered anew.
    pub card_refresh: SignedDuration,
    /// Who is told when something ends badly: the primary contact and the escalation; empty when not configured.
    pub contacts: (&'a str, &'a str),
    /// The slash command, with its slash: `/alch`.
    pub command_word: &'a str,
}

/// The action ids of the buttons. What they are about is in their values: a run's id, or a command.
pub mod action {
    /// Cancel a run.
    pub const CANCEL: &str = "cancel";
    /// Wait on for traffic.
    pub const ANSWER_WAIT: &str = "answer:wait";
    /// Continue unproven.
    pub const ANSWER_CONTINUE: &str = "answer:continue";
    /// Undo what the run did.
    pub const ANSWER_UNDO: &str = "answer:undo";
    /// Try a failed step, or an ended run, again.
    pub const RETRY: &str = "retry";
    /// Approve. The value names run, plan digest and subject.
    pub const APPROVE: &str = "approve";
    /// Reject; asks for a reason. The value as of approving.
    pub const REJECT: &str = "reject";
    /// Override a safeguard; asks for a reason. The value names run, plan digest and safeguard.
    pub const OVERRIDE: &str = "override";
    /// Object to a run; asks for a reason.
    pub const OBJECT: &str = "object";
    /// Begin nothing new in a run.
    pub const PAUSE: &str = "pause";
    /// Go on with a paused run.
    pub const RESUME: &str = "resume";
    /// Leave out the step under way; asks for a reason.
    pub const SKIP: &str = "skip";
    /// Show one's secret for one-time codes, in a form.
    pub const ENROL: &str = "enrol";
    /// Call the escalation contact.
    pub const ESCALATE: &str = "escalate";
    /// Roll back now, after the confirmation. The value names the environment, and the run of the card if there is one.
    pub const ROLL_BACK: &str = "rollback:now";
    /// Stop the function itself, after the confirmation. The value names the environment.
    pub const HARD_STOP: &str = "hard-stop:now";
    /// The form that asks for the times of a replay.
    pub const REPLAY: &str = "replay";
    /// Queue a command behind the run that holds its environment.
    pub const QUEUE: &str = "queue";
}
