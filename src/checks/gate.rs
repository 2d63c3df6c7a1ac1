//! The gate of a rule: what was read after it was enabled, judged. A pass needs evidence of traffic, because the failure
//! metrics of EventBridge are silent both when all is well and when nothing happened.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::domain::{AlarmStatus, Check, DlqDepth, Environment, Evidence, Facts, Rule, Verdict};

use super::metric::minute_of;
use super::words::{clock_time, count, sentence};
use super::{Answer, GateMetric, Reading, Series};

mod around;

/// The name of the check on which the proof of the others rests: events came through.
pub const TRAFFIC: &str = "traffic";

/// What was read for a gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateReadings {
    /// When, UTC.
    pub at: Timestamp,
    /// The start of the metrics' window: a full minute, UTC.
    pub from: Timestamp,
    /// Its end, exclusive: a full minute, UTC.
    pub until: Timestamp,
    /// The metrics.
    pub metrics: BTreeMap<GateMetric, Reading<Series>>,
    /// The dead-letter queues by name.
    pub dlqs: BTreeMap<String, Reading<DlqDepth>>,
    /// The alarms by name; those that do not exist are absent.
    pub alarms: Reading<BTreeMap<String, AlarmStatus>>,
}

/// What a gate asks.
#[derive(Clone, Copy, Debug)]
pub struct GateQuestion<'a> {
    /// Where.
    pub environment: &'a Environment,
    /// About which rule.
    pub rule: &'a Rule,
    /// From when on things count, UTC: when the rule was enabled, or how far to look back if it was so already.
    pub since: Timestamp,
    /// Whether this run enabled the rule; otherwise it was enabled already.
    pub changed: bool,
    /// The world before the run acted.
    pub baseline: &'a Facts,
}

/// Whether events came through since the rule was enabled.
#[derive(Clone, Copy)]
enum Traffic<'a> {
    Seen(i64),
    None,
    Unknown(&'a str),
}

/// Judges what was read. The order is that in which people should read it.
pub fn checks(question: &GateQuestion<'_>, readings: &GateReadings) -> Vec<Check> {
    let limits = &question.environment.limits;
    let mut checks = vec![
        failures(question, readings, GateMetric::FailedInvocations, limits.failed_invocations),
        failures(question, readings, GateMetric::ThrottledRules, limits.throttled_rules),
        failures(question, readings, GateMetric::FailedToDlq, limits.failed_to_dlq),
        traffic(question, readings),
        failures(question, readings, GateMetric::FunctionErrors, limits.function_errors),
        failures(question, readings, GateMetric::FunctionThrottles, limits.function_throttles),
    ];
    checks.extend(question.environment.dlqs.iter().map(|queue| around::dlq(question, readings, queue)));
    if !question.environment.alarms.is_empty() {
        checks.push(around::alarms(question, readings));
    }
    checks
}

/// The gate's verdict: the worst of its checks.
pub fn verdict(checks: &[Check]) -> Verdict {
    Verdict::of(checks)
}

/// Whether the verdict cannot get better by waiting: something has failed.
pub fn is_decided_early(checks: &[Check]) -> bool {
    checks.iter().any(|check| check.verdict == Verdict::Fail)
}

/// A metric that counts what went wrong.
fn failures(question: &GateQuestion<'_>, readings: &GateReadings, metric: GateMetric, limit: u32) -> Check {
    let limit = i64::from(limit);
    let GateQuestion { environment, rule, .. } = question;
    let title = match metric {
        GateMetric::FailedInvocations => format!("Failed invocations of {}", rule.name),
        GateMetric::ThrottledRules => format!("Throttled events of {}", rule.name),
        GateMetric::FailedToDlq => format!("Events of {} lost on the way to the dead-letter queue", rule.name),
        GateMetric::FunctionErrors => format!("Errors of {}", environment.function),
        GateMetric::FunctionThrottles => format!("Throttles of {}", environment.function),
        GateMetric::Invocations => format!("Invocations of {}", rule.name),
        GateMetric::TriggeredRules => format!("Events matched by {}", rule.name),
        GateMetric::FunctionInvocations => format!("Invocations of {}", environment.function),
    };
    let (verdict, value, reason) = match series(question, readings, metric) {
        Err(why) => (Verdict::Unknown, String::new(), not_asked(why)),
        Ok(answer) => {
            let value = counted(question, metric, &answer.value);
            let (verdict, reason) = if value > limit {
                (Verdict::Fail, too_many(question, metric, &answer.value, value, limit))
            } else {
                within_limit(question, readings, metric, value)
            };
            (verdict, value.to_string(), reason)
        }
    };
    Check {
        name: metric.key().to_owned(),
        title,
        verdict,
        value,
        limit: at_most(limit),
        reason,
        evidence: metric_evidence(question, readings, metric),
    }
}

/// A failure metric within its limit means something only when there was something that could have failed.
fn within_limit(
    question: &GateQuestion<'_>,
    readings: &GateReadings,
    metric: GateMetric,
    value: i64,
) -> (Verdict, String) {
    let since = since(question);
    match rule_traffic(question, readings) {
        Traffic::Unknown(why) => {
            let reason = format!("Without knowing whether there was traffic this proves nothing: {}", sentence(why));
            return (Verdict::Unknown, reason);
        }
        Traffic::None => {
            return (Verdict::Inconclusive, format!("No invocation is reported {since}, so none could fail."));
        }
        Traffic::Seen(invocations) if !metric.is_of_function() => {
            return (Verdict::Pass, format!("{} with {} {since}.", or_none(value), count(invocations, "invocation")));
        }
        Traffic::Seen(_) => {}
    }
    match function_traffic(question, readings) {
        Traffic::Unknown(why) => {
            let reason = format!("Without knowing whether the function ran this proves nothing: {}", sentence(why));
            (Verdict::Unknown, reason)
        }
        Traffic::None if invokes_another_function(question) => (
            Verdict::Inconclusive,
            format!(
                "EventBridge invoked the rule's target, but that is not {}, of which Lambda reports no invocation {since}. \
                 Mend the rule's target, or `function` in the configuration.",
                question.environment.function
            ),
        ),
        // Lambda publishes what failed beside what ran: a function that failed would be in both. The rule's own
        // invocations are the evidence that it was called.
        Traffic::None => {
            (Verdict::Pass, format!("{} {since}; Lambda reports no run of the function yet.", or_none(value)))
        }
        Traffic::Seen(ran) => {
            (Verdict::Pass, format!("{} with {} of the function {since}.", or_none(value), count(ran, "invocation")))
        }
    }
}

/// Whether the rule was seen to have targets, and none of them is the environment's function.
fn invokes_another_function(question: &GateQuestion<'_>) -> bool {
    let function = format!(":function:{}", question.environment.function);
    let is_it = |target: &String| {
        target.split_once(&function).is_some_and(|(_, version)| version.is_empty() || version.starts_with(':'))
    };
    let targets = question.baseline.rules.get(&question.rule.name).map_or(&[][..], |fact| &fact.targets);
    !targets.is_empty() && !targets.iter().any(is_it)
}

/// What a value above the limit means, and what to do.
fn too_many(question: &GateQuestion<'_>, metric: GateMetric, series: &Series, value: i64, limit: i64) -> String {
    let Environment { function, dlqs, .. } = question.environment;
    let queue = dlqs.first().map_or("the dead-letter queue", String::as_str);
    let since = since(question);
    let rule = &question.rule.name;
    let mut reason = match metric {
        GateMetric::FailedInvocations => format!(
            "EventBridge could not deliver {} of {rule} {since}. Check the target's permission for the rule, and look \
             into {queue}.",
            count(value, "event")
        ),
        GateMetric::ThrottledRules => format!(
            "EventBridge held {rule} back {} {since}. Lower the rate of events, or ask AWS for a higher quota of \
             invocations.",
            count(value, "time")
        ),
        GateMetric::FailedToDlq => format!(
            "{} of {rule} could be written neither to the target nor to {queue} {since}: lost. Check that the queue's \
             policy lets events.amazonaws.com send.",
            sentence(&count(value, "event")).trim_end_matches('.')
        ),
        GateMetric::FunctionErrors => {
            format!("{function} failed {} {since}. Read its log, /aws/lambda/{function}.", count(value, "time"))
        }
        GateMetric::FunctionThrottles => format!(
            "Lambda refused to run {function} {} {since}. Check its reserved concurrency and the account's limit.",
            count(value, "time")
        ),
        GateMetric::Invocations | GateMetric::TriggeredRules | GateMetric::FunctionInvocations => {
            format!("{value} {since} is more than {limit}.")
        }
    };
    let first_minute = minute_of(question.since);
    let later: i64 =
        series.points.range(first_minute..).filter(|(minute, _)| **minute != first_minute).map(|(_, n)| n).sum();
    if question.changed && later <= limit {
        // Datapoints cover a whole minute, and those from before the enabling may have arrived after the baseline.
        reason.push_str(" It lies in the minute in which the rule was enabled, and may be from right before.");
    }
    reason
}

/// The evidence of traffic: the rule invoked its target at least once.
fn traffic(question: &GateQuestion<'_>, readings: &GateReadings) -> Check {
    let since = since(question);
    let (verdict, value, reason) = match rule_traffic(question, readings) {
        Traffic::Unknown(why) => (Verdict::Unknown, String::new(), not_asked(why)),
        Traffic::Seen(seen) => {
            (Verdict::Pass, seen.to_string(), format!("The rule invoked its target {} {since}.", count(seen, "time")))
        }
        Traffic::None => {
            let matched = series(question, readings, GateMetric::TriggeredRules)
                .map(|answer| counted(question, GateMetric::TriggeredRules, &answer.value));
            let reason = match matched {
                Ok(matched @ 1..) => format!(
                    "The rule matched {} {since}, but no invocation of its target is reported. Wait on; metrics may be \
                     late.",
                    count(matched, "event")
                ),
                Ok(_) | Err(_) => format!(
                    "No invocation is reported {since}, so nothing is proven. Wait for traffic, or send an event that the \
                     rule matches."
                ),
            };
            (Verdict::Inconclusive, "0".to_owned(), reason)
        }
    };
    Check {
        name: TRAFFIC.to_owned(),
        title: format!("Traffic through {}", question.rule.name),
        verdict,
        value,
        limit: "at least 1".to_owned(),
        reason,
        evidence: metric_evidence(question, readings, GateMetric::Invocations),
    }
}

fn rule_traffic<'a>(question: &GateQuestion<'_>, readings: &'a GateReadings) -> Traffic<'a> {
    traffic_by(question, readings, GateMetric::Invocations)
}

fn function_traffic<'a>(question: &GateQuestion<'_>, readings: &'a GateReadings) -> Traffic<'a> {
    traffic_by(question, readings, GateMetric::FunctionInvocations)
}

fn traffic_by<'a>(question: &GateQuestion<'_>, readings: &'a GateReadings, metric: GateMetric) -> Traffic<'a> {
    match series(question, readings, metric) {
        Err(why) => Traffic::Unknown(why),
        Ok(answer) => match counted(question, metric, &answer.value) {
            seen @ 1.. => Traffic::Seen(seen),
            _ => Traffic::None,
        },
    }
}

/// The reading of a metric, if it answers the question that has to be asked. One by the rule's name alone would speak of
/// the default bus, where a namesake may be well.
fn series<'a>(
    question: &GateQuestion<'_>,
    readings: &'a GateReadings,
    metric: GateMetric,
) -> Result<&'a Answer<Series>, &'a str> {
    let answer = readings.metrics.get(&metric).ok_or("it was not asked")?.as_ref().map_err(String::as_str)?;
    if answer.value.query != metric.query(question.environment, question.rule) {
        return Err("another metric was asked than the rule's on its bus");
    }
    Ok(answer)
}

/// The sum since the question's time. What the baseline saw in the running minute was there before the run acted.
fn counted(question: &GateQuestion<'_>, metric: GateMetric, series: &Series) -> i64 {
    let baseline = question.baseline;
    let before = match baseline.minute {
        Some(minute) if question.changed => {
            let of_rule = baseline.running_minute.get(&question.rule.name);
            of_rule.and_then(|metrics| metrics.get(metric.key())).map(|value| (minute, *value))
        }
        Some(_) | None => None,
    };
    let points = series.points.range(minute_of(question.since)..);
    points.fold(0, |sum: i64, (minute, value)| match before {
        Some((at, before)) if at == *minute => sum.saturating_add((value - before).max(0)),
        Some(_) | None => sum.saturating_add((*value).max(0)),
    })
}

fn metric_evidence(question: &GateQuestion<'_>, readings: &GateReadings, metric: GateMetric) -> Evidence {
    let answer = readings.metrics.get(&metric).and_then(|reading| reading.as_ref().ok());
    Evidence {
        query: match answer {
            Some(answer) => answer.value.query.to_string(),
            None => metric.query(question.environment, question.rule).to_string(),
        },
        from: Some(readings.from),
        until: Some(readings.until),
        datapoints: answer.map(|a| a.value.points.iter().map(|(at, n)| (*at, *n)).collect()).unwrap_or_default(),
        request_ids: answer.map(|answer| answer.request_ids.clone()).unwrap_or_default(),
    }
}

fn since(question: &GateQuestion<'_>) -> String {
    if question.changed {
        format!("since it was enabled at {}", clock_time(question.since))
    } else {
        format!("since {}", clock_time(question.since))
    }
}

fn or_none(value: i64) -> String {
    if value == 0 { "None".to_owned() } else { value.to_string() }
}

fn at_most(limit: i64) -> String {
    if limit == 0 { "0".to_owned() } else { format!("at most {limit}") }
}

fn not_asked(why: &str) -> String {
    format!("Could not be asked: {}", sentence(why))
}
