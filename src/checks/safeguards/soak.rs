//! The soak: how long the version has been healthy in the environment before, and when it is looked at there.
//!
//! The clock starts when a verification of the version has passed every check. Anything bad afterwards sets it back to
//! nothing, until the next verification that passes: a check that failed, a run that failed, a rollback, an alarm, drift,
//! another version. A verification that could not tell is neither: it starts nothing and stops nothing, and is counted.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{Finding, Question, Readings, since, unread};
use crate::checks::words::{count, date_time, lasting, sentence};
use crate::domain::{Actor, AlarmState, Command, Environment, Outcome, Run, RunId, StepStatus, Verdict, Version};

/// How often an environment is verified by itself while a soak runs there.
const LOOK_EVERY: SignedDuration = SignedDuration::from_hours(1);
/// For how long after somebody's verification at least.
const LOOK_FOR: SignedDuration = SignedDuration::from_hours(7 * 24);
/// For how much longer than the soak, where that is long.
const LOOK_LONGER: SignedDuration = SignedDuration::from_hours(24);

/// Asks for the soak.
pub(super) fn check(question: &Question<'_>, readings: &Readings) -> Finding {
    let environment = question.environment;
    let Some(soak) = environment.safeguards.soak else {
        return Finding::not_configured(environment, "safeguards.soak");
    };
    let limit = lasting(soak);
    let Some(source) = question.source else { return Finding::no_source(environment, limit) };
    let unknown = |name: &str, why: &str| Finding::new(Verdict::Unknown, "", limit.clone(), unread(name, why));
    let finding = match (&readings.version, &readings.source_version) {
        (Err(why), _) => unknown(&environment.name, why),
        (Ok(_), Err(why)) => unknown(&source.name, why),
        (Ok(version), Ok(there)) => {
            let history = History::of(version, there, source, readings, question.now);
            judge(&history, version, source, soak, readings, question.now, question.start.max(question.now))
        }
    };
    let query =
        format!("runs of {}; CloudWatch DescribeAlarmHistory StateUpdate, DescribeAlarms of its alarms", source.name);
    finding.resting_on(query).between(since(question), question.now)
}

fn judge(
    history: &History<'_>,
    version: &Version,
    source: &Environment,
    soak: SignedDuration,
    readings: &Readings,
    now: Timestamp,
    start: Timestamp,
) -> Finding {
    let limit = lasting(soak);
    let Some((since, run)) = history.clock else {
        let why = match &history.trouble {
            Some(trouble) => format!("{} No verification has passed since.", trouble.told()),
            None => format!("No verification of {} in {} has passed every check yet.", version.name(), source.name),
        };
        let reason = format!("{why} `verify {}` starts it once everything is well there.", source.name);
        return Finding::new(Verdict::Fail, format!("none of {limit}"), limit, reason);
    };
    // What begins later has soaked for longer by then; it is asked again right before.
    let lasted = start.duration_since(since);
    let mut reason = format!("{} has been healthy since {} ({run}).", version.name(), date_time(since));
    reason.push_str(&history.looks(now));
    reason.push_str(&history.off(source));
    let value = if lasted < soak { format!("{} of {limit}", lasting(lasted)) } else { lasting(lasted) };
    if lasted < soak {
        let reached = since.saturating_add(soak).unwrap_or(Timestamp::MAX);
        let left = lasting(soak - lasted);
        reason.push_str(&format!(" {left} are left: {} if all stays well.", date_time(reached)));
        if let Some(trouble) = &history.trouble {
            reason.push_str(&format!(" {}", trouble.told()));
        }
        return Finding::new(Verdict::Fail, value, limit, reason);
    }
    match unseen(source, readings) {
        Some(why) => {
            reason.push_str(&format!(" But whether an alarm went off meanwhile is not known: {}", sentence(&why)));
            Finding::new(Verdict::Unknown, value, limit, reason)
        }
        None => Finding::new(Verdict::Pass, value, limit, reason),
    }
}

/// Why it is not known what the alarms did.
fn unseen(source: &Environment, readings: &Readings) -> Option<String> {
    let now = match (&readings.alarm_changes, &readings.source_alarms) {
        (Err(why), _) | (Ok(_), Err(why)) => return Some(why.clone()),
        (Ok(_), Ok(now)) => now,
    };
    let missing: Vec<&str> = source.alarms.iter().filter(|name| !now.contains_key(*name)).map(String::as_str).collect();
    (!missing.is_empty()).then(|| format!("there is no alarm {} in {}", missing.join(", "), source.name))
}

/// Something that sets the clock back.
struct Trouble {
    at: Timestamp,
    /// The run that tells it; later runs come after it even where the time is the same.
    run: Option<RunId>,
    /// A sentence without its full stop.
    why: String,
}

impl Trouble {
    fn told(&self) -> String {
        format!("The clock was set back on {}: {}.", date_time(self.at), self.why)
    }

    fn order(&self) -> (Timestamp, RunId) {
        (self.at, self.run.unwrap_or(RunId(i64::MAX)))
    }
}

/// The source's past, as far as the soak of a version goes.
struct History<'a> {
    /// Since when the version is healthy, and the verification that showed it first.
    clock: Option<(Timestamp, RunId)>,
    /// What set the clock back last.
    trouble: Option<Trouble>,
    /// The verifications that passed since the clock runs, oldest first.
    passed: Vec<&'a Run>,
    /// How many verifications since then could not tell.
    untold: usize,
}

impl<'a> History<'a> {
    fn of(version: &Version, there: &Version, source: &Environment, readings: &'a Readings, now: Timestamp) -> Self {
        let mut troubles: Vec<Trouble> =
            readings.source_runs.iter().flat_map(|run| troubles_of(run, version, now)).collect();
        troubles.extend(alarms(readings, now));
        let now_wrong = |why: String| Trouble { at: now, run: None, why };
        if !version.is_same(there) {
            troubles.push(now_wrong(format!("{} runs another version now, {}", source.name, there.name())));
        }
        if !readings.source_drift.is_empty() {
            let rules = readings.source_drift.join(", ");
            troubles.push(now_wrong(format!("{rules} in {} are not as they were last left", source.name)));
        }
        let trouble = troubles.into_iter().max_by_key(Trouble::order);
        let over = trouble.as_ref().map(Trouble::order);
        // What was looked at while it was still bad shows nothing, whenever the look was over.
        let after = |run: &&Run| over.is_none_or(|over| over < (run.requested_at, run.id));
        let later = || readings.source_runs.iter().rev().filter(|run| is_verification(run)).filter(after);
        let mut passed: Vec<(Timestamp, &Run)> =
            later().filter_map(|run| Some((passed_at(run, version)?, run))).collect();
        passed.sort_by_key(|(at, run)| (*at, run.id));
        let clock = passed.first().map(|(at, run)| (*at, run.id));
        let since_then = |run: &&Run| clock.is_some_and(|(since, _)| run.requested_at >= since);
        let untold =
            later().filter(since_then).filter(|run| run.ended.is_some() && passed_at(run, version).is_none()).count();
        Self { clock, trouble, passed: passed.into_iter().map(|(_, run)| run).collect(), untold }
    }

    /// How often it was looked at, and the longest time in which nobody looked.
    fn looks(&self, now: Timestamp) -> String {
        let ends = self.passed.iter().filter_map(|run| Some(run.ended.as_ref()?.at)).chain([now]);
        let ends: Vec<Timestamp> = ends.collect();
        let gap = ends.windows(2).map(|pair| pair[1].duration_since(pair[0])).max().unwrap_or_default();
        let mut text = format!(
            " {} passed, at most {} without one.",
            count(self.passed.len() as i64, "verification"),
            lasting(gap)
        );
        if self.untold > 0 {
            text.push_str(&format!(" {} more could not tell.", self.untold));
        }
        text
    }

    /// The rules that are off there, so that the soak says nothing about them.
    fn off(&self, source: &Environment) -> String {
        let Some((_, facts)) = self.passed.last().and_then(|run| run.facts.as_ref()) else { return String::new() };
        let is_off = |name: &str| facts.rules.get(name).is_some_and(|fact| !fact.state.is_enabled());
        let off: Vec<&str> = source.rules.iter().map(|rule| rule.name.as_str()).filter(|name| is_off(name)).collect();
        if off.is_empty() {
            return String::new();
        }
        format!(" Off in {}, so not tried there: {}.", source.name, off.join(", "))
    }
}

fn is_verification(run: &Run) -> bool {
    matches!(run.command, Command::Verify { .. })
}

/// When a verification of this version was over that passed every check.
fn passed_at(run: &Run, version: &Version) -> Option<Timestamp> {
    let (_, facts) = run.facts.as_ref()?;
    let same = facts.version.as_ref().is_some_and(|found| found.is_same(version));
    let ended = run.ended.as_ref().filter(|ended| ended.outcome == Outcome::Succeeded)?;
    let mut checks = run.steps.iter().flat_map(|step| &step.checks).peekable();
    let all = checks.peek().is_some() && checks.all(|check| check.verdict == Verdict::Pass);
    (is_verification(run) && same && all).then_some(ended.at)
}

/// What a run of the source tells that sets the clock back.
fn troubles_of(run: &Run, version: &Version, now: Timestamp) -> Vec<Trouble> {
    let trouble = |at: Timestamp, why: String| Trouble { at, run: Some(run.id), why };
    let ended = run.ended.as_ref();
    let mut found = Vec::new();
    if let Some((at, facts)) = &run.facts
        && let Some(other) = facts.version.as_ref().filter(|other| !other.is_same(version))
    {
        found.push(trouble(*at, format!("{} found another version, {}", run.id, other.name())));
    }
    if let Command::Rollback { environment } = &run.command {
        // Everything up to its end is bad, and as long as it has none, so is now.
        found.push(trouble(ended.map_or(now, |ended| ended.at), format!("{environment} was rolled back ({})", run.id)));
    }
    for step in &run.steps {
        let failing = step.checks.iter().find(|check| check.verdict == Verdict::Fail);
        if step.status != StepStatus::Failed && failing.is_none() {
            continue;
        }
        let at = step.finished_at.max(step.checked_at).unwrap_or(run.last_at);
        let what = failing.map_or(step.summary.as_str(), |check| check.title.as_str());
        found.push(trouble(at, format!("{} of {} failed ({what})", run.command.name(), run.id)));
    }
    let began = run.steps.iter().any(|step| step.started_at.is_some());
    if let Some(ended) = ended.filter(|ended| ended.outcome == Outcome::Failed && run.command.acts() && began) {
        found.push(trouble(ended.at, format!("{} of {} failed", run.command.name(), run.id)));
    }
    found
}

/// What the alarms did: while one is in ALARM nothing is well.
fn alarms(readings: &Readings, now: Timestamp) -> Vec<Trouble> {
    let trouble = |at: Timestamp, why: String| Trouble { at, run: None, why };
    let mut changes: Vec<_> = readings.alarm_changes.iter().flatten().collect();
    changes.sort_by_key(|change| change.at);
    let mut found = Vec::new();
    let mut states: BTreeMap<&str, AlarmState> = BTreeMap::new();
    for change in changes {
        let before = states.insert(&change.alarm, change.to);
        match (before, change.to) {
            (_, AlarmState::Alarm) => found.push(trouble(change.at, format!("{} went to ALARM", change.alarm))),
            (Some(AlarmState::Alarm), AlarmState::Ok | AlarmState::InsufficientData) => {
                found.push(trouble(change.at, format!("{} was in ALARM until then", change.alarm)));
            }
            (_, AlarmState::Ok | AlarmState::InsufficientData) => {}
        }
    }
    let ringing = readings.source_alarms.iter().flatten().filter(|(_, status)| status.state == AlarmState::Alarm);
    found.extend(ringing.map(|(name, _)| trouble(now, format!("{name} is in ALARM"))));
    found
}

/// How far back the source's runs are needed to say when it is verified next.
pub fn looked_back(soak: SignedDuration) -> SignedDuration {
    LOOK_FOR.max(soak.saturating_add(LOOK_LONGER))
}

/// When an environment is to be verified by itself next; none while no soak runs there or a verification is under way.
///
/// A soak runs from the last passing verification that somebody asked for, for seven days or the soak and a day more,
/// until the version that it found was promoted. `runs` are the environment's, newest first; `promotions` those of the
/// environments that promote from it; both for as long as [`looked_back`] says.
pub fn verify_due(soak: SignedDuration, runs: &[Run], promotions: &[Run], now: Timestamp) -> Option<Timestamp> {
    let verifications = || runs.iter().filter(|run| is_verification(run));
    let last = verifications().next()?;
    if verifications().any(|run| run.ended.is_none()) {
        return None;
    }
    let (began, version) = verifications().filter(|run| run.actor != Actor::Alch).find_map(|run| {
        let version = run.facts.as_ref()?.1.version.as_ref()?;
        Some((passed_at(run, version)?, version))
    })?;
    let promoted = promotions.iter().any(|run| {
        let same = run.facts.as_ref().and_then(|(_, facts)| facts.version.as_ref());
        let done = run.ended.as_ref().filter(|ended| ended.outcome == Outcome::Succeeded);
        matches!(run.command, Command::Promote { .. })
            && same.is_some_and(|same| same.is_same(version))
            && done.is_some_and(|done| done.at >= began)
    });
    let until = began.saturating_add(looked_back(soak)).ok()?;
    let due = last.requested_at.saturating_add(LOOK_EVERY).ok()?.max(now);
    (!promoted && due <= until).then_some(due)
}
