//! Slack text as plain text, for terminals: times in UTC, mentions and links as words, entities as characters.

/// What a person would read, without Slack's markup. Emphasis marks stay: they do no harm.
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        let (before, tagged) = rest.split_at(start);
        out.push_str(before);
        let Some(end) = tagged.find('>') else {
            rest = tagged;
            break;
        };
        out.push_str(&tag(&tagged[1..end]));
        rest = &tagged[end + 1..];
    }
    out.push_str(rest);
    out.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

/// What stands between `<` and `>`.
fn tag(inner: &str) -> String {
    let (target, label) = match inner.rsplit_once('|') {
        Some((target, label)) => (target, Some(label)),
        None => (inner, None),
    };
    match (target.chars().next(), label) {
        (Some('@'), label) => format!("@{}", label.unwrap_or(&target[1..])),
        (Some('#'), label) => format!("#{}", label.unwrap_or(&target[1..])),
        (Some('!'), Some(fallback)) => fallback.to_owned(),
        (Some('!'), None) => target[1..].to_owned(),
        (_, Some(label)) => format!("{label} ({target})"),
        (_, None) => target.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_becomes_words() {
        for (markup, words) in [
            ("no markup at all", "no markup at all"),
            ("<@U0ALICE> and <@U0BOB|bob> in <#C1>", "@U0ALICE and @bob in #C1"),
            ("<!date^1795448134^{time_secs}|15:35:34 UTC> sharp", "15:35:34 UTC sharp"),
            ("<https://example.com/p1|Look at the run>", "Look at the run (https://example.com/p1)"),
            ("enable &lt;rule|all&gt; &amp;c", "enable <rule|all> &c"),
            ("an < alone", "an < alone"),
            ("<", "<"),
            ("<>", ""),
        ] {
            assert_eq!(plain(markup), words, "{markup}");
        }
    }
}
