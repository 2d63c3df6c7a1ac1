//! Finding the buttons, selects and inputs in blocks, and telling what was chosen in them as Slack does.

use serde_json::{Map, Value, json};

use super::blocks::is_interactive;

/// An element that people act on, and the block that it stands in.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) block_id: String,
    pub(super) element: Value,
}

impl Found {
    pub(super) fn action_id(&self) -> &str {
        self.element["action_id"].as_str().unwrap_or_default()
    }

    /// What people read on it.
    pub(super) fn label(&self) -> &str {
        let text = |part: &str| self.element[part]["text"].as_str();
        text("text").or_else(|| text("placeholder")).unwrap_or_default()
    }

    fn is_called(&self, action: &str) -> bool {
        self.action_id() == action || self.label() == action
    }
}

/// The element that has this action id or label, in this block if one is named.
pub(super) fn find(blocks: &[Value], block_id: Option<&str>, action: &str) -> Option<Found> {
    let all = all(blocks);
    let here = |found: &&Found| block_id.is_none_or(|block_id| found.block_id == block_id);
    let by_id = all.iter().filter(here).find(|found| found.action_id() == action);
    by_id.or_else(|| all.iter().filter(here).find(|found| found.is_called(action))).cloned()
}

/// All elements in the order that they are shown.
pub(super) fn all(blocks: &[Value]) -> Vec<Found> {
    let mut found = Vec::new();
    for block in blocks {
        collect(block, "", &mut found);
    }
    found
}

fn collect(value: &Value, block_id: &str, found: &mut Vec<Found>) {
    if is_interactive(value) {
        found.push(Found { block_id: block_id.to_owned(), element: value.clone() });
        return;
    }
    let block_id = value["block_id"].as_str().unwrap_or(block_id);
    match value {
        Value::Array(values) => values.iter().for_each(|value| collect(value, block_id, found)),
        Value::Object(fields) => fields.values().for_each(|value| collect(value, block_id, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// What an element says when `choice` was typed or selected in it: an option's value, a list of them where several can
/// be chosen, or a whole object, which is taken as it is.
pub(super) fn chosen(element: &Value, choice: Option<&Value>) -> Option<Map<String, Value>> {
    let kind = element["type"].as_str().unwrap_or_default();
    let mut told = Map::new();
    told.insert("type".to_owned(), json!(kind));
    let text = match choice {
        Some(Value::Object(given)) => {
            told.extend(given.clone());
            return Some(told);
        }
        Some(Value::Array(several)) => {
            let key = match kind {
                "checkboxes" | "multi_static_select" => "selected_options",
                "multi_users_select" => "selected_users",
                "multi_channels_select" => "selected_channels",
                "multi_conversations_select" => "selected_conversations",
                _ => return None,
            };
            let one = |choice: &Value| match key {
                "selected_options" => choice.as_str().and_then(|choice| option(element, choice)),
                _ => Some(choice.clone()),
            };
            told.insert(key.to_owned(), Value::Array(several.iter().map(one).collect::<Option<_>>()?));
            return Some(told);
        }
        Some(Value::String(text)) => Some(text.as_str()),
        Some(Value::Null) | None => None,
        Some(Value::Bool(_) | Value::Number(_)) => return None,
    };
    let (key, value) = match kind {
        "static_select" | "radio_buttons" | "overflow" | "external_select" => {
            let option = match text {
                Some(text) => option(element, text)?,
                None => element["initial_option"].clone(),
            };
            ("selected_option", option)
        }
        "checkboxes" | "multi_static_select" => {
            let options = match text {
                Some(text) => json!([option(element, text)?]),
                None if element["initial_options"].is_array() => element["initial_options"].clone(),
                None => json!([]),
            };
            ("selected_options", options)
        }
        "users_select" => ("selected_user", text.map_or_else(|| element["initial_user"].clone(), Value::from)),
        "channels_select" => ("selected_channel", text.map_or_else(|| element["initial_channel"].clone(), Value::from)),
        "conversations_select" => {
            ("selected_conversation", text.map_or_else(|| element["initial_conversation"].clone(), Value::from))
        }
        "datepicker" => ("selected_date", text.map_or_else(|| element["initial_date"].clone(), Value::from)),
        "timepicker" => ("selected_time", text.map_or_else(|| element["initial_time"].clone(), Value::from)),
        "button" => ("value", element["value"].clone()),
        _ => ("value", text.map_or_else(|| element["initial_value"].clone(), Value::from)),
    };
    told.insert(key.to_owned(), value);
    Some(told)
}

/// The option with this value or label.
fn option(element: &Value, wanted: &str) -> Option<Value> {
    let groups = element["option_groups"].as_array().into_iter().flatten();
    let grouped = groups.flat_map(|group| group["options"].as_array().into_iter().flatten());
    let mut options = element["options"].as_array().into_iter().flatten().chain(grouped);
    options.find(|option| option["value"] == wanted || option["text"]["text"] == wanted).cloned()
}

/// Whether an input was left empty.
pub(super) fn is_empty(told: &Map<String, Value>) -> bool {
    told.iter().filter(|(key, _)| *key != "type").all(|(_, value)| match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(values) => values.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    })
}
