//! Put other code into the function, and nothing else: faster than the stack, at the price of drift.

use jiff::SignedDuration;

use super::{NoPlan, step};
use crate::domain::{
    Effect, Environment, Expected, ExpectedBy, Facts, FunctionFact, Package, Remark, RunId, Step, StepKind,
};

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
    if let Some(why) = facts.stack_status.as_deref().and_then(|status| overwritten(status, environment)) {
        return Err(NoPlan::Because(why));
    }
    if let Some(text) = package.filter(|text| Package::read(text).is_none()) {
        return Err(NoPlan::Because(format!(
            "`{text}` is no package: write `--package s3://bucket/key` or `--package s3://bucket/key@version-id`"
        )));
    }
    let package = found.package.clone().ok_or_else(|| NoPlan::Because(unknown(to, found, environment)))?;
    let expected = expected(found, &package, &before)?;
    if expected.as_ref().is_some_and(|expected| expected.code == before) {
        return Err(NoPlan::Because(format!(
            "{function} runs the code of {package} already: {before}. There is nothing to put back"
        )));
    }
    let version = to.map(str::to_owned).or_else(|| found.version.clone());
    let effect = Effect::UpdateCode { function: function.clone(), package, version, before, revision, expected };
    Ok(vec![step("update-code", StepKind::Effect { effect, poll: LOOK, patience: PATIENCE })])
}

/// What CloudFormation, at work on the stack, would make of the function's code; none when it is not at work.
pub fn overwritten(status: &str, environment: &Environment) -> Option<String> {
    let is_at_work = status.ends_with("_IN_PROGRESS") && status != "REVIEW_IN_PROGRESS";
    is_at_work.then(|| {
        format!(
            "{} is {status}: CloudFormation is at work on the stack and would put its own code over this. Ask again when it \
             has settled. What is wrong now is stopped at once with `rollback {1}`, which turns the rules off, or `hard-stop \
             {1}`",
            environment.stack, environment.name
        )
    })
}

/// The hash that the function has to have afterwards, as far as it is known beforehand. What the journals know and what
/// Lambda computes of the package have to agree.
fn expected(found: &FunctionFact, package: &Package, before: &str) -> Result<Option<Expected>, NoPlan> {
    // That of the code that runs says nothing: either it is the same, or it was not computed.
    let computed = found.dry_run.as_deref().filter(|code| *code != before);
    let Some((run, code)) = found.recorded.first() else {
        return Ok(computed.map(|code| Expected { code: code.to_owned(), by: ExpectedBy::DryRun }));
    };
    let of = |run: &RunId, code: &str| Expected { code: code.to_owned(), by: ExpectedBy::Journal { run: *run } };
    match computed {
        None => Ok(Some(of(run, code))),
        Some(computed) => match found.recorded.iter().find(|(_, recorded)| recorded == computed) {
            Some((run, code)) => Ok(Some(of(run, code))),
            None => Err(NoPlan::Because(format!(
                "{package} is not what ran: Lambda computes the hash {computed} of it, and {code} was recorded in {run}. Either \
                 the object was written anew since, or the function did not run the stack's code then. Give another package \
                 with `--package`, or this one, if it is meant, under its object's version"
            ))),
        },
    }
}

/// What people have to know before.
pub(super) fn remarks(facts: &Facts, environment: &Environment) -> Vec<Remark> {
    let drifts = Remark::warned(format!(
        "The stack does not know of it: layers, variables and permissions stay as they were deployed last, and the next \
         deployment puts its own code in. `rollback {} --code --stack` puts all of it back.",
        environment.name
    ));
    let hash = facts.function.as_ref().filter(|found| found.recorded.is_empty() && found.dry_run.is_none());
    let unproven = hash.map(|_| {
        Remark::said(
            "Which hash the code has to have is not recorded; when it is done, Lambda is asked before anything is changed.",
        )
    });
    std::iter::once(drifts).chain(unproven).collect()
}

fn unknown(to: Option<&str>, found: &FunctionFact, environment: &Environment) -> String {
    let which = match (to, &found.version) {
        (Some(to), _) => format!("version {to}"),
        (None, Some(version)) => format!("version {version}, the one before,"),
        (None, None) => "the version before".to_owned(),
    };
    format!(
        "no journal of {0} says which package {which} was, and nothing is guessed. `versions {0}` lists what is known. Give \
         it with `--package s3://bucket/key@version-id`, or put the whole stack back with `rollback {0} --code --stack`",
        environment.name
    )
}
