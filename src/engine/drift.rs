//! How the world differs from the one that a plan was approved for, in words. Pure.

use std::collections::BTreeMap;

use crate::domain::{CheckedOut, Effect, Plan, StepKind, World};

/// What is different, a sentence each, plain text. Never empty for plans of different digests.
pub(super) fn differences(approved: &Plan, now: &Plan) -> Vec<String> {
    let mut differences = Vec::new();
    let (before, after) = (found(approved), found(now));
    for (rule, state) in &after {
        match before.get(rule) {
            Some(was) if was == state => {}
            Some(was) => differences.push(format!("{rule} was {was}, and is {state} now.")),
            None => differences.push(format!("{rule} is part of the plan now.")),
        }
    }
    let gone = before.keys().filter(|rule| !after.contains_key(*rule));
    differences.extend(gone.map(|rule| format!("{rule} is not part of the plan any more.")));
    if let (Some(before), Some(after)) = (checked_out(approved), checked_out(now))
        && before != after
    {
        differences.push(format!("The checkout was at {}, and is at {} now.", before.name(), after.name()));
    }
    if let (Some(before), Some(after)) = (change_set(approved), change_set(now))
        && before != after
    {
        differences.push("The stack has moved, so there is another change set now.".to_owned());
    }
    for ((what, before), (_, after)) in of_function(approved).into_iter().zip(of_function(now)) {
        if before != after {
            differences.push(format!("{what} was {before}, and is {after} now."));
        }
    }
    if let (Some(before), Some(after)) = (&approved.world, &now.world) {
        differences.extend(of_worlds(before, after));
    }
    if differences.is_empty() {
        differences.push("The steps of the plan are different.".to_owned());
    }
    differences
}

/// What the plan deploys from a checkout.
fn checked_out(plan: &Plan) -> Option<&CheckedOut> {
    plan.steps.iter().find_map(|step| match &step.kind {
        StepKind::Effect { effect: Effect::SamDeploy { checkout, .. }, .. } => Some(checkout),
        _ => None,
    })
}

/// The change set that the plan executes.
fn change_set(plan: &Plan) -> Option<&str> {
    plan.steps.iter().find_map(|step| match &step.kind {
        StepKind::Effect { effect: Effect::ExecuteChangeSet { change_set, .. }, .. } => Some(change_set.as_str()),
        _ => None,
    })
}

/// What the plan found of the function: its reserved concurrency, or the hash of its code.
fn of_function(plan: &Plan) -> Option<(&'static str, String)> {
    plan.steps.iter().find_map(|step| match &step.kind {
        StepKind::Effect { effect: Effect::SetConcurrency { from, .. }, .. } => {
            let from = from.map_or_else(|| "none".to_owned(), |number| number.to_string());
            Some(("The function's reserved concurrency", from))
        }
        StepKind::Effect { effect: Effect::UpdateCode { before, .. }, .. } => {
            Some(("The function's code", before.clone()))
        }
        _ => None,
    })
}

/// The states that the plan's steps begin from.
fn found(plan: &Plan) -> BTreeMap<&str, &'static str> {
    let states = plan.steps.iter().filter_map(|step| match &step.kind {
        StepKind::SetRule { rule, from, .. } => Some((rule.name.as_str(), from.word())),
        _ => None,
    });
    let replayed = plan.steps.iter().flat_map(|step| match &step.kind {
        StepKind::Effect { effect: Effect::StartReplay { rules, off, .. }, .. } => {
            let word = |name: &String| if off.contains(name) { "disabled" } else { "enabled" };
            rules.iter().map(|rule| (rule.name.as_str(), word(&rule.name))).collect()
        }
        _ => Vec::new(),
    });
    states.chain(replayed).collect()
}

fn of_worlds(before: &World, after: &World) -> Vec<String> {
    let mut differences = Vec::new();
    for alarm in after.alarms.iter().filter(|alarm| !before.alarms.contains(alarm)) {
        differences.push(format!("The alarm {alarm} is in ALARM now."));
    }
    for alarm in before.alarms.iter().filter(|alarm| !after.alarms.contains(alarm)) {
        differences.push(format!("The alarm {alarm} is not in ALARM any more."));
    }
    match (&before.version, &after.version) {
        (Some(was), Some(is)) if was != is => {
            differences.push(format!("The version was {}, and is {} now.", was.name(), is.name()));
        }
        (Some(was), None) => differences.push(format!("The version was {}, and cannot be read now.", was.name())),
        (None, Some(is)) => differences.push(format!("The version can be read now: {}.", is.name())),
        _ => {}
    }
    for (name, verdict) in &after.safeguards {
        match before.safeguards.get(name) {
            Some(was) if was == verdict => {}
            Some(was) => {
                differences.push(format!("The safeguard {name} was {}, and is {} now.", was.word(), verdict.word()));
            }
            None => differences.push(format!("The safeguard {name} is asked for now: {}.", verdict.word())),
        }
    }
    if before.settings != after.settings {
        differences.push("The configuration of the environment has changed.".to_owned());
    }
    differences
}
