//! Pressing buttons, choosing in menus, and filling in modals: all that reaches the bot as an interaction.

use serde_json::{Map, Value, json};

use super::Slack;
use super::actions::Delivered;
use super::args::Refused;
use super::delivery::Parcel;
use super::elements::{self, Found};
use super::state::Message;
use super::views::checked;

/// A press on a button or a choice in a menu.
#[derive(Clone, Debug, Default)]
pub(super) struct Press<'a> {
    pub(super) user: &'a str,
    pub(super) block_id: Option<&'a str>,
    /// The action id or the label.
    pub(super) action: &'a str,
    /// What was chosen or typed; nothing for a button.
    pub(super) choice: Option<&'a Value>,
}

impl Slack {
    /// Presses the button with this action id or label on a message, as it is now.
    pub async fn clicks(&self, user: &str, message_ts: &str, action: &str) -> Delivered {
        self.presses(message_ts, Press { user, action, ..Press::default() }).await
    }

    /// Chooses in the menu with this action id or label on a message, by the option's value or label.
    pub async fn selects(&self, user: &str, message_ts: &str, action: &str, choice: &str) -> Delivered {
        let choice = json!(choice);
        self.presses(message_ts, Press { user, action, choice: Some(&choice), ..Press::default() }).await
    }

    /// Presses a button on a copy of a message from before it changed, as a client that has not noticed would.
    pub async fn clicks_stale(&self, user: &str, copy: &Message, action: &str) -> Delivered {
        self.presses_on(copy, Press { user, action, ..Press::default() }).await
    }

    pub(super) async fn presses(&self, message_ts: &str, press: Press<'_>) -> Delivered {
        let Some(message) = self.message(message_ts).filter(|message| !message.deleted) else {
            return Delivered::refused("message_not_found");
        };
        if message.ephemeral_to.as_deref().is_some_and(|only| only != press.user) {
            return Delivered::refused("message_not_found");
        }
        self.presses_on(&message, press).await
    }

    async fn presses_on(&self, message: &Message, press: Press<'_>) -> Delivered {
        let blocks = message.blocks.as_deref().unwrap_or_default();
        let Some((found, action)) = self.pressed(blocks, &press) else {
            return Delivered::refused(format!("there is no {:?} on this message", press.action));
        };
        let channel = &message.channel;
        let (reply_url, _) = self.reply_url(channel, press.user, Some(&message.ts));
        let mut payload = self.interaction("block_actions", press.user);
        let is_ephemeral = message.ephemeral_to.is_some();
        payload["container"] = json!({
            "type": "message",
            "message_ts": message.ts,
            "channel_id": channel,
            "is_ephemeral": is_ephemeral,
        });
        if let Some(thread_ts) = &message.thread_ts {
            payload["container"]["thread_ts"] = json!(thread_ts);
        }
        payload["channel"] = json!({"id": channel, "name": self.spec().channel_name(channel)});
        if !is_ephemeral {
            payload["message"] = self.state().message_json(self.spec(), message, true);
        }
        payload["state"] = state_of(blocks, Some((&found, &action)));
        payload["response_url"] = json!(reply_url);
        payload["trigger_id"] = json!(self.trigger(press.user, None));
        payload["actions"] = json!([action]);
        self.deliver(Parcel::Interaction(payload)).await.into()
    }

    /// Presses a button in an open modal or in the person's App Home.
    pub async fn clicks_in_view(&self, user: &str, view_id: &str, action: &str) -> Delivered {
        self.presses_in_view(view_id, Press { user, action, ..Press::default() }).await
    }

    pub(super) async fn presses_in_view(&self, view_id: &str, press: Press<'_>) -> Delivered {
        let view = {
            let state = self.state();
            let home = state.homes.get(press.user).filter(|home| home["id"] == view_id);
            let open = state.views.iter().find(|open| open.id == view_id && open.user == press.user);
            home.or(open.map(|open| &open.view)).cloned()
        };
        let Some(view) = view else { return Delivered::refused("view_not_found") };
        let blocks = view["blocks"].as_array().map(Vec::as_slice).unwrap_or_default();
        let Some((found, action)) = self.pressed(blocks, &press) else {
            return Delivered::refused(format!("there is no {:?} in this view", press.action));
        };
        let modal = (view["type"] == "modal").then_some(view_id);
        let mut payload = self.interaction("block_actions", press.user);
        payload["container"] = json!({"type": "view", "view_id": view_id});
        payload["trigger_id"] = json!(self.trigger(press.user, modal));
        payload["actions"] = json!([action]);
        payload["view"] = view.clone();
        payload["view"]["state"] = state_of(blocks, Some((&found, &action)));
        self.deliver(Parcel::Interaction(payload)).await.into()
    }

    /// Finds what was pressed and tells of it as an entry of `actions`.
    fn pressed(&self, blocks: &[Value], press: &Press<'_>) -> Option<(Found, Value)> {
        let found = elements::find(blocks, press.block_id, press.action)?;
        let mut action = elements::chosen(&found.element, press.choice)?;
        action.insert("action_id".to_owned(), json!(found.action_id()));
        action.insert("block_id".to_owned(), json!(found.block_id));
        for kept in ["text", "style", "confirm", "placeholder"] {
            if !found.element[kept].is_null() {
                action.insert(kept.to_owned(), found.element[kept].clone());
            }
        }
        action.retain(|_, value| !value.is_null());
        let now = self.clock().now();
        action.insert("action_ts".to_owned(), json!(self.change(|state| state.next_ts(now))));
        Some((found, Value::Object(action)))
    }

    /// Sends a modal in: `values` holds, by block id and action id, the text typed, the option chosen, or the whole
    /// object as Slack tells it. What is left out has its initial value.
    pub async fn submits(&self, user: &str, view_id: &str, values: Value) -> Delivered {
        let Some(open) = self.open_view(user, view_id) else { return Delivered::refused("view_not_found") };
        let blocks = open["blocks"].as_array().cloned().unwrap_or_default();
        let filled = match filled_in(&blocks, &values) {
            Ok(filled) => filled,
            Err(refused) => return refused,
        };
        let mut payload = self.interaction("view_submission", user);
        payload["view"] = open;
        payload["view"]["state"] = json!({"values": filled});
        payload["response_urls"] = json!([]);
        payload["trigger_id"] = json!(self.trigger(user, Some(view_id)));
        let mut delivered: Delivered = self.deliver(Parcel::Interaction(payload)).await.into();
        if delivered.error.is_none() {
            let body = delivered.body.clone();
            match self.follow_response_action(user, view_id, &body) {
                Ok(errors) => delivered.errors = errors,
                Err(Refused { error, .. }) => delivered.error = Some(error),
            }
        }
        delivered
    }

    /// Closes a modal without sending it in.
    pub async fn closes(&self, user: &str, view_id: &str) -> Delivered {
        let Some(open) = self.open_view(user, view_id) else { return Delivered::refused("view_not_found") };
        self.change(|state| state.views.retain(|view| view.id != view_id));
        if open["notify_on_close"] != true {
            return Delivered::default();
        }
        let mut payload = self.interaction("view_closed", user);
        payload["view"] = open;
        payload["is_cleared"] = json!(false);
        self.deliver(Parcel::Interaction(payload)).await.into()
    }

    fn open_view(&self, user: &str, view_id: &str) -> Option<Value> {
        let state = self.state();
        state.views.iter().find(|open| open.id == view_id && open.user == user).map(|open| open.view.clone())
    }

    /// Does what the answer to a submission says; returns the errors it tells of.
    fn follow_response_action(&self, user: &str, view_id: &str, body: &str) -> Result<Map<String, Value>, Refused> {
        let answer: Value = if body.trim().is_empty() {
            Value::Null
        } else {
            serde_json::from_str(body).map_err(|_| "invalid_response")?
        };
        self.change(|state| {
            match answer["response_action"].as_str() {
                None => state.views.retain(|open| open.id != view_id),
                Some("clear") => state.views.retain(|open| open.user != user),
                Some("errors") => return Ok(answer["errors"].as_object().cloned().unwrap_or_default()),
                Some("update") => {
                    let view = checked(state, answer["view"].clone())?;
                    self.replace(state, view_id, view);
                }
                Some("push") => {
                    let view = checked(state, answer["view"].clone())?;
                    self.push(state, user, view, Some(view_id.to_owned()));
                }
                Some(_) => return Err("invalid_response".into()),
            }
            Ok(Map::new())
        })
    }
}

/// What the selects and inputs among the blocks hold, with the one that was just changed.
fn state_of(blocks: &[Value], changed: Option<(&Found, &Value)>) -> Value {
    let mut values = Map::new();
    for found in elements::all(blocks) {
        if found.element["type"] == "button" {
            continue;
        }
        let now = changed
            .filter(|(changed, _)| changed.block_id == found.block_id && changed.action_id() == found.action_id());
        let mut told = elements::chosen(&found.element, None).unwrap_or_default();
        if let Some((_, action)) = now {
            for (key, value) in &mut told {
                *value = action[key].clone();
            }
        }
        let block = values.entry(found.block_id.clone()).or_insert_with(|| json!({}));
        block[found.action_id()] = Value::Object(told);
    }
    json!({"values": values})
}

/// A modal's values as they are sent in; refused like Slack's client does if a required input is empty.
fn filled_in(blocks: &[Value], values: &Value) -> Result<Map<String, Value>, Delivered> {
    let mut filled = Map::new();
    for block in blocks {
        for found in elements::all(std::slice::from_ref(block)) {
            if found.element["type"] == "button" {
                continue;
            }
            let given = Some(&values[&found.block_id][found.action_id()]).filter(|given| !given.is_null());
            let Some(told) = elements::chosen(&found.element, given) else {
                return Err(Delivered::refused(format!("{} has no such option", found.block_id)));
            };
            if block["type"] == "input" && block["optional"] != true && elements::is_empty(&told) {
                return Err(Delivered::refused(format!("{} is required", found.block_id)));
            }
            let entry = filled.entry(found.block_id.clone()).or_insert_with(|| json!({}));
            entry[found.action_id()] = Value::Object(told);
        }
    }
    let unknown = values.as_object().into_iter().flatten().find(|(block, _)| !filled.contains_key(*block));
    match unknown {
        Some((block, _)) => Err(Delivered::refused(format!("there is no input {block}"))),
        None => Ok(filled),
    }
}
