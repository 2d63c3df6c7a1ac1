//! How an environment is deployed to, as configured, and what of a checkout goes into a plan.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

/// How an environment is deployed to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deploy {
    /// By what.
    pub deployer: Deployer,
    /// For `changeset`: which template, and how.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub changeset: Option<ChangesetDeployer>,
    /// For `sam`: from where, and how.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sam: Option<SamDeployer>,
}

/// What deploys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deployer {
    /// Alch itself, by change sets of packaged templates.
    Changeset,
    /// AWS's SAM CLI, from a checkout.
    Sam,
}

/// Change sets of packaged templates as the deployer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangesetDeployer {
    /// Where the templates are, with `{version}` in its place: `s3://bucket/prefix/{version}.yaml`.
    pub template: String,
    /// The template's parameters. Those that the stack has and that are not named keep their values.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    /// What the template may do beside ordinary resources.
    #[serde(default = "capabilities")]
    pub capabilities: Vec<String>,
    /// The role that CloudFormation acts in; the stack's own, or the operator's rights, when not given.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub role_arn: Option<String>,
    /// How long the stack may take to settle.
    #[serde(default = "an_hour")]
    pub timeout: SignedDuration,
}

impl ChangesetDeployer {
    /// The https address of a version's template in S3, as CloudFormation takes it in the region: with the bucket in its
    /// path, as SAM writes it, so that a bucket with dots in its name has a good certificate. None when version or template
    /// make none.
    pub fn template_url(&self, version: &str, region: &str) -> Option<String> {
        let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.+/".contains(&byte));
        let (bucket, key) = self.template.strip_prefix("s3://")?.split_once('/')?;
        let key = key.replace("{version}", version);
        let whole = !version.is_empty() && !version.contains("..") && is_plain(version) && is_plain(&key);
        let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        whole.then(|| format!("https://s3.{region}.{suffix}/{bucket}/{}", key.replace('+', "%2B")))
    }
}

fn capabilities() -> Vec<String> {
    ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"].map(str::to_owned).to_vec()
}

fn an_hour() -> SignedDuration {
    SignedDuration::from_hours(1)
}

/// `sam` as the deployer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SamDeployer {
    /// The folder of the git checkout that has the template, absolute.
    pub checkout: String,
    /// The table of `samconfig.toml`.
    pub config_env: String,
    /// The program: a name on the PATH, or a path.
    #[serde(default = "sam")]
    pub command: String,
    /// More arguments of `sam build`.
    #[serde(default)]
    pub build: Vec<String>,
    /// More arguments of `sam deploy`.
    #[serde(default)]
    pub deploy: Vec<String>,
    /// Names of Alch's own variables that `sam` is to find too.
    #[serde(default)]
    pub variables: Vec<String>,
    /// How long building may take, and deploying, before it is killed.
    #[serde(default = "half_an_hour")]
    pub timeout: SignedDuration,
}

fn sam() -> String {
    "sam".to_owned()
}

fn half_an_hour() -> SignedDuration {
    SignedDuration::from_mins(30)
}

/// What is checked out: the version that would be deployed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckedOut {
    /// The commit's full id.
    pub commit: String,
    /// The branch; none when a commit is checked out without one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub branch: Option<String>,
    /// Files that differ from the commit or are not in it, the first few.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub changed: Vec<String>,
    /// How many there are.
    #[serde(default)]
    pub changed_count: u32,
}

impl CheckedOut {
    /// Whether what would be built is the commit.
    pub fn is_clean(&self) -> bool {
        self.changed_count == 0
    }

    /// The commit's id as people write it, and what is beside it: `3f786850e387 (main)`.
    pub fn name(&self) -> String {
        let short = self.commit.get(..12).unwrap_or(&self.commit);
        let branch = self.branch.as_ref().map(|branch| format!(" ({branch})")).unwrap_or_default();
        let dirty = match self.changed_count {
            0 => String::new(),
            1 => format!(", NOT CLEAN: 1 file differs ({})", self.changed.join(", ")),
            count => format!(", NOT CLEAN: {count} files differ ({}{})", self.changed.join(", "), self.more()),
        };
        format!("{short}{branch}{dirty}")
    }

    fn more(&self) -> &'static str {
        if self.changed_count as usize > self.changed.len() { ", …" } else { "" }
    }
}

/// What was seen for a deployment by `sam`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SamFacts {
    /// What is checked out; none when it cannot be read.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub checkout: Option<CheckedOut>,
    /// Why nothing can be deployed from there, for people.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub problem: Option<String>,
}
