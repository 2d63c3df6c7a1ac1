//! The versions of an environment, and the changes of a change set.

use super::blocks::Draft;
use super::markup::{Markup, clip, md};
use super::words;
use crate::domain::{
    CodeRollback, Effect, Environment, How, KnownVersion, Plan, Replacement, ResourceChange, StepKind, Version,
};
use crate::slack::message::Message;

/// Versions that are listed.
const MOST: usize = 20;

/// What runs, and what ran before it as far as journals tell, newest first.
pub fn versions(
    environment: &Environment,
    running: &Result<Version, String>,
    known: &[KnownVersion],
    command_word: &str,
) -> Message {
    let mut draft = Draft::new();
    draft.section(match running {
        Ok(version) => md!("📦 {}: {}", md!("{} runs", &environment.name).bold(), clip(&version.name(), 120)),
        Err(why) => md!("⚠️ {}: {}", md!("What {} runs could not be read", &environment.name).bold(), clip(why, 400)),
    });
    let each = KnownVersion::each_once(known);
    draft.lines(running.iter().filter_map(|running| drift(running, &each)));
    let mut lines: Vec<Markup> = each.iter().take(MOST).map(|one| line(one, running.as_ref().ok())).collect();
    if lines.is_empty() {
        lines.push(md!("Nothing was deployed here through me yet."));
    }
    draft.lines(lines);
    let back =
        |by: &str| Markup::code(&clip(&format!("{command_word} rollback {} --code{by} --to V", environment.name), 200));
    draft.context(md!("To go back to one: {}; its code alone: {}", back(""), back(" --function")));
    draft.finish()
}

/// Whether it is what runs: by its code where that is known, else by its name.
fn runs_now(one: &KnownVersion, running: &Version) -> bool {
    match one.code() {
        Some(code) => code == running.artefact,
        None => one.name.is_some() && one.name == running.label,
    }
}

fn line(one: &KnownVersion, running: Option<&Version>) -> Markup {
    let now = if running.is_some_and(|running| runs_now(one, running)) { " (runs now)" } else { "" };
    let at = Markup::day(one.at);
    let how = match &one.how {
        How::Deployed(actor) => md!("{} by {}, {}", at, Markup::actor(actor), one.run),
        How::PutBack { by: CodeRollback::Stack, actor } => {
            md!("put back {} by {}, {}", at, Markup::actor(actor), one.run)
        }
        How::PutBack { by: CodeRollback::Function, actor } => {
            md!("its code put back {} by {}, {}", at, Markup::actor(actor), one.run)
        }
        How::Found => md!("found {} by {}", at, one.run),
    };
    let code = one.code().map(|code| md!("code {}", Markup::code(&code.chars().take(8).collect::<String>())));
    let package = if one.package().is_some() { "package known" } else { "package not known" };
    md!(
        "• {}{}: {}; {}{}",
        clip(&one.title(), 120),
        now,
        how,
        code.map(|code| md!("{}, ", code)).unwrap_or_default(),
        package
    )
}

/// What has to be noticed where the function does not run what the stack's version ran.
fn drift(running: &Version, each: &[KnownVersion]) -> Option<Markup> {
    let label = running.label.as_ref()?;
    let of_stack = each.iter().find(|one| one.name.as_ref() == Some(label))?;
    of_stack.code().filter(|code| *code != running.artefact)?;
    let own = each.iter().find(|one| one.code() == Some(&running.artefact));
    let what =
        own.map_or_else(|| "code that no journal knows".to_owned(), |own| format!("the code of {}", own.title()));
    Some(md!("⚠️ The stack is at {}, but the function runs {}.", clip(label, 120), clip(&what, 200)))
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
