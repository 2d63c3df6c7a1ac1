//! Runs looked back at: a list of them, and the story of one.

use jiff::Timestamp;

use super::blocks::{Draft, MAX_TEXT};
use super::markup::{Markup, clip, length, md};
use super::status::run_line;
use super::{plan, terminal, words};
use crate::domain::{Event, Origin, Recorded, Run};
use crate::slack::message::Message;

/// Runs that a list shows.
const MAX_RUNS: usize = 15;
/// What is left for the events of a story.
const STORY: usize = MAX_TEXT - 1200;

/// Recent runs, newest first as given.
pub fn runs_list(runs: &[Run], now: Timestamp) -> Message {
    let mut draft = Draft::new();
    if runs.is_empty() {
        draft.section(md!("No runs yet."));
        return draft.finish();
    }
    draft.header("Recent runs");
    draft.lines(runs.iter().take(MAX_RUNS).map(|run| run_line(run, now)));
    if runs.len() > MAX_RUNS {
        draft.context(md!("… and {} more", runs.len() - MAX_RUNS));
    }
    draft.finish()
}

/// The story of one run.
pub fn show(run: &Run, journal: &[Recorded], now: Timestamp) -> Message {
    let mut draft = Draft::new();
    draft.header(&format!("{} · {}", run.id, words::subject(&run.command)));
    let from = match &run.origin {
        Origin::Slack(_) => "in Slack",
        Origin::Terminal => "on a terminal",
        Origin::Schedule => "on schedule",
    };
    let mut facts = vec![
        md!("{}", Markup::from(words::phase(run)).bold()),
        md!("Asked by {} {}, {}", Markup::actor(&run.actor), from, Markup::day(run.requested_at)),
        md!("As typed: {}", Markup::code(&clip(&run.text, 200))),
    ];
    facts.push(match &run.ended {
        Some(ended) => {
            md!("Ended {}, after {}", Markup::day(ended.at), words::between(run.requested_at, ended.at))
        }
        None => md!("Under way for {}", words::between(run.requested_at, now)),
    });
    if let Some((_, digest)) = &run.plan {
        facts.push(md!("Plan {}", Markup::code(&digest.0)));
    }
    draft.lines(facts);
    draft.lines(story(journal));
    if let Some((plan, _)) = run.plan.as_ref().filter(|(plan, _)| plan.approval.is_some()) {
        let title = std::iter::once(Markup::from("The plan").bold());
        draft.lines(title.chain(words::plan(&plan.steps)));
        draft.lines(plan::safeguard_lines(&run.safeguards, &run.overridden));
    }
    if let Some(last) = journal.last() {
        draft.context(md!("{} events; last hash {}", journal.len(), Markup::code(&clip(&last.hash, 64))));
    }
    draft.finish()
}

/// One line an event. Of a long journal the beginning and the end are told, the middle is counted.
fn story(journal: &[Recorded]) -> Vec<Markup> {
    let Some((first, rest)) = journal.split_first() else { return Vec::new() };
    let Some(mut run) = Run::from_journal(std::slice::from_ref(first)) else { return Vec::new() };
    let mut lines = vec![line(first, &run)];
    for recorded in rest {
        run.apply(recorded);
        lines.push(line(recorded, &run));
    }
    let mut room = STORY;
    let mut fits = |line: &Markup| {
        let long = length(line.as_str()) + 1;
        let fits = long <= room;
        room = room.saturating_sub(long);
        fits
    };
    let all = lines.len();
    let (mut head, mut tail) = (0, 0);
    // From both ends inwards: how it began and how it ended say more than the middle.
    while head + tail < all {
        let from_head = head <= tail;
        let next = if from_head { &lines[head] } else { &lines[all - 1 - tail] };
        if !fits(next) {
            break;
        }
        if from_head { head += 1 } else { tail += 1 }
    }
    let left_out = all - head - tail;
    let middle = (left_out > 0).then(|| md!("… {} events …", left_out));
    let end = lines.split_off(all - tail);
    lines.truncate(head);
    lines.into_iter().chain(middle).chain(end).collect()
}

fn with(said: Markup, why: Option<&str>) -> Markup {
    why.map_or_else(|| said.clone(), |why| md!("{}: {}", &said, clip(why, 200)))
}

fn line(recorded: &Recorded, run: &Run) -> Markup {
    let said = match &recorded.event {
        // Terminals know no mentions; here people are named as Slack names them.
        Event::CancelRequested { actor } => md!("{} asked to cancel", Markup::actor(actor)),
        Event::Answered { actor, answer, .. } => md!("{} answered: {}", Markup::actor(actor), answer.word()),
        Event::Requested { actor, .. } => md!("{} asked", Markup::actor(actor)),
        Event::Approved { actor, note, .. } => with(md!("{} approved", Markup::actor(actor)), note.as_deref()),
        Event::Rejected { actor, reason, .. } => with(md!("{} rejected", Markup::actor(actor)), Some(reason)),
        Event::Overridden { safeguard, actor, reason, .. } => {
            with(md!("{} overrode {}", Markup::actor(actor), clip(safeguard, 60)), Some(reason))
        }
        Event::Paused { actor, reason, objection } => {
            let word = if *objection { "objected" } else { "paused it" };
            with(md!("{} {}", Markup::actor(actor), word), reason.as_deref())
        }
        Event::Resumed { actor } => md!("{} resumed it", Markup::actor(actor)),
        Event::SkipRequested { step, actor, reason } => {
            with(md!("{} asked to skip {}", Markup::actor(actor), clip(&step.0, 90)), Some(reason))
        }
        Event::Escalated { actor, contact, reason } => {
            with(md!("{} called {}", Markup::actor(actor), clip(contact, 90)), Some(reason))
        }
        other => md!("{}", clip(&terminal::said(other, run), 240)),
    };
    md!("{} {}", Markup::time(recorded.at), said)
}
