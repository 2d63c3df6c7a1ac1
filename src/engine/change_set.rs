//! What a deployment by change set is planned from: the stack as it stands, the version that is meant, and the change set
//! that CloudFormation works out for it. The change set is made while planning, so that people see and approve what it
//! would change; its name follows from the run, so that a repeat finds it.

use super::act::session;
use super::effects::without_lock;
use super::execute::{Drive, Engine, HISTORY, Place, Turn};
use super::later;
use super::prepare::Wish;
use super::trouble::{LONGEST_RETRY, TROUBLE_BUDGET, jittered};
use crate::aws::AwsError;
use crate::domain::{
    ChangeSetFacts, ChangeSetOrder, ChangeSetState, ChangesetDeployer, CodeRollback, Command, Environment, Event, How,
    KnownVersion, Run, StepId,
};
use crate::store::StoreError;

/// How many change sets one run may make: each time that the stack has moved, another.
const MOST_ATTEMPTS: u32 = 20;

impl Engine {
    /// What is known for a deployment by change set; none where the command is none, or another way is configured.
    pub(super) async fn change_set_facts(
        &self,
        place: &Place,
        wish: &Wish<'_>,
    ) -> Result<Result<Option<ChangeSetFacts>, AwsError>, StoreError> {
        let Some(deployer) = place.environment.changeset() else { return Ok(Ok(None)) };
        let version = match wish.command {
            Command::Deploy { version: Some(version), .. } => Ok(version.clone()),
            Command::Deploy { version: None, .. } => self.version_to_deploy(place).await,
            Command::CodeRollback { by: CodeRollback::Stack, to: Some(to), .. } => Ok(to.clone()),
            Command::CodeRollback { by: CodeRollback::Stack, to: None, .. } => self.version_before(place).await?,
            _ => return Ok(Ok(None)),
        };
        let version = match version {
            Ok(version) => version,
            Err(problem) => return Ok(Ok(Some(ChangeSetFacts { problem: Some(problem), ..Default::default() }))),
        };
        Ok(self.change_set(place, wish, deployer, version).await.map(Some))
    }

    /// The version that runs in the environment before.
    async fn version_to_deploy(&self, place: &Place) -> Result<String, String> {
        let environment = &place.environment;
        let ask = format!("say which version: `deploy {} --version …`", environment.name);
        let Some(source) = environment.promote_from.as_deref().and_then(|name| self.place(name)) else {
            return Err(ask);
        };
        match source.aws.version(&source.environment).await {
            Ok(version) => version.label.ok_or(format!("what {} runs has no name; {ask}", source.environment.name)),
            Err(error) => Err(format!("what {} runs could not be read ({error}); {ask}", source.environment.name)),
        }
    }

    /// The version that was deployed before the one that runs, as the journals tell it.
    async fn version_before(&self, place: &Place) -> Result<Result<String, String>, StoreError> {
        let environment = &place.environment;
        let known = self.known_versions(environment).await?;
        let now = running_label(place, &known).await;
        // Going back goes by names, as the templates are.
        let named: Vec<KnownVersion> = known
            .into_iter()
            .filter(|one| one.name.is_some() && (one.is_of_stack() || one.how == How::Found))
            .collect();
        let before = KnownVersion::before(&named, |one| one.name == now).and_then(|before| before.name);
        Ok(before.ok_or_else(|| {
            format!(
                "no version before the one that runs is known here. Say to which: `rollback {} --code --to …`",
                environment.name
            )
        }))
    }

    /// The versions that ran here, as the journals tell it, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn known_versions(&self, environment: &Environment) -> Result<Vec<KnownVersion>, StoreError> {
        let runs = self.store().recent_changes(&environment.name, HISTORY).await?;
        Ok(KnownVersion::all(&runs, &environment.function))
    }

    async fn change_set(
        &self,
        place: &Place,
        wish: &Wish<'_>,
        deployer: &ChangesetDeployer,
        version: String,
    ) -> Result<ChangeSetFacts, AwsError> {
        let environment = &place.environment;
        let mut facts = ChangeSetFacts { version: version.clone(), ..Default::default() };
        let state = place.aws.stack_state(&environment.stack).await?;
        facts.status = state.as_ref().map(|state| state.status.clone());
        if let Some(state) = state.as_ref().filter(|state| !state.takes_updates()) {
            facts.problem = Some(if state.is_in_progress() {
                format!(
                    "{} is {}: somebody else changes it. Ask again when it has settled",
                    environment.stack, state.status
                )
            } else {
                format!(
                    "{} is {} and takes no update. `recover {}` says and does what helps",
                    environment.stack, state.status, environment.name
                )
            });
            return Ok(facts);
        }
        let Some(run) = wish.run else {
            facts.problem = Some(format!(
                "what a deployment would change is said by its change set, which only `deploy {}` makes; where approval is \
                 required, nothing is executed before people have seen it",
                environment.name
            ));
            return Ok(facts);
        };
        let creates = state.as_ref().is_none_or(|state| state.status == "REVIEW_IN_PROGRESS");
        let there = state.filter(|_| !creates).map(|state| state.parameters).unwrap_or_default();
        let Some(template_url) = deployer.template_url(&version, &environment.region) else {
            facts.problem = Some(format!("{version} makes no key of a template"));
            return Ok(facts);
        };
        let aws = place.aws.acting_for(&session(run, &StepId("change-set".to_owned()))).await?;
        let held = without_lock(place, run);
        for attempt in 1..=MOST_ATTEMPTS {
            let name = name(run, attempt);
            let found = match place.aws.change_set(&environment.stack, &name).await?.value {
                Some(found) => found,
                None => {
                    let order = ChangeSetOrder {
                        stack: environment.stack.clone(),
                        token: name.clone(),
                        name: name.clone(),
                        template_url: template_url.clone(),
                        parameters: deployer.parameters.clone().into_iter().collect(),
                        kept_parameters: there
                            .iter()
                            .filter(|key| !deployer.parameters.contains_key(*key))
                            .cloned()
                            .collect(),
                        capabilities: deployer.capabilities.clone(),
                        role_arn: deployer.role_arn.clone(),
                        tags: vec![("version".to_owned(), version.clone())],
                        creates,
                    };
                    aws.create_change_set(&held, &order).await?;
                    return Err(AwsError::not_ready(&name));
                }
            };
            match &found.state {
                ChangeSetState::Pending => return Err(AwsError::not_ready(&name)),
                // The stack has moved since, or somebody has executed it: another one is made.
                ChangeSetState::Executed { .. } => {}
                ChangeSetState::Unusable { reason } if reason.contains("OBSOLETE") => {}
                ChangeSetState::Available | ChangeSetState::Empty | ChangeSetState::Unusable { .. } => {
                    if let ChangeSetState::Unusable { reason } = &found.state {
                        facts.problem = Some(format!("CloudFormation cannot make a change set of {version}: {reason}"));
                    }
                    facts.name = name;
                    facts.set = Some(found);
                    return Ok(facts);
                }
            }
        }
        facts.problem = Some(format!("{} goes on moving; ask again when nobody else changes it", environment.stack));
        Ok(facts)
    }
}

impl Drive<'_> {
    /// Takes away the change sets that the run has made and not executed (DeleteChangeSet), and records it. Done again after
    /// a crash, which harms nothing: what is gone is not found.
    pub(super) async fn discard(&self, place: &Place, run: &Run) -> Result<Turn, StoreError> {
        let names = match left_behind(place, run).await {
            Ok(names) if names.is_empty() => return self.retire(run).await,
            Ok(names) => names,
            Err(error) => return self.discarded_later(run, Vec::new(), error).await,
        };
        match delete(place, run, &names).await {
            Ok(()) => self.record(vec![Event::Discarded { change_sets: names, problem: None }]).await,
            Err(error) => self.discarded_later(run, names, error).await,
        }
    }

    /// Tries again while that can help, then says that they are left.
    async fn discarded_later(&self, run: &Run, change_sets: Vec<String>, error: AwsError) -> Result<Turn, StoreError> {
        let inner = &self.engine.0;
        let now = inner.clock.now();
        let ended = run.ended.as_ref().map_or(now, |ended| ended.at);
        if error.is_transient() && now.duration_since(ended) < TROUBLE_BUDGET {
            let back =
                inner.store.put_back(&self.claim, run.last_seq, later(now, jittered(LONGEST_RETRY, run))).await?;
            return Ok(if back { Turn::Over } else { self.still_ours().await? });
        }
        tracing::warn!(run.id = %run.id, %error, "change sets of a run that is over could not be deleted");
        self.record(vec![Event::Discarded { change_sets, problem: Some(error.to_string()) }]).await
    }
}

/// The change sets that a run has made and not executed, oldest first: they are numbered without a gap.
async fn left_behind(place: &Place, run: &Run) -> Result<Vec<String>, AwsError> {
    let mut names = Vec::new();
    for attempt in 1..=MOST_ATTEMPTS {
        let name = name(run, attempt);
        match place.aws.change_set(&place.environment.stack, &name).await?.value {
            None => break,
            // Somebody else has: it is the stack's history now.
            Some(set) if matches!(set.state, ChangeSetState::Executed { .. }) => {}
            Some(_) => names.push(name),
        }
    }
    Ok(names)
}

/// Deletes them, the last first, so that a crash leaves no gap in their numbers.
async fn delete(place: &Place, run: &Run, names: &[String]) -> Result<(), AwsError> {
    let aws = place.aws.acting_for(&session(run, &StepId("change-set".to_owned()))).await?;
    let held = without_lock(place, run);
    for name in names.iter().rev() {
        aws.delete_change_set(&held, &place.environment.stack, name).await?;
    }
    Ok(())
}

/// The name of a run's change set.
fn name(run: &Run, attempt: u32) -> String {
    format!("alch-{}-{attempt}", run.mark())
}

/// The name of the version that runs: of the newest one that was deployed here when nobody has touched the stack since, else
/// what the stack's tag says. The tag alone would not do: not whatever speaks for CloudFormation keeps a change set's tags.
pub async fn running_label(place: &Place, known: &[KnownVersion]) -> Option<String> {
    let environment = &place.environment;
    let tag = async { place.aws.version(environment).await.ok().and_then(|version| version.label) };
    let Some(newest) = known.iter().find(|one| one.is_of_stack()) else { return tag.await };
    let touched = place.aws.stack_state(&environment.stack).await.ok().flatten().and_then(|state| state.touched_at);
    match (touched, &newest.name) {
        (Some(touched), Some(name)) if touched <= newest.at => Some(name.clone()),
        _ => tag.await,
    }
}
