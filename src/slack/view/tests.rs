//! The views as stories: what people read of whole journals, and what must hold for any.

mod limits;
mod notices;
mod stories;

use std::fmt::Write as _;

use serde_json::Value;

use super::ThreadMessage;
use crate::slack::message::Message;

/// A thread of a longer journal has what the shorter one's has, in its order; only what is live may say something else.
fn grows(part: &[ThreadMessage], whole: &[ThreadMessage]) {
    assert!(part.len() <= whole.len());
    for (earlier, later) in part.iter().zip(whole) {
        assert_eq!(
            (&earlier.key, earlier.live, earlier.broadcast),
            (&later.key, later.live, later.broadcast),
            "a key vanished or moved"
        );
        assert!(earlier.live || earlier.message == later.message, "{} changed", earlier.key);
    }
}

/// A message as one reads it: a line a block, times as their UTC fallback in braces.
fn read(message: &Message) -> String {
    let mut page = String::new();
    for block in &message.blocks {
        let text = |at: &str| block.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned();
        let line = match block["type"].as_str().unwrap() {
            "header" => format!("# {}", text("/text/text")),
            "section" => text("/text/text"),
            "context" => format!("({})", text("/elements/0/text")),
            "divider" => "----".to_owned(),
            "table" => table(block),
            "actions" => buttons(block),
            other => panic!("unknown block {other}"),
        };
        writeln!(page, "{}", dates(&line)).unwrap();
    }
    page
}

fn table(block: &Value) -> String {
    let row = |row: &Value| -> String {
        let cells: Vec<&str> = row.as_array().unwrap().iter().map(|cell| cell["text"].as_str().unwrap()).collect();
        format!("| {} |", cells.join(" | "))
    };
    block["rows"].as_array().unwrap().iter().map(row).collect::<Vec<_>>().join("\n")
}

fn buttons(block: &Value) -> String {
    let button = |button: &Value| -> String {
        let confirm = button.pointer("/confirm/text/text").map(|text| format!(" ⟨{}⟩", text.as_str().unwrap()));
        let style = button["style"].as_str().map(|style| format!(" {style}")).unwrap_or_default();
        format!(
            "[{}{style} {}={}{}]",
            button["text"]["text"].as_str().unwrap(),
            button["action_id"].as_str().unwrap(),
            button["value"].as_str().unwrap(),
            confirm.unwrap_or_default()
        )
    };
    block["elements"].as_array().unwrap().iter().map(button).collect::<Vec<_>>().join(" ")
}

fn dates(text: &str) -> String {
    let mut text = text.to_owned();
    while let Some(from) = text.find("<!date^") {
        let until = from + text[from..].find('>').unwrap();
        let fallback = text[from..until].rsplit('|').next().unwrap().to_owned();
        text.replace_range(from..=until, &format!("{{{fallback}}}"));
    }
    text
}
