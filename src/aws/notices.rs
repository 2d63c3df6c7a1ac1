//! SNS: telling stakeholders by a topic. What is told is the caller's; here it is made what SNS accepts.

use aws_config::retry::RetryConfig;
use aws_sdk_sns::config::{Builder, Region};

use super::arn::region_of;
use super::operation::{GET_TOPIC_ATTRIBUTES, PUBLISH};
use super::{Aws, AwsError};

/// SNS wants fewer than 100 characters in a subject.
const SUBJECT_MAX_CHARS: usize = 99;
/// The most bytes of a message, unless the topic allows more.
const TEXT_MAX_BYTES: usize = 262_144;
/// What stands at the end of a text or subject that was too long.
const CUT: &str = "...";
/// The subject of a notice that was given none.
const SUBJECT_DEFAULT: &str = "Alch";

impl Aws {
    /// Publishes a notice to a topic, given by name or ARN (Publish); returns SNS's MessageId. A name means the topic in
    /// the environment's region and the account of the credentials.
    ///
    /// Delivery is at least once. SNS has no token to tell a repeat by, so when an answer is lost, the SDK's retry, or the
    /// caller's, may send a second message with another id. That is harmless enough: it is the same text again, which
    /// names its run, and nothing acts on it. A stakeholder who was never told would be the greater harm.
    ///
    /// The subject is made what SNS takes: one line of ASCII, fewer than 100 characters. The text becomes plain text of
    /// lines that end in `\n`; wrapping it is the caller's business.
    pub async fn publish(&self, topic: &str, subject: &str, text: &str) -> Result<String, AwsError> {
        self.send(topic, subject, text, |config| config).await
    }

    /// The same with one attempt, and none by the SDK after it: for what must not come twice. After an error that
    /// [`AwsError::may_have_happened`], a second message would be one too many, and SNS cannot tell.
    pub async fn publish_once(&self, topic: &str, subject: &str, text: &str) -> Result<String, AwsError> {
        self.send(topic, subject, text, |config| config.retry_config(RetryConfig::disabled())).await
    }

    async fn send(
        &self,
        topic: &str,
        subject: &str,
        text: &str,
        adapt: impl FnOnce(Builder) -> Builder,
    ) -> Result<String, AwsError> {
        let arn = self.topic_arn(topic).await?;
        let mut call = self.clients().sns.publish().topic_arn(arn.as_str()).subject(subject_line(subject));
        call = call.message(plain_text(text));
        let sent = call.customize().config_override(adapt(in_region_of(&arn))).send().await;
        let output = sent.map_err(|error| AwsError::from_sdk(PUBLISH, &error).about(topic))?;
        let id = output.message_id().filter(|id| !id.is_empty());
        id.map(str::to_owned)
            .ok_or_else(|| AwsError::other(PUBLISH, "MissingId", "the answer has no MessageId").about(topic))
    }

    /// How many confirmed subscriptions a topic has (GetTopicAttributes); none when SNS does not say.
    pub(super) async fn topic_subscriptions(&self, topic: &str) -> Result<Option<u64>, AwsError> {
        let arn = self.topic_arn(topic).await?;
        let call = self.clients().sns.get_topic_attributes().topic_arn(arn.as_str());
        let asked = call.customize().config_override(in_region_of(&arn)).send().await;
        let output = asked.map_err(|error| AwsError::from_sdk(GET_TOPIC_ATTRIBUTES, &error).about(topic))?;
        let confirmed = output.attributes().and_then(|attributes| attributes.get("SubscriptionsConfirmed"));
        Ok(confirmed.and_then(|number| number.parse().ok()))
    }

    /// The account is confirmed either way: with the wrong credentials, nobody is told of anything.
    pub(super) async fn topic_arn(&self, topic: &str) -> Result<String, AwsError> {
        let arn = self.arn("sns", topic).await?;
        Ok(if topic.starts_with("arn:") { topic.to_owned() } else { arn })
    }
}

/// SNS takes a topic's ARN only in the topic's own region, which need not be the environment's.
pub(super) fn in_region_of(arn: &str) -> Builder {
    let mut config = Builder::new();
    if let Some(region) = region_of(arn) {
        config.set_region(Some(Region::new(region.to_owned())));
    }
    config
}

/// A subject as SNS takes it: one line of printable ASCII, fewer than 100 characters, beginning with no space. Signs
/// that people write otherwise in ASCII are written so; any other letter becomes `?`.
fn subject_line(subject: &str) -> String {
    let mut line = String::new();
    for letter in subject.chars() {
        match letter {
            // No two spaces in a row, and none at the beginning.
            _ if letter.is_whitespace() || letter.is_control() => {
                if !line.is_empty() && !line.ends_with(' ') {
                    line.push(' ');
                }
            }
            ' '..='~' => line.push(letter),
            '\u{2018}' | '\u{2019}' => line.push('\''),
            '\u{201c}' | '\u{201d}' => line.push('"'),
            '\u{2010}'..='\u{2015}' => line.push('-'),
            '…' => line.push_str("..."),
            '→' => line.push_str("->"),
            '·' | '•' => line.push('-'),
            _ => line.push('?'),
        }
    }
    let line = line.trim_end();
    match line.len() {
        0 => SUBJECT_DEFAULT.to_owned(),
        1..=SUBJECT_MAX_CHARS => line.to_owned(),
        // All of it is ASCII by now: a byte is a character.
        _ => format!("{}{CUT}", line[..SUBJECT_MAX_CHARS - CUT.len()].trim_end()),
    }
}

/// A message as mail programs show it well: lines that end in `\n`, the last one too, and no control characters but tabs.
fn plain_text(text: &str) -> String {
    let mut plain: String = text
        .replace("\r\n", "\n")
        .replace('\r', "\n")
        .chars()
        .filter(|letter| !letter.is_control() || matches!(letter, '\n' | '\t'))
        .collect();
    if !plain.is_empty() && !plain.ends_with('\n') {
        plain.push('\n');
    }
    if plain.len() > TEXT_MAX_BYTES {
        plain.truncate(plain.floor_char_boundary(TEXT_MAX_BYTES - CUT.len() - 2));
        plain.push('\n');
        plain.push_str(CUT);
        plain.push('\n');
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_one_line_of_ascii_that_sns_takes() {
        let long = "x".repeat(300);
        let table = [
            ("prod: R-7 begins", "prod: R-7 begins"),
            ("  prod:\r\n\tR-7\u{7} begins \n", "prod: R-7 begins"),
            ("“promote” – Alice’s run → prod…", "\"promote\" - Alice's run -> prod..."),
            ("München 🚀", "M?nchen ?"),
            (" \n\t", "Alch"),
            ("", "Alch"),
            (&long[..99], &long[..99]),
            (&long[..100], &format!("{}...", &long[..96])),
        ];
        for (subject, line) in table {
            assert_eq!(subject_line(subject), line, "{subject:?}");
        }
    }

    #[test]
    fn a_text_has_lines_that_mail_programs_understand() {
        assert_eq!(plain_text("one\r\ntwo\rthree\u{0}\u{1b}[1m\tfür"), "one\ntwo\nthree[1m\tfür\n");
        assert_eq!(plain_text("one\n"), "one\n");
        assert_eq!(plain_text(""), "", "SNS refuses it, and rightly");
        let long = plain_text(&"ü".repeat(TEXT_MAX_BYTES));
        assert!(long.len() <= TEXT_MAX_BYTES && long.ends_with("ü\n...\n"), "{}", long.len());
    }
}
