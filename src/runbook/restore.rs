//! Bring back the rule states from before the last rollback: what was enabled is enabled again, progressively and gated.

use super::{NoPlan, enable};
use crate::domain::{Command, Environment, Facts, Rule, Step};

/// The steps for the rules that were enabled before the rollback and are not now. Rules that were off stay off.
pub(super) fn steps(command: &Command, facts: &Facts, environment: &Environment) -> Result<Vec<Step>, NoPlan> {
    let (_, before) = facts.before_rollback.as_ref().ok_or_else(|| NoPlan::NoRollback(environment.name.clone()))?;
    let wanted: Vec<&Rule> = environment
        .rules
        .iter()
        .filter(|rule| before.get(&rule.name).is_some_and(|state| state.is_enabled()))
        .filter(|rule| facts.rules.get(&rule.name).is_none_or(|fact| !fact.state.is_enabled()))
        .collect();
    enable::steps(command, wanted, facts, environment)
}
