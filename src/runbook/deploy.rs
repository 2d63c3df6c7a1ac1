//! Deploy a version of the stack, by what the environment is configured with; then look at what is there, and bring the
//! rules back to what they were.

use super::{NoPlan, sam, step};
use jiff::SignedDuration;

use crate::domain::{
    ChangeSetFacts, ChangeSetState, ChangesetDeployer, Command, Deployer, Effect, Environment, Facts, Inspection,
    Remark, ResourceChange, Rule, RuleState, Step, StepKind,
};

/// What people have to know before it is deployed.
pub(super) fn remarks(command: &Command, facts: &Facts, environment: &Environment) -> Vec<Remark> {
    let mut remarks = match (environment.sam(), &facts.change_set) {
        (Some(deployer), _) => sam::remarks(facts, deployer),
        (None, Some(known)) => change_set_remarks(known),
        (None, None) => return Vec::new(),
    };
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

/// How often it is looked how far a stack is: CloudFormation's events come no faster.
const STACK_POLL: SignedDuration = SignedDuration::from_secs(5);
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
        Deployer::Changeset => {
            change_set_steps(facts, environment, deploy.changeset.as_ref().ok_or_else(no_deployer)?)?
        }
    };
    // The rules first: as long as they are on that were off, they act.
    if !leaves_rules(command) {
        let effect = Effect::KeepRules { bus: environment.bus.clone(), rules: kept(facts, environment)? };
        steps.push(step("keep-rules", StepKind::Effect { effect, poll: POLL, patience: PATIENCE }));
    }
    let function = environment.function.clone();
    let effect = Effect::RecordCode { function, version: version(facts) };
    steps.push(step("record-code", StepKind::Effect { effect, poll: POLL, patience: PATIENCE }));
    steps.push(step("infrastructure", StepKind::Inspect { inspection: Inspection::Infrastructure, lasting: None }));
    Ok(steps)
}

/// What people call the version that is there afterwards.
fn version(facts: &Facts) -> Option<String> {
    let checkout = || facts.sam.as_ref()?.checkout.as_ref()?.commit.get(..12).map(str::to_owned);
    facts.change_set.as_ref().map(|known| known.version.clone()).or_else(checkout)
}

/// Executing the change set that was made; nothing where it is empty.
fn change_set_steps(facts: &Facts, environment: &Environment, by: &ChangesetDeployer) -> Result<Vec<Step>, NoPlan> {
    let unread = || NoPlan::Because("no change set could be made".to_owned());
    let known = facts.change_set.as_ref().ok_or_else(unread)?;
    if let Some(problem) = &known.problem {
        return Err(NoPlan::Because(problem.clone()));
    }
    let set = known.set.as_ref().ok_or_else(unread)?;
    if set.state == ChangeSetState::Empty {
        return Ok(Vec::new());
    }
    let effect = Effect::ExecuteChangeSet {
        stack: environment.stack.clone(),
        change_set: set.id.clone(),
        version: known.version.clone(),
        changes: set.changes.clone(),
    };
    Ok(vec![step("execute", StepKind::Effect { effect, poll: STACK_POLL, patience: by.timeout })])
}

/// What of a change set has to be noticed.
fn change_set_remarks(known: &ChangeSetFacts) -> Vec<Remark> {
    let Some(set) = &known.set else { return Vec::new() };
    if set.state == ChangeSetState::Empty {
        return vec![Remark::said(format!(
            "The change set of {} is empty: the stack is already so, and nothing is executed.",
            known.version
        ))];
    }
    set.changes
        .iter()
        .filter_map(ResourceChange::warning)
        .map(|warning| Remark::warned(format!("{warning}.")))
        .collect()
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
