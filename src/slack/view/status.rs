//! The answer to `status`: what state environments are in.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::blocks::Draft;
use super::markup::{Markup, clip, md};
use super::words;
use crate::domain::{AlarmState, AlarmStatus, DlqDepth, Hold, HoldKind, RuleState, Run};
use crate::slack::message::Message;

/// An environment as it was just observed. What could not be asked is absent, and said in `notes`.
#[derive(Clone, Debug, Default)]
pub struct EnvironmentStatus {
    /// Its name.
    pub name: String,
    /// Where: account and region, for people.
    pub place: String,
    /// Its rules in their configured order; a state is none when it could not be read.
    pub rules: Vec<(String, Option<RuleState>)>,
    /// Its dead-letter queues.
    pub dlqs: BTreeMap<String, DlqDepth>,
    /// Its alarms.
    pub alarms: BTreeMap<String, AlarmStatus>,
    /// Its freezes and locks, by people.
    pub holds: Vec<Hold>,
    /// The run that holds it.
    pub holder: Option<Run>,
    /// The runs that wait for it, first come first.
    pub queued: Vec<Run>,
    /// The run that ended last.
    pub last: Option<Run>,
    /// What could not be observed, and why.
    pub notes: Vec<String>,
    /// When it was observed, UTC; none when nothing was.
    pub observed_at: Option<Timestamp>,
    /// A dashboard for people.
    pub dashboard_url: Option<String>,
}

/// The states of environments, one under the other.
pub fn status(environments: &[EnvironmentStatus], now: Timestamp) -> Message {
    let mut draft = Draft::new();
    if environments.is_empty() {
        draft.section(md!("No environment is configured."));
    }
    for (index, environment) in environments.iter().enumerate() {
        if index > 0 {
            draft.divider();
        }
        write(&mut draft, environment, now);
    }
    draft.finish()
}

/// One environment in two or three blocks.
pub fn write(draft: &mut Draft, environment: &EnvironmentStatus, now: Timestamp) {
    draft.header(&environment.name);
    draft.lines(overview(environment, now));
    let observed = environment.observed_at.map(|at| md!("as of {}", Markup::time(at)));
    let dashboard = environment.dashboard_url.as_deref().map(|url| Markup::link(url, "dashboard"));
    let place = Some(md!("{}", clip(&environment.place, 200)));
    draft.context(Markup::join([place, observed, dashboard].into_iter().flatten(), " · "));
}

fn overview(environment: &EnvironmentStatus, now: Timestamp) -> Vec<Markup> {
    let mut lines: Vec<Markup> = environment
        .rules
        .iter()
        .take(30)
        .map(|(name, state)| {
            let state = state.map_or_else(|| "⚠️ could not be read".to_owned(), words::rule_state);
            md!("{} · {}", state, clip(name, 90))
        })
        .collect();
    lines.extend(environment.rules.len().checked_sub(31).map(|more| md!("… and {} more", more + 1)));
    for (name, depth) in environment.dlqs.iter().take(8) {
        let mark = if depth.total() == 0 { "✅" } else { "📬" };
        lines.push(md!("{} DLQ {}: {}", mark, clip(name, 90), words::depth(depth)));
    }
    lines.extend(alarms(&environment.alarms));
    lines.extend(environment.holds.iter().filter(|hold| hold.stands(now)).take(4).map(hold));
    if let Some(holder) = &environment.holder {
        lines.push(md!("🔒 held by {}", run_line(holder, now)));
    } else {
        lines.push(md!("🔓 free: no run holds it"));
    }
    for queued in environment.queued.iter().take(5) {
        lines.push(md!("⏸️ queued: {}", run_line(queued, now)));
    }
    if let Some(last) = &environment.last {
        lines.push(md!("Last run: {}", run_line(last, now)));
    }
    lines.extend(environment.notes.iter().take(6).map(|note| md!("⚠️ {}", clip(note, 250))));
    lines
}

/// A freeze or a lock: by whom, since when, until when, why.
fn hold(hold: &Hold) -> Markup {
    let mark = match hold.kind {
        HoldKind::Freeze => "🧊",
        HoldKind::Lock => "🔒",
    };
    let until = hold.until.map_or_else(|| md!("until it is lifted"), |until| md!("until {}", Markup::day(until)));
    md!(
        "{} {} by {} since {}, {}: {} ({})",
        mark,
        Markup::from(hold.kind.word()).bold(),
        Markup::actor(&hold.by),
        Markup::day(hold.since),
        until,
        clip(&hold.reason, 200),
        hold.run,
    )
}

fn alarms(alarms: &BTreeMap<String, AlarmStatus>) -> Vec<Markup> {
    if alarms.is_empty() {
        return Vec::new();
    }
    let quiet = alarms.values().filter(|alarm| words::is_quiet(alarm)).count();
    if quiet == alarms.len() {
        return vec![md!("✅ alarms: all {} OK", quiet)];
    }
    let mut lines = vec![md!("Alarms: {} of {} OK", quiet, alarms.len())];
    for (name, alarm) in alarms.iter().filter(|(_, alarm)| !words::is_quiet(alarm)).take(8) {
        let since = alarm.since.map(|since| md!(" since {}", Markup::day(since))).unwrap_or_default();
        let reason = match alarm.state {
            AlarmState::Alarm if !alarm.reason.is_empty() => md!(": {}", clip(&alarm.reason, 160)),
            AlarmState::Alarm | AlarmState::Ok | AlarmState::InsufficientData => Markup::default(),
        };
        lines.push(md!("{} · {}{}{}", words::alarm_state(alarm.state), clip(name, 90), since, reason));
    }
    lines
}

/// A run in one line: what, in what state, by whom, since when.
pub fn run_line(run: &Run, now: Timestamp) -> Markup {
    let when = match &run.ended {
        Some(ended) => {
            md!("{}, took {}", Markup::day(ended.at), words::between(run.requested_at, ended.at))
        }
        None => md!("since {}, for {}", Markup::day(run.requested_at), words::between(run.requested_at, now)),
    };
    md!(
        "{} {} · {} · {} · {}",
        md!("{}", run.id).bold(),
        clip(&words::subject(&run.command), 120),
        words::phase(run),
        Markup::actor(&run.actor),
        when,
    )
}
