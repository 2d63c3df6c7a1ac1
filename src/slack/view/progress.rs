//! A step that takes time: one message that is kept up to date while it is under way, and one that says how it ended.

use super::blocks::Draft;
use super::card::permille_bar;
use super::markup::{Markup, clip, md};
use super::words;
use crate::domain::{Effect, Run, StepId, StepKind, StepProgress, StepStatus};
use crate::slack::message::Message;

/// The newest lines that the message shows.
const SHOWN_LINES: usize = 20;
/// The most of a log that is quoted.
const MAX_BLOCK: usize = 2500;
/// The longest line.
const MAX_LINE: usize = 300;

/// The message of a step's progress, as the run is now.
pub fn message(run: &Run, step: &StepId) -> Option<Message> {
    let progress = run.step(step)?;
    let news = &progress.progress;
    let over = progress.status.is_over() || run.ended.is_some();
    let mark = match progress.status {
        StepStatus::Skipped => "⏹️",
        status if over => words::step_mark(status).0,
        _ => "⏳",
    };
    let share = news.permille.map(|share| md!("\n{}", permille_bar(share))).unwrap_or_default();
    let mut draft = Draft::new();
    draft.section(md!("{} {}: {}{}", mark, progress.step.kind.title().as_str(), clip(&news.now, 600), share));
    if is_invoke(progress) {
        // Its lines are the end of a log, and told with how it ended.
        return Some(draft.finish());
    }
    let hidden = news.lines.len().saturating_sub(SHOWN_LINES);
    let lines = news.lines.iter().skip(hidden).map(|line| md!("{}", clip(line, MAX_LINE)));
    draft.lines(
        (hidden > 0).then(|| md!("… {} before these", words::count(count(hidden), "line"))).into_iter().chain(lines),
    );
    Some(draft.finish())
}

/// How an effect ended.
pub fn finished(progress: &StepProgress) -> Draft {
    let (mark, word) = match progress.status {
        StepStatus::Skipped => ("⏹️", "stopped"),
        status => words::step_mark(status),
    };
    let mut draft = Draft::new();
    let title = md!("{}: {}", progress.step.kind.title().as_str(), word).bold();
    draft.section(md!("{} {}\n{}", mark, title, Markup::prose(&clip(&progress.summary, 1500))));
    let lines = &progress.progress.lines;
    if is_invoke(progress) && !lines.is_empty() {
        draft.section(md!("{}\n{}", Markup::from("The end of its log").bold(), Markup::block(lines, MAX_BLOCK)));
    }
    draft
}

fn is_invoke(progress: &StepProgress) -> bool {
    matches!(progress.step.kind, StepKind::Effect { effect: Effect::Invoke { .. }, .. })
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
