//! Builds a message block by block, within Slack's limits, together with the text that says the same.
//!
//! Methods add to both, so that neither can know more than the other.

use serde_json::{Value, json};

use super::markup::{Markup, clip, length, md, tame};
use crate::slack::message::Message;

/// Blocks in a message.
pub const MAX_BLOCKS: usize = 50;
/// Characters in a header.
pub const MAX_HEADER: usize = 150;
/// Characters in a section or in an element of a context.
pub const MAX_SECTION: usize = 3000;
/// Rows in a table, its head included.
pub const MAX_ROWS: usize = 100;
/// Columns in a table.
pub const MAX_COLUMNS: usize = 20;
/// Characters in all cells of a message's table.
pub const MAX_TABLE: usize = 10_000;
/// Characters on a button.
pub const MAX_BUTTON: usize = 75;
/// Characters in a button's value.
pub const MAX_VALUE: usize = 2000;
/// Buttons in a row.
pub const MAX_BUTTONS: usize = 25;
/// Characters in a confirmation's title.
pub const MAX_CONFIRM_TITLE: usize = 100;
/// Characters in a confirmation's text.
pub const MAX_CONFIRM_TEXT: usize = 300;
/// Characters on a confirmation's buttons.
pub const MAX_CONFIRM_BUTTON: usize = 30;
/// Characters in the text. Slack updates a message with at most 4,000.
pub const MAX_TEXT: usize = 3900;

/// A message that is being written.
#[derive(Debug, Default)]
pub struct Draft {
    blocks: Vec<Value>,
    text: Vec<Markup>,
    left_out: bool,
    has_table: bool,
}

/// How a button looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// As all.
    Plain,
    /// The one thing to do.
    Primary,
    /// Destructive.
    Danger,
}

/// A button; its action and value are what comes back with the click.
#[derive(Clone, Debug)]
pub struct Button {
    /// What is on it.
    pub label: String,
    /// Which action.
    pub action: &'static str,
    /// On what: an opaque id or a command.
    pub value: String,
    /// How it looks.
    pub style: Style,
    /// What is asked before it counts.
    pub confirm: Option<Confirm>,
}

/// The question before a button counts.
#[derive(Clone, Debug)]
pub struct Confirm {
    /// In a few words.
    pub title: String,
    /// What will happen, plain text.
    pub text: String,
    /// The button that does it.
    pub yes: &'static str,
    /// The button that does not.
    pub no: &'static str,
}

impl Draft {
    /// An empty message.
    pub fn new() -> Self {
        Self::default()
    }

    /// A heading, plain text.
    pub fn header(&mut self, title: &str) {
        let title = clip(&tame(title), MAX_HEADER);
        self.add(json!({"type": "header", "text": {"type": "plain_text", "text": shown(&title), "emoji": true}}));
        self.text.push(Markup::from(title).bold());
    }

    /// A paragraph.
    pub fn section(&mut self, text: Markup) {
        if !text.is_empty() {
            self.add(json!({"type": "section", "text": mrkdwn(&text.cut(MAX_SECTION))}));
            self.text.push(text);
        }
    }

    /// Lines, one under the other, in as few sections as they fit in.
    pub fn lines(&mut self, lines: impl IntoIterator<Item = Markup>) {
        let (mut part, mut used) = (Vec::new(), 0);
        for line in lines.into_iter().filter(|line| !line.is_empty()) {
            let line = line.cut(MAX_SECTION);
            let long = length(line.as_str()) + 1;
            if used + long > MAX_SECTION && !part.is_empty() {
                self.section(Markup::join(std::mem::take(&mut part), "\n"));
                used = 0;
            }
            used += long;
            part.push(line);
        }
        self.section(Markup::join(part, "\n"));
    }

    /// Small print.
    pub fn context(&mut self, text: Markup) {
        if !text.is_empty() {
            self.add(json!({"type": "context", "elements": [mrkdwn(&text.cut(MAX_SECTION))]}));
            self.text.push(text);
        }
    }

    /// A table of plain cells. The text gets `lines` instead, one a row, for a screen reader does not see columns.
    /// Slack takes one table a message: a second one is given as its lines.
    pub fn table(&mut self, head: &[&'static str], rows: Vec<Vec<String>>, lines: Vec<Markup>) {
        if self.has_table {
            return self.lines(lines);
        }
        self.has_table = true;
        let mut room = MAX_TABLE;
        let mut cells = |row: &mut dyn Iterator<Item = &str>| -> Option<Value> {
            let row: Vec<String> =
                row.take(MAX_COLUMNS).map(|cell| shown(&clip(&tame(cell), 500)).to_owned()).collect();
            let long: usize = row.iter().map(|cell| length(cell)).sum();
            room = room.checked_sub(long)?;
            Some(row.iter().map(|cell| json!({"type": "raw_text", "text": cell})).collect())
        };
        let mut table: Vec<Value> = cells(&mut head.iter().copied()).into_iter().collect();
        for row in rows.iter().take(MAX_ROWS - 1) {
            let Some(row) = cells(&mut row.iter().map(String::as_str)) else { break };
            table.push(row);
        }
        let left_out = (rows.len() + 1).saturating_sub(table.len());
        let settings: Vec<Value> = head.iter().take(MAX_COLUMNS).map(|_| json!({"is_wrapped": true})).collect();
        self.add(json!({"type": "table", "column_settings": settings, "rows": table}));
        if left_out > 0 {
            self.add(json!({"type": "context", "elements": [mrkdwn(&md!("… and {} more rows", left_out))]}));
        }
        self.text.push(Markup::join(lines, "\n"));
    }

    /// What to type instead of buttons that stand far below: for the text only, which is cut from below.
    pub fn typed(&mut self, instead: Markup) {
        self.text.push(instead);
    }

    /// Buttons in a row. `instead` tells the text how to do the same by typing.
    pub fn buttons(&mut self, buttons: Vec<Button>, instead: Markup) {
        if !buttons.is_empty() {
            let elements: Vec<Value> = buttons.into_iter().take(MAX_BUTTONS).map(Button::into_block).collect();
            self.add(json!({"type": "actions", "elements": elements}));
            self.text.push(instead);
        }
    }

    /// A line between parts; for the eye only.
    pub fn divider(&mut self) {
        self.add(json!({"type": "divider"}));
    }

    /// The message.
    pub fn finish(self) -> Message {
        let text = Markup::join(self.text, "\n").cut(MAX_TEXT).into_string();
        Message { text, blocks: self.blocks }
    }

    /// The last place is kept for the word that something was left out.
    fn add(&mut self, block: Value) {
        if self.blocks.len() + 1 < MAX_BLOCKS {
            self.blocks.push(block);
        } else if !self.left_out {
            self.left_out = true;
            self.blocks.push(json!({"type": "context", "elements": [mrkdwn(&md!("… there is more than fits here"))]}));
        }
    }
}

impl Button {
    fn into_block(self) -> Value {
        let mut button = json!({
            "type": "button",
            "text": {"type": "plain_text", "text": shown(&clip(&tame(&self.label), MAX_BUTTON)), "emoji": true},
            "action_id": self.action,
            "value": clip(&tame(&self.value), MAX_VALUE),
        });
        match self.style {
            Style::Plain => {}
            Style::Primary => button["style"] = json!("primary"),
            Style::Danger => button["style"] = json!("danger"),
        }
        if let Some(confirm) = self.confirm {
            let plain =
                |text: &str, limit: usize| json!({"type": "plain_text", "text": shown(&clip(&tame(text), limit))});
            button["confirm"] = json!({
                "title": plain(&confirm.title, MAX_CONFIRM_TITLE),
                "text": plain(&confirm.text, MAX_CONFIRM_TEXT),
                "confirm": plain(confirm.yes, MAX_CONFIRM_BUTTON),
                "deny": plain(confirm.no, MAX_CONFIRM_BUTTON),
                "style": if self.style == Style::Danger { "danger" } else { "primary" },
            });
        }
        button
    }
}

/// Verbatim, so that Slack does not turn an address or an `@name` within it into a link or a mention.
fn mrkdwn(text: &Markup) -> Value {
    json!({"type": "mrkdwn", "text": text.as_str(), "verbatim": true})
}

/// Slack refuses empty texts.
fn shown(text: &str) -> &str {
    if text.trim().is_empty() { "–" } else { text }
}
