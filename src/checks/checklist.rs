//! The checklist of an environment: is everything there and in the state in which it should be.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::domain::{
    AlarmState, AlarmStatus, Check, DlqDepth, Environment, Evidence, Rule, RuleFact, RuleState, Verdict,
};

use super::Reading;
use super::words::{alarm, alarm_state, count, sentence};

/// A table as it was found (DynamoDB `DescribeTable`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableFact {
    /// Its status: `ACTIVE`.
    pub status: String,
    /// The attribute that is its partition key.
    pub partition_key: Option<String>,
    /// The attribute that is its sort key.
    pub sort_key: Option<String>,
}

/// How a table's items expire, as it was found (DynamoDB `DescribeTimeToLive`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TtlFact {
    /// Its status: `ENABLED`.
    pub status: String,
    /// The attribute that holds the time.
    pub attribute: Option<String>,
}

/// What was read for a checklist. Where nothing is there, the answer is none: that was asked and answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChecklistReadings {
    /// When, UTC.
    pub at: Timestamp,
    /// Whether the bus exists.
    pub bus: Reading<bool>,
    /// The configured rules by short name.
    pub rules: BTreeMap<String, Reading<Option<RuleFact>>>,
    /// The dead-letter queues by name.
    pub dlqs: BTreeMap<String, Reading<Option<DlqDepth>>>,
    /// The alarms by name; those that do not exist are absent.
    pub alarms: Reading<BTreeMap<String, AlarmStatus>>,
    /// The idempotency table.
    pub table: Reading<Option<TableFact>>,
    /// Its expiry.
    pub ttl: Reading<Option<TtlFact>>,
}

/// What one check found, before it is put into words for its row.
struct Finding {
    verdict: Verdict,
    value: String,
    reason: String,
}

impl Finding {
    fn new(verdict: Verdict, value: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { verdict, value: value.into(), reason: reason.into() }
    }
}

/// Goes through the checklist. `wanted` holds the states in which Alch or a person through Alch last left the rules, by
/// short name. Rules of the bus that are not configured are not Alch's and are left out.
pub fn checks(
    environment: &Environment,
    wanted: &BTreeMap<String, RuleState>,
    readings: &ChecklistReadings,
) -> Vec<Check> {
    let list = Checklist { environment, readings };
    let mut checks = vec![list.bus()];
    checks.extend(environment.rules.iter().map(|rule| list.rule(rule, wanted.get(&rule.name).copied())));
    checks.extend(environment.dlqs.iter().map(|queue| list.dlq(queue)));
    if !environment.alarms.is_empty() {
        checks.push(list.alarms());
    }
    checks.extend([list.table(), list.ttl()]);
    checks
}

struct Checklist<'a> {
    environment: &'a Environment,
    readings: &'a ChecklistReadings,
}

impl Checklist<'_> {
    fn bus(&self) -> Check {
        let bus = &self.environment.bus;
        let row = Row { name: "bus".to_owned(), title: format!("Event bus {bus}"), limit: "exists".to_owned() };
        self.check(row, format!("DescribeEventBus {bus}"), &self.readings.bus, |exists| {
            if *exists {
                Finding::new(Verdict::Pass, "exists", "The bus is there.")
            } else {
                Finding::new(
                    Verdict::Fail,
                    "missing",
                    format!(
                        "There is no bus of this name in {}. Deploy the stack, or mend `bus`.",
                        self.environment.region
                    ),
                )
            }
        })
    }

    /// A rule is there, has a target, and is as it was last left. When nobody has left it in any state through Alch,
    /// there is nothing that its state could contradict: it is reported, and the rest of the question decides. Anything
    /// else would make the list of a healthy environment red until Alch has acted there once.
    fn rule(&self, rule: &Rule, wanted: Option<RuleState>) -> Check {
        let bus = &self.environment.bus;
        let row = Row {
            name: format!("rule:{}", rule.name),
            title: format!("Rule {}", rule.name),
            limit: match wanted {
                Some(state) => format!("{}, with a target", state.word()),
                None => "with a target".to_owned(),
            },
        };
        let query = format!("DescribeRule, ListTargetsByRule {} on {bus}", rule.rule);
        let not_asked = Err("it was not asked".to_owned());
        self.check(row, query, self.readings.rules.get(&rule.name).unwrap_or(&not_asked), |found| {
            let Some(fact) = found else {
                let reason = format!("There is no rule {} on {bus}. Deploy the stack, or mend `rules`.", rule.rule);
                return Finding::new(Verdict::Fail, "missing", reason);
            };
            let state = fact.state.word();
            if let Some(service) = &fact.managed_by {
                let reason = format!(
                    "{service} manages this rule, so Alch leaves it alone. Take it out of `rules` in the configuration."
                );
                return Finding::new(Verdict::Inconclusive, state, reason);
            }
            if fact.targets.is_empty() {
                let reason = "It has no target, so events that it matches go nowhere. Deploy the stack again.";
                return Finding::new(Verdict::Fail, format!("{state}, no target"), reason);
            }
            let value = format!("{state}, {}", count(fact.targets.len() as i64, "target"));
            match wanted {
                Some(wanted) if wanted.is_enabled() != fact.state.is_enabled() => Finding::new(
                    Verdict::Fail,
                    value,
                    format!(
                        "It was last left {}, and is {state} now: changed outside of Alch, by a deployment for example. \
                         {} it if that is not meant.",
                        wanted.word(),
                        if wanted.is_enabled() { "Enable" } else { "Disable" }
                    ),
                ),
                Some(_) => Finding::new(Verdict::Pass, value, "As it was last left."),
                None => Finding::new(
                    Verdict::Pass,
                    value,
                    format!("It is {state}; no state is recorded as wanted, since Alch has not set it yet."),
                ),
            }
        })
    }

    fn dlq(&self, queue: &str) -> Check {
        let row = Row { name: format!("dlq:{queue}"), title: format!("Messages in {queue}"), limit: "0".to_owned() };
        let query = format!("GetQueueAttributes {queue} ApproximateNumberOfMessages, …NotVisible, …Delayed");
        let not_asked = Err("it was not asked".to_owned());
        self.check(row, query, self.readings.dlqs.get(queue).unwrap_or(&not_asked), |found| match found {
            None => Finding::new(
                Verdict::Fail,
                "missing",
                "There is no queue of this name, so events that fail are lost. Deploy the stack, or mend `dlqs`.",
            ),
            Some(depth) if depth.total() == 0 => Finding::new(
                Verdict::Pass,
                "0",
                "Empty. SQS counts approximately; a number may take a minute to settle.",
            ),
            Some(DlqDepth { visible, in_flight, delayed }) => Finding::new(
                Verdict::Fail,
                (visible + in_flight + delayed).to_string(),
                format!(
                    "{visible} visible, {in_flight} in flight, {delayed} delayed. Read them to see which events failed \
                     and why, then send them again or remove them."
                ),
            ),
        })
    }

    fn alarms(&self) -> Check {
        let names = &self.environment.alarms;
        let row = Row { name: "alarms".to_owned(), title: "Alarms".to_owned(), limit: "all OK".to_owned() };
        self.check(row, format!("DescribeAlarms {}", names.join(", ")), &self.readings.alarms, |found| {
            let ok = names.iter().filter(|name| found.get(*name).is_some_and(|a| a.state == AlarmState::Ok)).count();
            let told = |state| {
                let those = names.iter().filter_map(|name| Some((name, found.get(name)?)));
                let those = those.filter(|(_, status)| status.state == state).map(|(name, status)| alarm(name, status));
                those.collect::<Vec<_>>().join("; ")
            };
            let (ringing, silent) = (told(AlarmState::Alarm), told(AlarmState::InsufficientData));
            let missing: Vec<_> = names.iter().filter(|name| !found.contains_key(*name)).cloned().collect();
            let mut said = Vec::new();
            if !ringing.is_empty() {
                said.push(format!("In ALARM: {ringing}. Find out why."));
            }
            if !silent.is_empty() {
                said.push(format!(
                    "In {}: {silent}. It cannot be told whether they are well; check that their metric and dimensions \
                     exist, or let missing data count as not breaching.",
                    alarm_state(AlarmState::InsufficientData)
                ));
            }
            if !missing.is_empty() {
                said.push(format!(
                    "Missing: {}. Create them, or take them out of `alarms` in the configuration.",
                    missing.join(", ")
                ));
            }
            let verdict = match (ringing.is_empty(), said.is_empty()) {
                (false, _) => Verdict::Fail,
                (true, false) => Verdict::Unknown,
                (true, true) => Verdict::Pass,
            };
            if said.is_empty() {
                said.push("All are OK.".to_owned());
            }
            Finding::new(verdict, format!("{ok} of {} OK", names.len()), said.join(" "))
        })
    }

    fn table(&self) -> Check {
        let table = &self.environment.table;
        let row = Row {
            name: "table".to_owned(),
            title: format!("Table {}", table.name),
            limit: format!("ACTIVE, key {}", table.key),
        };
        self.check(row, format!("DescribeTable {}", table.name), &self.readings.table, |found| {
            let Some(fact) = found else {
                let reason = "There is no table of this name, so no event can be told from its repeat. Deploy the stack, \
                              or mend `table.name`.";
                return Finding::new(Verdict::Fail, "missing", reason);
            };
            let key = fact.partition_key.as_deref().unwrap_or("none");
            let value = match &fact.sort_key {
                Some(sort) => format!("{}, key {key} with {sort}", fact.status),
                None => format!("{}, key {key}", fact.status),
            };
            if key != table.key || fact.sort_key.is_some() {
                let reason = format!(
                    "The key is not {} alone, so the function's conditional writes mean something else. Compare the \
                     template with `table.key`.",
                    table.key
                );
                Finding::new(Verdict::Fail, value, reason)
            } else if fact.status != "ACTIVE" {
                Finding::new(Verdict::Fail, value, "The table is not ACTIVE. Wait for its change to end, and look again.")
            } else {
                Finding::new(Verdict::Pass, value, "The table is there, with the configured key.")
            }
        })
    }

    fn ttl(&self) -> Check {
        let table = &self.environment.table;
        let row = Row {
            name: "ttl".to_owned(),
            title: format!("Expiry in {}", table.name),
            limit: format!("ENABLED on {}", table.ttl_attribute),
        };
        self.check(row, format!("DescribeTimeToLive {}", table.name), &self.readings.ttl, |found| {
            let Some(fact) = found else {
                return Finding::new(Verdict::Fail, "missing", "There is no table of this name.");
            };
            let attribute = fact.attribute.as_deref();
            let value = match attribute {
                Some(attribute) => format!("{} on {attribute}", fact.status),
                None => fact.status.clone(),
            };
            if fact.status == "ENABLED" && attribute == Some(table.ttl_attribute.as_str()) {
                Finding::new(Verdict::Pass, value, "Items expire by the configured attribute.")
            } else if fact.status == "ENABLING" && attribute == Some(table.ttl_attribute.as_str()) {
                let reason = "DynamoDB is still turning expiry on, which takes up to an hour. Look again then.";
                Finding::new(Verdict::Inconclusive, value, reason)
            } else {
                let reason = format!("Items do not expire by {}. Deploy the stack again.", table.ttl_attribute);
                Finding::new(Verdict::Fail, value, reason)
            }
        })
    }

    fn check<T>(&self, row: Row, query: String, reading: &Reading<T>, judge: impl FnOnce(&T) -> Finding) -> Check {
        let (finding, request_ids) = match reading {
            Ok(answer) => (judge(&answer.value), answer.request_ids.clone()),
            Err(why) => {
                let reason = format!("Could not be asked: {}", sentence(why));
                (Finding::new(Verdict::Unknown, "", reason), Vec::new())
            }
        };
        Check {
            name: row.name,
            title: row.title,
            verdict: finding.verdict,
            value: finding.value,
            limit: row.limit,
            reason: finding.reason,
            evidence: Evidence { query, until: Some(self.readings.at), request_ids, ..Evidence::default() },
        }
    }
}

/// The part of a check that is known before anything was read.
struct Row {
    name: String,
    title: String,
    limit: String,
}
