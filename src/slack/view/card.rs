//! The card: the one message of a run in the channel, which shows the run as it is now.
//!
//! What matters comes first (state, then what a person must know or decide, then the steps), because a phone shows the
//! top and the text is cut from below.

use jiff::{SignedDuration, Timestamp};

use super::blocks::Draft;
use super::markup::{Markup, clip, md};
use super::{ViewContext, buttons, checks, notices, plan, signals, words};
use crate::domain::{Command, Ended, Phase, Round, Run, StepId, StepKind, StepProgress, StepStatus, Subject};
use crate::slack::message::Message;

/// Steps that are shown; longer plans are folded around the step under way.
const MAX_STEPS: usize = 16;
/// Steps before the one under way that a folded plan still shows.
const STEPS_BEFORE: usize = 4;
/// The longest name and the longest detail of a step.
const MAX_STEP_TEXT: usize = 90;
/// Cells of a progress bar.
const BAR: i32 = 8;

/// The card as of `now`. Once the run has ended it is the same at any time.
pub fn card(run: &Run, context: &ViewContext<'_>, now: Timestamp) -> Message {
    let mut draft = Draft::new();
    draft.header(&format!("{} · {}", run.id, words::subject(&run.command)));
    draft.section(md!(
        "{} · asked by {} {}",
        Markup::from(words::phase(run)).bold(),
        Markup::actor(&run.actor),
        Markup::day(run.requested_at),
    ));
    draft.lines(remarks(run, context, now));
    if let Some(ended) = &run.ended {
        draft.lines(end(run, ended, context));
    }
    draft.lines(steps(run, now));
    draft.lines(run.disabled.iter().flatten().map(checks::rule_outcome));
    let (buttons, instead) = buttons::of(run, context);
    draft.buttons(buttons, instead);
    draft.context(small_print(run, context, now));
    draft.finish()
}

/// When the card will look different although nothing was recorded: while time itself is the news. None when only an
/// event can change it.
pub fn card_changes_at(run: &Run, context: &ViewContext<'_>, now: Timestamp) -> Option<Timestamp> {
    let moving = match run.phase() {
        Phase::Running | Phase::Planning | Phase::Undoing | Phase::Paused => {
            run.trouble.is_some()
                || run.current().and_then(|step| window(run, step)).is_some_and(|window| now < window.until())
        }
        Phase::Waiting | Phase::Approving | Phase::Scheduled | Phase::Asking | Phase::Ended(_) => false,
    };
    moving.then(|| now + context.card_refresh.max(SignedDuration::from_secs(1)))
}

/// What a person should know while the run is under way.
fn remarks(run: &Run, context: &ViewContext<'_>, now: Timestamp) -> Vec<Markup> {
    if run.ended.is_some() {
        return Vec::new();
    }
    let mut lines = Vec::new();
    if let Some(holder) = run.waiting_for {
        lines.push(md!(
            "⏸️ {} is held by {}: this run is queued and starts by itself after it.",
            &run.environment,
            holder
        ));
    }
    if let Some(round) = run.open_round() {
        lines.extend(question(run, round, context));
    } else if let (Phase::Scheduled, Some(at)) = (run.phase(), run.starts_at()) {
        lines.push(md!("🗓️ Begins by itself {}; before that, the world is looked at again.", Markup::day(at)));
    }
    if let Some(pause) = &run.paused {
        let word = if pause.objection { "✋ Objection by" } else { "⏸️ Paused by" };
        let why = pause.reason.as_deref().map(|why| format!(": {}", clip(why, 400))).unwrap_or_default();
        lines.push(md!("{} {} {}{}", word, Markup::actor(&pause.actor), Markup::day(pause.at), why));
        lines.push(md!("Nothing new begins. {}", signals::watched(run)));
    }
    if let Some((question, until)) = run.steps.iter().find_map(|step| step.question.as_ref()) {
        lines.push(md!("❓ {}", Markup::prose(&clip(question, 900))));
        lines.push(md!("{}, please answer until {}.", Markup::actor(&run.actor), Markup::day(*until)));
    }
    if let Some(trouble) = &run.trouble {
        lines.push(md!(
            "⚠️ {}; trying again at {}, for {} now{}.",
            clip(&trouble.problem, 400),
            Markup::time(trouble.retry_at),
            words::between(trouble.since, now),
            trouble.gives_up_at.map(|until| md!(", until {}", Markup::time(until))).unwrap_or_default(),
        ));
    }
    if let Some(by) = run.preempted {
        lines.push(md!("⏏️ Rollback {} goes first: this run stops at its next safe point.", by));
    } else if let Some((at, actor)) = &run.cancel {
        lines.push(md!(
            "⏹️ {} asked to cancel at {}: the run stops at its next safe point.",
            Markup::actor(actor),
            Markup::time(*at),
        ));
    }
    if let Some(reason) = &run.undoing {
        lines.push(md!("↩️ Undoing what this run did: {}", Markup::prose(&clip(reason, 400))));
    }
    if lines.is_empty() && run.plan.is_none() {
        let region = context.environments.get(&run.environment).map_or("", |environment| environment.region.as_str());
        lines.push(md!("Looking at {} {}before it plans.", &run.environment, pad(region)));
    }
    lines
}

/// The question for approval that stands open.
fn question(run: &Run, round: &Round, context: &ViewContext<'_>) -> Vec<Markup> {
    let until = Markup::day(round.until);
    let one_click = md!(
        "One click by any responder starts it, whoever asked; no second person is needed. Open until {}.",
        Markup::day(round.until)
    );
    if let Command::HardStop { environment } = &run.command {
        let function = context.environments.get(environment).map_or("the function", |known| known.function.as_str());
        let title = md!("Stop {} of {}?", clip(function, 90), environment).bold();
        let means = "Nothing of it runs then, not even for events that are queued for it already.";
        return vec![md!("🛑 {} {}", title, means), one_click];
    }
    if let Command::Rollback { .. } = run.command {
        let environment = &run.environment;
        let rules = run.steps.iter().flat_map(|progress| match &progress.step.kind {
            StepKind::DisableAll { rules, .. } => rules.as_slice(),
            _ => &[],
        });
        let rules: Vec<Markup> = rules.take(30).map(|rule| Markup::from(clip(&rule.name, 90))).collect();
        let title = md!("Turn off all {} rules of {}?", rules.len(), environment).bold();
        return vec![md!("🛑 {} {}", title, Markup::join(rules, ", ")), one_click];
    }
    let given = round.approvals.len();
    let needed = words::count(i64::from(round.needed), "approval");
    let title = |step: &StepId| run.step(step).map_or_else(String::new, |step| clip(&step.step.kind.title(), 90));
    let about = match &round.subject {
        Subject::Plan => md!("its plan"),
        Subject::Step(step) => md!("“{}”", title(step)),
        Subject::Skip(step) => md!("leaving out “{}”", title(step)),
    };
    let mut lines =
        vec![md!("🖐️ {} of {} for {}, until {}; the buttons are in the thread.", given, needed, about, until)];
    let blocking = run.blocking();
    if round.subject == Subject::Plan && !blocking.is_empty() {
        let why = md!("because this does not hold: {}", plan::titles(&blocking));
        lines.push(md!("⛔ {}, {}", md!("It cannot be approved").bold(), why));
    }
    lines
}

/// How it ended and what to do.
fn end(run: &Run, ended: &Ended, context: &ViewContext<'_>) -> Vec<Markup> {
    let mut lines = vec![Markup::prose(&clip(&ended.summary, 1200))];
    if let Command::Enrol { reset: Some(whose) } = &run.command {
        lines.push(md!("Whose: {}", Markup::contact(whose)));
    }
    lines.push(words::rule_states(&ended.rules, context.environments.get(&run.environment)).cut(700));
    if !ended.next.is_empty() {
        lines.push(md!("*To undo or go on:*"));
        lines.push(next_commands(&ended.next, context));
    }
    lines.extend(notices::approved_by(run));
    if let Command::Hold { .. } | Command::Release { .. } | Command::Enrol { .. } = run.command {
        return lines;
    }
    lines.push(md!("Ended {}, after {}.", Markup::day(ended.at), words::between(run.requested_at, ended.at)));
    lines
}

/// Commands to copy, one a line.
pub fn next_commands(next: &[String], context: &ViewContext<'_>) -> Markup {
    let commands = next
        .iter()
        .take(6)
        .map(|command| md!("→ {}", Markup::code(&clip(&format!("{} {command}", context.command_word), 200))));
    Markup::join(commands, "\n")
}

fn steps(run: &Run, now: Timestamp) -> Vec<Markup> {
    // The emergency path is told rule by rule instead.
    let rollback = matches!(run.command, Command::Rollback { .. });
    if run.disabled.is_some() || (rollback && run.steps.iter().all(|step| step.started_at.is_none())) {
        return Vec::new();
    }
    let all = run.steps.len();
    let current = run.steps.iter().position(|step| !step.status.is_over()).unwrap_or(all);
    let first = if all <= MAX_STEPS { 0 } else { current.saturating_sub(STEPS_BEFORE).min(all - MAX_STEPS) };
    let last = (first + MAX_STEPS).min(all);
    let before = (first > 0).then(|| md!("… {} before these, all over", steps_noun(first)));
    let after = (last < all).then(|| md!("… and {} more", all - last));
    let shown = run.steps[first..last].iter().map(|step| step_line(run, step, now));
    before.into_iter().chain(shown).chain(after).collect()
}

fn steps_noun(number: usize) -> String {
    words::count(i64::try_from(number).unwrap_or(i64::MAX), "step")
}

fn step_line(run: &Run, progress: &StepProgress, now: Timestamp) -> Markup {
    let mut status = progress.status;
    if run.ended.is_some() && status == StepStatus::Running {
        status = StepStatus::Pending;
    }
    let (mark, word) = words::step_mark(status);
    let title = Markup::from(clip(&progress.step.kind.title(), MAX_STEP_TEXT));
    let summary = clip(&progress.summary, MAX_STEP_TEXT);
    match status {
        StepStatus::Pending if run.ended.is_some() => md!("{} {} — not done", mark, title),
        StepStatus::Pending => md!("{} {} — {}: {}", mark, title, word, ahead(&progress.step.kind)),
        StepStatus::Running if progress.question.is_some() => md!("❓ {} — asks a person", title.bold()),
        StepStatus::Running => {
            let numbers = words::live_numbers(&progress.checks).map(|n| md!("so far: {}", n)).unwrap_or_default();
            Markup::join([md!("{} {} — {}", mark, title.bold(), under_way(run, progress, now)), numbers], "\n")
        }
        StepStatus::Done => md!("{} {} — {}{}", mark, title, word, result(progress)),
        StepStatus::Already => md!("{} {} — {}", mark, title, already(progress)),
        StepStatus::Failed | StepStatus::Unknown if progress.question.is_some() => {
            md!("❓ {} — {}, asks a person", title.bold(), word)
        }
        StepStatus::Failed
        | StepStatus::Inconclusive
        | StepStatus::Unknown
        | StepStatus::Undone
        | StepStatus::Skipped => {
            md!("{} {} — {}{}", mark, title, word, if summary.is_empty() { summary } else { format!(": {summary}") })
        }
    }
}

/// What a step will do or how long it will take.
fn ahead(kind: &StepKind) -> String {
    match kind {
        StepKind::SetRule { from, to, .. } if from.is_enabled() == to.is_enabled() => {
            format!("is {} already", to.word())
        }
        StepKind::SetRule { from, to, .. } => format!("{} → {}", from.word(), to.word()),
        StepKind::Watch { lasting, .. } | StepKind::WatchAll { lasting, .. } | StepKind::Monitor { lasting, .. } => {
            words::span(*lasting)
        }
        StepKind::Effect { .. } => "then observed until it is over".to_owned(),
        StepKind::Inspect { lasting: Some(lasting), .. } => format!("for up to {}", words::span(*lasting)),
        StepKind::Inspect { lasting: None, .. } => "look, and judge".to_owned(),
        StepKind::Notify { .. } => "before anything acts".to_owned(),
        StepKind::Gate { settle, .. } => format!("gate after {}", words::span(*settle)),
        StepKind::Checklist => "look at everything".to_owned(),
        StepKind::DisableAll { rules, .. } => format!("{} rules", rules.len()),
    }
}

fn under_way(run: &Run, progress: &StepProgress, now: Timestamp) -> Markup {
    if let (StepKind::Effect { .. }, news) = (&progress.step.kind, &progress.progress)
        && !news.now.is_empty()
    {
        let share = news.permille.map(|share| md!(" {}", permille_bar(share))).unwrap_or_default();
        return md!("{}{}", clip(&news.now, MAX_STEP_TEXT), share);
    }
    let Some(window) = window(run, progress) else { return md!("running") };
    let elapsed = words::between(window.from, now).max(SignedDuration::ZERO);
    if elapsed >= window.lasting {
        return md!("{} are over, deciding", window.lasting);
    }
    md!("{} of {} {} until {}", elapsed, window.lasting, bar(elapsed, window.lasting), Markup::minute(window.until()))
}

/// What came of a step that is done; empty when there is nothing to say.
fn result(progress: &StepProgress) -> String {
    let took = progress.started_at.zip(progress.finished_at).map(|(from, until)| words::between(from, until));
    let said = match (&progress.applied, &progress.step.kind) {
        (Some((_, change)), _) => Some(words::change(change)),
        (None, StepKind::Gate { .. }) => words::live_numbers(&progress.checks),
        (None, StepKind::Checklist | StepKind::Effect { .. } | StepKind::Inspect { .. }) => {
            Some(clip(&progress.summary, MAX_STEP_TEXT))
        }
        (None, StepKind::Notify { .. }) => Some(clip(&progress.summary, MAX_STEP_TEXT)),
        (
            None,
            StepKind::SetRule { .. }
            | StepKind::Watch { .. }
            | StepKind::WatchAll { .. }
            | StepKind::Monitor { .. }
            | StepKind::DisableAll { .. },
        ) => took.map(words::span),
    };
    said.filter(|said| !said.is_empty()).map(|said| format!(": {said}")).unwrap_or_default()
}

fn already(progress: &StepProgress) -> String {
    match &progress.step.kind {
        StepKind::SetRule { to, .. } => format!("was {} already", to.word()),
        StepKind::Effect { .. } => progress.summary.clone(),
        StepKind::Watch { .. }
        | StepKind::WatchAll { .. }
        | StepKind::Monitor { .. }
        | StepKind::Inspect { .. }
        | StepKind::Notify { .. }
        | StepKind::Gate { .. }
        | StepKind::Checklist
        | StepKind::DisableAll { .. } => "nothing to do".to_owned(),
    }
}

/// A time that a step takes because it waits.
struct Window {
    from: Timestamp,
    lasting: SignedDuration,
}

impl Window {
    fn until(&self) -> Timestamp {
        self.from.checked_add(self.lasting).unwrap_or(Timestamp::MAX)
    }
}

fn window(run: &Run, progress: &StepProgress) -> Option<Window> {
    if progress.status != StepStatus::Running {
        return None;
    }
    let from = progress.waiting_on_since.or(progress.started_at)?;
    let lasting = match &progress.step.kind {
        StepKind::Watch { lasting, .. } | StepKind::WatchAll { lasting, .. } | StepKind::Monitor { lasting, .. } => {
            *lasting
        }
        // A person said to wait on: as long again as the rule was watched.
        StepKind::Gate { rule, settle, .. } if progress.waiting_on_since.is_some() => run
            .steps
            .iter()
            .find_map(|step| match &step.step.kind {
                StepKind::Watch { rule: watched, lasting, .. } if watched == rule => Some(*lasting),
                StepKind::Watch { .. }
                | StepKind::SetRule { .. }
                | StepKind::Gate { .. }
                | StepKind::WatchAll { .. }
                | StepKind::Monitor { .. }
                | StepKind::Effect { .. }
                | StepKind::Inspect { .. }
                | StepKind::Notify { .. }
                | StepKind::Checklist
                | StepKind::DisableAll { .. } => None,
            })
            .unwrap_or(*settle),
        StepKind::Gate { settle, .. } => *settle,
        StepKind::SetRule { .. }
        | StepKind::Notify { .. }
        | StepKind::Checklist
        | StepKind::Effect { .. }
        | StepKind::Inspect { .. }
        | StepKind::DisableAll { .. } => return None,
    };
    (lasting > SignedDuration::ZERO).then_some(Window { from, lasting })
}

/// How far something is, in thousandths, as a bar with its percentage.
pub fn permille_bar(permille: u16) -> String {
    format!("{} {} %", share_bar(f64::from(permille) / 1000.0), permille / 10)
}

fn bar(elapsed: SignedDuration, total: SignedDuration) -> String {
    share_bar(elapsed.as_secs_f64() / total.as_secs_f64().max(1.0))
}

fn share_bar(share: f64) -> String {
    let full = (1..=BAR).filter(|cell| f64::from(*cell) <= share * f64::from(BAR)).count();
    (0..BAR as usize).map(|cell| if cell < full { '▓' } else { '░' }).collect()
}

fn small_print(run: &Run, context: &ViewContext<'_>, now: Timestamp) -> Markup {
    let environment = context.environments.get(&run.environment);
    let place = environment.map(|environment| match &environment.account {
        Some(account) => md!("account {}, {}", account, &environment.region),
        None => md!("{}", &environment.region),
    });
    let dashboard = environment.and_then(|environment| environment.dashboard_url.as_deref());
    let plan = run.plan.as_ref().map(|(_, digest)| md!("plan {}", digest.to_string()));
    let updated = card_changes_at(run, context, now).map(|_| md!("as of {}", Markup::time(now)));
    let parts = [Some(md!("{}", run.id)), place, plan, dashboard.map(|url| Markup::link(url, "dashboard")), updated];
    let notes = run.notes.iter().take(5).map(|note| md!("{}", clip(note, 300)));
    Markup::join(std::iter::once(Markup::join(parts.into_iter().flatten(), " · ")).chain(notes), "\n")
}

fn pad(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("({text}) ") }
}
