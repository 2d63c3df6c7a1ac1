//! The versions of an environment, and the changes of a change set.

use super::blocks::Draft;
use super::markup::{Markup, clip, md};
use super::words;
use crate::domain::{Effect, Environment, Plan, Replacement, ResourceChange, Run, StepKind, Version};
use crate::slack::message::Message;

/// Versions that are listed.
const MOST: usize = 20;

/// What runs, and what was deployed through Alch, newest first.
pub fn versions(
    environment: &Environment,
    running: &Result<Version, String>,
    known: &[(String, Run)],
    command_word: &str,
) -> Message {
    let mut draft = Draft::new();
    draft.section(match running {
        Ok(version) => md!("📦 {}: {}", md!("{} runs", &environment.name).bold(), clip(&version.name(), 120)),
        Err(why) => md!("⚠️ {}: {}", md!("What {} runs could not be read", &environment.name).bold(), clip(why, 400)),
    });
    let label = running.as_ref().ok().and_then(|version| version.label.as_deref());
    let lines = known.iter().take(MOST).map(|(version, run)| {
        let now = if label == Some(version.as_str()) { " (runs now)" } else { "" };
        let at = Markup::day(run.ended.as_ref().map_or(run.last_at, |ended| ended.at));
        md!("• {}{}: {} by {}, {}", clip(version, 120), now, at, Markup::actor(&run.actor), run.id)
    });
    let mut lines: Vec<Markup> = lines.collect();
    if lines.is_empty() {
        lines.push(md!("Nothing was deployed here through me yet."));
    }
    draft.lines(lines);
    let back = format!("{command_word} rollback {} --code --to V", environment.name);
    draft.context(md!("To go back to one: {}", Markup::code(&clip(&back, 200))));
    draft.finish()
}

/// What a plan's change set would change, as a table; what has to be noticed comes first, in words.
pub fn changes(draft: &mut Draft, plan: &Plan) {
    let sets = plan.steps.iter().filter_map(|step| match &step.kind {
        StepKind::Effect { effect: Effect::ExecuteChangeSet { changes, version, .. }, .. } => Some((version, changes)),
        _ => None,
    });
    for (version, changes) in sets {
        let count = i64::try_from(changes.len()).unwrap_or(i64::MAX);
        draft.section(md!(
            "🧩 {}: {} change",
            md!("Change set of {}", clip(version, 120)).bold(),
            words::count(count, "resource")
        ));
        let warnings = changes.iter().filter_map(ResourceChange::warning);
        draft.lines(warnings.take(20).map(|warning| md!("⚠️ {}", Markup::from(clip(&warning, 300)).bold())));
        let row = |change: &ResourceChange| {
            vec![
                change.action.clone(),
                change.logical_id.clone(),
                change.resource_type.clone(),
                replacement(change.replacement).to_owned(),
            ]
        };
        let line = |change: &ResourceChange| {
            let text = format!(
                "{} {} ({}), {}",
                change.action,
                change.logical_id,
                change.resource_type,
                replacement(change.replacement)
            );
            md!("• {}", clip(&text, 200))
        };
        draft.table(
            &["Action", "Resource", "Type", "Replacement"],
            changes.iter().map(row).collect(),
            changes.iter().map(line).collect(),
        );
    }
}

fn replacement(replacement: Replacement) -> &'static str {
    match replacement {
        Replacement::No => "in place",
        Replacement::Conditional => "MAY BE REPLACED",
        Replacement::Yes => "REPLACED",
    }
}
