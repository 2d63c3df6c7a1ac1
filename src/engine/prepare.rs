//! From a command to its plan with what the plan rests on: facts, safeguards, and the part of the world that is approved
//! with it. Changes nothing.

use futures_util::future::join4;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::execute::{Engine, Place};
use crate::aws::AwsError;
use crate::checks::safeguards;
use crate::domain::{Actor, AlarmState, Check, Command, Environment, Facts, Plan, PlanDigest, Run, Version, World};
use crate::runbook::{self, NoPlan};
use crate::store::StoreError;

/// A plan, and what it was made from.
#[derive(Clone, Debug)]
pub struct Preview {
    /// The plan.
    pub plan: Plan,
    /// Its digest.
    pub digest: PlanDigest,
    /// The safeguards; empty where none are asked for.
    pub safeguards: Vec<Check>,
    /// The world as it was observed.
    pub facts: Facts,
}

/// Why there is no preview.
#[derive(Debug, thiserror::Error)]
pub enum PreviewError {
    /// The command names no environment that there is.
    #[error("the command names no environment")]
    NoEnvironment,
    /// AWS could not be asked.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// The facts allow no plan.
    #[error(transparent)]
    NoPlan(#[from] NoPlan),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Who wants what, and when it is to begin.
pub(super) struct Wish<'a> {
    pub(super) command: &'a Command,
    pub(super) actor: &'a Actor,
    /// The run that it is for; none for a preview.
    pub(super) run: Option<&'a Run>,
    pub(super) start: Timestamp,
}

/// What came of planning: a plan, or the facts that allow none.
pub(super) type Prepared = Result<Preview, (Facts, NoPlan)>;

impl Engine {
    /// The plan that a command of this person would have now. Records nothing and changes nothing.
    ///
    /// # Errors
    /// When AWS or the database cannot be asked, or there is no plan.
    pub async fn preview(&self, command: &Command, actor: &Actor) -> Result<Preview, PreviewError> {
        let place = command.environment().and_then(|name| self.place(name)).ok_or(PreviewError::NoEnvironment)?;
        let now = self.clock().now();
        let start = match command {
            Command::Promote { at: Some(at), .. } => *at,
            _ => now,
        };
        let wish = Wish { command, actor, run: None, start };
        self.prepare(place, &wish).await??.map_err(|(_, no_plan)| no_plan.into())
    }

    /// Observes, plans, and asks the safeguards where the plan needs approval.
    pub(super) async fn prepare(
        &self,
        place: &Place,
        wish: &Wish<'_>,
    ) -> Result<Result<Prepared, AwsError>, StoreError> {
        let facts = match self.facts(place, wish).await? {
            Ok(facts) => facts,
            Err(error) => return Ok(Err(error)),
        };
        let mut plan = match runbook::plan(wish.command, &facts, &place.environment) {
            Ok(plan) => plan,
            Err(no_plan) => return Ok(Ok(Err((facts, no_plan)))),
        };
        let mut safeguards = Vec::new();
        if plan.approval.is_some() {
            safeguards = self.safeguards(place, wish, &plan, &facts).await?;
            plan.world = Some(world(&place.environment, &facts, &safeguards));
        }
        Ok(Ok(Ok(Preview { digest: plan.digest(), plan, safeguards, facts })))
    }

    async fn safeguards(
        &self,
        place: &Place,
        wish: &Wish<'_>,
        plan: &Plan,
        facts: &Facts,
    ) -> Result<Vec<Check>, StoreError> {
        let environment = &place.environment;
        let source = environment.promote_from.as_deref().and_then(|name| self.place(name));
        let version = match wish.command {
            Command::Promote { version, .. } => version.as_deref(),
            _ => None,
        };
        let question = safeguards::Question {
            environment,
            source: source.map(|source| &source.environment),
            plan,
            requester: wish.actor,
            version,
            start: wish.start,
            now: self.clock().now(),
        };
        let since = safeguards::since(&question);
        let mut readings = safeguards::Readings {
            version: facts.version.clone().ok_or_else(|| unread(facts)),
            source_version: Err("there is no environment to promote from".to_owned()),
            source_runs: Vec::new(),
            alarm_changes: Ok(Vec::new()),
            source_alarms: Ok(Default::default()),
            source_drift: Vec::new(),
            holds: self.store().holds(&environment.name).await?,
        };
        if let Some(source) = source.filter(|_| safeguards::applies(environment, wish.command)) {
            self.read_source(source, since, &mut readings).await?;
        }
        Ok(safeguards::checks(&question, &readings))
    }

    /// Reads what the environment before has to show.
    async fn read_source(
        &self,
        source: &Place,
        since: Timestamp,
        readings: &mut safeguards::Readings,
    ) -> Result<(), StoreError> {
        let environment = &source.environment;
        let words = |error: AwsError| error.to_string();
        let (version, changes, alarms, listed) = join4(
            source.aws.version(environment),
            source.aws.alarm_changes(&environment.alarms, since),
            source.aws.alarms(&environment.alarms),
            source.aws.rules(&environment.bus),
        )
        .await;
        readings.source_version = version.map_err(words);
        readings.alarm_changes = changes.map_err(words);
        readings.source_alarms = alarms.map_err(words);
        readings.source_runs = self.store().runs_since(&environment.name, since).await?;
        let wanted = self.wanted_states(&environment.name).await?;
        readings.source_drift = match listed {
            Ok(listed) => environment
                .rules
                .iter()
                .filter(|rule| {
                    let state = listed.iter().find(|other| other.name == rule.rule).map(|other| other.state);
                    let wanted = wanted.get(&rule.name);
                    state.is_none_or(|state| wanted.is_some_and(|wanted| wanted.is_enabled() != state.is_enabled()))
                })
                .map(|rule| rule.name.clone())
                .collect(),
            Err(error) => {
                readings.source_version = Err(words(error));
                Vec::new()
            }
        };
        Ok(())
    }
}

/// When a run is to begin: at the time asked for, if that is still ahead.
pub(super) fn start_of(run: &Run, now: Timestamp) -> Timestamp {
    run.starts_at().map_or(now, |at| at.max(now))
}

fn unread(facts: &Facts) -> String {
    let note = facts.notes.iter().find(|note| note.to_lowercase().contains("version"));
    note.cloned().unwrap_or_else(|| "the version could not be read".to_owned())
}

/// What is approved together with the steps.
fn world(environment: &Environment, facts: &Facts, safeguards: &[Check]) -> World {
    let in_alarm = |(name, alarm): (&String, &crate::domain::AlarmStatus)| {
        (alarm.state == AlarmState::Alarm).then(|| name.clone())
    };
    let version: Option<Version> = facts.version.clone();
    let settings = serde_json::to_vec(environment).unwrap_or_default();
    World {
        alarms: facts.alarms.iter().filter_map(in_alarm).collect(),
        version,
        settings: hex::encode(Sha256::digest(settings)),
        safeguards: safeguards.iter().map(|check| (check.name.clone(), check.verdict)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ALCH_TOML, Config};

    #[test]
    fn whatever_is_configured_is_part_of_the_world() {
        let (config, _) = Config::parse(ALCH_TOML, "alch.toml", &Default::default()).unwrap();
        let prod = &config.environments["prod"];
        let mut other = prod.clone();
        other.approvals.needed = 2;
        let facts = Facts::default();
        assert_eq!(world(prod, &facts, &[]), world(prod, &facts, &[]));
        assert_ne!(world(prod, &facts, &[]).settings, world(&other, &facts, &[]).settings);
    }
}
