//! The smoke test: whether the function has proven paper mode, what its answer says, and the evidence that events flowed.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::metric::minute_of;
use super::words::{clock_time, count, sentence};
use super::{GateMetric, Reading, Series, gate};
use crate::domain::{ArchiveFact, Check, DlqDepth, Environment, Evidence, Facts, Rule, RuleState, StepStatus, Verdict};

/// The name of the check of the archive, whose count is no news while it is well.
pub const ARCHIVE: &str = "archive";
/// The longest text of a check's reason that is taken from elsewhere.
const MAX_REASON_CHARS: usize = 300;
/// A queue's numbers settle within a minute: only then is an empty one empty.
const QUEUE_SETTLES: SignedDuration = SignedDuration::from_mins(1);
/// What a function calls a success, and what a failure.
const GOOD: [&str; 9] =
    ["success", "succeeded", "successful", "ok", "completed", "complete", "done", "passed", "finished"];
const BAD: [&str; 12] = [
    "failed",
    "failure",
    "fail",
    "error",
    "errored",
    "aborted",
    "rejected",
    "timeout",
    "timed_out",
    "cancelled",
    "canceled",
    "fatal",
];

/// What is known of the variable that proves paper mode. Never its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Variable {
    /// It has an expected value.
    AsExpected,
    /// It has another one.
    Other,
    /// The function has no such variable.
    Absent,
    /// Lambda could not read the variables (`Environment.Error`).
    Unreadable {
        /// ErrorCode.
        code: String,
        /// The key that they are encrypted with, where it is not Lambda's own.
        key: Option<String>,
    },
}

/// How a function is set up (Lambda `GetFunctionConfiguration`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The variable.
    pub variable: Variable,
    /// LastUpdateStatus.
    pub update: Option<String>,
    /// The version that it was read of: `$LATEST`.
    pub version: Option<String>,
    /// Another one after each change of the function.
    pub state: String,
}

/// Why a function that is set up so must not be invoked, as a sentence without its full stop; none when it has proven paper
/// mode.
pub fn unproven(function: &str, variable: &str, proof: &Proof) -> Option<String> {
    match &proof.variable {
        Variable::AsExpected => {}
        Variable::Other => {
            return Some(format!(
                "{function} does not prove paper mode: its variable {variable} is not the expected value, so it may trade \
                 live. What the payload says of paper it ignores"
            ));
        }
        Variable::Absent => {
            return Some(format!("{function} does not prove paper mode: it has no variable {variable}"));
        }
        Variable::Unreadable { code, key } => {
            let on = key.as_ref().map(|key| format!(" on {key}")).unwrap_or_default();
            return Some(format!(
                "{function} does not prove paper mode: Lambda could not read its variables ({code}). Where they are encrypted \
                 with a key of your own, add the IAM action kms:Decrypt{on} to Alch's role"
            ));
        }
    }
    match proof.update.as_deref() {
        Some("Successful") => None,
        Some("InProgress") => Some(format!(
            "{function} is being updated (LastUpdateStatus InProgress): how it is set up may be about to change. Ask again when \
             the update is over"
        )),
        other => Some(format!(
            "the last update of {function} is not known to be successful (LastUpdateStatus {}), so what it runs with is not \
             proven",
            other.unwrap_or("not said")
        )),
    }
}

/// Why paper mode is not proven of an invocation after all, as a sentence without its full stop: the function was changed
/// meanwhile, or another version ran.
pub fn moved(function: &str, variable: &str, before: &Proof, after: &Proof, ran: Option<&str>) -> Option<String> {
    let what = if let (Some(proven), Some(ran)) = (before.version.as_deref(), ran)
        && proven != ran
    {
        format!("its version {ran} ran, and the proof was of {proven}")
    } else if after.variable != Variable::AsExpected {
        format!("its variable {variable} is not the expected value any more, or cannot be read")
    } else if before.state != after.state {
        "somebody has changed it between the proof and now".to_owned()
    } else {
        return None;
    };
    Some(format!(
        "PAPER MODE IS NOT PROVEN OF THIS RUN of {function}: {what}. It may have traded live: look at the broker's orders now"
    ))
}

/// What a function's answer says of itself: the verdict, and its words, which may be long and hold secrets. An answer that
/// says neither is no success.
pub fn judge(payload: &str) -> (Verdict, String) {
    let Ok(Value::Object(fields)) = serde_json::from_str::<Value>(payload) else {
        return (Verdict::Inconclusive, "no status".to_owned());
    };
    let mut verdicts = Vec::new();
    match fields.get("status") {
        Some(Value::String(word)) => {
            let plain = word.trim().to_lowercase();
            let verdict = if GOOD.contains(&plain.as_str()) {
                Verdict::Pass
            } else if BAD.contains(&plain.as_str()) {
                Verdict::Fail
            } else {
                Verdict::Inconclusive
            };
            verdicts.push((verdict, format!("status {}", word.trim())));
        }
        Some(Value::Number(number)) => verdicts.push((of_code(number.as_i64()), format!("status {number}"))),
        Some(_) => verdicts.push((Verdict::Inconclusive, "a status that is no word".to_owned())),
        None => {}
    }
    if let Some(Value::Number(number)) = fields.get("statusCode") {
        verdicts.push((of_code(number.as_i64()), format!("statusCode {number}")));
    }
    if let Some(Value::Bool(good)) = fields.get("success") {
        verdicts.push((if *good { Verdict::Pass } else { Verdict::Fail }, format!("success {good}")));
    }
    // Of several words the worst counts; of equal ones the first.
    let worst = verdicts.into_iter().rev().max_by_key(|(verdict, _)| *verdict);
    worst.unwrap_or_else(|| (Verdict::Inconclusive, "no status".to_owned()))
}

fn of_code(code: Option<i64>) -> Verdict {
    match code {
        Some(200..=299) => Verdict::Pass,
        Some(400..) => Verdict::Fail,
        Some(_) | None => Verdict::Inconclusive,
    }
}

/// What was read of the evidence.
#[derive(Clone, Debug)]
pub struct Readings {
    /// When, UTC.
    pub at: Timestamp,
    /// The start of the metrics' window: a full minute, UTC.
    pub from: Timestamp,
    /// Its end, exclusive: a full minute, UTC.
    pub until: Timestamp,
    /// The states of the rules of the bus, by their names in EventBridge.
    pub states: Reading<BTreeMap<String, RuleState>>,
    /// The metrics of each rule, by its short name.
    pub metrics: BTreeMap<String, BTreeMap<GateMetric, Reading<Series>>>,
    /// The archive; none when there is no such archive.
    pub archive: Reading<Option<ArchiveFact>>,
    /// The dead-letter queues by name.
    pub dlqs: BTreeMap<String, Reading<DlqDepth>>,
}

/// What is asked of it.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Where.
    pub environment: &'a Environment,
    /// When the function was invoked, UTC.
    pub since: Timestamp,
    /// When it had answered, UTC.
    pub answered: Timestamp,
    /// How the invocation ended.
    pub status: StepStatus,
    /// The same in words.
    pub told: &'a str,
    /// The world before.
    pub baseline: &'a Facts,
}

/// Whether events flowed.
pub fn evidence(question: &Question<'_>, readings: &Readings) -> Vec<Check> {
    let mut checks = vec![
        response(question),
        traffic(question, readings),
        failures(question, readings, GateMetric::FailedInvocations),
        failures(question, readings, GateMetric::FailedToDlq),
        errors(question, readings),
        archive(question, readings),
    ];
    checks.extend(question.environment.dlqs.iter().map(|queue| dlq(question, readings, queue)));
    checks
}

/// A check with what its verdict rests on.
struct Found {
    verdict: Verdict,
    value: String,
    reason: String,
    evidence: Evidence,
}

fn check(name: &str, title: String, limit: &str, found: Found) -> Check {
    let Found { verdict, value, reason, evidence } = found;
    Check { name: name.to_owned(), title, verdict, value, limit: limit.to_owned(), reason, evidence }
}

fn response(question: &Question<'_>) -> Check {
    let (verdict, value) = match question.status {
        StepStatus::Done => (Verdict::Pass, "success"),
        StepStatus::Inconclusive => (Verdict::Inconclusive, "says neither"),
        StepStatus::Failed => (Verdict::Fail, "failed"),
        StepStatus::Pending
        | StepStatus::Running
        | StepStatus::Already
        | StepStatus::Unknown
        | StepStatus::Undone
        | StepStatus::Skipped => (Verdict::Unknown, "not known"),
    };
    let reason = question.told.chars().take(MAX_REASON_CHARS).collect();
    let evidence = Evidence { query: format!("Invoke {}", question.environment.function), ..Evidence::default() };
    check(
        "response",
        format!("Answer of {}", question.environment.function),
        "success",
        Found { verdict, value: value.to_owned(), reason, evidence },
    )
}

/// Rules that are on have invoked their targets: each is told, one is enough, for not every workflow ends in a trade.
fn traffic(question: &Question<'_>, readings: &Readings) -> Check {
    let Environment { rules, .. } = question.environment;
    let since = clock_time(question.since);
    let evidence = metric_evidence(question, readings, GateMetric::Invocations);
    let found = |verdict, value: String, reason| Found { verdict, value, reason, evidence };
    let states = match &readings.states {
        Ok(answer) => &answer.value,
        Err(why) => {
            let reason = format!("Which rules are on could not be asked: {}", sentence(why));
            return check(
                gate::TRAFFIC,
                title_of_traffic(),
                "at least 1",
                found(Verdict::Unknown, String::new(), reason),
            );
        }
    };
    let is_on = |rule: &&Rule| states.get(&rule.rule).is_some_and(|state| state.is_enabled());
    let on: Vec<&Rule> = rules.iter().filter(is_on).collect();
    let sums: Vec<(&Rule, Result<i64, &str>)> =
        on.iter().map(|rule| (*rule, sum(question, readings, rule, GateMetric::Invocations))).collect();
    let total: i64 = sums.iter().filter_map(|(_, sum)| sum.ok()).sum();
    let told: Vec<String> =
        sums.iter().filter_map(|(rule, sum)| Some(format!("{}: {}", rule.name, sum.ok()?))).collect();
    let unread = sums.iter().find_map(|(rule, sum)| sum.err().map(|why| (rule.name.as_str(), why)));
    let (verdict, reason) = match (on.is_empty(), total, unread) {
        (true, _, _) => (
            Verdict::Inconclusive,
            format!(
                "Every rule of {0} is off, so no event reaches anything. `enable all {0}` turns them on.",
                question.environment.name
            ),
        ),
        (false, 1.., _) => (
            Verdict::Pass,
            format!(
                "{} since {since}. CloudWatch counts whole minutes, so that of the invoke counts as a whole.",
                told.join(", ")
            ),
        ),
        (false, _, Some((rule, why))) => (Verdict::Unknown, format!("Could not be asked of {rule}: {}", sentence(why))),
        (false, _, None) => (
            Verdict::Inconclusive,
            format!(
                "No rule has invoked its target since {since}, so nothing shows that events flowed. Metrics may be late; \
                 look whether the function published any, and at the rules' patterns."
            ),
        ),
    };
    let value = if verdict == Verdict::Unknown { String::new() } else { total.to_string() };
    check(gate::TRAFFIC, title_of_traffic(), "at least 1", found(verdict, value, reason))
}

fn title_of_traffic() -> String {
    "Invocations by the rules".to_owned()
}

/// What EventBridge could not deliver. Without traffic that is proof of nothing, which the check of that says.
fn failures(question: &Question<'_>, readings: &Readings, metric: GateMetric) -> Check {
    let (title, what) = match metric {
        GateMetric::FailedToDlq => {
            ("Events lost", "could be written neither to the target nor to the dead-letter queue")
        }
        _ => ("Failed invocations by the rules", "could not be delivered"),
    };
    let mut bad = Vec::new();
    let mut unread = None;
    let mut total = 0;
    for rule in &question.environment.rules {
        match sum(question, readings, rule, metric) {
            Ok(0) => {}
            Ok(number) => {
                total += number;
                bad.push(format!("{} of {}", count(number, "event"), rule.name));
            }
            Err(why) => unread = unread.or(Some(why)),
        }
    }
    let (verdict, value, reason) = match (bad.is_empty(), unread) {
        (false, _) => (
            Verdict::Fail,
            total.to_string(),
            format!(
                "{} {what} since {}. Look with `doctor {}`.",
                bad.join(", "),
                clock_time(question.since),
                question.environment.name
            ),
        ),
        (true, Some(why)) => (Verdict::Unknown, String::new(), format!("Could not be asked: {}", sentence(why))),
        (true, None) => (Verdict::Pass, "0".to_owned(), "None is reported.".to_owned()),
    };
    let evidence = metric_evidence(question, readings, metric);
    check(metric.key(), title.to_owned(), "0", Found { verdict, value, reason, evidence })
}

/// Errors of the function, which EventBridge does not see: it hands over and goes on.
fn errors(question: &Question<'_>, readings: &Readings) -> Check {
    let limit = i64::from(question.environment.limits.function_errors);
    let function = &question.environment.function;
    let metric = GateMetric::FunctionErrors;
    let first = question.environment.rules.first();
    let read = first.map_or(Err("no rule is configured"), |rule| sum(question, readings, rule, metric));
    let (verdict, value, reason) = match read {
        Err(why) => (Verdict::Unknown, String::new(), format!("Could not be asked: {}", sentence(why))),
        Ok(number) if number > limit => (
            Verdict::Fail,
            number.to_string(),
            format!(
                "{function} failed {} since {}, be it for this test or an event. Read its log.",
                count(number, "time"),
                clock_time(question.since)
            ),
        ),
        Ok(number) => (Verdict::Pass, number.to_string(), "No more than allowed are reported.".to_owned()),
    };
    let evidence = metric_evidence(question, readings, metric);
    check(metric.key(), format!("Errors of {function}"), &limit.to_string(), Found { verdict, value, reason, evidence })
}

/// The archive is there and keeps what comes. How many it holds is counted within a day, so a number that stands still is no
/// failure.
fn archive(question: &Question<'_>, readings: &Readings) -> Check {
    let Environment { archive: name, bus, .. } = question.environment;
    let before = question.baseline.smoke.as_ref().and_then(|known| known.archived);
    let (verdict, value, reason, ids) = match &readings.archive {
        Err(why) => (Verdict::Unknown, String::new(), format!("Could not be asked: {}", sentence(why)), Vec::new()),
        Ok(answer) => {
            let ids = answer.request_ids.clone();
            match &answer.value {
                None => {
                    let reason =
                        "There is no such archive: what flowed cannot be replayed. Deploy the stack.".to_owned();
                    (Verdict::Fail, "missing".to_owned(), reason, ids)
                }
                Some(fact) if fact.bus_arn.rsplit('/').next() != Some(bus) => (
                    Verdict::Fail,
                    "of another bus".to_owned(),
                    format!("It keeps the events of {}.", fact.bus_arn),
                    ids,
                ),
                Some(fact) if fact.state != "ENABLED" => {
                    (Verdict::Fail, fact.state.clone(), format!("It is {}, and keeps nothing.", fact.state), ids)
                }
                Some(fact) => {
                    let more = before.map(|before| fact.events - before).filter(|more| *more > 0);
                    let value = match more {
                        Some(more) => format!("{} (+{more})", fact.events),
                        None => fact.events.to_string(),
                    };
                    let reason = match more {
                        Some(more) => format!("{} more than before.", sentence(&count(more, "event")).trim_end_matches('.')),
                        None => "It is on. Its number has not grown yet, which proves nothing: EventBridge takes up to a day \
                                 to count."
                            .to_owned(),
                    };
                    (Verdict::Pass, value, reason, ids)
                }
            }
        }
    };
    let evidence = Evidence {
        query: format!("DescribeArchive {name}"),
        until: Some(readings.at),
        request_ids: ids,
        ..Evidence::default()
    };
    check(ARCHIVE, format!("Archive {name}"), "is on", Found { verdict, value, reason, evidence })
}

fn dlq(question: &Question<'_>, readings: &Readings, queue: &str) -> Check {
    let before = question.baseline.dlqs.get(queue).map(|depth| depth.total());
    let mut evidence = Evidence {
        query: format!("GetQueueAttributes {queue} ApproximateNumberOfMessages, …NotVisible, …Delayed"),
        until: Some(readings.at),
        ..Evidence::default()
    };
    let (verdict, value, reason) = match readings.dlqs.get(queue) {
        None => (Verdict::Unknown, String::new(), "It was not asked.".to_owned()),
        Some(Err(why)) => (Verdict::Unknown, String::new(), format!("Could not be asked: {}", sentence(why))),
        Some(Ok(answer)) => {
            evidence.request_ids.clone_from(&answer.request_ids);
            let settled = readings.at.duration_since(question.answered) >= QUEUE_SETTLES;
            match (answer.value.total(), before) {
                (0, _) if settled => (Verdict::Pass, "0".to_owned(), "Empty a minute after the answer.".to_owned()),
                (0, _) => (
                    Verdict::Inconclusive,
                    "0".to_owned(),
                    "Empty so far; a message may take a minute to show.".to_owned(),
                ),
                (now, Some(before)) if now > before => (
                    Verdict::Fail,
                    format!("{before} → {now}"),
                    format!(
                        "{} more than before. `dlq {}` shows which events failed and why.",
                        sentence(&count(now - before, "message")).trim_end_matches('.'),
                        question.environment.name
                    ),
                ),
                (now, before) => (
                    Verdict::Inconclusive,
                    now.to_string(),
                    format!(
                        "It is not empty{}, so it does not show that nothing failed. `dlq {}` looks into it.",
                        if before.is_some() { ", as before" } else { "; how it was before is not known" },
                        question.environment.name
                    ),
                ),
            }
        }
    };
    check(&format!("dlq:{queue}"), format!("Messages in {queue}"), "0", Found { verdict, value, reason, evidence })
}

/// The sum since the invoke, from its minute on. What the baseline saw in that minute was there before.
fn sum<'a>(question: &Question<'_>, readings: &'a Readings, rule: &Rule, metric: GateMetric) -> Result<i64, &'a str> {
    let of_rule = readings.metrics.get(&rule.name).and_then(|metrics| metrics.get(&metric));
    let answer = of_rule.ok_or("it was not asked")?.as_ref().map_err(String::as_str)?;
    if answer.value.query != metric.query(question.environment, rule) {
        return Err("another metric was asked than the rule's on its bus");
    }
    let baseline = question.baseline;
    let before = baseline.minute.and_then(|minute| {
        let of_rule = baseline.running_minute.get(&rule.name)?;
        Some((minute, *of_rule.get(metric.key())?))
    });
    let points = answer.value.points.range(minute_of(question.since)..);
    Ok(points.fold(0, |sum: i64, (minute, value)| match before {
        Some((at, before)) if at == *minute => sum.saturating_add((value - before).max(0)),
        Some(_) | None => sum.saturating_add((*value).max(0)),
    }))
}

fn metric_evidence(question: &Question<'_>, readings: &Readings, metric: GateMetric) -> Evidence {
    let answers = || readings.metrics.values().filter_map(|metrics| metrics.get(&metric)?.as_ref().ok());
    let rules = question.environment.rules.iter().take(if metric.is_of_function() { 1 } else { usize::MAX });
    let queries: Vec<String> = rules.map(|rule| metric.query(question.environment, rule).to_string()).collect();
    let mut datapoints: BTreeMap<Timestamp, i64> = BTreeMap::new();
    let taken = if metric.is_of_function() { 1 } else { usize::MAX };
    for (at, number) in answers().take(taken).flat_map(|answer| answer.value.points.iter()) {
        *datapoints.entry(*at).or_default() += number;
    }
    Evidence {
        query: queries.join("; "),
        from: Some(readings.from),
        until: Some(readings.until),
        datapoints: datapoints.into_iter().collect(),
        request_ids: answers().next().map(|answer| answer.request_ids.clone()).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests;
