//! What Slack makes of the text that a person types: mentions, channels and addresses become links, `&<>` are escaped.

use super::spec::WorkspaceSpec;

/// Endings by which a bare word is taken for an address.
const TOP_LEVEL_DOMAINS: [&str; 6] = ["com", "org", "net", "io", "dev", "co"];

/// How mentions are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// `<@U…|name>`, as in the text of commands of an app that asks for escaping.
    Command,
    /// `<@U…>`, as in messages.
    Message,
}

/// The text as the app gets it.
pub(super) fn escape(spec: &WorkspaceSpec, text: &str, style: Style) -> String {
    let mut escaped = String::with_capacity(text.len());
    for piece in text.split_inclusive(char::is_whitespace) {
        let word = piece.trim_end_matches(char::is_whitespace);
        escaped.push_str(&escape_word(spec, word, style));
        escaped.push_str(&piece[word.len()..]);
    }
    escaped
}

/// What a person typed, from text that a client has escaped already.
pub(super) fn unescape(spec: &WorkspaceSpec, text: &str) -> String {
    let mut typed = text.replace(&format!("<@{}>", spec.bot_user.id), &format!("@{}", spec.bot_user.name));
    for person in &spec.people {
        typed = typed.replace(&format!("<@{}>", person.id), &format!("@{}", person.username()));
    }
    typed.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

fn escape_word(spec: &WorkspaceSpec, word: &str, style: Style) -> String {
    // Punctuation behind a name or an address is not a part of it.
    let core = word.trim_end_matches([',', ';', ':', '!', '?', ')', '.']);
    let (core, rest) = (core, &word[core.len()..]);
    match link(spec, core, style) {
        Some(link) => format!("{link}{}", escape_plain(rest)),
        None => escape_plain(word),
    }
}

fn escape_plain(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn link(spec: &WorkspaceSpec, word: &str, style: Style) -> Option<String> {
    if let Some(name) = word.strip_prefix('@').filter(|name| !name.is_empty()) {
        return mention(spec, name, style);
    }
    if let Some(name) = word.strip_prefix('#') {
        let mut channels = spec.channels();
        let channel = channels.find(|channel| channel.name == name)?;
        return Some(format!("<#{}|{}>", channel.id, channel.name));
    }
    if word.starts_with("http://") || word.starts_with("https://") {
        return Some(format!("<{}>", word.replace('&', "&amp;")));
    }
    if let Some((user, host)) = word.split_once('@') {
        return (!user.is_empty() && is_host(host)).then(|| format!("<mailto:{word}|{word}>"));
    }
    is_host(word).then(|| format!("<http://{word}|{word}>"))
}

fn mention(spec: &WorkspaceSpec, name: &str, style: Style) -> Option<String> {
    let name = name.to_lowercase();
    if let Some(group) = spec.usergroups.iter().find(|group| group.handle == name) {
        return Some(format!("<!subteam^{}|@{}>", group.id, group.handle));
    }
    let bot = &spec.bot_user;
    let (id, handle) = if bot.name == name {
        (bot.id.clone(), bot.name.clone())
    } else {
        let exact = spec.people.iter().find(|person| person.username() == name);
        let is_first = |full: &str| full.split(' ').next().is_some_and(|first| first.to_lowercase() == name);
        let first_name = || spec.people.iter().find(|person| is_first(&person.name));
        let person = exact.or_else(first_name)?;
        (person.id.clone(), person.username())
    };
    Some(match style {
        Style::Command => format!("<@{id}|{handle}>"),
        Style::Message => format!("<@{id}>"),
    })
}

fn is_host(word: &str) -> bool {
    let host = word.split('/').next().unwrap_or_default();
    let label = |label: &str| !label.is_empty() && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    let known = host.rsplit_once('.').is_some_and(|(_, top)| TOP_LEVEL_DOMAINS.contains(&top));
    known && host.split('.').all(label)
}
