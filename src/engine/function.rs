//! What is known of the function before a command that is about it: how it stands, what it runs, and what the journals know
//! of it. The journals are read once for all of it.

use std::collections::BTreeMap;

use super::act::session;
use super::effects::without_lock;
use super::execute::{Engine, HISTORY, Place};
use super::prepare::Wish;
use crate::aws::AwsError;
use crate::domain::{
    CodeRollback, Command, Facts, FunctionFact, How, KnownVersion, Package, RuleState, Run, RunId, StepId,
};
use crate::runbook::code_rollback::overwritten;
use crate::runbook::hard_stop;
use crate::store::StoreError;

impl Engine {
    /// Adds it to the facts of a command, where the command needs it.
    pub(super) async fn add_function_facts(
        &self,
        place: &Place,
        wish: &Wish<'_>,
        facts: &mut Facts,
    ) -> Result<Result<(), AwsError>, StoreError> {
        let environment = &place.environment;
        match wish.command {
            Command::Deploy { .. } | Command::CodeRollback { by: CodeRollback::Stack, .. } => {
                // What cannot be read now is only missed when somebody wants to go back to it.
                facts.artefact = place.aws.running(environment).await.ok();
            }
            Command::HardStop { .. } | Command::Restore { .. } => {
                let concurrency = match place.aws.concurrency(&environment.function).await {
                    Ok(read) => read.value,
                    Err(error) => return Ok(Err(error)),
                };
                let mut found = FunctionFact { concurrency, ..FunctionFact::default() };
                if let Command::Restore { .. } = wish.command {
                    let runs = self.store().recent_changes(&environment.name, HISTORY).await?;
                    facts.before_rollback = before_last_rollback(&runs);
                    found.stopped = hard_stop::not_taken_back(&runs, &environment.function);
                }
                facts.function = Some(Box::new(found));
            }
            Command::CodeRollback { by: CodeRollback::Function, to, package, .. } => {
                let runs = self.store().recent_changes(&environment.name, HISTORY).await?;
                match of_code(place, wish, &runs, (to.as_deref(), package.as_deref()), facts).await {
                    Ok(found) => facts.function = Some(Box::new(found)),
                    Err(error) => return Ok(Err(error)),
                }
            }
            _ => {}
        }
        Ok(Ok(()))
    }
}

/// The function, the package that is wanted, and which hash that has to have.
async fn of_code(
    place: &Place,
    wish: &Wish<'_>,
    runs: &[Run],
    (to, package): (Option<&str>, Option<&str>),
    facts: &mut Facts,
) -> Result<FunctionFact, AwsError> {
    let environment = &place.environment;
    let function = &environment.function;
    let read = place.aws.code(function).await?.value;
    facts.stack_status = place.aws.stack_state(&environment.stack).await?.map(|state| state.status);
    let mut known = KnownVersion::all(runs, function);
    let wanted = match (package, to) {
        (Some(_), _) => None,
        (None, Some(to)) => KnownVersion::named(&known, to),
        // What was found and not read tells nothing of the function.
        (None, None) => {
            known.retain(|one| one.how != How::Found || one.artefact.is_some());
            KnownVersion::before(&known, |one| one.code() == Some(&read.code))
        }
    };
    let given = package.and_then(Package::read);
    let package = given.or_else(|| wanted.as_ref()?.package().cloned());
    let mut found = FunctionFact {
        code: Some((read.code, read.revision)),
        version: wanted.map(|wanted| wanted.title()),
        recorded: package.as_ref().map(|package| KnownVersion::hashes_of(&known, package)).unwrap_or_default(),
        package,
        ..FunctionFact::default()
    };
    // A preview has nobody to ask for: that takes the rights to change the function. What CloudFormation is at work on takes
    // no update, not even a dry one.
    let is_refused = facts.stack_status.as_deref().is_some_and(|status| overwritten(status, environment).is_some());
    if let (Some(run), Some(package), false) = (wish.run, &found.package, is_refused) {
        let aws = place.aws.acting_for(&session(run, &StepId("update-code".to_owned()))).await?;
        found.dry_run = aws.dry_run_code(&without_lock(place, run), function, package).await?.value;
    }
    Ok(found)
}

/// The states from before the last rollback that found anything enabled: a second rollback on top of it, which found
/// everything off, is not what one wants back.
fn before_last_rollback(runs: &[Run]) -> Option<(RunId, BTreeMap<String, RuleState>)> {
    runs.iter().find_map(|run| {
        let before: BTreeMap<String, RuleState> = run
            .disabled
            .iter()
            .flatten()
            .filter_map(|outcome| Some((outcome.rule.name.clone(), outcome.before?)))
            .collect();
        before.values().any(|state| state.is_enabled()).then_some((run.id, before))
    })
}
