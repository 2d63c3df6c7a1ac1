//! The `conversations.*` methods: which channels there are, who is in them and what was said.

use serde_json::{Value, json};

use super::Slack;
use super::args::{Answer, Args, Refused, page_of};
use super::faults::{ARCHIVED, REMOVED};
use super::spec::{ChannelSpec, PersonSpec, WorkspaceSpec};
use super::state::{Message, State};

/// Messages or members in one page unless the caller says how many.
const DEFAULT_LIMIT: usize = 100;
/// When the channels were made, in seconds: any time in the past.
const CREATED: i64 = 1_700_000_000;

impl Slack {
    pub(super) fn conversations_history(&self, args: &Args) -> Answer {
        let channel = self.readable_channel(args.required("channel")?)?;
        let state = self.state();
        let mut messages: Vec<&Message> = state
            .messages
            .iter()
            .filter(|message| message.channel == channel && message.is_public())
            .filter(|message| message.thread_ts.is_none() || message.broadcast)
            .filter(|message| in_range(message, args))
            .collect();
        messages.reverse();
        self.told(&state, &messages, args)
    }

    pub(super) fn conversations_replies(&self, args: &Args) -> Answer {
        let channel = self.readable_channel(args.required("channel")?)?;
        let ts = args.required("ts")?;
        let state = self.state();
        let asked = state.message(&channel, ts).filter(|message| message.ephemeral_to.is_none());
        let asked = asked.ok_or("thread_not_found")?;
        let root = asked.thread_ts.as_deref().unwrap_or(ts);
        let messages: Vec<&Message> = state
            .messages
            .iter()
            .filter(|message| message.channel == channel && message.is_public() && message.is_in_thread(root))
            .filter(|message| message.ts == root || in_range(message, args))
            .collect();
        if messages.is_empty() {
            return Err("thread_not_found".into());
        }
        self.told(&state, &messages, args)
    }

    fn told(&self, state: &State, messages: &[&Message], args: &Args) -> Answer {
        let (page, cursor) = page_of(messages, args, DEFAULT_LIMIT)?;
        let with_metadata = args.flag("include_all_metadata");
        let told: Vec<Value> =
            page.into_iter().map(|message| state.message_json(self.spec(), message, with_metadata)).collect();
        let has_more = !cursor.is_empty();
        Ok(json!({"messages": told, "has_more": has_more, "response_metadata": {"next_cursor": cursor}}))
    }

    pub(super) fn conversations_info(&self, args: &Args) -> Answer {
        let spec = self.spec();
        let id = args.required("channel")?;
        if let Some(person) = spec.owner_of(id) {
            return Ok(json!({"channel": direct_message_json(person)}));
        }
        let channel = spec.channel(id).ok_or("channel_not_found")?;
        Ok(json!({"channel": channel_json(spec, channel)}))
    }

    pub(super) fn conversations_list(&self, args: &Args) -> Answer {
        let spec = self.spec();
        let channels: Vec<&ChannelSpec> =
            spec.channels().filter(|channel| !(channel.is_archived && args.flag("exclude_archived"))).collect();
        let (page, cursor) = page_of(&channels, args, DEFAULT_LIMIT)?;
        let told: Vec<Value> = page.into_iter().map(|channel| channel_json(spec, channel)).collect();
        Ok(json!({"channels": told, "response_metadata": {"next_cursor": cursor}}))
    }

    pub(super) fn conversations_members(&self, args: &Args) -> Answer {
        let spec = self.spec();
        let channel = self.readable_channel(args.required("channel")?)?;
        let bot = spec.bot_user.id.as_str();
        let members: Vec<&str> = match spec.owner_of(&channel) {
            Some(person) => vec![&person.id, bot],
            None => {
                let people = spec.people.iter().filter(|person| !person.deleted);
                people.map(|person| person.id.as_str()).chain([bot]).collect()
            }
        };
        let (page, cursor) = page_of(&members, args, DEFAULT_LIMIT)?;
        Ok(json!({"members": page, "response_metadata": {"next_cursor": cursor}}))
    }

    pub(super) fn conversations_open(&self, args: &Args) -> Answer {
        // A list in JSON, or the same with commas; the bot talks to one person at a time.
        let list = args.json("users").ok().flatten();
        let first = list.as_ref().and_then(|list| list.get(0)?.as_str());
        let user = first.map_or_else(|| args.required("users"), Ok)?;
        let person = self.spec().person(user).ok_or("user_not_found")?;
        let channel = if args.flag("return_im") {
            direct_message_json(person)
        } else {
            json!({"id": WorkspaceSpec::direct_message(user)})
        };
        Ok(json!({"channel": channel}))
    }

    /// The id of a channel that the bot may read.
    pub(super) fn readable_channel(&self, named: &str) -> Result<String, Refused> {
        let spec = self.spec();
        if spec.person(named).is_some() {
            return Ok(WorkspaceSpec::direct_message(named));
        }
        if spec.owner_of(named).is_some() {
            return Ok(named.to_owned());
        }
        let name = named.strip_prefix('#').unwrap_or(named);
        let by_name = spec.channels().find(|channel| channel.name == name);
        let channel = spec.channel(named).or(by_name).ok_or("channel_not_found")?;
        let is_removed = channel.id == spec.channel.id && self.state().faults.is_on(REMOVED);
        if spec.is_joined(&channel.id) && !is_removed { Ok(channel.id.clone()) } else { Err("not_in_channel".into()) }
    }

    /// The id of a channel that the bot may post to: given by id, by name, or as the person to talk to.
    pub(super) fn writable_channel(&self, named: &str) -> Result<String, Refused> {
        let id = self.readable_channel(named)?;
        let is_closed = id == self.spec().channel.id && self.state().faults.is_on(ARCHIVED);
        match self.spec().channel(&id) {
            Some(channel) if channel.is_archived || is_closed => Err("is_archived".into()),
            _ => Ok(id),
        }
    }
}

/// `oldest` and `latest` leave out their own message unless `inclusive`.
fn in_range(message: &Message, args: &Args) -> bool {
    let inclusive = args.flag("inclusive");
    let (ts, at) = (message.ts.as_str(), micros(&message.ts));
    let after = args.text("oldest").is_none_or(|oldest| at > micros(oldest) || (inclusive && ts == oldest));
    let before = args.text("latest").is_none_or(|latest| at < micros(latest) || (inclusive && ts == latest));
    after && before
}

/// A timestamp of Slack's as a number; seconds alone are allowed, too.
fn micros(ts: &str) -> i64 {
    let (seconds, fraction) = ts.split_once('.').unwrap_or((ts, ""));
    let fraction = format!("{fraction:0<6}");
    seconds.parse().unwrap_or(0_i64).saturating_mul(1_000_000) + fraction.parse().unwrap_or(0_i64)
}

fn channel_json(spec: &WorkspaceSpec, channel: &ChannelSpec) -> Value {
    json!({
        "id": channel.id,
        "name": channel.name,
        "name_normalized": channel.name,
        "is_channel": true,
        "is_group": false,
        "is_im": false,
        "is_mpim": false,
        "is_private": false,
        "is_archived": channel.is_archived,
        "is_general": false,
        "is_shared": channel.is_ext_shared,
        "is_org_shared": false,
        "is_ext_shared": channel.is_ext_shared,
        "is_member": spec.is_joined(&channel.id),
        "created": CREATED,
        "context_team_id": spec.team_id,
        "topic": {"value": channel.topic, "creator": "", "last_set": CREATED},
        "purpose": {"value": "", "creator": "", "last_set": 0},
        "num_members": spec.people.len() + 1,
    })
}

fn direct_message_json(person: &PersonSpec) -> Value {
    json!({
        "id": WorkspaceSpec::direct_message(&person.id),
        "created": CREATED,
        "is_im": true,
        "is_channel": false,
        "is_archived": false,
        "user": person.id,
        "is_user_deleted": person.deleted,
    })
}
