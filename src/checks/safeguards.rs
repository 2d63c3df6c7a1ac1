//! The safeguards of production: what has to hold before anything is turned on there. One that fails, or that cannot be
//! asked, keeps the plan from being carried out; one that is not configured is told as that.

mod rehearsal;
mod soak;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp, Zoned};

use crate::domain::{
    Actor, AlarmChange, AlarmStatus, ApprovalRule, Check, Command, Effect, Environment, Evidence, Hold, HoldKind, Plan,
    Rule, Run, StepKind, Verdict, Version,
};
use crate::window::{self, DoesNotFit};

pub use soak::{looked_back, verify_due};

use super::words::{count, date_time, lasting, sentence};

/// How much further back than the longest safeguard the past is read: the verification that a soak began with, and the
/// runs after a rollback's, may lie further back than the soak or the rehearsal itself.
const SLACK: SignedDuration = SignedDuration::from_hours(14 * 24);
/// How far apart the looks at an enabled rule may be.
const LONGEST_POLL: SignedDuration = SignedDuration::from_mins(1);

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Where something is to be turned on.
    pub environment: &'a Environment,
    /// Where versions soak before: the environment's `promote_from`.
    pub source: Option<&'a Environment>,
    /// What is to be done.
    pub plan: &'a Plan,
    /// Who asked for it.
    pub requester: &'a Actor,
    /// The version that is asked for by name.
    pub version: Option<&'a str>,
    /// When the plan begins, UTC.
    pub start: Timestamp,
    /// The time, UTC.
    pub now: Timestamp,
}

/// What was read for it. An error is in words for people.
#[derive(Clone, Debug)]
pub struct Readings {
    /// What the environment runs.
    pub version: Result<Version, String>,
    /// What the source runs.
    pub source_version: Result<Version, String>,
    /// The source's runs since [`since`], newest first.
    pub source_runs: Vec<Run>,
    /// The changes of the source's alarms since [`since`].
    pub alarm_changes: Result<Vec<AlarmChange>, String>,
    /// The source's alarms now, by name; those that do not exist are absent.
    pub source_alarms: Result<BTreeMap<String, AlarmStatus>, String>,
    /// The source's rules that are not as they were last left, by short name.
    pub source_drift: Vec<String>,
    /// The environment's freezes and locks.
    pub holds: Vec<Hold>,
}

/// From when on the source's runs and alarm changes are needed.
pub fn since(question: &Question<'_>) -> Timestamp {
    let safeguards = &question.environment.safeguards;
    let longest = safeguards.soak.max(safeguards.rehearsal).unwrap_or_default();
    question.now.saturating_sub(longest.saturating_add(SLACK)).unwrap_or(Timestamp::MIN)
}

/// Whether all safeguards are asked for a command. The window and the stakeholders are asked for whatever enables, freezes
/// and locks for everything.
pub fn applies(environment: &Environment, command: &Command) -> bool {
    environment.asks_safeguards(command.name())
}

/// What is not asked for this command is not hidden either.
fn not_asked(question: &Question<'_>) -> Finding {
    let command = question.plan.command.name();
    let reason =
        format!("Not asked for `{command}`: `safeguards.commands` of {} does not name it.", question.environment.name);
    Finding::new(Verdict::Inconclusive, "", "", reason)
}

/// Whether the plan turns anything on that is off.
fn enables(plan: &Plan) -> bool {
    plan.steps
        .iter()
        .any(|step| matches!(&step.kind, StepKind::SetRule { from, to, .. } if to.is_enabled() && !from.is_enabled()))
}

/// Whether the plan changes what is deployed.
fn deploys(plan: &Plan) -> bool {
    plan.steps.iter().any(|step| match &step.kind {
        StepKind::Effect { effect, .. } => {
            matches!(effect, Effect::ExecuteChangeSet { .. } | Effect::SamDeploy { .. } | Effect::UpdateCode { .. })
        }
        _ => false,
    })
}

/// Asks the safeguards. A verdict worse than inconclusive keeps the plan from being carried out.
pub fn checks(question: &Question<'_>, readings: &Readings) -> Vec<Check> {
    let mut checks = Vec::new();
    if applies(question.environment, &question.plan.command) {
        let source = question.source.map_or("the environment before", |source| &source.name);
        checks.extend([
            soak::check(question, readings).row("soak", format!("Healthy in {source}")),
            version(question, readings).row("version", format!("Same version as {source}")),
            progressive(question).row("progressive", "One rule at a time"),
            watched(question).row("watched", "Watched afterwards"),
            rehearsal::check(question, readings).row("rehearsal", format!("Rollback rehearsed in {source}")),
        ]);
    }
    if question.environment.approval == ApprovalRule::Required && (enables(question.plan) || deploys(question.plan)) {
        if !applies(question.environment, &question.plan.command) {
            checks.push(not_asked(question).row("promotion", "Soak and the other safeguards of a promotion"));
        }
        checks.push(fits_window(question).row("window", "Deployment window"));
        checks.push(stakeholders(question).row("stakeholders", "Stakeholders are told"));
    }
    checks.push(hold(question, readings, HoldKind::Freeze).row("freeze", "Not frozen"));
    checks.push(hold(question, readings, HoldKind::Lock).row("lock", "Not locked by somebody else"));
    checks
}

/// What a safeguard found, before it gets its name.
struct Finding {
    verdict: Verdict,
    value: String,
    limit: String,
    reason: String,
    evidence: Evidence,
}

impl Finding {
    fn new(verdict: Verdict, value: impl Into<String>, limit: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { verdict, value: value.into(), limit: limit.into(), reason: reason.into(), evidence: Evidence::default() }
    }

    /// What is not configured is not asked for, and nobody is to take it for a pass.
    fn not_configured(environment: &Environment, key: &str) -> Self {
        let reason = format!("Not configured: `{key}` is not set for {}, so this is not asked for.", environment.name);
        Self::new(Verdict::Inconclusive, "", "", reason)
    }

    /// A safeguard is configured, but not the environment that it is about.
    fn no_source(environment: &Environment, limit: String) -> Self {
        let reason = format!(
            "It cannot be asked, because `promote_from` is not set for {}. Set it to the environment where versions \
             soak before.",
            environment.name
        );
        Self::new(Verdict::Unknown, "", limit, reason)
    }

    fn resting_on(self, query: impl Into<String>) -> Self {
        Self { evidence: Evidence { query: query.into(), ..self.evidence }, ..self }
    }

    fn between(self, from: Timestamp, until: Timestamp) -> Self {
        Self { evidence: Evidence { from: Some(from), until: Some(until), ..self.evidence }, ..self }
    }

    fn row(self, name: &str, title: impl Into<String>) -> Check {
        Check {
            name: name.to_owned(),
            title: title.into(),
            verdict: self.verdict,
            value: self.value,
            limit: self.limit,
            reason: self.reason,
            evidence: self.evidence,
        }
    }
}

fn version(question: &Question<'_>, readings: &Readings) -> Finding {
    let environment = question.environment;
    if question.source.is_none() && question.version.is_none() {
        return Finding::not_configured(environment, "promote_from");
    }
    let query = "Lambda GetFunctionConfiguration CodeSha256; CloudFormation GetTemplate, stage Original";
    judge_version(question, readings).resting_on(query)
}

fn judge_version(question: &Question<'_>, readings: &Readings) -> Finding {
    let name = &question.environment.name;
    let limit = match (question.version, question.source) {
        (Some(asked), _) => asked.to_owned(),
        (None, Some(source)) => format!("as {}", source.name),
        (None, None) => String::new(),
    };
    let here = match &readings.version {
        Ok(version) => version,
        Err(why) => return Finding::new(Verdict::Unknown, "", limit, unread(name, why)),
    };
    let value = here.name();
    if let Some(asked) = question.version
        && !here.is_called(asked)
    {
        let reason = format!(
            "{asked} was asked for, and {name} runs {value}. Deploy {asked} to {name} first, or ask for the version that \
             is there."
        );
        return Finding::new(Verdict::Fail, value, limit, reason);
    }
    let Some(source) = question.source else {
        return Finding::new(Verdict::Pass, &value, limit, format!("{name} runs {value}, as asked for."));
    };
    let there = match &readings.source_version {
        Ok(version) => version,
        Err(why) => return Finding::new(Verdict::Unknown, value, limit, unread(&source.name, why)),
    };
    if here.is_same(there) {
        let reason = format!("{name} and {} both run {value}: the same artefact and the same template.", source.name);
        return Finding::new(Verdict::Pass, value, limit, reason);
    }
    let differs =
        if here.artefact == there.artefact { "the same artefact with another template" } else { "another one" };
    let reason = format!(
        "{name} runs {value}, and {} runs {differs}, {}. Deploy the version of {} to {name} first: only what was tried \
         there is turned on.",
        source.name,
        there.name(),
        source.name
    );
    Finding::new(Verdict::Fail, value, limit, reason)
}

fn unread(environment: &str, why: &str) -> String {
    format!("The version of {environment} could not be read: {}", sentence(why))
}

/// The plan's rules that are enabled, in its order, each with the steps up to the next.
fn enabled(plan: &Plan) -> Vec<(&Rule, Vec<&StepKind>)> {
    let mut found: Vec<(&Rule, Vec<&StepKind>)> = Vec::new();
    for step in &plan.steps {
        match &step.kind {
            StepKind::SetRule { rule, to, .. } if to.is_enabled() => found.push((rule, Vec::new())),
            kind => {
                if let Some((_, after)) = found.last_mut() {
                    after.push(kind);
                }
            }
        }
    }
    found
}

fn progressive(question: &Question<'_>) -> Finding {
    let environment = question.environment;
    let Some(each) = environment.safeguards.one_rule_per else {
        return Finding::not_configured(environment, "safeguards.one_rule_per");
    };
    let limit = format!("{} each, in the configured order", lasting(each));
    let enabled = enabled(question.plan);
    let value = count(enabled.len() as i64, "rule");
    let mut problems = Vec::new();
    let mut before: Option<(usize, &Rule)> = None;
    for (rule, after) in &enabled {
        let place = environment.rules.iter().position(|other| other == *rule);
        match (place, before) {
            (None, _) => problems.push(format!("{} is not configured", rule.name)),
            (Some(place), Some((last, earlier))) if place <= last => {
                problems.push(format!("{} is enabled after {}", rule.name, earlier.name));
            }
            (Some(_), _) => {}
        }
        before = place.map(|place| (place, *rule)).or(before);
        problems.extend(unwatched(rule, after, each));
    }
    let finding = if enabled.is_empty() {
        Finding::new(Verdict::Pass, value, limit, "The plan enables nothing.")
    } else if problems.is_empty() {
        let reason = format!(
            "Each rule is watched for {} or longer, at least once a minute, and checked before the next. A check that \
             fails ends the wait at once.",
            lasting(each)
        );
        Finding::new(Verdict::Pass, value, limit, reason)
    } else {
        let reason = format!("{}. Mend `waits` or `rules` of {}.", problems.join("; "), environment.name);
        Finding::new(Verdict::Fail, value, limit, reason)
    };
    finding.resting_on("the plan's steps")
}

/// What is missing between a rule and the next.
fn unwatched(rule: &Rule, after: &[&StepKind], each: SignedDuration) -> Option<String> {
    let watch = after.iter().find_map(|kind| match kind {
        StepKind::Watch { rule: watched, lasting, poll, .. } if watched == rule => Some((*lasting, *poll)),
        _ => None,
    });
    let gated = after.iter().any(|kind| matches!(kind, StepKind::Gate { rule: gated, .. } if gated == rule));
    match watch {
        None => Some(format!("{} is not watched", rule.name)),
        Some((watched, _)) if watched < each => Some(format!("{} is watched for {} only", rule.name, lasting(watched))),
        Some((_, poll)) if poll > LONGEST_POLL => {
            Some(format!("{} is looked at only every {}", rule.name, lasting(poll)))
        }
        Some(_) if !gated => Some(format!("{} is not checked before the next", rule.name)),
        Some(_) => None,
    }
}

fn watched(question: &Question<'_>) -> Finding {
    let environment = question.environment;
    let Some(wanted) = environment.safeguards.watch_after else {
        return Finding::not_configured(environment, "safeguards.watch_after");
    };
    let limit = format!("{} after the last rule", lasting(wanted));
    let query = "the plan's steps, and `alarms` of the configuration";
    let enabled = enabled(question.plan);
    if enabled.is_empty() {
        return Finding::new(Verdict::Pass, "nothing to watch", limit, "The plan enables nothing.").resting_on(query);
    }
    let watch = question.plan.steps.iter().find_map(|step| match &step.kind {
        StepKind::WatchAll { rules, lasting, .. } => Some((rules, *lasting)),
        _ => None,
    });
    let value = watch.map_or_else(|| "not watched".to_owned(), |(_, watched)| lasting(watched));
    let alarms = environment.alarms.len();
    let all =
        watch.is_some_and(|(rules, watched)| watched >= wanted && enabled.iter().all(|(rule, _)| rules.contains(rule)));
    let finding = if !all {
        let reason = "The plan does not watch everything that it enables for that long. Nothing of it should be begun.";
        Finding::new(Verdict::Fail, value, limit, reason)
    } else if alarms == 0 {
        let reason = format!(
            "No alarms are configured for {}, so nobody would notice what the rules' own numbers do not show. Name them \
             in `alarms`.",
            environment.name
        );
        Finding::new(Verdict::Fail, value, limit, reason)
    } else {
        let dashboard = match &environment.dashboard_url {
            Some(_) => "the dashboard is linked there",
            None => "no dashboard is linked there, because `dashboard_url` is not set",
        };
        let reason = format!(
            "The gates and {} are watched during the rollout and for {} after it. The thread tells what changes; \
             {dashboard}.",
            count(alarms as i64, "alarm"),
            lasting(wanted)
        );
        Finding::new(Verdict::Pass, value, limit, reason)
    };
    finding.resting_on(query)
}

fn fits_window(question: &Question<'_>) -> Finding {
    let environment = question.environment;
    let Some(open) = &environment.window else {
        return Finding::not_configured(environment, "window");
    };
    let expected = question.plan.expected();
    let ends = question.start.saturating_add(expected).unwrap_or(Timestamp::MAX);
    let local = |at: &Zoned| at.strftime("%A, %Y-%m-%d at %H:%M %Z").to_string();
    let limit = match window::closes(open, question.start) {
        Some(closes) => format!("open until {}", local(&closes)),
        None => "open until the end".to_owned(),
    };
    let next = |next: &Option<Zoned>| match next {
        Some(next) => format!("It fits from {} on: ask for that time with `--at`.", local(next)),
        None => format!("There is no such time within {} days.", window::LOOK_AHEAD_DAYS),
    };
    let takes = lasting(expected);
    let (verdict, reason) = match window::fits(open, question.start, expected) {
        Ok(()) => (Verdict::Pass, format!("All {takes} that the plan takes are within the window.")),
        Err(DoesNotFit::Closed { next: at }) => {
            (Verdict::Fail, format!("The window is closed then, and the plan needs it open for {takes}. {}", next(&at)))
        }
        Err(DoesNotFit::TooShort { closes, next: at }) => (
            Verdict::Fail,
            format!("The plan takes {takes}, and the window closes on {}. {}", local(&closes), next(&at)),
        ),
    };
    let value = format!("{} to {}", date_time(question.start), date_time(ends));
    Finding::new(verdict, value, limit, reason)
        .resting_on("`window` of the configuration")
        .between(question.start, ends)
}

fn stakeholders(question: &Question<'_>) -> Finding {
    let told = &question.plan.notify;
    if told.is_empty() {
        return Finding::not_configured(question.environment, "notify");
    }
    let value = count(told.len() as i64, "destination");
    let limit = "told before and after";
    let notifies = question.plan.steps.iter().any(|step| matches!(step.kind, StepKind::Notify { .. }));
    let finding = if notifies || !question.plan.acts() {
        let reason = "They are told before anything is changed, and at the end. Nothing is changed when one of them cannot \
                      be reached.";
        Finding::new(Verdict::Pass, value, limit, reason)
    } else {
        let reason = "The plan has no step that tells them beforehand. Nothing of it should be begun.";
        Finding::new(Verdict::Fail, value, limit, reason)
    };
    finding.resting_on("the plan's destinations and steps")
}

/// Whether a freeze or a lock stands when the plan begins.
fn hold(question: &Question<'_>, readings: &Readings, kind: HoldKind) -> Finding {
    let environment = &question.environment.name;
    let begins = question.start.max(question.now);
    let of_kind = || readings.holds.iter().filter(|hold| hold.kind == kind);
    let limit = format!("not {}", kind.word());
    let query = format!("freezes and locks of {environment} in the journals");
    let finding = match of_kind().find(|hold| hold.keeps_out(question.requester, begins)) {
        Some(hold) => {
            let lift = match kind {
                HoldKind::Freeze => "unfreeze",
                HoldKind::Lock => "unlock",
            };
            let until = hold.until.map(|until| format!(" until {}", date_time(until))).unwrap_or_default();
            let reason = format!(
                "{environment} is {}{until} ({}): {} Wait, or have it lifted with `{lift} {environment}`. Only a rollback \
                 goes on.",
                kind.word(),
                hold.run,
                sentence(&hold.reason)
            );
            Finding::new(Verdict::Fail, format!("{} since {}", kind.word(), date_time(hold.since)), limit, reason)
        }
        None if of_kind().any(|hold| hold.keeps_out(question.requester, question.now)) => {
            let reason = format!("{environment} is {} now, but not any more when the plan begins.", kind.word());
            Finding::new(Verdict::Pass, "not any more then", limit, reason)
        }
        None if of_kind().any(|hold| hold.stands(begins)) => {
            let reason = format!("{environment} is {} by the person who asks.", kind.word());
            Finding::new(Verdict::Pass, "by the requester", limit, reason)
        }
        None => Finding::new(Verdict::Pass, "no", limit, format!("Nobody has {environment} {}.", kind.word())),
    };
    finding.resting_on(query)
}
