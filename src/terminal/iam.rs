//! `alch iam`: the IAM policies of an environment, ready to paste.

use std::process::ExitCode;

use super::say;
use crate::cli::{IamArgs, IamRole};
use crate::config::Variables;
use crate::iam::{self, PolicyOf};

pub(super) fn iam(args: &IamArgs, variables: &Variables) -> anyhow::Result<ExitCode> {
    let (config, _) = super::load(&args.config, variables)?;
    let Some(environment) = config.environments.get(&args.environment) else {
        let names: Vec<&str> = config.environments.keys().map(String::as_str).collect();
        anyhow::bail!("there is no environment {}; there are: {}", args.environment, names.join(", "));
    };
    let of = match args.role {
        IamRole::Reader => PolicyOf::Reader,
        IamRole::Operator => PolicyOf::Operator,
        IamRole::Bot => PolicyOf::Bot,
        IamRole::Trust => PolicyOf::Trust,
    };
    let policy = iam::policy(environment, of, args.bot.as_deref());
    say(serde_json::to_string_pretty(&policy.document)?);
    if environment.role_arn.is_none() {
        eprintln!(
            "{} has no role_arn: Alch acts there with its own identity, which needs the operator's policy. The role's name \
             here is a proposal.",
            environment.name
        );
    }
    for missing in &policy.missing {
        eprintln!("REPLACE {missing}.");
    }
    Ok(ExitCode::SUCCESS)
}
