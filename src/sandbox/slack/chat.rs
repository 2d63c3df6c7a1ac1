//! The `chat.*` and `reactions.*` methods: what the bot says, changes and takes back.

use serde_json::{Value, json};

use super::Slack;
use super::args::{Answer, Args, Refused};
use super::blocks::{self, Surface};
use super::faults::{DROPS_METADATA, REFUSES_BLOCKS};
use super::state::{Message, State};

/// The longest text of a message, in characters.
const TEXT_LIMIT: usize = 40_000;
/// The longest text that an update takes, in characters.
const UPDATE_TEXT_LIMIT: usize = 4_000;

/// Text, blocks and metadata of a message to be, checked.
pub(super) struct Content {
    pub(super) text: String,
    pub(super) blocks: Option<Vec<Value>>,
    pub(super) metadata: Option<Value>,
}

impl Slack {
    pub(super) fn chat_post_message(&self, args: &Args) -> Answer {
        let channel = self.writable_channel(args.required("channel")?)?;
        let content = self.content(args, TEXT_LIMIT)?;
        let now = self.clock().now();
        self.change(|state| {
            let thread_ts = thread_of(state, &channel, args.text("thread_ts"))?;
            let message = Message {
                channel: channel.clone(),
                broadcast: thread_ts.is_some() && args.flag("reply_broadcast"),
                thread_ts,
                user: self.spec().bot_user.id.clone(),
                text: content.text,
                blocks: content.blocks,
                metadata: content.metadata,
                ..Message::default()
            };
            state.posts += 1;
            let message = state.add(now, message);
            let told = state.message_json(self.spec(), &message, true);
            Ok(json!({"channel": channel, "ts": message.ts, "message": told}))
        })
    }

    pub(super) fn chat_update(&self, args: &Args) -> Answer {
        let channel = self.writable_channel(args.required("channel")?)?;
        let ts = args.required("ts")?;
        let content = self.content(args, UPDATE_TEXT_LIMIT)?;
        let now = self.clock().now();
        self.change(|state| {
            let edited_ts = state.next_ts(now);
            let message = own_message(state, &channel, ts, &self.spec().bot_user.id, "cant_update_message")?;
            message.text = content.text;
            message.blocks = content.blocks;
            message.edited_ts = Some(edited_ts);
            if content.metadata.is_some() {
                message.metadata = content.metadata;
            }
            let message = message.clone();
            let told = state.message_json(self.spec(), &message, true);
            Ok(json!({"channel": channel, "ts": ts, "text": message.text, "message": told}))
        })
    }

    pub(super) fn chat_delete(&self, args: &Args) -> Answer {
        let channel = self.writable_channel(args.required("channel")?)?;
        let ts = args.required("ts")?;
        self.change(|state| {
            own_message(state, &channel, ts, &self.spec().bot_user.id, "cant_delete_message")?.deleted = true;
            Ok(json!({"channel": channel, "ts": ts}))
        })
    }

    pub(super) fn chat_post_ephemeral(&self, args: &Args) -> Answer {
        let channel = self.writable_channel(args.required("channel")?)?;
        let user = args.required("user")?;
        if self.spec().person(user).is_none() {
            return Err("user_not_in_channel".into());
        }
        let content = self.content(args, TEXT_LIMIT)?;
        let now = self.clock().now();
        self.change(|state| {
            let thread_ts = thread_of(state, &channel, args.text("thread_ts"))?;
            let message = Message {
                channel,
                thread_ts,
                user: self.spec().bot_user.id.clone(),
                text: content.text,
                blocks: content.blocks,
                ephemeral_to: Some(user.to_owned()),
                ..Message::default()
            };
            Ok(json!({"message_ts": state.add(now, message).ts}))
        })
    }

    pub(super) fn chat_get_permalink(&self, args: &Args) -> Answer {
        let channel = self.readable_channel(args.required("channel")?)?;
        let ts = args.required("message_ts")?;
        let state = self.state();
        let message = state.message(&channel, ts).filter(|message| message.is_public()).ok_or("message_not_found")?;
        let mut permalink = self.url(&format!("/archives/{channel}/p{}", ts.replace('.', "")));
        if let Some(root) = &message.thread_ts {
            permalink.push_str(&format!("?thread_ts={root}&cid={channel}"));
        }
        Ok(json!({"channel": channel, "permalink": permalink}))
    }

    pub(super) fn react(&self, args: &Args, add: bool) -> Answer {
        let channel = self.writable_channel(args.required("channel")?)?;
        let reaction = (args.required("name")?.to_owned(), self.spec().bot_user.id.clone());
        let ts = args.required("timestamp")?;
        self.change(|state| {
            let message = state.message_mut(&channel, ts).filter(|message| message.is_public());
            let reactions = &mut message.ok_or("message_not_found")?.reactions;
            match (add, reactions.iter().position(|known| *known == reaction)) {
                (true, Some(_)) => return Err("already_reacted".into()),
                (true, None) => reactions.push(reaction),
                (false, Some(at)) => drop(reactions.remove(at)),
                (false, None) => return Err("no_reaction".into()),
            }
            Ok(json!({}))
        })
    }

    /// Reads and checks what a message is made of.
    pub(super) fn content(&self, args: &Args, text_limit: usize) -> Result<Content, Refused> {
        let (text, markdown) = (args.text("text"), args.text("markdown_text"));
        let blocks = match args.json("blocks").map_err(|_| Refused::from("invalid_blocks_format"))? {
            None => None,
            Some(Value::Array(blocks)) if blocks.is_empty() => None,
            Some(Value::Array(blocks)) => Some(blocks),
            Some(_) => return Err("invalid_blocks_format".into()),
        };
        if markdown.is_some() && (text.is_some() || blocks.is_some()) {
            return Err("markdown_text_conflict".into());
        }
        let text = text.or(markdown).unwrap_or_default().to_owned();
        if text.is_empty() && blocks.is_none() {
            return Err("no_text".into());
        }
        if text.chars().count() > text_limit {
            return Err("msg_too_long".into());
        }
        let metadata = match args.json("metadata")? {
            Some(metadata) if !metadata["event_type"].is_string() || !metadata["event_payload"].is_object() => {
                return Err("invalid_metadata_format".into());
            }
            metadata => metadata,
        };
        self.change(|state| {
            let blocks = match blocks {
                Some(_) if state.faults.is_on(REFUSES_BLOCKS) => {
                    let message = "[ERROR] unsupported type: section [json-pointer:/blocks/0/type]".to_owned();
                    return Err(Refused::explained("invalid_blocks", vec![message]));
                }
                Some(blocks) => Some(blocks::accept(state, blocks, Surface::Message)?),
                None => None,
            };
            let metadata = metadata.filter(|_| !state.faults.is_on(DROPS_METADATA));
            Ok(Content { text, blocks, metadata })
        })
    }
}

/// The thread that a reply goes to: that of the message it names, if that is a reply itself. A thread outlives the message
/// that opened it while it has replies.
pub(super) fn thread_of(state: &State, channel: &str, ts: Option<&str>) -> Result<Option<String>, Refused> {
    let Some(ts) = ts else { return Ok(None) };
    let has_replies = |ts: &str| {
        let mut replies = state.messages.iter().filter(|reply| reply.channel == channel && reply.is_public());
        replies.any(|reply| reply.thread_ts.as_deref() == Some(ts))
    };
    let opens = |message: &&Message| message.is_public() || (message.ephemeral_to.is_none() && has_replies(ts));
    let root = state.message(channel, ts).filter(opens).ok_or("thread_not_found")?;
    Ok(Some(root.thread_ts.clone().unwrap_or_else(|| root.ts.clone())))
}

fn own_message<'a>(
    state: &'a mut State,
    channel: &str,
    ts: &str,
    bot: &str,
    not_own: &str,
) -> Result<&'a mut Message, Refused> {
    let message = state.message_mut(channel, ts).filter(|message| message.is_public()).ok_or("message_not_found")?;
    if message.user == bot { Ok(message) } else { Err(not_own.into()) }
}
