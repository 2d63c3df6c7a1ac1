//! Deploy with AWS's SAM CLI from a checkout: build, deploy, look at what is there, keep the rules as they were.

use jiff::SignedDuration;

use super::{NoPlan, step};
use crate::domain::{
    ApprovalRule, CheckedOut, Command, Effect, Environment, Facts, Remark, SamDeployer, Step, StepKind,
};

/// How often it is looked how far `sam` is.
const POLL: SignedDuration = SignedDuration::from_secs(3);
/// How long the stack may take to settle after `sam` was killed for taking too long.
const SETTLES: SignedDuration = SignedDuration::from_hours(1);

/// Building and deploying what is checked out.
pub(super) fn steps(
    command: &Command,
    facts: &Facts,
    environment: &Environment,
    deployer: &SamDeployer,
) -> Result<Vec<Step>, NoPlan> {
    let checkout = checkout(command, facts, environment)?;
    let timed = |id: &str, effect: Effect, patience: SignedDuration| {
        step(id, StepKind::Effect { effect, poll: POLL, patience })
    };
    // The process ends itself after the timeout, so that the step knows how.
    let build = deployer.timeout.saturating_add(SignedDuration::from_mins(2));
    let deploy = deployer.timeout.saturating_add(SETTLES);
    Ok(vec![
        timed("sam-build", Effect::SamBuild { checkout: checkout.clone() }, build),
        timed("sam-deploy", Effect::SamDeploy { stack: environment.stack.clone(), checkout: checkout.clone() }, deploy),
    ])
}

/// What would be deployed, and whether it is more than a commit.
pub(super) fn remarks(facts: &Facts, deployer: &SamDeployer) -> Vec<Remark> {
    let Some(checkout) = facts.sam.as_ref().and_then(|sam| sam.checkout.as_ref()) else { return Vec::new() };
    let what = format!("What is checked out in {} is deployed: {}.", deployer.checkout, checkout.name());
    if checkout.is_clean() {
        vec![Remark::said(what)]
    } else {
        vec![Remark::warned(format!("{what} Nobody can check out again what is not committed."))]
    }
}

/// What is checked out, if that may be deployed here.
fn checkout<'a>(command: &Command, facts: &'a Facts, environment: &Environment) -> Result<&'a CheckedOut, NoPlan> {
    let not_ready = |why: String| Err(NoPlan::Because(why));
    let Some(sam) = &facts.sam else { return not_ready("what is checked out could not be read".to_owned()) };
    if let Some(problem) = &sam.problem {
        return not_ready(problem.clone());
    }
    let Some(checkout) = &sam.checkout else { return not_ready("what is checked out could not be read".to_owned()) };
    let name = checkout.name();
    if environment.approval == ApprovalRule::Required && !checkout.is_clean() {
        return not_ready(format!(
            "the checkout is at {name}. To {} goes a commit and nothing beside it: commit or put away what differs",
            environment.name
        ));
    }
    match command {
        Command::Deploy { version: Some(version), .. } if !checkout.commit.starts_with(version.as_str()) => {
            not_ready(format!(
                "the checkout is at {name}, not at {version}. sam deploys what is checked out: check out {version}, or ask \
                 without a version"
            ))
        }
        _ => Ok(checkout),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ALCH_TOML, Config};
    use crate::domain::SamFacts;

    fn environment(name: &str) -> Environment {
        let (config, _) = Config::parse(ALCH_TOML, "alch.toml", &Default::default()).unwrap();
        config.environments[name].clone()
    }

    fn deployer() -> SamDeployer {
        toml::from_str("checkout = \"/srv/alchemiser\"\nconfig_env = \"dev\"").unwrap()
    }

    fn facts(changed: &[&str]) -> Facts {
        let checkout = CheckedOut {
            commit: "3f786850e387550fdab836ed7e6dc881de23001b".to_owned(),
            branch: Some("main".to_owned()),
            changed: changed.iter().map(|path| (*path).to_owned()).collect(),
            changed_count: u32::try_from(changed.len()).unwrap(),
        };
        Facts { sam: Some(SamFacts { checkout: Some(checkout), problem: None }), ..Facts::default() }
    }

    fn planned(name: &str, version: Option<&str>, facts: &Facts) -> Result<Vec<String>, String> {
        let command = Command::Deploy {
            environment: name.to_owned(),
            version: version.map(str::to_owned),
            leave_rules: false,
            reason: None,
        };
        let steps = steps(&command, facts, &environment(name), &deployer()).map_err(|error| error.to_string())?;
        Ok(steps.into_iter().map(|step| step.id.0).collect())
    }

    #[test]
    fn what_is_checked_out_is_built_and_deployed() {
        assert_eq!(planned("dev", None, &facts(&[])), Ok(vec!["sam-build".to_owned(), "sam-deploy".to_owned()]));
        assert!(planned("prod", Some("3f786850"), &facts(&[])).is_ok());
        let other = planned("dev", Some("2026.11.20"), &facts(&[])).unwrap_err();
        assert!(other.contains("is at 3f786850e387 (main), not at 2026.11.20"), "{other}");
    }

    #[test]
    fn to_production_goes_a_commit_and_nothing_else() {
        let dirty = facts(&["template.yaml", "new.py"]);
        assert!(planned("dev", None, &dirty).is_ok());
        let refused = planned("prod", None, &dirty).unwrap_err();
        assert!(refused.contains("NOT CLEAN: 2 files differ (template.yaml, new.py)"), "{refused}");
    }

    #[test]
    fn what_disagrees_is_not_deployed() {
        let problem = Some("samconfig.toml's dev deploys to the stack other".to_owned());
        let facts = Facts { sam: Some(SamFacts { problem, ..facts(&[]).sam.unwrap() }), ..Facts::default() };
        assert!(planned("dev", None, &facts).unwrap_err().contains("deploys to the stack other"));
        assert!(planned("dev", None, &Facts::default()).is_err());
    }
}
