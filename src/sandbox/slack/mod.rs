//! The emulated Slack: one workspace that answers the Web API, delivers what people do to the bot as Slack does, and
//! shows what they would see. It knows Slack's rules and nothing of what the bot is for.
//!
//! | file | owns |
//! |---|---|
//! | `spec` | who and what is in the workspace |
//! | `state` | what it remembers |
//! | `api`, `args` | the Web API's door: requests, tokens, faults, the log |
//! | `chat`, `conversations`, `people`, `views`, `files` | the methods |
//! | `blocks` | Block Kit's limits |
//! | `reply_url` | response URLs |
//! | `actions`, `typed` | what people write, and what becomes of it |
//! | `presses`, `elements` | what people press, choose and fill in |
//! | `delivery`, `socket` | how it reaches the bot: signed HTTP, or Socket Mode |
//! | `faults` | what goes wrong on demand |
//! | `transcript` | a channel or thread as plain text |
//! | `page` | the page's API and its files |

mod actions;
mod api;
mod args;
mod blocks;
mod chat;
mod conversations;
mod delivery;
mod elements;
mod faults;
mod files;
mod page;
mod people;
mod presses;
mod reply_url;
mod socket;
mod spec;
mod state;
mod transcript;
mod typed;
mod views;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{fmt, io};

use tokio::sync::watch;

pub use actions::Delivered;
pub use delivery::signature;
pub use faults::{FaultSwitch, How};
pub use page::{Hint, Panel, SetFault};
pub use socket::Break;
pub use spec::{BotSpec, ChannelSpec, GroupSpec, PersonSpec, WorkspaceSpec};
pub use state::{Call, Delivery, Message, Outcome, StoredFile, View};

use crate::clock::Clock;
use state::State;

/// At most one save in this time.
const SAVE_PACE: Duration = Duration::from_millis(200);

/// A workspace. Cheap to clone; all clones are the same workspace.
#[derive(Clone)]
pub struct Slack(Arc<Inner>);

struct Inner {
    clock: Clock,
    spec: WorkspaceSpec,
    base_url: String,
    state: Mutex<State>,
    changed: watch::Sender<u64>,
    links: Mutex<socket::Links>,
    http: delivery::Client,
}

impl fmt::Debug for Slack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slack({} at {})", self.spec().team_domain, self.0.base_url)
    }
}

impl Slack {
    /// An empty workspace that is reached at `base_url`, for example `http://127.0.0.1:3001`: the Web API is at
    /// `/api` below it.
    pub fn new(clock: Clock, spec: WorkspaceSpec, base_url: &str) -> Self {
        let mut state = State::default();
        state.scopes = api::default_scopes();
        Self(Arc::new(Inner {
            clock,
            spec,
            base_url: base_url.trim_end_matches('/').to_owned(),
            state: Mutex::new(state),
            changed: watch::Sender::new(0),
            links: Mutex::default(),
            http: delivery::client(),
        }))
    }

    /// Delivers by signed HTTP to this URL from now on.
    pub fn deliver_to(&self, bot_events_url: &str) {
        self.change(|state| state.bot_url = Some(bot_events_url.to_owned()));
    }

    /// Delivers over Socket Mode from now on, as it does from the beginning.
    pub fn deliver_by_socket(&self) {
        self.change(|state| state.bot_url = None);
    }

    /// Who and what is in the workspace.
    pub fn spec(&self) -> &WorkspaceSpec {
        &self.0.spec
    }

    /// All messages in the order they were posted: deleted and ephemeral ones, too.
    pub fn messages(&self) -> Vec<Message> {
        self.state().messages.clone()
    }

    /// The message with this timestamp, as it is now.
    pub fn message(&self, ts: &str) -> Option<Message> {
        self.state().messages.iter().find(|message| message.ts == ts).cloned()
    }

    /// The message that opens a thread, and its replies; without deleted and ephemeral ones.
    pub fn thread(&self, ts: &str) -> Vec<Message> {
        let state = self.state();
        state.messages.iter().filter(|message| message.is_public() && message.is_in_thread(ts)).cloned().collect()
    }

    /// What only this person sees, in order.
    pub fn ephemerals(&self, user: &str) -> Vec<Message> {
        let state = self.state();
        let theirs = |message: &&Message| !message.deleted && message.ephemeral_to.as_deref() == Some(user);
        state.messages.iter().filter(theirs).cloned().collect()
    }

    /// The modals that this person has open, the top one last.
    pub fn views(&self, user: &str) -> Vec<View> {
        self.state().views.iter().filter(|view| view.user == user).cloned().collect()
    }

    /// The App Home that was published for this person.
    pub fn home(&self, user: &str) -> Option<serde_json::Value> {
        self.state().homes.get(user).cloned()
    }

    /// The files that were shared.
    pub fn files(&self) -> Vec<StoredFile> {
        self.state().files.iter().filter(|file| file.shared).cloned().collect()
    }

    /// Every Web API call, in the order of arrival.
    pub fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// Every request to the bot, in the order they ended.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.state().deliveries.clone()
    }

    /// How many messages the bot posted for everybody to see.
    pub fn posts(&self) -> u64 {
        self.state().posts
    }

    /// Lets the next `times` calls of a method go wrong. `*` is any method; a method and a channel, `chat.postMessage C1`, is
    /// that method there; `response_url` and `upload` are the two
    /// addresses outside the Web API.
    pub fn fail_next(&self, method: &str, times: u32, how: How) {
        self.change(|state| state.faults.fail_next(method, times, how));
    }

    /// Scripted failures that no call ran into yet: the method, and how many times are left.
    pub fn unspent_failures(&self) -> Vec<(String, u32)> {
        self.state().faults.unspent()
    }

    /// The panel's switches that are Slack's.
    pub fn faults(&self) -> Vec<FaultSwitch> {
        self.state().faults.switches()
    }

    /// Turns a switch; false if there is none with this id.
    pub fn set_fault(&self, id: &str, on: bool) -> bool {
        self.change(|state| state.faults.set(id, on))
    }

    /// Edits a user group: from now on exactly these people are in it.
    pub fn set_members(&self, group: &str, members: &[&str]) {
        let members = members.iter().map(|&member| member.to_owned()).collect();
        self.change(|state| state.members.insert(group.to_owned(), members));
    }

    /// Deletes a message, as an admin may; says whether there was one.
    pub fn deletes(&self, ts: &str) -> bool {
        self.change(|state| {
            let found = state.messages.iter_mut().find(|message| message.ts == ts && !message.deleted);
            found.map(|message| message.deleted = true).is_some()
        })
    }

    /// Gives the bot's token exactly these scopes.
    pub fn grant_scopes(&self, scopes: &[&str]) {
        self.change(|state| state.scopes = scopes.iter().map(|&scope| scope.to_owned()).collect());
    }

    /// Waits until something is so, looking again after each change of the workspace.
    pub async fn until(&self, mut holds: impl FnMut(&Self) -> bool) {
        let mut changed = self.0.changed.subscribe();
        while !holds(self) {
            // The sender lives as long as `self`.
            let _ = changed.changed().await;
        }
    }

    /// Writes what a restart comes back to.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        self.state().save(path)
    }

    /// Saves now and after changes, until it fails or is dropped.
    pub async fn keep_saved(&self, path: &Path) -> io::Result<()> {
        let mut changed = self.0.changed.subscribe();
        changed.mark_changed();
        loop {
            // The sender lives as long as `self`.
            let _ = changed.changed().await;
            tokio::time::sleep(SAVE_PACE).await;
            changed.mark_unchanged();
            self.save(path)?;
        }
    }

    /// Reads what [`Slack::save`] wrote. The workspace stays as it is if there is nothing to read.
    pub fn load(&self, path: &Path) -> io::Result<()> {
        if !path.exists() {
            return Ok(());
        }
        self.change(|state| state.load(path))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere says nothing about these values: each change leaves them whole.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the workspace and wakes those who watch it.
    fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let result = change(&mut self.state());
        self.0.changed.send_modify(|version| *version += 1);
        result
    }

    fn clock(&self) -> &Clock {
        &self.0.clock
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.0.base_url)
    }
}
