//! Telling stakeholders: each destination by itself, so that one that fails holds up no other. What came of it goes into
//! the journal: the message's ts as the receipt, or why Slack will not have it.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use jiff::Timestamp;

use super::post::{Line, Outgoing, Rendering, Stop, Telling, is_person, is_refused};
use super::{Inner, Notice};
use crate::domain::{Delivery, Destination, Event, Moment, Recorded, Run, StepKind, StepStatus};
use crate::slack::message::Message;
use crate::store::SlackMessage;

/// What is remembered of the destinations, by id.
pub(super) type Lines = BTreeMap<String, Line>;

impl Inner {
    /// Tells all who are to be told. Says when it is to be gone on with, if something is left.
    pub(super) async fn tell_notices(
        &self,
        told: &Telling<'_>,
        lines: &mut Lines,
        notices: &[Notice],
    ) -> Result<Option<Timestamp>, Stop> {
        let known = told.messages.iter().filter_map(|message| Some(parsed(&message.key)?.1));
        let destinations: BTreeSet<String> =
            notices.iter().map(|notice| notice.to.as_str()).chain(known).map(str::to_owned).collect();
        for to in &destinations {
            lines.entry(to.clone()).or_default();
        }
        let telling = lines.iter_mut().filter(|(to, _)| destinations.contains(*to)).map(|(to, line)| {
            let mut told = told.clone();
            async move { self.tell_destination(&mut told, line, to, notices).await }
        });
        let mut due: Option<Timestamp> = None;
        for told in join_all(telling).await {
            due = due.into_iter().chain(told?).min();
        }
        Ok(due)
    }

    async fn tell_destination(
        &self,
        told: &mut Telling<'_>,
        line: &mut Line,
        to: &str,
        notices: &[Notice],
    ) -> Result<Option<Timestamp>, Stop> {
        if let Some(at) = line.held_until(self.clock.now()) {
            return Ok(Some(at));
        }
        let mut due = None;
        for moment in [Moment::Before, Moment::After] {
            let notice = notices.iter().find(|notice| notice.moment == moment && notice.to == to);
            let message = notice.map(|notice| &notice.message);
            match self.tell_one(told, line, Addressed { moment, to }, message).await {
                Ok(again_at) => due = due.into_iter().chain(again_at).min(),
                Err(stop) => return self.hold(line, stop).map(Some),
            }
        }
        line.failures = 0;
        Ok(due)
    }

    /// Posts a notice that is due, records what came of it, and brings it up to date where it stands.
    async fn tell_one(
        &self,
        told: &mut Telling<'_>,
        line: &mut Line,
        whom: Addressed<'_>,
        message: Option<&Message>,
    ) -> Result<Option<Timestamp>, Stop> {
        let key = whom.key();
        let row = told.get(&key).cloned();
        let delivery = whom.delivery(told.run);
        let is_known = delivery.is_some_and(|delivery| delivery.receipt.is_ok());
        if row.as_ref().is_none_or(|row| row.ts.is_none()) && !is_known {
            let rendering = |journal: &[Recorded]| {
                let notices = (self.look.notices)(journal);
                notices.into_iter().find(|other| whom.is_of(other)).map(|notice| notice.message)
            };
            let given_up = row.as_ref().is_some_and(SlackMessage::is_given_up);
            let posted = match (message, row) {
                // Refused, and said so. Somebody's retry takes the word back, and it is tried again.
                _ if given_up && delivery.is_some() => return Ok(None),
                (Some(message), _) if whom.is_due(told.run) => {
                    self.post_notice(told, line, whom, message, &rendering).await?
                }
                // Too late to be posted. But perhaps it was.
                (_, Some(intent)) if !given_up => self.find_late(told, whom, intent, &rendering).await?,
                _ => false,
            };
            if !posted {
                return Ok(None);
            }
        }
        let receipt = told.ts(&key).cloned().filter(|_| !is_known);
        if let Some(receipt) = receipt {
            let delivered = Event::Delivered { moment: whom.moment, to: whom.destination(), receipt };
            self.store.signal(told.run.id, &[delivered], self.clock.now()).await?;
        }
        match message {
            Some(message) => self.update(told, line, &key, message).await,
            None => Ok(None),
        }
    }

    /// Whether the notice is there now. If Slack will not have it, that is recorded.
    async fn post_notice(
        &self,
        told: &mut Telling<'_>,
        line: &mut Line,
        whom: Addressed<'_>,
        message: &Message,
        rendering: Rendering<'_>,
    ) -> Result<bool, Stop> {
        let key = whom.key();
        let what = whom.outgoing(&key, message, rendering);
        let refused = match self.post(told, line, what).await {
            Ok(_) => return Ok(true),
            Err(Stop::Failed { error, method, channel }) => match is_refused(&error) {
                Some(code) => code.to_owned(),
                None => return Err(Stop::Failed { error, method, channel }),
            },
            Err(stop) => return Err(stop),
        };
        tracing::error!(
            run.id = %told.run.id, slack.channel = whom.to, code = refused,
            "a stakeholder cannot be told: Slack refuses the message",
        );
        if let Some(intent) = told.get(&key).cloned() {
            self.note(told, intent.given_up()).await?;
        }
        if whom.delivery(told.run).is_none() {
            let problem = problem(&refused, whom.to);
            let undelivered = Event::Undelivered { moment: whom.moment, to: whom.destination(), problem };
            self.store.signal(told.run.id, &[undelivered], self.clock.now()).await?;
        }
        Ok(false)
    }

    /// Whether a notice, for which it is too late now, was posted after all.
    async fn find_late(
        &self,
        told: &mut Telling<'_>,
        whom: Addressed<'_>,
        intent: SlackMessage,
        rendering: Rendering<'_>,
    ) -> Result<bool, Stop> {
        let nothing = Message::default();
        match self.find_again(told, &intent, whom.outgoing(&intent.key, &nothing, rendering)).await {
            Ok(true) => return Ok(true),
            Ok(false) => {}
            Err(Stop::Failed { error, .. }) if is_refused(&error).is_some() => {}
            Err(stop) => return Err(stop),
        }
        self.note(told, intent.given_up()).await?;
        Ok(false)
    }
}

/// Who is told, and when.
#[derive(Clone, Copy)]
struct Addressed<'a> {
    moment: Moment,
    to: &'a str,
}

impl<'a> Addressed<'a> {
    fn key(self) -> String {
        let moment = match self.moment {
            Moment::Before => BEFORE,
            Moment::After => AFTER,
        };
        format!("{moment}{}", self.to)
    }

    fn destination(self) -> Destination {
        Destination::Slack(self.to.to_owned())
    }

    fn is_of(self, notice: &Notice) -> bool {
        (notice.moment, notice.to.as_str()) == (self.moment, self.to)
    }

    fn delivery(self, run: &Run) -> Option<&Delivery> {
        let to = self.destination();
        run.deliveries.iter().find(|delivery| delivery.moment == self.moment && delivery.to == to)
    }

    /// Whether it would be true now. Late is fine at the end; "it is about to begin" is not, once it has begun or will not.
    fn is_due(self, run: &Run) -> bool {
        match self.moment {
            Moment::Before => {
                run.ended.is_none()
                    && run.steps.iter().any(|progress| {
                        matches!(progress.step.kind, StepKind::Notify { .. }) && progress.status == StepStatus::Running
                    })
            }
            Moment::After => run.ended.is_some(),
        }
    }

    fn outgoing(self, key: &'a str, message: &'a Message, rendering: Rendering<'a>) -> Outgoing<'a> {
        Outgoing { key, channel: self.to, thread_ts: None, broadcast: false, message, rendering: Some(rendering) }
    }
}

const BEFORE: &str = "notice/before/";
const AFTER: &str = "notice/after/";

/// Which notice a message is, if it is one.
fn parsed(key: &str) -> Option<(Moment, &str)> {
    let before = key.strip_prefix(BEFORE).map(|to| (Moment::Before, to));
    before.or_else(|| key.strip_prefix(AFTER).map(|to| (Moment::After, to)))
}

/// Why a notice could not be delivered, for people.
pub(super) fn problem(code: &str, to: &str) -> String {
    let why = match code {
        "channel_not_found" if is_person(to) => "Slack knows no such person here",
        "channel_not_found" => "Slack knows no such channel, or it is private and Alch is not in it; invite Alch there",
        "not_in_channel" => "Alch is not in the channel; invite it there",
        "is_archived" => "the channel is archived",
        "user_not_found" | "users_not_found" | "user_not_visible" | "user_disabled" => {
            "Slack knows no such person here"
        }
        "cannot_dm_bot" => "it is a bot, and bots cannot be written to",
        "msg_too_long" | "no_text" => "Slack does not take the message as it is",
        code if code.starts_with("restricted_action") => "the workspace's settings do not let Alch post there",
        "missing_scope" | "no_permission" => "Alch may not post there; an admin of the workspace has to allow it",
        _ => "Slack refuses the message",
    };
    format!("{why} ({code})")
}
