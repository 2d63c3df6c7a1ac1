//! A channel or a thread as plain text, for snapshots and for reading: no times, no ids, blocks as words.

use serde_json::Value;

use super::Slack;
use super::spec::WorkspaceSpec;
use super::state::{Message, State};

impl Slack {
    /// The channel as everybody sees it, each thread below the message that opens it.
    pub fn transcript(&self) -> String {
        self.transcript_of(&self.spec().channel.id)
    }

    /// The same of any channel, by id.
    pub fn transcript_of(&self, channel: &str) -> String {
        let state = self.state();
        let mut lines = Vec::new();
        let shown = |message: &&Message| message.is_public() && message.channel == channel;
        for message in state.messages.iter().filter(shown) {
            if message.thread_ts.is_none() {
                lines.extend(render(self.spec(), &state, message));
                lines.extend(replies(self.spec(), &state, &message.ts));
            } else if message.broadcast {
                lines.push(format!(
                    "{} (also sent to the channel): {}",
                    self.author(message),
                    self.plain(&message.text)
                ));
            }
        }
        finish(&lines)
    }

    /// One thread: the message that opens it, and the replies.
    pub fn thread_transcript(&self, ts: &str) -> String {
        let state = self.state();
        let mut lines = Vec::new();
        if let Some(root) = state.messages.iter().find(|message| message.ts == ts) {
            lines.extend(render(self.spec(), &state, root));
        }
        lines.extend(replies(self.spec(), &state, ts));
        finish(&lines)
    }

    /// What only this person sees.
    pub fn ephemeral_transcript(&self, user: &str) -> String {
        let messages = self.ephemerals(user);
        let state = self.state();
        let lines: Vec<String> = messages.iter().flat_map(|message| render(self.spec(), &state, message)).collect();
        finish(&lines)
    }

    /// One message, as it is now.
    pub fn message_transcript(&self, ts: &str) -> Option<String> {
        let message = self.message(ts)?;
        let state = self.state();
        Some(finish(&render(self.spec(), &state, &message)))
    }

    fn author<'a>(&'a self, message: &'a Message) -> &'a str {
        self.spec().shown_name(&message.user)
    }

    fn plain(&self, text: &str) -> String {
        plain(self.spec(), text)
    }
}

fn finish(lines: &[String]) -> String {
    let lines: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
    lines.join("\n")
}

fn replies(spec: &WorkspaceSpec, state: &State, root: &str) -> Vec<String> {
    let replies = state.messages.iter().filter(|reply| reply.is_public() && reply.thread_ts.as_deref() == Some(root));
    replies.flat_map(|reply| render(spec, state, reply)).map(|line| format!("  | {line}")).collect()
}

/// The author and the text on the first line, blocks and files below.
fn render(spec: &WorkspaceSpec, state: &State, message: &Message) -> Vec<String> {
    let edited = if message.edited_ts.is_some() { " (edited)" } else { "" };
    let text = plain(spec, &message.text);
    let mut text = text.lines();
    let first = text.next().unwrap_or_default();
    let mut lines = vec![format!("{}{edited}: {first}", spec.shown_name(&message.user))];
    lines.extend(text.map(|line| format!("  {line}")));
    let blocks = message.blocks.as_deref().unwrap_or_default();
    lines.extend(blocks.iter().flat_map(|block| render_block(spec, block)).map(|line| format!("    {line}")));
    for file in state.files.iter().filter(|file| message.files.contains(&file.id)) {
        lines.push(format!("    [file: {}] {}", file.title, file.alt));
    }
    if !message.reactions.is_empty() {
        let names: Vec<String> = message.reactions.iter().map(|(name, _)| format!(":{name}:")).collect();
        lines.push(format!("    {}", names.join(" ")));
    }
    lines
}

fn render_block(spec: &WorkspaceSpec, block: &Value) -> Vec<String> {
    let text = |value: &Value| plain(spec, value["text"].as_str().unwrap_or_default());
    let lines = |text: String| text.lines().map(str::to_owned).collect::<Vec<String>>();
    let array = |key: &str| block[key].as_array().map(Vec::as_slice).unwrap_or_default();
    match block["type"].as_str().unwrap_or_default() {
        "header" => vec![format!("# {}", text(&block["text"]))],
        "divider" => vec!["---".to_owned()],
        "markdown" => lines(text(block)),
        "section" => {
            let mut shown = lines(text(&block["text"]));
            shown.extend(array("fields").iter().map(|field| format!("- {}", text(field).replace('\n', ": "))));
            if !block["accessory"].is_null() {
                shown.push(render_element(spec, &block["accessory"]));
            }
            shown
        }
        "context" => {
            let parts: Vec<String> = array("elements").iter().map(|part| render_element(spec, part)).collect();
            lines(format!("~ {}", parts.join(" · ")))
        }
        "actions" | "context_actions" => {
            let parts: Vec<String> = array("elements").iter().map(|part| render_element(spec, part)).collect();
            vec![parts.join(" ")]
        }
        "input" => vec![format!("{}: {}", text(&block["label"]), render_element(spec, &block["element"]))],
        "image" => vec![render_element(spec, block)],
        "rich_text" => lines(rich(spec, block)),
        "table" | "data_table" => {
            let row = |row: &Value| {
                let cells = row.as_array().into_iter().flatten().map(|cell| match cell["type"].as_str() {
                    Some("rich_text") => rich(spec, cell).replace('\n', " "),
                    Some("raw_number") => cell["value"].to_string(),
                    _ => text(cell),
                });
                format!("| {} |", cells.collect::<Vec<String>>().join(" | "))
            };
            array("rows").iter().map(row).collect()
        }
        "plan" => {
            let title = format!("# {}", block["title"].as_str().unwrap_or_default());
            std::iter::once(title).chain(array("tasks").iter().flat_map(|task| render_task(spec, task))).collect()
        }
        "task_card" => render_task(spec, block),
        "alert" => vec![format!("! {}", text(&block["text"]))],
        "card" => {
            let mut shown: Vec<String> = ["title", "subtitle", "body"]
                .iter()
                .map(|part| text(&block[*part]))
                .filter(|text| !text.is_empty())
                .collect();
            shown.extend(array("actions").iter().map(|part| render_element(spec, part)));
            shown
        }
        "container" => {
            let title = format!("# {}", text(&block["title"]));
            let children = array("child_blocks").iter().flat_map(|child| render_block(spec, child));
            std::iter::once(title).chain(children.map(|line| format!("  {line}"))).collect()
        }
        "carousel" => array("elements").iter().flat_map(|card| render_block(spec, card)).collect(),
        other => vec![format!("<{other}>")],
    }
}

fn render_task(spec: &WorkspaceSpec, task: &Value) -> Vec<String> {
    let mark = match task["status"].as_str() {
        Some("complete") => "x",
        Some("in_progress") => "~",
        Some("error") => "!",
        _ => " ",
    };
    let mut shown = vec![format!("[{mark}] {}", plain(spec, task["title"].as_str().unwrap_or_default()))];
    for part in ["details", "output"] {
        if !task[part].is_null() {
            shown.extend(rich(spec, &task[part]).lines().map(|line| format!("      {line}")));
        }
    }
    shown
}

fn render_element(spec: &WorkspaceSpec, element: &Value) -> String {
    let label = plain(spec, element["text"]["text"].as_str().unwrap_or_default());
    match element["type"].as_str().unwrap_or_default() {
        "plain_text" | "mrkdwn" => plain(spec, element["text"].as_str().unwrap_or_default()),
        "image" => format!("[image: {}]", element["alt_text"].as_str().unwrap_or_default()),
        "button" => {
            let style = element["style"].as_str().map(|style| format!(", {style}")).unwrap_or_default();
            let confirm = if element["confirm"].is_null() { "" } else { ", asks" };
            format!("[{label}{style}{confirm}]")
        }
        kind => {
            let options = element["options"].as_array().into_iter().flatten();
            let options: Vec<&str> = options.filter_map(|option| option["text"]["text"].as_str()).collect();
            let placeholder = element["placeholder"]["text"].as_str().unwrap_or(kind);
            if options.is_empty() {
                format!("<{placeholder}>")
            } else {
                format!("<{placeholder}: {}>", options.join(" / "))
            }
        }
    }
}

/// The words of rich text: parts on lines of their own, inline elements joined.
fn rich(spec: &WorkspaceSpec, value: &Value) -> String {
    let parts = value["elements"].as_array().map(Vec::as_slice).unwrap_or_default();
    match value["type"].as_str().unwrap_or_default() {
        "text" => value["text"].as_str().unwrap_or_default().to_owned(),
        "link" => value["text"].as_str().or(value["url"].as_str()).unwrap_or_default().to_owned(),
        "emoji" => format!(":{}:", value["name"].as_str().unwrap_or_default()),
        "user" => format!("@{}", spec.shown_name(value["user_id"].as_str().unwrap_or_default())),
        "channel" => format!("#{}", spec.channel_name(value["channel_id"].as_str().unwrap_or_default())),
        "date" => value["fallback"].as_str().unwrap_or("<date>").to_owned(),
        "rich_text_list" => {
            let items: Vec<String> = parts.iter().map(|part| format!("- {}", rich(spec, part))).collect();
            items.join("\n")
        }
        "rich_text" => parts.iter().map(|part| rich(spec, part)).collect::<Vec<String>>().join("\n"),
        _ => parts.iter().map(|part| rich(spec, part)).collect(),
    }
}

/// Text without Slack's markup for mentions, links and dates; bold and the like stay as they are.
pub(super) fn plain(spec: &WorkspaceSpec, text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, markup, after)) = rest
        .split_once('<')
        .and_then(|(before, tail)| tail.split_once('>').map(|(markup, after)| (before, markup, after)))
    {
        shown.push_str(before);
        shown.push_str(&reference(spec, markup));
        rest = after;
    }
    shown.push_str(rest);
    shown.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

fn reference(spec: &WorkspaceSpec, markup: &str) -> String {
    let (target, label) = match markup.split_once('|') {
        Some((target, label)) => (target, Some(label)),
        None => (markup, None),
    };
    if let Some(user) = target.strip_prefix('@') {
        return format!("@{}", spec.shown_name(user));
    }
    if let Some(channel) = target.strip_prefix('#') {
        return format!("#{}", spec.channel_name(channel));
    }
    if let Some(id) = target.strip_prefix("!subteam^") {
        let group = spec.usergroups.iter().find(|group| group.id == id);
        return format!("@{}", group.map_or(id, |group| &group.handle));
    }
    if target.starts_with("!date^") {
        return label.unwrap_or("<date>").to_owned();
    }
    if let Some(special) = target.strip_prefix('!') {
        return format!("@{special}");
    }
    label.unwrap_or(target).to_owned()
}
