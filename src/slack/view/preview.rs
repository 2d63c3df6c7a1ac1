//! A plan that nobody asked to be carried out.

use super::ViewContext;
use super::blocks::Draft;
use super::markup::{Markup, clip, md};
use super::words;
use crate::domain::{Check, Facts, Plan, PlanDigest};
use crate::slack::message::Message;

/// What a command would do, and which safeguards hold. Nothing was changed.
pub fn preview(
    plan: &Plan,
    digest: &PlanDigest,
    safeguards: &[Check],
    facts: &Facts,
    context: &ViewContext<'_>,
) -> Message {
    let mut draft = Draft::new();
    draft.section(md!(
        "📋 {}: plan {}. Nothing was changed.",
        clip(&words::subject(&plan.command), 150),
        Markup::code(&digest.to_string()),
    ));
    if plan.steps.is_empty() {
        draft.section(md!("There is nothing to do: it is so already."));
    }
    draft.lines(words::plan(&plan.steps));
    draft.lines(safeguards.iter().map(|check| md!("{} · {}", words::verdict(check.verdict), clip(&check.title, 150))));
    draft.lines(facts.notes.iter().take(6).map(|note| md!("⚠️ could not see: {}", clip(note, 250))));
    draft.context(md!("To do it: {}", Markup::code(&format!("{} {}", context.command_word, plan.command.text()))));
    draft.finish()
}
