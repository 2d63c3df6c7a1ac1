//! Block Kit's limits: which blocks a message, a modal or the App Home takes. Does not render them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::args::Refused;
use super::state::State;

/// Where blocks are to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Surface {
    Message,
    Modal,
    Home,
}

/// Checks blocks, and gives ids to those blocks and elements that come without, as Slack does.
pub(super) fn accept(state: &mut State, mut blocks: Vec<Value>, surface: Surface) -> Result<Vec<Value>, Refused> {
    let mut check = Check { problems: Vec::new(), surface };
    check.all(&blocks);
    if !check.problems.is_empty() {
        return Err(Refused::explained("invalid_blocks", check.problems));
    }
    for block in &mut blocks {
        if block["block_id"].is_null() {
            block["block_id"] = json!(state.next_id("b"));
        }
        name_elements(state, block);
    }
    Ok(blocks)
}

/// Elements that people act on.
const INTERACTIVE: [&str; 22] = [
    "button",
    "channels_select",
    "checkboxes",
    "conversations_select",
    "datepicker",
    "datetimepicker",
    "email_text_input",
    "external_select",
    "file_input",
    "multi_channels_select",
    "multi_conversations_select",
    "multi_external_select",
    "multi_static_select",
    "multi_users_select",
    "number_input",
    "overflow",
    "plain_text_input",
    "radio_buttons",
    "static_select",
    "timepicker",
    "url_text_input",
    "users_select",
];

pub(super) fn is_interactive(element: &Value) -> bool {
    element["type"].as_str().is_some_and(|kind| INTERACTIVE.contains(&kind))
}

fn name_elements(state: &mut State, value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(|value| name_elements(state, value)),
        Value::Object(_) => {
            if is_interactive(value) && value["action_id"].is_null() {
                value["action_id"] = json!(state.next_id("a"));
            }
            if let Value::Object(fields) = value {
                fields.values_mut().for_each(|value| name_elements(state, value));
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

struct Check {
    problems: Vec<String>,
    surface: Surface,
}

impl Check {
    fn problem(&mut self, what: &str, at: &str) {
        self.problems.push(format!("[ERROR] {what} [json-pointer:{at}]"));
    }

    fn all(&mut self, blocks: &[Value]) {
        let limit = if self.surface == Surface::Message { 50 } else { 100 };
        if blocks.len() > limit {
            self.problem(&format!("no more than {limit} items allowed"), "/blocks");
        }
        let mut ids = BTreeSet::new();
        for (index, block) in blocks.iter().enumerate() {
            let at = format!("/blocks/{index}");
            if let Some(id) = block["block_id"].as_str()
                && !ids.insert(id)
            {
                self.problem(&format!("duplicate block_id: {id}"), &at);
            }
            self.block(block, &at);
        }
        let count = |kind: &str| blocks.iter().filter(|block| block["type"] == kind).count();
        if count("table") > 1 {
            self.problem("only_one_table_allowed", "/blocks");
        }
        if count("plan") > 0 && count("task_card") > 0 {
            self.problem("plan and task_card exclude each other", "/blocks");
        }
        let markdown = blocks.iter().filter(|block| block["type"] == "markdown");
        let length: usize = markdown.filter_map(|block| block["text"].as_str()).map(|text| text.chars().count()).sum();
        if length > 12_000 {
            self.problem("markdown must be less than 12001 characters in all", "/blocks");
        }
    }

    fn block(&mut self, block: &Value, at: &str) {
        self.id(block, "block_id", at);
        let Some(kind) = block["type"].as_str() else { return self.problem("missing required field: type", at) };
        match kind {
            "section" => self.section(block, at),
            "header" => self.text(&block["text"], (1, 150), &["plain_text"], &format!("{at}/text")),
            "context" => self.items(&block["elements"], 10, &format!("{at}/elements"), Self::context_element),
            "actions" | "context_actions" => {
                self.items(&block["elements"], 25, &format!("{at}/elements"), Self::element);
                self.distinct_actions(&block["elements"], at);
            }
            "divider" => {}
            "image" => self.image(block, at),
            "input" => self.input(block, at),
            "markdown" => self.string(block, "text", 12_000, true, at),
            "rich_text" => self.items(&block["elements"], usize::MAX, &format!("{at}/elements"), Self::rich_part),
            "table" => self.table(block, (100, 20), at),
            "data_table" => {
                self.string(block, "caption", 3000, true, at);
                self.table(block, (201, 20), at);
            }
            "task_card" => self.task(block, at),
            "plan" => {
                self.string(block, "title", 3000, true, at);
                self.items(&block["tasks"], 50, &format!("{at}/tasks"), Self::task);
            }
            "alert" if self.surface == Surface::Modal => {
                self.text(&block["text"], (1, 3000), &["plain_text", "mrkdwn"], &format!("{at}/text"));
            }
            "card" => {
                for part in ["title", "subtitle", "body"] {
                    if !block[part].is_null() {
                        let at = format!("{at}/{part}");
                        self.text(&block[part], (1, 3000), &["plain_text", "mrkdwn"], &at);
                    }
                }
                if !block["actions"].is_null() {
                    self.items(&block["actions"], 25, &format!("{at}/actions"), Self::element);
                }
            }
            "carousel" => self.items(&block["elements"], 10, &format!("{at}/elements"), Self::block),
            "container" => self.items(&block["child_blocks"], 50, &format!("{at}/child_blocks"), Self::block),
            "file" | "video" | "data_visualization" => {}
            unknown => self.problem(&format!("unsupported type: {unknown}"), &format!("{at}/type")),
        }
    }

    fn section(&mut self, block: &Value, at: &str) {
        if block["text"].is_null() && block["fields"].is_null() {
            self.problem("missing required field: text or fields", at);
        }
        if !block["text"].is_null() {
            self.text(&block["text"], (1, 3000), &["plain_text", "mrkdwn"], &format!("{at}/text"));
        }
        if !block["fields"].is_null() {
            self.items(&block["fields"], 10, &format!("{at}/fields"), |check, field, at| {
                check.text(field, (1, 2000), &["plain_text", "mrkdwn"], at);
            });
        }
        if !block["accessory"].is_null() {
            self.element(&block["accessory"], &format!("{at}/accessory"));
        }
    }

    fn input(&mut self, block: &Value, at: &str) {
        self.text(&block["label"], (1, 2000), &["plain_text"], &format!("{at}/label"));
        if !block["hint"].is_null() {
            self.text(&block["hint"], (1, 2000), &["plain_text"], &format!("{at}/hint"));
        }
        self.element(&block["element"], &format!("{at}/element"));
    }

    fn image(&mut self, block: &Value, at: &str) {
        self.string(block, "alt_text", 2000, true, at);
        self.string(block, "image_url", 3000, block["slack_file"].is_null(), at);
        if !block["title"].is_null() && block["title"].is_object() {
            self.text(&block["title"], (1, 2000), &["plain_text"], &format!("{at}/title"));
        }
    }

    fn table(&mut self, block: &Value, (rows_limit, columns_limit): (usize, usize), at: &str) {
        self.items(&block["rows"], rows_limit, &format!("{at}/rows"), |check, row, at| {
            check.items(row, columns_limit, at, |check, cell, at| match cell["type"].as_str() {
                Some("raw_text") if cell["text"].is_string() => {}
                Some("raw_number") if cell["value"].is_number() => {}
                Some("rich_text") if cell["elements"].is_array() => {}
                Some("action_cell") if check.surface == Surface::Message => {}
                _ => check.problem("invalid table cell", at),
            });
        });
    }

    fn task(&mut self, task: &Value, at: &str) {
        self.string(task, "task_id", 255, true, at);
        self.string(task, "title", 3000, true, at);
        let status = &task["status"];
        if !status.is_null() && !["pending", "in_progress", "complete", "error"].iter().any(|known| status == known) {
            self.problem("must be one of pending, in_progress, complete, error", &format!("{at}/status"));
        }
    }

    fn rich_part(&mut self, part: &Value, at: &str) {
        let known = ["rich_text_section", "rich_text_list", "rich_text_preformatted", "rich_text_quote"];
        if !known.iter().any(|known| part["type"] == *known) {
            self.problem("unsupported type", &format!("{at}/type"));
        }
    }

    fn context_element(&mut self, element: &Value, at: &str) {
        if element["type"] == "image" {
            self.image(element, at);
        } else {
            self.text(element, (1, 3000), &["plain_text", "mrkdwn"], at);
        }
    }

    fn element(&mut self, element: &Value, at: &str) {
        self.id(element, "action_id", at);
        let kind = element["type"].as_str().unwrap_or_default();
        match kind {
            "button" => self.button(element, at),
            "image" => self.image(element, at),
            "overflow" => self.options(element, (5, 75), at),
            "radio_buttons" | "checkboxes" => self.options(element, (10, 75), at),
            "static_select" | "multi_static_select" => {
                if element["option_groups"].is_null() {
                    self.options(element, (100, 75), at);
                }
            }
            "workflow_button" | "feedback_buttons" | "icon_button" | "rich_text_input" => {}
            _ if is_interactive(element) => {}
            unknown => self.problem(&format!("unsupported type: {unknown}"), &format!("{at}/type")),
        }
        if !element["placeholder"].is_null() {
            self.text(&element["placeholder"], (1, 150), &["plain_text"], &format!("{at}/placeholder"));
        }
        if !element["confirm"].is_null() {
            self.confirm(&element["confirm"], &format!("{at}/confirm"));
        }
    }

    fn button(&mut self, button: &Value, at: &str) {
        self.text(&button["text"], (1, 75), &["plain_text"], &format!("{at}/text"));
        self.string(button, "value", 2000, false, at);
        self.string(button, "url", 3000, false, at);
        self.string(button, "accessibility_label", 75, false, at);
        let style = &button["style"];
        if !style.is_null() && style != "primary" && style != "danger" {
            self.problem("must be one of primary, danger", &format!("{at}/style"));
        }
    }

    fn confirm(&mut self, confirm: &Value, at: &str) {
        self.text(&confirm["title"], (1, 100), &["plain_text"], &format!("{at}/title"));
        self.text(&confirm["text"], (1, 300), &["plain_text", "mrkdwn"], &format!("{at}/text"));
        self.text(&confirm["confirm"], (1, 30), &["plain_text"], &format!("{at}/confirm"));
        self.text(&confirm["deny"], (1, 30), &["plain_text"], &format!("{at}/deny"));
    }

    fn options(&mut self, element: &Value, (limit, text_limit): (usize, usize), at: &str) {
        self.items(&element["options"], limit, &format!("{at}/options"), |check, option, at| {
            check.text(&option["text"], (1, text_limit), &["plain_text", "mrkdwn"], &format!("{at}/text"));
            check.string(option, "value", 150, true, at);
        });
    }

    fn distinct_actions(&mut self, elements: &Value, at: &str) {
        let mut seen = BTreeSet::new();
        for element in elements.as_array().into_iter().flatten() {
            if let Some(id) = element["action_id"].as_str()
                && !seen.insert(id)
            {
                self.problem(&format!("duplicate action_id: {id}"), at);
            }
        }
    }

    fn items(&mut self, items: &Value, limit: usize, at: &str, each: impl Fn(&mut Self, &Value, &str)) {
        let Some(items) = items.as_array().filter(|items| !items.is_empty()) else {
            return self.problem("must have at least 1 item", at);
        };
        if items.len() > limit {
            self.problem(&format!("no more than {limit} items allowed"), at);
        }
        for (index, item) in items.iter().enumerate() {
            each(self, item, &format!("{at}/{index}"));
        }
    }

    fn id(&mut self, owner: &Value, key: &str, at: &str) {
        self.string(owner, key, 255, false, at);
    }

    fn string(&mut self, owner: &Value, key: &str, limit: usize, required: bool, at: &str) {
        match &owner[key] {
            Value::Null if !required => {}
            Value::String(text) if text.is_empty() => {
                self.problem("must be more than 0 characters", &format!("{at}/{key}"))
            }
            Value::String(text) => self.length(text, (1, limit), &format!("{at}/{key}")),
            Value::Null => self.problem(&format!("missing required field: {key}"), at),
            _ => self.problem("must be a string", &format!("{at}/{key}")),
        }
    }

    fn text(&mut self, text: &Value, lengths: (usize, usize), kinds: &[&str], at: &str) {
        if !kinds.iter().any(|kind| text["type"] == *kind) {
            return self.problem(&format!("must be a text of type {}", kinds.join(" or ")), at);
        }
        match text["text"].as_str() {
            Some(words) => self.length(words, lengths, &format!("{at}/text")),
            None => self.problem("missing required field: text", at),
        }
    }

    fn length(&mut self, text: &str, (least, most): (usize, usize), at: &str) {
        let length = text.chars().count();
        if length < least {
            self.problem(&format!("must be more than {} characters", least - 1), at);
        } else if length > most {
            self.problem(&format!("must be less than {} characters", most + 1), at);
        }
    }
}
