//! Put other code into the function, and nothing else: faster than the stack, at the price of drift.

use jiff::SignedDuration;

use super::{NoPlan, step};
use crate::domain::{Detail, Effect, Environment, Facts, Package, Run, Step, StepKind};

/// Lambda takes some seconds for an update.
const LOOK: SignedDuration = SignedDuration::from_secs(5);
const PATIENCE: SignedDuration = SignedDuration::from_mins(10);

/// The one step: the package that was given, or that the journals know for the version.
pub(super) fn steps(
    to: Option<&str>,
    package: Option<&str>,
    facts: &Facts,
    environment: &Environment,
) -> Result<Vec<Step>, NoPlan> {
    let function = &environment.function;
    let unread = || NoPlan::Because(format!("{function} could not be read"));
    let found = facts.function.as_ref().ok_or_else(unread)?;
    let (before, revision) = found.code.clone().ok_or_else(unread)?;
    let package = match package {
        Some(text) => Package::read(text).ok_or_else(|| {
            NoPlan::Because(format!(
                "`{text}` is no package: write `--package s3://bucket/key` or `--package s3://bucket/key@version-id`"
            ))
        })?,
        None => found.package.clone().ok_or_else(|| NoPlan::Because(unknown(to, environment)))?,
    };
    let version = to.map(str::to_owned);
    let effect = Effect::UpdateCode { function: function.clone(), package, version, before, revision };
    Ok(vec![step("update-code", StepKind::Effect { effect, poll: LOOK, patience: PATIENCE })])
}

fn unknown(to: Option<&str>, environment: &Environment) -> String {
    let which = to.map_or_else(|| "the version before".to_owned(), |to| format!("version {to}"));
    format!(
        "no journal of {0} says which package {which} was, and nothing is guessed. Give it with `--package \
         s3://bucket/key@version-id`, or put the whole stack back with `rollback {0} --code --stack`",
        environment.name
    )
}

/// The package of a version, as the journals tell it, newest run first.
pub fn known_package(runs: &[Run], function: &str, version: &str) -> Option<Package> {
    let steps = runs.iter().flat_map(|run| run.steps.iter().rev());
    steps
        .filter(|progress| {
            matches!(&progress.step.kind,
                StepKind::Effect { effect: Effect::UpdateCode { function: of, .. }, .. } if of == function)
        })
        .filter_map(|progress| progress.effected.as_ref())
        .find_map(|(_, receipt)| match &receipt.detail {
            Detail::Code { package, version: Some(of) } if of == version => Some(package.clone()),
            _ => None,
        })
}
