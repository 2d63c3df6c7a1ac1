//! What lies in a dead-letter queue: which event a message holds, and a sample of messages told by rule and error. Bodies
//! stay here; of an event only its type and source are ever shown.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::domain::{DeadLetterGroup, Environment};

/// Characters of AWS's own text about an error that are kept.
const ERROR_MAX_CHARS: usize = 200;
/// Characters of an event's type or source that are kept.
const NAME_MAX_CHARS: usize = 80;
/// Shown where a message does not say which rule it comes from.
const NO_RULE: &str = "no rule named";

/// A message of a dead-letter queue, as it was received. EventBridge writes the reasons into its attributes.
#[derive(Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// SQS's MessageId.
    pub id: String,
    /// SQS's ReceiptHandle of this receive.
    pub receipt: String,
    /// When it was put into the queue, UTC.
    pub sent: Option<Timestamp>,
    /// How often it was received, this time included.
    pub receives: u32,
    /// The body: the event's JSON.
    pub body: String,
    /// The rule that matched (`RULE_ARN`).
    pub rule_arn: Option<String>,
    /// The target that it could not be delivered to (`TARGET_ARN`).
    pub target_arn: Option<String>,
    /// Why (`ERROR_CODE`).
    pub error_code: Option<String>,
    /// Why, in the words of the target's service (`ERROR_MESSAGE`).
    pub error_message: Option<String>,
    /// What ended the retries (`EXHAUSTED_RETRY_CONDITION`).
    pub exhausted: Option<String>,
    /// How often it was tried again (`RETRY_ATTEMPTS`).
    pub retries: Option<u32>,
}

impl fmt::Debug for DeadLetter {
    /// Without the body, which may hold what nobody should read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetter")
            .field("id", &self.id)
            .field("sent", &self.sent)
            .field("rule_arn", &self.rule_arn)
            .field("error_code", &self.error_code)
            .finish_non_exhaustive()
    }
}

/// An event as EventBridge delivers it, as far as it can be put on a bus again.
#[derive(Clone, PartialEq, Eq)]
pub struct Event {
    /// The id that EventBridge gave it. Put again, it gets another.
    pub id: String,
    /// Who sent it.
    pub source: String,
    /// What it is.
    pub detail_type: String,
    /// Its detail: the JSON as it came.
    pub detail: String,
    /// What it is about, as ARNs.
    pub resources: Vec<String>,
    /// When it happened, UTC.
    pub time: Option<Timestamp>,
}

impl fmt::Debug for Event {
    /// Without the detail.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("id", &self.id)
            .field("source", &self.source)
            .field("detail_type", &self.detail_type)
            .finish_non_exhaustive()
    }
}

/// Why a message cannot be put on the bus again. The text is for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSendable {
    /// The body is no event.
    #[error("its body is not an event of EventBridge ({0})")]
    NoEvent(String),
    /// It comes from a rule of another bus, which is not this environment's business.
    #[error("it comes from {0}, which is not a rule of this environment's bus")]
    OtherBus(String),
    /// Only AWS may send events of this source.
    #[error("its source is {0}, and only AWS itself may send such events")]
    SourceOfAws(String),
}

/// An event's JSON, without what EventBridge fills in itself.
#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(default)]
    id: String,
    source: String,
    #[serde(rename = "detail-type")]
    detail_type: String,
    #[serde(borrow)]
    detail: &'a RawValue,
    #[serde(default)]
    resources: Vec<String>,
    #[serde(default)]
    time: Option<Timestamp>,
}

impl DeadLetter {
    /// The event that the message holds.
    ///
    /// # Errors
    /// When it holds none, or one that may not be put on this environment's bus.
    pub fn event(&self, bus: &str) -> Result<Event, NotSendable> {
        if let Some(arn) = &self.rule_arn
            && bus_of(arn) != Some(bus)
        {
            return Err(NotSendable::OtherBus(clip(rule_of(arn), NAME_MAX_CHARS)));
        }
        let wire: Wire<'_> = serde_json::from_str(&self.body).map_err(|error| NotSendable::NoEvent(kind_of(&error)))?;
        if !wire.detail.get().trim_start().starts_with('{') {
            return Err(NotSendable::NoEvent("its detail is no object".to_owned()));
        }
        if wire.source.starts_with("aws.") {
            return Err(NotSendable::SourceOfAws(clip(&wire.source, NAME_MAX_CHARS)));
        }
        Ok(Event {
            id: wire.id,
            source: wire.source,
            detail_type: wire.detail_type,
            detail: wire.detail.get().to_owned(),
            resources: wire.resources,
            time: wire.time,
        })
    }

    /// The rule's name in EventBridge, where the message says it.
    pub fn rule_name(&self) -> Option<&str> {
        self.rule_arn.as_deref().map(rule_of)
    }

    /// The rule's short name, or its name in EventBridge when it is not one of the environment's.
    pub fn rule(&self, environment: &Environment) -> String {
        let Some(name) = self.rule_arn.as_deref().map(rule_of) else { return NO_RULE.to_owned() };
        let known = environment.rules.iter().find(|rule| rule.rule == name);
        known.map_or_else(|| clip(name, NAME_MAX_CHARS), |rule| rule.name.clone())
    }

    /// Why it lies here, in one word of AWS's.
    pub fn error(&self) -> String {
        let code = self.error_code.as_deref().or(self.exhausted.as_deref()).unwrap_or("no reason given");
        clip(code, NAME_MAX_CHARS)
    }
}

/// Serde's errors may quote the body; where it went wrong is enough.
fn kind_of(error: &serde_json::Error) -> String {
    let what = if error.is_data() { "a part is missing or of another kind" } else { "it is no JSON" };
    format!("{what}, line {} column {}", error.line(), error.column())
}

/// The messages by rule and error, the largest group first.
pub fn groups(environment: &Environment, letters: &[DeadLetter]) -> Vec<DeadLetterGroup> {
    let mut groups: BTreeMap<(String, String), DeadLetterGroup> = BTreeMap::new();
    for letter in letters {
        let event = letter.event(&environment.bus);
        let stuck = u32::from(event.is_err());
        let (rule, error) = (letter.rule(environment), letter.error());
        let group = groups.entry((rule.clone(), error.clone())).or_insert_with(|| DeadLetterGroup {
            rule,
            error,
            message: clip(letter.error_message.as_deref().unwrap_or_default(), ERROR_MAX_CHARS),
            count: 0,
            stuck: 0,
            first: letter.sent,
            last: letter.sent,
            example: example(&event),
        });
        group.count += 1;
        group.stuck += stuck;
        group.first = group.first.into_iter().chain(letter.sent).min();
        group.last = group.last.into_iter().chain(letter.sent).max();
    }
    let mut groups: Vec<DeadLetterGroup> = groups.into_values().collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.count));
    groups
}

fn example(event: &Result<Event, NotSendable>) -> String {
    match event {
        Ok(event) => {
            format!("{} from {}", clip(&event.detail_type, NAME_MAX_CHARS), clip(&event.source, NAME_MAX_CHARS))
        }
        Err(why) => why.to_string(),
    }
}

/// How many of these events name the attribute by which the function tells repeats, at the top of their detail. The id
/// that EventBridge gives an event does not survive being sent again.
pub fn with_key(key: &str, events: &[Event]) -> usize {
    let has = |event: &&Event| {
        serde_json::from_str::<BTreeMap<String, serde::de::IgnoredAny>>(&event.detail)
            .is_ok_and(|detail| detail.contains_key(key))
    };
    events.iter().filter(has).count()
}

/// The bus in a rule's ARN: `arn:aws:events:…:rule/bus/name`; a rule of the default bus has no bus in it.
fn bus_of(arn: &str) -> Option<&str> {
    let path = arn.split_once(":rule/")?.1;
    Some(path.rsplit_once('/').map_or("default", |(bus, _)| bus))
}

fn rule_of(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

fn clip(text: &str, most: usize) -> String {
    let text = text.trim();
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ALCH_TOML, Config};

    fn dev() -> Environment {
        let (config, _) = Config::parse(ALCH_TOML, "alch.toml", &Default::default()).unwrap();
        config.environments["dev"].clone()
    }

    fn letter(rule: &str, error: &str, minute: i64, body: &str) -> DeadLetter {
        let environment = dev();
        let arn = format!("arn:aws:events:us-east-1:111111111111:rule/{}/{rule}", environment.bus);
        DeadLetter {
            id: format!("m-{minute}"),
            receipt: "r".to_owned(),
            sent: Timestamp::from_second(minute * 60).ok(),
            receives: 1,
            body: body.to_owned(),
            rule_arn: (!rule.is_empty()).then_some(arn),
            target_arn: None,
            error_code: (!error.is_empty()).then(|| error.to_owned()),
            error_message: Some("x".repeat(300)),
            exhausted: None,
            retries: Some(185),
        }
    }

    const EVENT: &str = r#"{"version":"0","id":"e-1","detail-type":"SignalGenerated","source":"alchemiser.strategy",
        "account":"1","time":"2026-11-23T03:00:00Z","region":"us-east-1","resources":["arn:a"],
        "detail":{ "event_id" : "7", "weight": 0.10000000000000000555, "big": 123456789012345678901234567890 }}"#;

    #[test]
    fn an_event_is_read_as_it_came() {
        let event = letter("r", "", 0, EVENT).event(&dev().bus).unwrap();
        assert_eq!((event.source.as_str(), event.detail_type.as_str()), ("alchemiser.strategy", "SignalGenerated"));
        assert_eq!(event.time, Some("2026-11-23T03:00:00Z".parse().unwrap()));
        assert_eq!(event.resources, ["arn:a"]);
        assert_eq!(
            event.detail,
            r#"{ "event_id" : "7", "weight": 0.10000000000000000555, "big": 123456789012345678901234567890 }"#,
            "to the last digit"
        );
        assert_eq!(with_key("event_id", std::slice::from_ref(&event)), 1);
        assert_eq!(with_key("weights", &[event]), 0);
    }

    #[test]
    fn what_is_no_event_of_this_bus_is_not_sent_and_its_text_is_not_told() {
        let bus = dev().bus;
        let told = |body: &str| letter("r", "", 0, body).event(&bus).unwrap_err().to_string();
        assert_eq!(told("hunter2"), "its body is not an event of EventBridge (it is no JSON, line 1 column 1)");
        for body in ["{}", r#"{"source":"a","detail-type":"b"}"#, r#"{"source":1,"detail-type":"b","detail":{}}"#] {
            assert!(told(body).contains("a part is missing or of another kind"), "{body}");
        }
        assert!(told(r#"{"source":"a","detail-type":"b","detail":"hunter2"}"#).ends_with("(its detail is no object)"));
        assert_eq!(
            told(r#"{"source":"aws.ec2","detail-type":"b","detail":{}}"#),
            "its source is aws.ec2, and only AWS itself may send such events"
        );
        for arn in ["arn:aws:events:us-east-1:1:rule/other-bus/r", "arn:aws:events:us-east-1:1:rule/r", "nonsense"] {
            let mut letter = letter("r", "", 0, EVENT);
            letter.rule_arn = Some(arn.to_owned());
            assert!(matches!(letter.event(&bus), Err(NotSendable::OtherBus(_))), "{arn}");
        }
        assert!(letter("", "", 0, EVENT).event(&bus).is_ok(), "a message without the attribute may be ours");
    }

    #[test]
    fn a_sample_is_told_by_rule_and_error_with_the_largest_group_first() {
        let environment = dev();
        let rule = &environment.rules[0];
        let sample = [
            letter("gone", "THROTTLING", 5, EVENT),
            letter(&rule.rule, "NO_PERMISSIONS", 9, EVENT),
            letter(&rule.rule, "NO_PERMISSIONS", 3, "hunter2"),
            letter("", "", 1, "hunter2"),
        ];
        let groups = groups(&environment, &sample);
        let told: Vec<_> =
            groups.iter().map(|g| (g.rule.as_str(), g.error.as_str(), g.count, g.stuck, g.example.as_str())).collect();
        assert_eq!(told[0], (rule.name.as_str(), "NO_PERMISSIONS", 2, 1, "SignalGenerated from alchemiser.strategy"));
        assert_eq!((told[1].0, told[1].1, told[1].2), ("gone", "THROTTLING", 1));
        assert_eq!((told[2].0, told[2].1), (NO_RULE, "no reason given"));
        let minute = |at: Option<Timestamp>| at.map(|at| at.as_second() / 60);
        assert_eq!((minute(groups[0].first), minute(groups[0].last)), (Some(3), Some(9)));
        assert_eq!(groups[0].message.chars().count(), ERROR_MAX_CHARS);
        assert!(!format!("{groups:?}{sample:?}").contains("hunter2"));
    }
}
