//! The `views.*` methods: modals, stacked three deep, and the App Home.

use serde_json::{Value, json};

use super::Slack;
use super::args::{Answer, Args, Refused};
use super::blocks::{self, Surface};
use super::state::{State, View};

/// How many modals stand on one another.
const STACK_LIMIT: usize = 3;

impl Slack {
    pub(super) fn views_open(&self, args: &Args) -> Answer {
        let (trigger, view) = (args.required("trigger_id")?, modal_argument(args)?);
        let now = self.clock().now();
        self.change(|state| {
            let view = checked(state, view)?;
            let (user, _) = state.use_trigger(now, trigger)?;
            state.views.retain(|open| open.user != user);
            Ok(json!({"view": self.push(state, &user, view, None)}))
        })
    }

    pub(super) fn views_push(&self, args: &Args) -> Answer {
        let (trigger, view) = (args.required("trigger_id")?, modal_argument(args)?);
        let now = self.clock().now();
        self.change(|state| {
            let view = checked(state, view)?;
            let (user, from) = state.use_trigger(now, trigger)?;
            let below = from.ok_or("not_found")?;
            if state.views.iter().filter(|open| open.user == user).count() >= STACK_LIMIT {
                return Err("push_limit_reached".into());
            }
            Ok(json!({"view": self.push(state, &user, view, Some(below))}))
        })
    }

    pub(super) fn views_update(&self, args: &Args) -> Answer {
        let view = modal_argument(args)?;
        self.change(|state| {
            let view = checked(state, view)?;
            let (id, external) = (args.text("view_id"), args.text("external_id"));
            let wanted = |open: &&View| {
                id == Some(&open.id) || (external.is_some() && open.view["external_id"].as_str() == external)
            };
            let open = state.views.iter().find(wanted).ok_or("not_found")?.clone();
            if args.text("hash").is_some_and(|hash| open.view["hash"].as_str() != Some(hash)) {
                return Err("hash_conflict".into());
            }
            Ok(json!({"view": self.replace(state, &open.id, view)}))
        })
    }

    pub(super) fn views_publish(&self, args: &Args) -> Answer {
        let user = args.required("user_id")?;
        self.spec().person(user).ok_or("user_not_found")?;
        let view = args.json("view")?.ok_or("invalid_arguments")?;
        if view["type"] != "home" {
            return Err("invalid_arguments".into());
        }
        self.change(|state| {
            let view = checked(state, view)?;
            let published = state.homes.get(user);
            let stale = |hash| published.is_some_and(|home| home["hash"].as_str() != Some(hash));
            if args.text("hash").is_some_and(stale) {
                return Err("hash_conflict".into());
            }
            let id = published.and_then(|home| home["id"].as_str()).map(str::to_owned);
            let id = id.unwrap_or_else(|| state.next_id("V"));
            let view = self.complete(state, view, &id, None);
            state.homes.insert(user.to_owned(), view.clone());
            Ok(json!({"view": view}))
        })
    }

    /// Opens a modal on top of the person's others.
    pub(super) fn push(&self, state: &mut State, user: &str, view: Value, below: Option<String>) -> Value {
        let id = state.next_id("V");
        let view = self.complete(state, view, &id, below);
        state.views.push(View { id, user: user.to_owned(), view: view.clone() });
        view
    }

    /// Puts another content into an open modal.
    pub(super) fn replace(&self, state: &mut State, id: &str, view: Value) -> Value {
        let below = state.views.iter().find(|open| open.id == id);
        let below = below.and_then(|open| open.view["previous_view_id"].as_str()).map(str::to_owned);
        let view = self.complete(state, view, id, below);
        if let Some(open) = state.views.iter_mut().find(|open| open.id == id) {
            open.view = view.clone();
        }
        view
    }

    /// Adds what Slack adds to a view.
    fn complete(&self, state: &mut State, mut view: Value, id: &str, below: Option<String>) -> Value {
        let root = below.as_ref().and_then(|below| {
            let open = state.views.iter().find(|open| open.id == *below)?;
            open.view["root_view_id"].as_str().map(str::to_owned)
        });
        for (key, default) in [("private_metadata", ""), ("callback_id", ""), ("external_id", "")] {
            if view[key].is_null() {
                view[key] = json!(default);
            }
        }
        view["id"] = json!(id);
        view["team_id"] = json!(self.spec().team_id);
        view["app_id"] = json!(self.spec().api_app_id);
        view["bot_id"] = json!(self.spec().bot_id());
        view["hash"] = json!(state.next_id("hash."));
        view["state"] = json!({"values": {}});
        view["root_view_id"] = json!(root.unwrap_or_else(|| id.to_owned()));
        view["previous_view_id"] = json!(below);
        view
    }

    /// A trigger as a command, a click or a submission brings it, with the modal that it comes from.
    pub(super) fn trigger(&self, user: &str, view: Option<&str>) -> String {
        let now = self.clock().now();
        self.change(|state| state.issue_trigger(now, user, view))
    }
}

fn modal_argument(args: &Args) -> Result<Value, Refused> {
    let view = args.json("view")?.ok_or("invalid_arguments")?;
    if view["type"] == "modal" { Ok(view) } else { Err("invalid_arguments".into()) }
}

/// The view with its blocks accepted.
pub(super) fn checked(state: &mut State, mut view: Value) -> Result<Value, Refused> {
    let surface = if view["type"] == "home" { Surface::Home } else { Surface::Modal };
    let mut problems = Vec::new();
    if surface == Surface::Modal {
        for (part, required) in [("title", true), ("submit", false), ("close", false)] {
            match view[part]["text"].as_str() {
                None if required => problems.push(format!("[ERROR] missing required field: {part}")),
                Some(text) if text.chars().count() > 24 => {
                    problems.push(format!("[ERROR] must be less than 25 characters [json-pointer:/view/{part}/text]"));
                }
                None | Some(_) => {}
            }
        }
    }
    if view["private_metadata"].as_str().is_some_and(|text| text.chars().count() > 3000) {
        problems.push("[ERROR] must be less than 3001 characters [json-pointer:/view/private_metadata]".to_owned());
    }
    if !problems.is_empty() {
        return Err(Refused::explained("invalid_arguments", problems));
    }
    let Value::Array(given) = view["blocks"].take() else { return Err("invalid_arguments".into()) };
    let accepted = blocks::accept(state, given, surface)
        .map_err(|refused| Refused::explained("invalid_arguments", refused.messages))?;
    view["blocks"] = Value::Array(accepted);
    Ok(view)
}
