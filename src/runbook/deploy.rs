//! Deploy a version of the stack, by what the environment is configured with; then look at what is there, and bring the
//! rules back to what they were.

use super::{NoPlan, sam, step};
use jiff::SignedDuration;

use crate::domain::{
    Command, Deployer, Effect, Environment, Facts, Inspection, Remark, Rule, RuleState, Step, StepKind,
};

/// What people have to know before it is deployed.
pub(super) fn remarks(command: &Command, facts: &Facts, environment: &Environment) -> Vec<Remark> {
    let Some(deployer) = environment.sam() else { return Vec::new() };
    let mut remarks = sam::remarks(facts, deployer);
    remarks.push(if leaves_rules(command) {
        Remark::warned("Rules are left as the template says: one that says ENABLED turns on what is off now.")
    } else {
        let on: Vec<&str> =
            facts.rules.iter().filter(|(_, fact)| fact.state.is_enabled()).map(|(name, _)| name.as_str()).collect();
        let on = if on.is_empty() { "none is on".to_owned() } else { format!("on are {}", on.join(", ")) };
        Remark::said(format!(
            "A template that says ENABLED turns on what is off. The rules are brought back to what they are now: {on}."
        ))
    });
    remarks
}

/// How often a step looks that is over at once.
const POLL: SignedDuration = SignedDuration::from_secs(1);
/// How long setting rules may take.
const PATIENCE: SignedDuration = SignedDuration::from_mins(5);

/// The steps that deploy, and those that every deployment ends with.
pub(super) fn steps(command: &Command, facts: &Facts, environment: &Environment) -> Result<Vec<Step>, NoPlan> {
    let no_deployer = || NoPlan::NoDeployer(environment.name.clone());
    let deploy = environment.deploy.as_ref().ok_or_else(no_deployer)?;
    let mut steps = match deploy.deployer {
        Deployer::Sam => sam::steps(command, facts, environment, deploy.sam.as_ref().ok_or_else(no_deployer)?)?,
        Deployer::Changeset => return Err(no_deployer()),
    };
    // The rules first: as long as they are on that were off, they act.
    if !leaves_rules(command) {
        let effect = Effect::KeepRules { bus: environment.bus.clone(), rules: kept(facts, environment)? };
        steps.push(step("keep-rules", StepKind::Effect { effect, poll: POLL, patience: PATIENCE }));
    }
    steps.push(step("infrastructure", StepKind::Inspect { inspection: Inspection::Infrastructure }));
    Ok(steps)
}

fn leaves_rules(command: &Command) -> bool {
    matches!(command, Command::Deploy { leave_rules: true, .. })
}

/// The rules with the states that they have before the deployment. Those that AWS manages are not Alch's.
fn kept(facts: &Facts, environment: &Environment) -> Result<Vec<(Rule, RuleState)>, NoPlan> {
    let mut kept = Vec::new();
    for rule in &environment.rules {
        let fact = facts.rules.get(&rule.name).ok_or_else(|| NoPlan::UnreadRule(rule.name.clone()))?;
        if fact.managed_by.is_none() {
            kept.push((rule.clone(), fact.state));
        }
    }
    Ok(kept)
}
