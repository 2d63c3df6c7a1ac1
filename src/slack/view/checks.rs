//! Checks as a table, their verdict in words, and what it rests on.

use jiff::Timestamp;

use super::blocks::Draft;
use super::charts::TRAFFIC;
use super::markup::{Markup, clip, md};
use super::words;
use crate::domain::{
    Check, OnGateFailure, Plan, RuleOutcome, RuleState, Run, StepKind, StepProgress, StepStatus, Verdict,
};

/// The longest reason that is shown of one check.
const MAX_REASON: usize = 400;
/// The same in a checklist, where it may hold a command to copy.
const MAX_MEND: usize = 700;
/// The longest evidence under a table.
const MAX_EVIDENCE: usize = 1200;

/// The message of a gate that decided, or of a watch that ended early.
pub fn gate(run: &Run, progress: &StepProgress) -> Draft {
    let mut draft = Draft::new();
    draft.section(gate_headline(run, progress));
    table(&mut draft, &progress.checks);
    draft.lines(mends(&progress.checks));
    draft.section(consequence(run, progress));
    draft.context(evidence(&progress.checks));
    draft
}

/// The verdict in words.
fn gate_headline(run: &Run, progress: &StepProgress) -> Markup {
    let rule = progress.step.kind.rule().map_or("the environment", |rule| rule.name.as_str());
    let summary = Markup::prose(&clip(&progress.summary, 900));
    let tail = if summary.is_empty() { Markup::default() } else { md!("\n{}", summary) };
    match progress.status {
        StepStatus::Done if Verdict::of(&progress.checks) == Verdict::Pass => {
            let numbers = words::live_numbers(&progress.checks)
                .unwrap_or_else(|| format!("{} passed", words::count(as_count(progress.checks.len()), "check")));
            let healthy = md!("✅ {}: {}", md!("{} is healthy", rule).bold(), numbers);
            match since(run, progress) {
                Some(since) => md!("{} since {}", healthy, Markup::minute(since)),
                None => healthy,
            }
        }
        StepStatus::Done | StepStatus::Already => md!("✅ {}{}", md!("{} passed its gate", rule).bold(), tail),
        StepStatus::Inconclusive => {
            let title = md!("{} is enabled, not yet proven", rule).bold();
            let saw_traffic =
                progress.checks.iter().any(|check| check.name == TRAFFIC && check.verdict == Verdict::Pass);
            if saw_traffic { md!("❔ {}{}", title, tail) } else { md!("❔ {}: no traffic seen{}", title, tail) }
        }
        StepStatus::Failed => {
            let how = match progress.step.kind {
                StepKind::Watch { .. } => md!("{} failed while it was watched", rule),
                _ => md!("{} failed its gate", rule),
            };
            md!("❌ {}{}", how.bold(), tail)
        }
        StepStatus::Unknown => md!("⚠️ {}{}", md!("{} could not be checked", rule).bold(), tail),
        StepStatus::Skipped => md!("⏭️ {}{}", md!("{} was skipped", rule).bold(), tail),
        StepStatus::Undone => md!("↩️ {}{}", md!("{} is undone", rule).bold(), tail),
        StepStatus::Pending | StepStatus::Running => md!("⏳ {}{}", md!("{} is being checked", rule).bold(), tail),
    }
}

/// From when on the checks speak: their own window, or the moment when the rule was enabled.
fn since(run: &Run, progress: &StepProgress) -> Option<Timestamp> {
    let window = progress.checks.iter().filter_map(|check| check.evidence.from).min();
    let enabled = run.steps.iter().find_map(|other| {
        let same = other.step.kind.rule() == progress.step.kind.rule();
        other.applied.as_ref().filter(|(_, change)| same && change.changed).map(|(at, _)| *at)
    });
    window.or(enabled).or(progress.started_at)
}

/// The table of a gate's checks.
fn table(draft: &mut Draft, checks: &[Check]) {
    if checks.is_empty() {
        return;
    }
    let rows = checks
        .iter()
        .map(|check| {
            let verdict = words::verdict(check.verdict);
            vec![check.title.clone(), check.value.clone(), check.limit.clone(), verdict]
        })
        .collect();
    let lines = checks.iter().map(line).collect();
    draft.table(&["Check", "Value", "Limit", "Verdict"], rows, lines);
}

/// A check in one line, for where there is no table.
pub fn line(check: &Check) -> Markup {
    let value = if check.value.is_empty() { "not measured" } else { &check.value };
    let verdict = words::verdict(check.verdict);
    let title = clip(&check.title, 120);
    if check.limit.is_empty() {
        md!("{} · {}: {}", verdict, title, clip(value, 120))
    } else {
        md!("{} · {}: {} (limit: {})", verdict, title, clip(value, 120), clip(&check.limit, 60))
    }
}

/// Whether a change matters to who monitors: that traffic begins to prove something is none.
pub fn is_news(before: &[Check], check: &Check) -> bool {
    let earlier = before.iter().find(|earlier| earlier.name == check.name && earlier.title == check.title);
    let bad = |verdict: Verdict| verdict > Verdict::Inconclusive;
    check.name.starts_with("alarm")
        || check.name.starts_with("state:")
        || bad(check.verdict)
        || earlier.is_some_and(|earlier| bad(earlier.verdict))
}

/// A check whose verdict is not what it was, or an alarm whose state is not. What is new counts as well unless it says
/// otherwise.
pub fn changed(before: &[Check], check: &Check) -> Option<Markup> {
    let earlier = before.iter().find(|earlier| earlier.name == check.name && earlier.title == check.title);
    let is_alarm = check.name.starts_with("alarm") || check.name.starts_with("state:");
    let differs = match earlier {
        Some(earlier) => earlier.verdict != check.verdict || (is_alarm && earlier.value != check.value),
        None => check.verdict > Verdict::Inconclusive,
    };
    let was = match earlier {
        Some(earlier) if is_alarm => format!(" (was {})", clip(&earlier.value, 120)),
        Some(earlier) => format!(" (was {})", earlier.verdict.word()),
        None => String::new(),
    };
    differs.then(|| md!("{}{}", line(check), was))
}

/// The checks that decided, with why and what to do: those of the worst verdict, for the rest is in the table. Checks
/// with the same reason share a line.
fn mends(checks: &[Check]) -> Vec<Markup> {
    let worst = Verdict::of(checks);
    let mut grouped: Vec<(&str, Vec<Markup>)> = Vec::new();
    for check in checks.iter().filter(|check| check.verdict == worst && worst != Verdict::Pass) {
        if check.reason.is_empty() {
            continue;
        }
        let title = md!("{}", clip(&check.title, 120)).bold();
        match grouped.iter_mut().find(|(reason, _)| *reason == check.reason) {
            Some((_, titles)) => titles.push(title),
            None => grouped.push((&check.reason, vec![title])),
        }
    }
    grouped
        .into_iter()
        .map(|(reason, titles)| {
            md!("{} · {}: {}", words::verdict(worst), Markup::join(titles, ", "), clip(reason, MAX_REASON))
        })
        .collect()
}

/// What follows for the run from a gate that did not pass.
fn consequence(run: &Run, progress: &StepProgress) -> Markup {
    let on_failure = run.plan.as_ref().map(|(plan, _): &(Plan, _)| plan.on_gate_failure);
    let asks = run.plan.as_ref().is_some_and(|(plan, _)| plan.approval.is_some());
    match (progress.status, on_failure) {
        (StepStatus::Failed | StepStatus::Unknown, Some(OnGateFailure::Hold)) if asks => {
            md!("{} holds on a failed gate: nothing new begins, and the rules stay as they are.", &run.environment)
        }
        (StepStatus::Failed | StepStatus::Unknown, Some(OnGateFailure::Hold)) => {
            md!("{} holds on a failed gate: the run stops here and leaves the rules as they are.", &run.environment)
        }
        (StepStatus::Failed | StepStatus::Unknown, Some(OnGateFailure::Disable)) => {
            md!("{} undoes on a failed gate: the run stops here and disables what it enabled.", &run.environment)
        }
        (
            StepStatus::Pending
            | StepStatus::Running
            | StepStatus::Done
            | StepStatus::Already
            | StepStatus::Failed
            | StepStatus::Inconclusive
            | StepStatus::Unknown
            | StepStatus::Undone
            | StepStatus::Skipped,
            _,
        ) => Markup::default(),
    }
}

/// The window and the queries, so that anybody can ask the same again.
fn evidence(checks: &[Check]) -> Markup {
    let from = checks.iter().filter_map(|check| check.evidence.from).min();
    let until = checks.iter().filter_map(|check| check.evidence.until).max();
    let window = match (from, until) {
        (Some(from), Some(until)) => md!("Measured from {} to {}", Markup::time(from), Markup::time(until)),
        (Some(from), None) => md!("Measured from {}", Markup::time(from)),
        (None, Some(until)) => md!("Measured until {}", Markup::time(until)),
        (None, None) => Markup::default(),
    };
    let queries = queries(checks).into_iter().map(|query| Markup::from(clip(&query, 400)));
    Markup::join(std::iter::once(window).chain(queries), "\n").cut(MAX_EVIDENCE)
}

/// The queries, each once. Those that differ only in the word before their dimensions, the metric, share a line.
fn queries(checks: &[Check]) -> Vec<String> {
    let mut groups: Vec<(&str, Vec<&str>, &str)> = Vec::new();
    for query in checks.iter().map(|check| check.evidence.query.as_str()).filter(|query| !query.is_empty()) {
        let (head, dimensions) = query.split_at(query.find(" {").unwrap_or(query.len()));
        let (call, metric) =
            if dimensions.is_empty() { (head, "") } else { head.rsplit_once(' ').unwrap_or((head, "")) };
        match groups.iter_mut().find(|(other, _, same)| (*other, *same) == (call, dimensions)) {
            Some((_, metrics, _)) if metrics.contains(&metric) => {}
            Some((_, metrics, _)) => metrics.push(metric),
            None => groups.push((call, vec![metric], dimensions)),
        }
    }
    let line =
        |(call, metrics, dimensions): (&str, Vec<&str>, &str)| format!("{call} {}{dimensions}", metrics.join(", "));
    groups.into_iter().map(|group| line(group).trim().to_owned()).collect()
}

/// The message of a checklist: its items in their order, and below one that is not well, the parts that are not.
pub fn checklist(run: &Run, progress: &StepProgress) -> Draft {
    let checks = &progress.checks;
    let mut draft = Draft::new();
    let items = || checks.iter().filter(|check| !check.is_part());
    let passed = items().filter(|check| check.verdict == Verdict::Pass).count();
    let name = match &progress.step.kind {
        StepKind::Inspect { inspection, .. } => md!("{} of {}", inspection.title(), &run.environment).bold(),
        _ => md!("Checklist of {}", &run.environment).bold(),
    };
    let mark = words::step_mark(progress.status).0;
    draft.section(md!("{} {}: {} of {} pass", mark, name, passed, items().count()));
    // What is said of an item that has parts is in the parts.
    let has_parts = |check: &Check| {
        let prefix = format!("{}/", check.name);
        checks.iter().any(|other| other.name.starts_with(&prefix))
    };
    let mend = |check: &Check| {
        if check.verdict == Verdict::Pass || has_parts(check) { String::new() } else { check.reason.clone() }
    };
    let title = |check: &Check| if check.is_part() { format!("↳ {}", check.title) } else { check.title.clone() };
    let rows = checks
        .iter()
        .map(|check| vec![title(check), check.value.clone(), words::verdict(check.verdict), mend(check)])
        .collect();
    let lines = checks
        .iter()
        .map(|check| {
            let line = line(&Check { title: title(check), ..check.clone() });
            match mend(check) {
                mend if mend.is_empty() => line,
                mend => md!("{}. {}", line, clip(&mend, MAX_MEND)),
            }
        })
        .collect();
    if !checks.is_empty() {
        draft.table(&["Item", "Value", "Verdict", "What to do"], rows, lines);
    }
    draft.context(evidence(checks));
    draft
}

/// What the emergency path did to one rule, in one line.
pub fn rule_outcome(outcome: &RuleOutcome) -> Markup {
    md!("{} · {}: {}", off(outcome), &outcome.rule.name, how(outcome))
}

/// The message of the emergency path.
pub fn rules_disabled(run: &Run, rules: &[RuleOutcome], elapsed_ms: u64, verified: bool) -> Draft {
    let mut draft = Draft::new();
    let not_off = rules.iter().filter(|rule| rule.after != Some(RuleState::Disabled)).count();
    let took = words::millis(elapsed_ms);
    draft.section(match (not_off, verified) {
        (0, true) => md!("✅ {} in {}", md!("{}: all rules off and verified", &run.environment).bold(), took),
        (0, false) => md!(
            "⚠️ {} in {}, but not verified: the list call gave no answer. Look again: {}",
            md!("{}: all rules off", &run.environment).bold(),
            took,
            Markup::code(&format!("status {}", run.environment)),
        ),
        _ => md!(
            "❌ {}: {} of {} are not shown to be off",
            md!("{}: rollback is not complete", &run.environment).bold(),
            not_off,
            words::count(as_count(rules.len()), "rule"),
        ),
    });
    let rows =
        rules.iter().map(|rule| vec![rule.rule.name.clone(), before_after(rule), off(rule), detail(rule)]).collect();
    draft.table(&["Rule", "Before → after", "Result", "How"], rows, rules.iter().map(rule_outcome).collect());
    draft
}

fn off(outcome: &RuleOutcome) -> String {
    match (outcome.after, &outcome.error) {
        (Some(RuleState::Disabled), _) => "✅ off".to_owned(),
        (Some(_), _) => "❌ still on".to_owned(),
        (None, Some(_)) => "❌ failed".to_owned(),
        (None, None) => "⚠️ not read back".to_owned(),
    }
}

fn before_after(outcome: &RuleOutcome) -> String {
    let word = |state: Option<RuleState>| state.map_or("unknown", RuleState::word);
    format!("{} → {}", word(outcome.before), word(outcome.after))
}

fn detail(outcome: &RuleOutcome) -> String {
    let mut detail = words::millis(outcome.elapsed_ms);
    if outcome.attempts > 1 {
        detail.push_str(&format!(", {} attempts", outcome.attempts));
    }
    if let Some(error) = &outcome.error {
        detail.push_str(&format!(": {}", clip(error, MAX_REASON)));
    }
    detail
}

fn how(outcome: &RuleOutcome) -> String {
    format!("{}, {}", before_after(outcome), detail(outcome))
}

fn as_count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
