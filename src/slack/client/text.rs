//! Text as Slack wants it: escaped, and not too long.

/// The longest text posted, characters. Slack updates up to 4,000 and cuts what is longer without a word.
const MAX_TEXT_CHARS: usize = 3_900;

/// Escapes what mrkdwn would read as markup of its own: `&`, `<` and `>`.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Cuts a mrkdwn text to what Slack takes, with an ellipsis, not in the middle of a mention or an escape, and with its
/// code block closed.
pub fn cut(text: &str) -> String {
    if text.chars().count() <= MAX_TEXT_CHARS {
        return text.to_owned();
    }
    // Room for the ellipsis and a closing fence.
    let end = text.char_indices().nth(MAX_TEXT_CHARS - 6).map_or(text.len(), |(at, _)| at);
    let mut kept = &text[..end];
    if let Some(open) = kept.rfind('<')
        && !kept[open..].contains('>')
    {
        kept = &kept[..open];
    }
    if let Some(escape) = kept.rfind('&')
        && !kept[escape..].contains(';')
    {
        kept = &kept[..escape];
    }
    let fence = if kept.matches("```").count() % 2 == 1 { "\n```" } else { "" };
    format!("{kept}…{fence}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_three_characters_of_markup_are_escaped() {
        assert_eq!(escape("a & <b> *c*"), "a &amp; &lt;b&gt; *c*");
    }

    #[test]
    fn a_long_text_is_cut_where_it_may_be() {
        assert_eq!(cut(&"x".repeat(3_900)), "x".repeat(3_900));
        for (what, text) in [
            ("plain", "é".repeat(5_000)),
            ("in a mention", format!("{}<@U0123456789> and more{}", "x".repeat(3_890), "y".repeat(50))),
            ("in an escape", format!("{}&amp; more{}", "x".repeat(3_892), "y".repeat(50))),
            ("in a code block", format!("```{}", "x".repeat(5_000))),
        ] {
            let short = cut(&text);
            assert!(short.chars().count() <= 3_900 && short.contains('…'), "{what}");
            assert_eq!(short.matches('<').count(), short.matches('>').count(), "{what}");
            assert_eq!(short.matches('&').count(), short.matches(';').count(), "{what}");
            assert_eq!(short.matches("```").count() % 2, 0, "{what}");
        }
    }
}
