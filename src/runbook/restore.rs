//! Bring back what the last rollback, and a hard stop, took: the function runs again, and what was enabled is enabled
//! again, progressively and gated.

use super::{NoPlan, enable, hard_stop};
use crate::domain::{Command, Environment, Facts, Remark, Rule, Step};

/// First the function, if it is stopped; then the rules that were enabled before the rollback and are not now. Rules that
/// were off stay off.
pub(super) fn steps(command: &Command, facts: &Facts, environment: &Environment) -> Result<Vec<Step>, NoPlan> {
    let mut steps: Vec<Step> = hard_stop::back(facts, environment).into_iter().collect();
    let Some((_, before)) = &facts.before_rollback else {
        let left = hard_stop::left(facts, environment).map(NoPlan::Because);
        let nothing = || left.unwrap_or(NoPlan::NoRollback(environment.name.clone()));
        return if steps.is_empty() { Err(nothing()) } else { Ok(steps) };
    };
    let wanted: Vec<&Rule> = environment
        .rules
        .iter()
        .filter(|rule| before.get(&rule.name).is_some_and(|state| state.is_enabled()))
        .filter(|rule| facts.rules.get(&rule.name).is_none_or(|fact| !fact.state.is_enabled()))
        .collect();
    steps.extend(enable::steps(command, wanted, facts, environment)?);
    Ok(steps)
}

/// What people have to know before.
pub(super) fn remarks(facts: &Facts, environment: &Environment) -> Vec<Remark> {
    hard_stop::left(facts, environment).map(|left| Remark::warned(format!("{left}."))).into_iter().collect()
}
