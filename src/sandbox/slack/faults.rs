//! What can go wrong with the Web API on demand: scripted for tests, switched on the page for people.

use std::collections::BTreeSet;

use serde::Serialize;

/// How a scripted call goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    /// HTTP 429.
    RateLimited {
        /// The Retry-After header, in seconds.
        retry_after: u64,
    },
    /// HTTP 503, nothing done.
    ServerError,
    /// Nothing done, and no answer while the caller waits.
    Hang,
    /// Done, and the connection dropped instead of an answer.
    AcceptedButDropped,
    /// `ok: false` with this error, nothing done.
    Error(&'static str),
}

/// A switch on the page's panel.
#[derive(Clone, Debug, Serialize)]
pub struct FaultSwitch {
    /// What [`super::Slack::set_fault`] takes.
    pub id: String,
    /// As shown.
    pub label: String,
    /// The heading it stands under.
    pub group: String,
    /// It is on.
    pub active: bool,
    /// Happens once when pressed; has no state.
    pub momentary: bool,
}

/// The panel's switches: id and label.
const SWITCHES: [(&str, &str); 8] = [
    (DOWN, "Slack is down"),
    (SLOW, "Slack is slow"),
    (RATE_LIMITED, "Every second call is rate limited"),
    (DROPS_METADATA, "Message metadata is dropped"),
    (REFUSES_BLOCKS, "Blocks are refused"),
    (ARCHIVED, "The channel is archived"),
    (REMOVED, "The bot is removed from the channel"),
    (TOKEN_REVOKED, "The bot's token is revoked"),
];

const DOWN: &str = "slack-down";
const SLOW: &str = "slack-slow";
const RATE_LIMITED: &str = "slack-rate-limited";
pub(super) const DROPS_METADATA: &str = "slack-drops-metadata";
pub(super) const REFUSES_BLOCKS: &str = "slack-refuses-blocks";
pub(super) const ARCHIVED: &str = "slack-channel-archived";
pub(super) const REMOVED: &str = "slack-bot-removed";
pub(super) const TOKEN_REVOKED: &str = "slack-token-revoked";

/// The Retry-After of the panel's rate limit, in seconds.
const PANEL_RETRY_AFTER: u64 = 1;

#[derive(Default)]
pub(super) struct Faults {
    scripted: Vec<Scripted>,
    on: BTreeSet<&'static str>,
    calls_seen: u64,
}

struct Scripted {
    method: String,
    times: u32,
    how: How,
}

impl Faults {
    /// `method` may be `*`, or `response_url` or `upload` for the two that are not methods.
    pub(super) fn fail_next(&mut self, method: &str, times: u32, how: How) {
        self.scripted.push(Scripted { method: method.to_owned(), times, how });
    }

    /// What goes wrong with this call, `method` or `method channel`; counts it.
    pub(super) fn strike(&mut self, call: &str) -> Option<How> {
        self.calls_seen += 1;
        let method = call.split_once(' ').map_or(call, |(method, _)| method);
        let meets = |planned: &str| planned == call || planned == method || planned == "*";
        if let Some(next) = self.scripted.iter_mut().find(|next| meets(&next.method)) {
            next.times = next.times.saturating_sub(1);
            let how = next.how.clone();
            self.scripted.retain(|scripted| scripted.times > 0);
            return Some(how);
        }
        if self.is_on(DOWN) {
            return Some(How::ServerError);
        }
        (self.is_on(RATE_LIMITED) && self.calls_seen.is_multiple_of(2))
            .then_some(How::RateLimited { retry_after: PANEL_RETRY_AFTER })
    }

    pub(super) fn is_slow(&self) -> bool {
        self.is_on(SLOW)
    }

    pub(super) fn is_on(&self, id: &str) -> bool {
        self.on.contains(id)
    }

    /// Scripted failures that nothing ran into yet.
    pub(super) fn unspent(&self) -> Vec<(String, u32)> {
        self.scripted.iter().map(|next| (next.method.clone(), next.times)).collect()
    }

    pub(super) fn switches(&self) -> Vec<FaultSwitch> {
        let switch = |(id, label): (&str, &str)| FaultSwitch {
            id: id.to_owned(),
            label: label.to_owned(),
            group: "Slack".to_owned(),
            active: self.is_on(id),
            momentary: false,
        };
        SWITCHES.into_iter().map(switch).collect()
    }

    /// False for an id that is not ours.
    pub(super) fn set(&mut self, id: &str, on: bool) -> bool {
        let Some((id, _)) = SWITCHES.into_iter().find(|(known, _)| *known == id) else { return false };
        if on {
            self.on.insert(id)
        } else {
            self.on.remove(id)
        };
        true
    }
}
