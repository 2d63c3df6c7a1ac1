//! The checklist of an environment: the runbook's nine items, each asked of what was read. An item is one check; what it
//! is made of follows it only where that is not well, with names such as `rules/signal-generated`.

use std::collections::BTreeMap;

use crate::domain::{Check, Environment, Evidence, RuleState, Verdict};

use super::Reading;
use super::words::{count, sentence};

mod access;
mod alarms;
mod invocations;
mod queues;
mod rules;
mod table;
#[cfg(test)]
pub(super) mod tests;

pub use super::facts::{BUS_ACTIONS, ChecklistReadings, Measured, TABLE_ACTIONS};
pub(super) use alarms::trouble_with;
pub(super) use invocations::quoted;
pub(super) use queues::may_be_written_to;
pub(super) use rules::{is_function, may_invoke};
pub use table::{TableFact, TtlFact};

/// The items in the runbook's order: their names, and what they are called.
const ITEMS: [(&str, &str); 9] = [
    ("rules", "Rules in their desired state"),
    ("dead-letters", "Dead-letter queues empty"),
    ("alarms", "Alarms OK"),
    ("subscriptions", "Alarm subscription confirmed"),
    ("table", "Idempotency table with expiry"),
    ("table-access", "Function may use the table"),
    ("bus-access", "Function may publish to the bus"),
    ("invocations", "Recent invocations succeeded"),
    ("throttles", "No throttles in 15 minutes"),
];

/// What one check found, before it is put into words for its row.
pub(super) struct Finding {
    pub(super) verdict: Verdict,
    pub(super) value: String,
    pub(super) reason: String,
}

impl Finding {
    pub(super) fn new(verdict: Verdict, value: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { verdict, value: value.into(), reason: reason.into() }
    }
}

/// The part of a check that is known before anything was read.
pub(super) struct Row {
    pub(super) name: String,
    pub(super) title: String,
    pub(super) limit: String,
}

impl Row {
    pub(super) fn new(name: impl Into<String>, title: impl Into<String>, limit: impl Into<String>) -> Self {
        Self { name: name.into(), title: title.into(), limit: limit.into() }
    }
}

/// Goes through the checklist. `wanted` holds the states in which Alch or a person through Alch last left the rules, by
/// short name.
pub fn checks(
    environment: &Environment,
    wanted: &BTreeMap<String, RuleState>,
    readings: &ChecklistReadings,
) -> Vec<Check> {
    let list = Checklist { environment, readings };
    let parts = [
        list.rules(wanted),
        list.queues(),
        list.alarms(),
        list.subscriptions(),
        list.table(),
        list.table_access(),
        list.bus_access(),
        list.invocations(),
        list.throttles(),
    ];
    let numbered = ITEMS.into_iter().zip(parts).enumerate();
    numbered.flat_map(|(n, ((name, title), parts))| group(name, &format!("{}. {title}", n + 1), parts)).collect()
}

/// What an environment's readings are asked.
#[derive(Clone, Copy)]
pub(super) struct Checklist<'a> {
    pub(super) environment: &'a Environment,
    pub(super) readings: &'a ChecklistReadings,
}

impl Checklist<'_> {
    pub(super) fn check<T>(
        &self,
        row: Row,
        query: impl Into<String>,
        reading: &Reading<T>,
        judge: impl FnOnce(&T) -> Finding,
    ) -> Check {
        let (finding, request_ids) = match reading {
            Ok(answer) => (judge(&answer.value), answer.request_ids.clone()),
            Err(why) => (unread(why), Vec::new()),
        };
        let evidence =
            Evidence { query: query.into(), until: Some(self.readings.at), request_ids, ..Evidence::default() };
        stated(row, finding, evidence)
    }

    /// A check that rests on several readings.
    pub(super) fn found(&self, row: Row, query: impl Into<String>, finding: Finding) -> Check {
        let evidence = Evidence { query: query.into(), until: Some(self.readings.at), ..Evidence::default() };
        stated(row, finding, evidence)
    }
}

fn stated(row: Row, finding: Finding, evidence: Evidence) -> Check {
    let Row { name, title, limit } = row;
    let Finding { verdict, value, reason } = finding;
    Check { name, title, verdict, value, limit, reason, evidence }
}

/// What could not be read.
pub(super) fn unread(why: &str) -> Finding {
    Finding::new(Verdict::Unknown, "", format!("Could not be asked: {}", sentence(why)))
}

/// Several checks as one, followed by those that are not well. One check alone is the whole.
pub(super) fn group(name: &str, title: &str, mut parts: Vec<Check>) -> Vec<Check> {
    if parts.len() == 1
        && let Some(only) = parts.pop()
    {
        let title = if only.title.is_empty() { title.to_owned() } else { format!("{title}: {}", only.title) };
        return vec![Check { name: name.to_owned(), title, ..only }];
    }
    let verdict = Verdict::of(&parts);
    let well = parts.iter().filter(|part| part.verdict == Verdict::Pass).count();
    let reason = if verdict == Verdict::Pass {
        parts.iter().map(|part| format!("{}: {}", part.title, part.value)).collect::<Vec<_>>().join("; ") + "."
    } else {
        let bad = parts.iter().filter(|part| part.verdict == verdict);
        let names: Vec<&str> = bad.map(|part| part.title.as_str()).collect();
        format!("{}: {}.", sentence(verdict.word()).trim_end_matches('.'), names.join(", "))
    };
    let mut queries: Vec<&str> = Vec::new();
    for query in parts.iter().flat_map(|part| part.evidence.query.split("; ")) {
        if !query.is_empty() && !queries.contains(&query) {
            queries.push(query);
        }
    }
    let evidence = Evidence {
        query: queries.join("; "),
        from: parts.iter().filter_map(|part| part.evidence.from).min(),
        until: parts.iter().filter_map(|part| part.evidence.until).max(),
        request_ids: parts.iter().flat_map(|part| part.evidence.request_ids.clone()).collect(),
        datapoints: Vec::new(),
    };
    let whole = Check {
        name: name.to_owned(),
        title: title.to_owned(),
        verdict,
        value: format!("{well} of {}", parts.len()),
        limit: "all".to_owned(),
        reason,
        evidence,
    };
    let bad = parts.into_iter().filter(|part| part.verdict != Verdict::Pass);
    let bad = bad.map(|part| Check { name: format!("{name}/{}", part.name), ..part });
    std::iter::once(whole).chain(bad).collect()
}

/// `1 of 2 checks pass`, by the items where there are some.
pub fn tally(checks: &[Check]) -> String {
    let items = || checks.iter().filter(|check| !check.is_part());
    let passed = items().filter(|check| check.verdict == Verdict::Pass).count();
    format!("{passed} of {} pass", count(items().count() as i64, "check"))
}
