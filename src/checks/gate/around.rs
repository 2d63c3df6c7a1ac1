//! The part of a gate that looks around the rule: dead-letter queues and alarms.

use std::collections::BTreeMap;

use crate::domain::{AlarmState, AlarmStatus, Check, Evidence, Verdict};

use super::super::words::{alarm, count, sentence};
use super::{GateQuestion, GateReadings, Traffic, not_asked, rule_traffic};

/// A dead-letter queue, compared with before. Nothing in it is touched, so messages from before stay and do not count.
pub(super) fn dlq(question: &GateQuestion<'_>, readings: &GateReadings, queue: &str) -> Check {
    let limit = i64::from(question.environment.limits.dlq_growth);
    let before = question.baseline.dlqs.get(queue).map(|depth| depth.total());
    let mut evidence = Evidence {
        query: format!("GetQueueAttributes {queue} ApproximateNumberOfMessages, …NotVisible, …Delayed"),
        until: Some(readings.at),
        ..Evidence::default()
    };
    let (verdict, value, reason) = match readings.dlqs.get(queue) {
        None => (Verdict::Unknown, String::new(), not_asked("it was not asked")),
        Some(Err(why)) => (Verdict::Unknown, String::new(), not_asked(why)),
        Some(Ok(answer)) => {
            evidence.request_ids.clone_from(&answer.request_ids);
            let now = answer.value.total();
            match before {
                Some(before) if now - before > limit => (
                    Verdict::Fail,
                    format!("{before} → {now}"),
                    format!(
                        "{} more than before. Read the messages to see which events failed and why; leave them in the \
                         queue.",
                        sentence(&count(now - before, "message")).trim_end_matches('.')
                    ),
                ),
                Some(before) => (
                    Verdict::Pass,
                    format!("{before} → {now}"),
                    "No more messages than allowed since before.".to_owned(),
                ),
                None if now == 0 => (Verdict::Pass, "0".to_owned(), "Empty; it was not measured before.".to_owned()),
                None => (
                    Verdict::Unknown,
                    now.to_string(),
                    format!(
                        "{} in the queue, and how many there were before is not known. Look when they arrived.",
                        sentence(&count(now, "message")).trim_end_matches('.')
                    ),
                ),
            }
        }
    };
    Check {
        name: format!("dlq:{queue}"),
        title: format!("Messages in {queue}"),
        verdict,
        value,
        limit: if limit == 0 { "no more than before".to_owned() } else { format!("at most {limit} more than before") },
        reason,
        evidence,
    }
}

/// All alarms of the environment.
///
/// An alarm in ALARM fails the gate, whether this run brought it about or not: nothing should be promoted into trouble.
/// INSUFFICIENT_DATA is normal for alarms on metrics that are sent only when something happens; it proves nothing, so it
/// does not stop a gate that has other evidence (traffic), and without that evidence it is inconclusive like the rest.
/// A configured alarm that does not exist watches nothing: inconclusive until somebody creates it or takes it out, not
/// unknown, because it was asked and waiting will not help.
pub(super) fn alarms(question: &GateQuestion<'_>, readings: &GateReadings) -> Check {
    let names = &question.environment.alarms;
    let mut evidence = Evidence {
        query: format!("DescribeAlarms {}", names.join(", ")),
        until: Some(readings.at),
        ..Evidence::default()
    };
    let (verdict, value, reason) = match &readings.alarms {
        Err(why) => (Verdict::Unknown, String::new(), not_asked(why)),
        Ok(answer) => {
            evidence.request_ids.clone_from(&answer.request_ids);
            judge_alarms(question, readings, &answer.value)
        }
    };
    Check {
        name: "alarms".to_owned(),
        title: format!("Alarms of {}", question.environment.name),
        verdict,
        value,
        limit: "none in ALARM".to_owned(),
        reason,
        evidence,
    }
}

fn judge_alarms(
    question: &GateQuestion<'_>,
    readings: &GateReadings,
    found: &BTreeMap<String, AlarmStatus>,
) -> (Verdict, String, String) {
    let names = &question.environment.alarms;
    let in_state = |state| names.iter().filter(move |name| found.get(*name).is_some_and(|a| a.state == state));
    let ringing: Vec<_> = in_state(AlarmState::Alarm).collect();
    let silent: Vec<_> = in_state(AlarmState::InsufficientData).map(String::as_str).collect();
    let missing: Vec<_> = names.iter().filter(|name| !found.contains_key(*name)).map(String::as_str).collect();
    let value = format!("{} of {} OK", in_state(AlarmState::Ok).count(), names.len());
    if !ringing.is_empty() {
        let told =
            ringing.iter().filter_map(|name| found.get(*name).map(|status| (name, status))).map(|(name, status)| {
                let before = question.baseline.alarms.get(*name).is_some_and(|a| a.state == AlarmState::Alarm);
                format!("{}{}", alarm(name, status), if before { ", as before this run" } else { "" })
            });
        let told: Vec<_> = told.collect();
        let reason = format!("In ALARM: {}. Find out why before going on.", told.join("; "));
        return (Verdict::Fail, format!("ALARM: {}", ringing.len()), reason);
    }
    if !missing.is_empty() {
        let reason = format!(
            "These alarms do not exist: {}. Create them, or take them out of `alarms` in the configuration.",
            missing.join(", ")
        );
        return (Verdict::Inconclusive, value, reason);
    }
    if silent.is_empty() {
        return (Verdict::Pass, value, "All alarms are OK.".to_owned());
    }
    let listed = silent.join(", ");
    match rule_traffic(question, readings) {
        Traffic::Seen(_) => (
            Verdict::Pass,
            value,
            format!(
                "None is in ALARM. These have too little data to say more, which is normal for rare metrics: {listed}."
            ),
        ),
        Traffic::None | Traffic::Unknown(_) => (
            Verdict::Inconclusive,
            value,
            format!("None is in ALARM, but without traffic these have too little data to prove anything: {listed}."),
        ),
    }
}
