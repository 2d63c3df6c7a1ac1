//! Why a decision on a run does not count. `Display` is what the person reads in Slack who clicked: what became of the
//! click, how it stands, and what to do.

use jiff::Timestamp;

use crate::domain::{Outcome, RunId};

/// A decision that does not count. Its `Display` is Slack's mrkdwn.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Declined {
    /// The run is over.
    #[error("Nothing was decided: {run} has ended, {}. Its thread says how things are now.", outcome.word())]
    RunEnded {
        /// Which.
        run: RunId,
        /// How.
        outcome: Outcome,
    },
    /// Somebody wants the run to stop.
    #[error("Nothing was decided: {run} was cancelled by {by} and stops.")]
    Cancelled {
        /// Which.
        run: RunId,
        /// Who.
        by: String,
    },
    /// A rollback goes first.
    #[error("Nothing was decided: the rollback {by} goes first, and {run} stops. See the thread of {by}.")]
    Preempted {
        /// Which.
        run: RunId,
        /// The rollback.
        by: RunId,
    },
    /// The run does not ask for this.
    #[error("Nothing was decided: {run} does not ask for that now. Its card shows what it waits for.")]
    NothingAsked {
        /// Which.
        run: RunId,
    },
    /// It is about a plan that does not stand any more.
    #[error(
        "Nothing was decided: the world has moved, and this is an older plan of {run}. The plan that stands is further \
         down in its thread: please look at it and decide there."
    )]
    OlderPlan {
        /// Which.
        run: RunId,
    },
    /// The plan is not named clearly.
    #[error(
        "Nothing was decided: name the plan by at least {digits} digits of its number, as the plan's message shows it."
    )]
    UnclearPlan {
        /// How many digits.
        digits: usize,
    },
    /// The question's time is over.
    #[error("Nothing was decided: the time to decide was over at {}. The thread of {run} says how it goes on.", day(*until))]
    Lapsed {
        /// Which.
        run: RunId,
        /// Until when it stood, UTC.
        until: Timestamp,
    },
    /// Somebody said no.
    #[error("Nothing was decided: {by} rejected this at {}. Ask for it again once that is settled.", day(*at))]
    Rejected {
        /// Who.
        by: String,
        /// When, UTC.
        at: Timestamp,
    },
    /// The person has approved it before.
    #[error("Your approval of {} counts already, once. {missing}", day(*at))]
    ApprovedByYou {
        /// When, UTC.
        at: Timestamp,
        /// What is missing still, as a sentence.
        missing: String,
    },
    /// Enough people have approved.
    #[error("This needs nothing more: {by} approved it. To stop it, cancel {run}, or pause it.")]
    Granted {
        /// Which.
        run: RunId,
        /// Who.
        by: String,
    },
    /// Nobody approves what they ask for.
    #[error(
        "You asked for this yourself, so somebody else has to approve it: {approvers}. Nothing was decided. You can \
         reject or cancel it."
    )]
    OwnRequest {
        /// Who may approve, as mentions.
        approvers: String,
    },
    /// Not one of those who may.
    #[error("Nothing was decided: in `{environment}` this is for {entitled}, and you are not among them.")]
    NotEntitled {
        /// Where.
        environment: String,
        /// Who may, as mentions.
        entitled: String,
    },
    /// Slack does not say who somebody is, or whether they may.
    #[error("Nothing was decided, because nobody is taken at their word here: {why}. Try again in a moment.")]
    SlackCannotSay {
        /// Why, in words.
        why: String,
    },
    /// A guest.
    #[error("Guests may look, but not decide. Nothing was decided. Please ask a full member of the workspace.")]
    Guest,
    /// Somebody from another organisation.
    #[error("Only people of our own workspace decide here, and your account belongs to another. Nothing was decided.")]
    Stranger,
    /// A bot, a closed account, or Alch.
    #[error("Only people with an open account decide here. Nothing was decided.")]
    NotAPerson,
    /// In a channel that others share.
    #[error(
        "This channel is shared with another organisation, and approvals are not given where others can click. Nothing \
         was decided. Ask for it in a channel of our own, such as <#{channel}>."
    )]
    SharedChannel {
        /// The channel where commands are taken.
        channel: String,
    },
    /// Not where everybody sees it.
    #[error("Decisions are made where everybody sees them. Nothing was decided. Please decide in <#{channel}>.")]
    Elsewhere {
        /// The channel where commands are taken.
        channel: String,
    },
    /// From a shell.
    #[error(
        "Approvals come from Slack, never from a terminal. Nothing was decided. Use the buttons in the run's thread."
    )]
    FromTerminal,
    /// Slack's word is not enough here.
    #[error(
        "Approving in `{environment}` needs a code of your authenticator app as well, and codes are never typed into a \
         channel. Nothing was decided. Press Approve in the run's thread: a form asks for the code. With no app enrolled \
         yet, send me `enrol` in a direct message first."
    )]
    SecondFactor {
        /// Where.
        environment: String,
    },
    /// A safeguard fails.
    #[error(
        "Nothing can be approved while safeguards block {run}: {safeguards}. Wait until they hold and ask for it again, or \
         have them overridden with a reason by {overriders}; that needs one approval more."
    )]
    Blocked {
        /// Which.
        run: RunId,
        /// Their names.
        safeguards: String,
        /// Who may override, as mentions.
        overriders: String,
    },
    /// The safeguard does not stand in the way.
    #[error("Nothing was overridden: `{safeguard}` does not block {run}. Its plan shows which safeguards do.")]
    NotFailing {
        /// Which run.
        run: RunId,
        /// The safeguard's name.
        safeguard: String,
    },
    /// A freeze or a lock.
    #[error("Nothing was overridden: a {safeguard} is not overridden but lifted, with `{way_out}`.")]
    NotOverridable {
        /// `freeze` or `lock`.
        safeguard: String,
        /// The command that lifts it.
        way_out: String,
    },
    /// Somebody has overridden it before.
    #[error("Nothing more to override: {by} overrode `{safeguard}` at {}.", day(*at))]
    Overridden {
        /// The safeguard's name.
        safeguard: String,
        /// Who.
        by: String,
        /// When, UTC.
        at: Timestamp,
    },
    /// Nobody overrides what stands in the way of what they ask for.
    #[error(
        "You asked for this yourself, so somebody else has to override its safeguards: {overriders}. Nothing was decided."
    )]
    OwnSafeguard {
        /// Who may override, as mentions.
        overriders: String,
    },
    /// Without a reason.
    #[error("Nothing was decided: please say why, in a few words. It is journalled, and others read it.")]
    NoReason,
}

/// A moment in the reader's zone, with UTC where Slack is not the reader.
fn day(at: Timestamp) -> String {
    let utc = at.to_zoned(jiff::tz::TimeZone::UTC).strftime("%Y-%m-%d %H:%M UTC");
    format!("<!date^{}^{{date_short_pretty}}, {{time}}|{utc}>", at.as_second())
}
