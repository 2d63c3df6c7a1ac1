//! What may stand nowhere that people, files or other programs read: secrets, and words of somebody's that call everybody.

use alch::sandbox::slack::Slack;

/// Fails when a secret stands in one of the texts, each of which is named.
pub fn refuse_secrets(secrets: &[&str], texts: &[(&str, &[u8])]) {
    for (place, text) in texts {
        // Secrets are plain letters, which nothing that is no text breaks up.
        let text = String::from_utf8_lossy(text);
        for secret in secrets {
            let before = text.split_once(secret).map(|(before, _)| before);
            assert_eq!(before, None, "{place}: behind this stands a secret");
        }
    }
}

/// Everything that Slack was told: each call with what it carried, and each message as it stands.
pub fn told(slack: &Slack) -> String {
    format!("{:?}\n{:?}", slack.calls(), slack.messages())
}

/// Fails when the bot has called everybody together, or shows letters that turn a text around or cannot be seen. Alch
/// never does either by itself, so it would be somebody else's words.
pub fn refuse_shouts(slack: &Slack) {
    let bot = &slack.spec().bot_user.id;
    for message in slack.messages().iter().filter(|message| &message.user == bot) {
        let shown = format!("{} {}", message.text, serde_json::to_string(&message.blocks).unwrap());
        for shout in ["<!channel", "<!here", "<!everyone", "\u{202e}", "\u{2066}", "\u{200b}"] {
            assert!(!shown.contains(shout), "{shout:?} is shown: {shown}");
        }
    }
}

/// The bytes of a database file and what SQLite keeps beside it; nothing of PostgreSQL's.
pub fn database_bytes(url: &str) -> Vec<u8> {
    let Some(file) = url.strip_prefix("sqlite:") else { return Vec::new() };
    let parts = [file.to_owned(), format!("{file}-wal")];
    parts.iter().flat_map(|part| std::fs::read(part).unwrap_or_default()).collect()
}
