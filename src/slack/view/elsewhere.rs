//! What the requester of a run is told directly while the channel that it is told in is closed to Alch.

use super::blocks::Draft;
use super::markup::{Markup, clip, md};
use super::{ViewContext, words};
use crate::domain::{Command, Destination, Run};
use crate::slack::message::Message;

/// The longest summary.
const MAX_SUMMARY: usize = 1200;

/// That it is closed and why, and how the run stands: under way, or ended.
pub fn elsewhere(run: &Run, channel: &str, why: &str, context: &ViewContext<'_>) -> Message {
    let mut draft = Draft::new();
    draft.section(md!(
        "{} {}",
        Markup::from(words::phase(run)).bold(),
        md!("{} {}", run.id, words::subject(&run.command)),
    ));
    if let Some(ended) = &run.ended {
        draft.section(Markup::prose(&clip(&ended.summary, MAX_SUMMARY)));
    } else {
        draft.section(md!("The run goes on all the same."));
    }
    let show = Markup::code(&format!("{} {}", context.command_word, Command::Show { run: run.id }.text()));
    draft.section(md!(
        "I cannot tell it in {}: {}. When I can again, card and thread are made up for there by themselves within a minute. \
         Until then {} tells how it stands.",
        Markup::destination(&Destination::Slack(channel.to_owned())),
        clip(why.trim_end_matches('.'), 300),
        show,
    ));
    draft.finish()
}
