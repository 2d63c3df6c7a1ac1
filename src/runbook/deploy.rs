//! Deploy a version of the stack, by what the environment is configured with; then look at what is there, and bring the
//! rules back to what they were.

use super::{NoPlan, sam};
use crate::domain::{Command, Deployer, Environment, Facts, Remark, Step};

/// What people have to know before it is deployed.
pub(super) fn remarks(facts: &Facts, environment: &Environment) -> Vec<Remark> {
    match environment.sam() {
        Some(deployer) => sam::remarks(facts, deployer),
        None => Vec::new(),
    }
}

/// The steps that deploy, and those that every deployment ends with.
pub(super) fn steps(command: &Command, facts: &Facts, environment: &Environment) -> Result<Vec<Step>, NoPlan> {
    let no_deployer = || NoPlan::NoDeployer(environment.name.clone());
    let deploy = environment.deploy.as_ref().ok_or_else(no_deployer)?;
    match deploy.deployer {
        Deployer::Sam => sam::steps(command, facts, environment, deploy.sam.as_ref().ok_or_else(no_deployer)?),
        Deployer::Changeset => Err(no_deployer()),
    }
}
