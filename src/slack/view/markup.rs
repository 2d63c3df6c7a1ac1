//! Text in Slack's mrkdwn, where what comes from people, AWS or the configuration cannot be markup.
//!
//! A `&str` becomes [`Markup`] only by being escaped, and [`md!`] takes nothing but `Markup`, so a name or a reason
//! cannot turn into a mention, a link or a control sequence. Slack's own sequences are made only here.

use std::fmt;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::words;
use crate::domain::{Actor, Destination, Principal, RunId};

/// Escaped mrkdwn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Markup(String);

/// Fills the `{}` of a template of ours with values, each escaped unless it is markup already.
macro_rules! md {
    ($template:literal $(, $value:expr)* $(,)?) => {
        $crate::slack::view::markup::Markup::fill($template, &[$($crate::slack::view::markup::Markup::from($value)),*])
    };
}
pub(super) use md;

impl Markup {
    /// Puts each value in the place of a `{}`. Not by `format!`, which would also take unescaped names from the scope.
    pub fn fill(template: &'static str, values: &[Self]) -> Self {
        let mut text = String::with_capacity(template.len() + 16 * values.len());
        let mut values = values.iter();
        let mut pieces = template.split("{}");
        text.push_str(pieces.next().unwrap_or_default());
        for piece in pieces {
            text.push_str(values.next().map_or("", |value| value.0.as_str()));
            text.push_str(piece);
        }
        debug_assert!(values.next().is_none(), "more values than places in {template:?}");
        Self(text)
    }

    /// Text of several lines, such as a summary: its line breaks stay.
    pub fn prose(text: &str) -> Self {
        let lines: Vec<String> = text.trim().lines().map(|line| escape(&tame(line.trim_end()))).collect();
        Self(lines.join("\n"))
    }

    /// What `command` and `policy` have written as Slack text: they escape what people typed themselves.
    pub fn written(text: &str) -> Self {
        Self(text.trim().to_owned())
    }

    /// Something to be copied, in a code span.
    pub fn code(text: &str) -> Self {
        // A backtick would end the span; there is no escape for it.
        let text = tame(text).replace('`', "'");
        if text.trim().is_empty() { Self("`–`".to_owned()) } else { Self(format!("`{}`", escape(&text))) }
    }

    /// Lines as they were written, in a code block of at most so many characters; the newest are kept.
    pub fn block(lines: &[String], limit: usize) -> Self {
        let lines = lines.iter().map(|line| escape(&tame(line).replace('`', "'")));
        let mut kept: Vec<String> = Vec::new();
        let mut room = limit.saturating_sub(8);
        for line in lines.rev() {
            let long = length(&line) + 1;
            if long > room {
                break;
            }
            room -= long;
            kept.push(line);
        }
        kept.reverse();
        if kept.is_empty() { Self::default() } else { Self(format!("```\n{}\n```", kept.join("\n"))) }
    }

    /// In bold.
    pub fn bold(self) -> Self {
        // An asterisk within would end it early, which looks odd and harms nobody.
        if self.0.is_empty() { self } else { Self(format!("*{}*", self.0)) }
    }

    /// A person. Only a well-formed id becomes a mention.
    pub fn actor(actor: &Actor) -> Self {
        match actor {
            Actor::Slack { user, .. } if is_user_id(user) => Self(format!("<@{user}>")),
            Actor::Slack { user, .. } => Self::from(user),
            Actor::Terminal { user } => md!("{} (terminal)", user),
            Actor::Alch => md!("Alch"),
        }
    }

    /// Whom a role is given to: a person or a group is mentioned; `everyone` stays a word.
    pub fn principal(principal: &Principal) -> Self {
        Self::mention(&principal.0).unwrap_or_else(|| Self::from(&principal.0))
    }

    /// A contact as configured: mentioned where it is a Slack id, else its text.
    pub fn contact(contact: &str) -> Self {
        Self::mention(contact).unwrap_or_else(|| Self::from(clip(contact, 200)))
    }

    /// A stakeholder: a channel or person of Slack, or an SNS topic.
    pub fn destination(destination: &Destination) -> Self {
        match destination {
            Destination::Slack(id) if is_id(id, &['C', 'G']) => Self(format!("<#{id}>")),
            Destination::Slack(id) => Self::mention(id).unwrap_or_else(|| Self::from(clip(id, 90))),
            Destination::Topic(topic) => md!("SNS topic {}", clip(topic, 200)),
        }
    }

    /// A mention of a person or a user group, if that is what the id is of.
    fn mention(id: &str) -> Option<Self> {
        // A word in capitals is no id: those have digits.
        let has_digit = id.bytes().any(|b| b.is_ascii_digit());
        match has_digit {
            true if is_user_id(id) => Some(Self(format!("<@{id}>"))),
            true if is_id(id, &['S']) => Some(Self(format!("<!subteam^{id}>"))),
            true | false => None,
        }
    }

    /// A link with a label of ours; the label alone when the address is not plain HTTP.
    pub fn link(url: &str, label: &'static str) -> Self {
        let web = url.starts_with("https://") || url.starts_with("http://");
        let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '|' | '`');
        if web && !url.contains(odd) {
            Self(format!("<{}|{label}>", url.replace('&', "&amp;")))
        } else {
            Self(label.to_owned())
        }
    }

    /// A time of day to the second, in the reader's zone.
    pub fn time(at: Timestamp) -> Self {
        Self::date(at, "{time_secs}", "%H:%M:%S UTC")
    }

    /// A time of day to the minute, in the reader's zone.
    pub fn minute(at: Timestamp) -> Self {
        Self::date(at, "{time}", "%H:%M UTC")
    }

    /// A day and a time, in the reader's zone.
    pub fn day(at: Timestamp) -> Self {
        Self::date(at, "{date_short_pretty}, {time}", "%Y-%m-%d %H:%M UTC")
    }

    fn date(at: Timestamp, format: &'static str, fallback: &'static str) -> Self {
        let utc = at.to_zoned(TimeZone::UTC).strftime(fallback);
        Self(format!("<!date^{}^{format}|{utc}>", at.as_second()))
    }

    /// The parts with `between` them; empty parts are left out.
    pub fn join(parts: impl IntoIterator<Item = Self>, between: &'static str) -> Self {
        let parts: Vec<String> = parts.into_iter().map(|part| part.0).filter(|part| !part.is_empty()).collect();
        Self(parts.join(between))
    }

    /// At most `limit` characters, the last an ellipsis when something was cut. A character, an entity or a `<…>` is
    /// kept whole or dropped whole, so that a cut cannot make markup.
    pub fn cut(&self, limit: usize) -> Self {
        if length(&self.0) <= limit {
            return self.clone();
        }
        let room = limit.saturating_sub(1);
        let (mut end, mut used) = (0, 0);
        while let Some(atom) = first_atom(&self.0[end..]) {
            used += length(atom);
            if used > room {
                break;
            }
            end += atom.len();
        }
        let mut kept = self.0[..end].trim_end().to_owned();
        if limit > 0 {
            kept.push('…');
        }
        Self(kept)
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The mrkdwn.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The mrkdwn.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Display for Markup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&Markup> for Markup {
    fn from(markup: &Markup) -> Self {
        markup.clone()
    }
}

impl From<&str> for Markup {
    /// On one line.
    fn from(text: &str) -> Self {
        Self(escape(&tame(text)))
    }
}

impl From<String> for Markup {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<&String> for Markup {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<RunId> for Markup {
    fn from(run: RunId) -> Self {
        Self(run.to_string())
    }
}

impl From<usize> for Markup {
    fn from(number: usize) -> Self {
        Self(number.to_string())
    }
}

impl From<SignedDuration> for Markup {
    fn from(span: SignedDuration) -> Self {
        Self(words::span(span))
    }
}

/// The length as Slack may count it: in UTF-16 units, which are never fewer than characters.
pub fn length(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// At most `limit` characters of plain text, the last an ellipsis when something was cut.
pub fn clip(text: &str, limit: usize) -> String {
    if length(text) <= limit {
        return text.to_owned();
    }
    let mut used = 1;
    let kept: String = text
        .chars()
        .take_while(|c| {
            used += c.len_utf16();
            used <= limit
        })
        .collect();
    format!("{}…", kept.trim_end())
}

/// Without control characters, and without those that turn the direction of text and so can disguise a name.
pub fn tame(text: &str) -> String {
    text.chars()
        .filter(|c| !matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
        .map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c })
        .collect()
}

/// Slack's escape: these three, and no others.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn is_user_id(user: &str) -> bool {
    is_id(user, &['U', 'W'])
}

/// Whether it is an id of Slack's with one of these first letters.
fn is_id(id: &str, first: &[char]) -> bool {
    id.starts_with(first) && id.len() <= 32 && id.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

/// The first character, entity or `<…>` of a mrkdwn text.
fn first_atom(text: &str) -> Option<&str> {
    let first = text.chars().next()?;
    let end = match first {
        '<' => text.find('>').map(|at| at + 1),
        '&' => text.find(';').map(|at| at + 1),
        _ => None,
    };
    text.get(..end.unwrap_or(first.len_utf8()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn markup_comes_from_templates_and_never_from_values() {
        let name = "<!channel> & `x` *y*";
        assert_eq!(md!("rule {}", name).as_str(), "rule &lt;!channel&gt; &amp; `x` *y*");
        assert_eq!(md!("{}", md!("<{}>", name)).as_str(), "<&lt;!channel&gt; &amp; `x` *y*>");
        assert_eq!(Markup::code(name).as_str(), "`&lt;!channel&gt; &amp; 'x' *y*`");
        assert_eq!(md!("a {}", "line\nbreak\u{202e}").as_str(), "a line break");
        assert_eq!(Markup::link("javascript:x", "here").as_str(), "here");
        assert_eq!(Markup::link("https://x.y/?a=1&b=2", "here").as_str(), "<https://x.y/?a=1&amp;b=2|here>");
        let odd = Actor::Slack { user: "U1|<!here>".to_owned(), team: String::new() };
        assert_eq!(Markup::actor(&odd).as_str(), "U1|&lt;!here&gt;");
    }

    #[test]
    fn only_ids_become_mentions() {
        for (text, said) in [
            ("S0ONCALL", "<!subteam^S0ONCALL>"),
            ("U0BOB", "<@U0BOB>"),
            ("SRE", "SRE"),
            ("everyone", "everyone"),
            ("S0|<!here>", "S0|&lt;!here&gt;"),
        ] {
            assert_eq!(Markup::principal(&Principal(text.to_owned())).as_str(), said);
            assert_eq!(Markup::contact(text).as_str(), said);
        }
        assert_eq!(Markup::destination(&Destination::Slack("C0OPS".to_owned())).as_str(), "<#C0OPS>");
        assert_eq!(Markup::destination(&Destination::Slack("C<x".to_owned())).as_str(), "C&lt;x");
    }

    #[test]
    fn times_are_shown_in_the_readers_zone_and_fall_back_to_utc() {
        let at: Timestamp = "2026-11-23T14:32:05Z".parse().unwrap();
        assert_eq!(Markup::time(at).as_str(), "<!date^1795444325^{time_secs}|14:32:05 UTC>");
        assert_eq!(Markup::minute(at).as_str(), "<!date^1795444325^{time}|14:32 UTC>");
        assert_eq!(Markup::day(at).as_str(), "<!date^1795444325^{date_short_pretty}, {time}|2026-11-23 14:32 UTC>");
    }

    #[test]
    fn a_cut_keeps_entities_and_tokens_whole() {
        assert_eq!(md!("{}", "a<b").cut(5).as_str(), "a…");
        assert_eq!(md!("{}", "a<b").cut(6).as_str(), "a&lt;b");
        let at = Markup::time(Timestamp::UNIX_EPOCH);
        assert_eq!(md!("at {}", &at).cut(20).as_str(), "at…");
        assert_eq!(md!("{}", "🛑🛑🛑").cut(5).as_str(), "🛑🛑…");
        assert_eq!(clip("🛑🛑🛑", 5), "🛑🛑…");
    }

    proptest! {
        #[test]
        fn no_text_becomes_markup_however_it_is_cut(text in "[<>!@#|&;`a\u{202e}🛑\n ]{0,40}", limit in 0_usize..40) {
            for markup in [Markup::from(&text), Markup::prose(&text), Markup::code(&text)] {
                let cut = markup.cut(limit);
                prop_assert!(length(cut.as_str()) <= limit);
                prop_assert!(!cut.as_str().contains(['<', '>']));
                let unescaped = cut.as_str().replace("&amp;", "").replace("&lt;", "").replace("&gt;", "");
                prop_assert!(!unescaped.contains('&'));
            }
            prop_assert_eq!(Markup::code(&text).as_str().matches('`').count(), 2);
            prop_assert!(length(&clip(&text, limit.max(1))) <= limit.max(1));
        }
    }
}
