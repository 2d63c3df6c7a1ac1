//! The interlock before events are handled again: can the function tell what it has handled before? Each question has to
//! be shown to hold; what cannot be asked stops as well as what fails.

use jiff::{SignedDuration, Timestamp};

use crate::domain::{Check, Environment, Evidence, Verdict};

use super::Reading;
use super::checklist::{TableFact, TtlFact};
use super::policy_document::Permission;
use super::words::{date_time, lasting, sentence};

/// The actions with which the function notes what it handles.
pub const WRITE_ACTIONS: [&str; 2] = ["dynamodb:GetItem", "dynamodb:PutItem"];

/// What was read for the interlock. Where nothing is there, the answer is none: that was asked and answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyReadings {
    /// When, UTC.
    pub at: Timestamp,
    /// The idempotency table.
    pub table: Reading<Option<TableFact>>,
    /// Its expiry.
    pub ttl: Reading<Option<TtlFact>>,
    /// Whether the function's role may do each of [`WRITE_ACTIONS`] on the table.
    pub may: Vec<(&'static str, Reading<Permission>)>,
}

/// Judges what was read: the table, its expiry, and whether the function's role may write to it.
pub fn checks(environment: &Environment, readings: &IdempotencyReadings) -> Vec<Check> {
    vec![table(environment, readings), ttl(environment, readings), may(environment, readings)]
}

fn table(environment: &Environment, readings: &IdempotencyReadings) -> Check {
    let wanted = &environment.table;
    let row = Row {
        name: "table",
        title: format!("Table {}", wanted.name),
        limit: format!("ACTIVE, key {}", wanted.key),
        query: format!("DescribeTable {}", wanted.name),
    };
    row.judge(readings.at, &readings.table, |found| {
        let Some(fact) = found else {
            return fails("missing", "There is no such table, so every event would be taken for a new one.");
        };
        let key = fact.partition_key.as_deref().unwrap_or("none");
        let value = format!("{}, key {key}", fact.status);
        if key != wanted.key || fact.sort_key.is_some() {
            fails(&value, "The key is not the configured one alone, so repeats would not be found by it.")
        } else if fact.status != "ACTIVE" {
            fails(&value, "The table is not ACTIVE. Wait for its change to end.")
        } else {
            (Verdict::Pass, value, "Repeats are told by this key.".to_owned())
        }
    })
}

fn ttl(environment: &Environment, readings: &IdempotencyReadings) -> Check {
    let wanted = &environment.table;
    let row = Row {
        name: "ttl",
        title: format!("Expiry in {}", wanted.name),
        limit: format!("ENABLED on {}", wanted.ttl_attribute),
        query: format!("DescribeTimeToLive {}", wanted.name),
    };
    row.judge(readings.at, &readings.ttl, |found| {
        let Some(fact) = found else { return fails("missing", "There is no such table.") };
        let on = fact.attribute.as_deref().map(|attribute| format!(" on {attribute}")).unwrap_or_default();
        let value = format!("{}{on}", fact.status);
        if fact.attribute.as_deref() != Some(wanted.ttl_attribute.as_str()) {
            fails(&value, "Items do not expire by the configured attribute. Deploy the stack again.")
        } else if fact.status != "ENABLED" {
            fails(&value, "Expiry is not on. When DynamoDB is still turning it on, look again in an hour.")
        } else {
            (Verdict::Pass, value, "Items expire by the configured attribute.".to_owned())
        }
    })
}

fn may(environment: &Environment, readings: &IdempotencyReadings) -> Check {
    let function = &environment.function;
    let row = Row {
        name: "may-write",
        title: format!("{function} may use {}", environment.table.name),
        limit: "allowed".to_owned(),
        query: format!("{} by the role of {function} on {}", WRITE_ACTIONS.join(", "), environment.table.name),
    };
    let mut worst = (Verdict::Pass, "allowed".to_owned(), "Its role may read and note what was handled.".to_owned());
    let mut request_ids = Vec::new();
    for (action, reading) in &readings.may {
        let found = match reading {
            Err(why) => (Verdict::Unknown, String::new(), format!("{action} could not be asked: {why}")),
            Ok(answer) => {
                request_ids.extend(answer.request_ids.clone());
                match &answer.value {
                    Permission::Allowed => continue,
                    Permission::Denied(why) => (Verdict::Fail, "denied".to_owned(), format!("{action}: {why}")),
                    Permission::Unknown(why) => (Verdict::Unknown, String::new(), format!("{action}: {why}")),
                }
            }
        };
        if found.0 > worst.0 {
            worst = found;
        }
    }
    if readings.may.is_empty() {
        worst = (Verdict::Unknown, String::new(), "It was not asked.".to_owned());
    }
    row.check(readings.at, worst, request_ids)
}

fn fails(value: &str, reason: &str) -> (Verdict, String, String) {
    (Verdict::Fail, value.to_owned(), reason.to_owned())
}

/// What of the interlock does not hold, in words for people; none when all of it is shown to hold.
pub fn stops(checks: &[Check]) -> Option<String> {
    let bad: Vec<String> = checks
        .iter()
        .filter(|check| check.verdict != Verdict::Pass)
        .map(|check| format!("{}: {}", check.title, check.reason.trim_end_matches('.')))
        .collect();
    match (checks.is_empty(), bad.is_empty()) {
        (true, _) => Some("it could not be asked whether handling an event twice is harmless".to_owned()),
        (false, true) => None,
        (false, false) => Some(bad.join("; ")),
    }
}

/// What the expiry of the table means for handling events from `from` on again: whether a warning is due, and the words.
pub fn reach(environment: &Environment, from: Timestamp, now: Timestamp) -> (bool, String) {
    let table = &environment.table;
    let Some(keeps) = table.keeps else {
        return (
            true,
            "The configuration does not say for how long the function keeps the ids of events (table.keeps), so it cannot \
             be told whether what was handled before is skipped or done again: in this system, traded again."
                .to_owned(),
        );
    };
    let oldest = now.saturating_sub(keeps).unwrap_or(now);
    if from >= oldest {
        let text = format!(
            "Ids of events are kept for {} in {}: all of these are younger, so what was handled before is skipped.",
            lasting(keeps),
            table.name
        );
        return (false, text);
    }
    let text = format!(
        "Ids of events are kept for {} in {}. Events from before {} are older: the function takes them for new ones and \
         trades again.",
        lasting(keeps),
        table.name,
        date_time(oldest)
    );
    (true, text)
}

/// The time before which an event is taken for a new one; none when that is not known.
pub fn remembered_since(environment: &Environment, now: Timestamp) -> Option<Timestamp> {
    let keeps: SignedDuration = environment.table.keeps?;
    now.saturating_sub(keeps).ok()
}

/// The part of a check that is known before anything was read.
struct Row {
    name: &'static str,
    title: String,
    limit: String,
    query: String,
}

impl Row {
    fn judge<T>(
        self,
        at: Timestamp,
        reading: &Reading<T>,
        judge: impl FnOnce(&T) -> (Verdict, String, String),
    ) -> Check {
        match reading {
            Ok(answer) => {
                let found = judge(&answer.value);
                self.check(at, found, answer.request_ids.clone())
            }
            Err(why) => {
                let found = (Verdict::Unknown, String::new(), format!("Could not be asked: {}", sentence(why)));
                self.check(at, found, Vec::new())
            }
        }
    }

    fn check(self, at: Timestamp, found: (Verdict, String, String), request_ids: Vec<String>) -> Check {
        let (verdict, value, reason) = found;
        let evidence = Evidence { query: self.query, until: Some(at), request_ids, ..Evidence::default() };
        Check { name: self.name.to_owned(), title: self.title, verdict, value, limit: self.limit, reason, evidence }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::Answer;
    use crate::config::{ALCH_TOML, Config};

    fn dev() -> Environment {
        let (config, _) = Config::parse(ALCH_TOML, "alch.toml", &Default::default()).unwrap();
        config.environments["dev"].clone()
    }

    fn said<T>(value: T) -> Reading<T> {
        Ok(Answer { value, request_ids: vec!["id".to_owned()] })
    }

    fn well() -> IdempotencyReadings {
        let environment = dev();
        let table = TableFact {
            status: "ACTIVE".to_owned(),
            partition_key: Some(environment.table.key.clone()),
            sort_key: None,
        };
        let ttl = TtlFact { status: "ENABLED".to_owned(), attribute: Some(environment.table.ttl_attribute) };
        IdempotencyReadings {
            at: Timestamp::UNIX_EPOCH,
            table: said(Some(table)),
            ttl: said(Some(ttl)),
            may: WRITE_ACTIONS.iter().map(|action| (*action, said(Permission::Allowed))).collect(),
        }
    }

    #[test]
    fn only_what_is_shown_to_hold_lets_events_be_handled_again() {
        assert_eq!(stops(&checks(&dev(), &well())), None);
        assert!(stops(&[]).is_some(), "nothing asked is nothing shown");
        let change = |change: &dyn Fn(&mut IdempotencyReadings)| {
            let mut readings = well();
            change(&mut readings);
            let checks = checks(&dev(), &readings);
            (Verdict::of(&checks), stops(&checks).unwrap_or_default())
        };
        let table = |status: &str, key: &str, sort: Option<&str>| {
            let (status, key, sort) = (status.to_owned(), key.to_owned(), sort.map(str::to_owned));
            said(Some(TableFact { status, partition_key: Some(key), sort_key: sort }))
        };
        let ttl = |status: &str, attribute: Option<&str>| {
            said(Some(TtlFact { status: status.to_owned(), attribute: attribute.map(str::to_owned) }))
        };
        let fails: [(&str, (Verdict, String)); 8] = [
            ("no such table", change(&|r| r.table = said(None))),
            ("key is not", change(&|r| r.table = table("ACTIVE", "id", None))),
            ("key is not", change(&|r| r.table = table("ACTIVE", "event_id", Some("at")))),
            ("not ACTIVE", change(&|r| r.table = table("UPDATING", "event_id", None))),
            ("Expiry is not on", change(&|r| r.ttl = ttl("ENABLING", Some("ttl")))),
            ("configured attribute", change(&|r| r.ttl = ttl("DISABLED", None))),
            ("configured attribute", change(&|r| r.ttl = ttl("ENABLED", Some("expires")))),
            ("no statement", change(&|r| r.may[1].1 = said(Permission::Denied("no statement".to_owned())))),
        ];
        for (word, (verdict, why)) in fails {
            assert!(verdict == Verdict::Fail && why.contains(word), "{word}: {verdict:?} {why}");
        }
        let unknown = [
            change(&|r| r.table = Err("throttled".to_owned())),
            change(&|r| r.ttl = Err("throttled".to_owned())),
            change(&|r| r.may[0].1 = Err("denied".to_owned())),
            change(&|r| r.may[0].1 = said(Permission::Unknown("a condition".to_owned()))),
            change(&|r| r.may.clear()),
        ];
        for (verdict, why) in unknown {
            assert!(verdict == Verdict::Unknown && !why.is_empty(), "{verdict:?} {why}");
        }
    }

    #[test]
    fn what_the_tables_expiry_means_follows_from_the_age_of_the_events() {
        let now: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        let ago = |hours: i64| now - SignedDuration::from_hours(hours);
        let mut environment = dev();
        environment.table.keeps = Some(SignedDuration::from_hours(24));
        assert!(!reach(&environment, ago(24), now).0);
        let (warns, text) = reach(&environment, ago(25), now);
        assert!(warns && text.contains("before 2026-11-22 12:00 UTC") && text.contains("trades again"), "{text}");
        environment.table.keeps = None;
        let (warns, text) = reach(&environment, ago(1), now);
        assert!(warns && text.contains("table.keeps"), "{text}");
    }
}
