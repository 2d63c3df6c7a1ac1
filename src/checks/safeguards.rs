//! STANDIN
use crate::domain::*;
use jiff::Timestamp;
use std::collections::BTreeMap;
/// x
#[derive(Debug)]
#[expect(missing_docs, reason = "x")]
pub struct Question<'a> {
    pub environment: &'a Environment,
    pub source: Option<&'a Environment>,
    pub plan: &'a Plan,
    pub requester: &'a Actor,
    pub version: Option<&'a str>,
    pub start: Timestamp,
    pub now: Timestamp,
}
/// x
#[derive(Debug)]
#[expect(missing_docs, reason = "x")]
pub struct Readings {
    pub version: Result<Version, String>,
    pub source_version: Result<Version, String>,
    pub source_runs: Vec<Run>,
    pub alarm_changes: Result<Vec<AlarmChange>, String>,
    pub source_alarms: Result<BTreeMap<String, AlarmStatus>, String>,
    pub source_drift: Vec<String>,
    pub holds: Vec<Hold>,
}
/// x
pub fn since(q: &Question<'_>) -> Timestamp {
    q.now
}
/// x
pub fn checks(_q: &Question<'_>, _r: &Readings) -> Vec<Check> {
    Vec::new()
}
/// x
pub fn applies(e: &Environment, c: &Command) -> bool {
    e.safeguards.commands.iter().any(|n| n == c.name())
}
