//! What makes the way in which an environment is deployed to sound.

use std::path::Path;

use jiff::SignedDuration;

use super::problem::{Findings, KeyPath};
use crate::domain::{Deploy, Deployer, SamDeployer};
use crate::sam::refused;

/// The shortest and the longest time that `sam` may take: temporary credentials of a role last an hour at most.
const TIMEOUT: (SignedDuration, SignedDuration) = (SignedDuration::from_mins(1), SignedDuration::from_mins(55));
/// Variables that begin so are never passed on: Alch sets the former itself, and the others are its own.
const OWN_VARIABLES: [&str; 7] = ["AWS_", "SAM_", "SLACK_", "ALCH_", "DATABASE_URL", "STEP_UP_KEY", "AUDIT_KEY"];

/// Notes what is wrong with it.
pub(super) fn check(deploy: &Deploy, at: &KeyPath, findings: &mut Findings) {
    findings.require(
        deploy.deployer != Deployer::Sam || deploy.sam.is_some(),
        at.key("sam"),
        "the deployer is sam, and nothing says from where",
        "Add a table with checkout and config_env.",
    );
    findings.require(
        deploy.deployer != Deployer::Changeset || deploy.changeset.is_some(),
        at.key("changeset"),
        "the deployer is changeset, and nothing says where the templates are",
        "Add a table with template, such as s3://bucket/prefix/{version}.yaml.",
    );
    if let Some(changeset) = &deploy.changeset {
        let at = at.key("changeset");
        findings.require(
            changeset.template.contains("{version}") && changeset.template_url("1.0", "us-east-1").is_some(),
            at.key("template"),
            "this names no template of a version in S3",
            "Write it like s3://bucket/prefix/{version}.yaml.",
        );
        findings.require(
            changeset.timeout.is_positive() && changeset.timeout <= SignedDuration::from_hours(24),
            at.key("timeout"),
            "this is no time for a stack to settle",
            "Write a time like 1h; a day is the most.",
        );
    }
    if let Some(sam) = &deploy.sam {
        check_sam(sam, &at.key("sam"), findings);
    }
}

fn check_sam(sam: &SamDeployer, at: &KeyPath, findings: &mut Findings) {
    findings.require(
        Path::new(&sam.checkout).is_absolute(),
        at.key("checkout"),
        "this is no absolute path",
        "Write the whole path, such as /srv/the-alchemiser.",
    );
    let is_word = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    findings.require(
        !sam.config_env.is_empty() && sam.config_env.chars().all(is_word) && !sam.config_env.starts_with('-'),
        at.key("config_env"),
        "this names no table of samconfig.toml",
        "Write it as sam's --config-env, such as dev.",
    );
    findings.require(
        !sam.command.trim().is_empty() && !sam.command.starts_with('-'),
        at.key("command"),
        "this is no program",
        "Write sam, or the path of it.",
    );
    for (key, arguments) in [("build", &sam.build), ("deploy", &sam.deploy)] {
        for (index, argument) in arguments.iter().enumerate() {
            if let Some(why) = refused(argument) {
                let mend = format!("Remove it: {why}.");
                findings.require(false, at.key(key).index(index), format!("{argument} cannot be given here"), &mend);
            }
        }
    }
    for (index, name) in sam.variables.iter().enumerate() {
        findings.require(
            !OWN_VARIABLES.iter().any(|own| name.starts_with(own)),
            at.key("variables").index(index),
            format!("{name} is not passed on"),
            "Remove it: sam gets the credentials and the region of the environment, and none of Alch's secrets.",
        );
    }
    findings.require(
        sam.timeout >= TIMEOUT.0 && sam.timeout <= TIMEOUT.1,
        at.key("timeout"),
        "this is shorter than a minute or longer than 55",
        "Write a time like 30m: the credentials that sam gets last an hour at most.",
    );
}
