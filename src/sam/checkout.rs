//! What is in a checkout: the commit that would be deployed, whether anything beside it would, and what its
//! `samconfig.toml` says. Asks the local git, never the network.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::domain::CheckedOut;

/// How long git may take. A checkout on a slow disk with many files needs seconds.
const GIT_TIME: Duration = Duration::from_secs(20);
/// How many changed files are named.
const MAX_NAMED: usize = 10;
/// The largest `samconfig.toml` that is read.
const MAX_CONFIG_BYTES: u64 = 256 * 1024;

/// A checkout as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkout {
    /// The commit's full id.
    pub commit: String,
    /// The branch; none when a commit is checked out without one.
    pub branch: Option<String>,
    /// Files that differ from the commit or are not in it, the first few. Ignored files and sam's own are not counted.
    pub changed: Vec<String>,
    /// How many there are.
    pub changed_count: usize,
    /// Where git keeps what is the checkout's own.
    pub git_dir: PathBuf,
}

impl Checkout {
    /// What of it goes into a plan.
    pub fn checked_out(&self) -> CheckedOut {
        CheckedOut {
            commit: self.commit.clone(),
            branch: self.branch.clone(),
            changed: self.changed.clone(),
            changed_count: u32::try_from(self.changed_count).unwrap_or(u32::MAX),
        }
    }
}

/// Why a checkout cannot be read. For people; names no secrets.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CheckoutError {
    /// There is no such folder.
    #[error("the checkout {0} is not there")]
    NoFolder(String),
    /// Git is missing, or refused.
    #[error("git cannot say which commit is checked out in {folder}: {said}")]
    Git {
        /// Where.
        folder: String,
        /// What git said, its last line.
        said: String,
    },
    /// `samconfig.toml` cannot be read.
    #[error("samconfig.toml in {folder} cannot be read: {why}")]
    Config {
        /// Where.
        folder: String,
        /// Why.
        why: String,
    },
}

/// Reads the checkout. Changes nothing, runs no hooks, writes no index, and asks no server.
///
/// # Errors
/// When it is not there or git cannot tell.
pub async fn read(folder: &Path, own: &BTreeMap<String, String>) -> Result<Checkout, CheckoutError> {
    if !folder.is_dir() {
        return Err(CheckoutError::NoFolder(folder.display().to_string()));
    }
    let commit = git(folder, own, &["rev-parse", "--verify", "HEAD^{commit}"]).await?;
    let git_dir = git(folder, own, &["rev-parse", "--absolute-git-dir"]).await?;
    let branch = git(folder, own, &["rev-parse", "--abbrev-ref", "HEAD"]).await?;
    let status =
        git(folder, own, &["status", "--porcelain=v1", "-z", "--untracked-files=all", "--", ".", ":(exclude).aws-sam"])
            .await?;
    let changed = changed(&status);
    Ok(Checkout {
        commit: commit.trim().to_owned(),
        branch: Some(branch.trim().to_owned()).filter(|branch| branch != "HEAD"),
        changed_count: changed.len(),
        changed: changed.into_iter().take(MAX_NAMED).collect(),
        git_dir: PathBuf::from(git_dir.trim_end_matches('\n')),
    })
}

async fn git(folder: &Path, own: &BTreeMap<String, String>, arguments: &[&str]) -> Result<String, CheckoutError> {
    let failed = |said: &str| CheckoutError::Git { folder: folder.display().to_string(), said: said.to_owned() };
    let mut command = Command::new("git");
    // A checkout's own configuration may name programs to run; who reads it runs none.
    command.args(["-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"]).args(arguments).current_dir(folder);
    command.env_clear().envs(["PATH", "HOME"].iter().filter_map(|name| Some((name, own.get(*name)?))));
    command.envs([("GIT_OPTIONAL_LOCKS", "0"), ("GIT_TERMINAL_PROMPT", "0"), ("LC_ALL", "C")]);
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = match tokio::time::timeout(GIT_TIME, command.output()).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => return Err(failed(&error.to_string())),
        Err(_) => return Err(failed(&format!("it did not answer within {} s", GIT_TIME.as_secs()))),
    };
    if !output.status.success() {
        let said = super::output::plain(&String::from_utf8_lossy(&output.stderr).replace('\n', " "));
        return Err(failed(said.trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The paths in git's `status --porcelain=v1 -z`.
fn changed(status: &str) -> Vec<String> {
    let mut entries = status.split('\0').filter(|entry| !entry.is_empty());
    let mut changed = Vec::new();
    while let Some(entry) = entries.next() {
        let (kind, path) = entry.split_at_checked(3).unwrap_or(("", entry));
        // A renamed file is followed by the name that it had.
        if kind.starts_with(['R', 'C']) {
            entries.next();
        }
        changed.push(super::output::plain(path));
    }
    changed
}

/// What `samconfig.toml` says of a deployment, where that has to agree with what Alch looks after.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SamConfig {
    /// The stack's name.
    pub stack_name: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// A profile of credentials.
    pub profile: Option<String>,
}

impl SamConfig {
    /// Reads `samconfig.toml` in the folder; nothing is said where there is none.
    ///
    /// # Errors
    /// When it cannot be read, or has no table for this environment.
    pub fn read(folder: &Path, config_env: &str) -> Result<Self, CheckoutError> {
        let path = folder.join("samconfig.toml");
        let failed = |why: String| CheckoutError::Config { folder: folder.display().to_string(), why };
        match std::fs::metadata(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(failed(error.to_string())),
            Ok(about) if about.len() > MAX_CONFIG_BYTES => return Err(failed("it is too large".to_owned())),
            Ok(_) => {}
        }
        let text = std::fs::read_to_string(&path).map_err(|error| failed(error.to_string()))?;
        Self::of(&text, config_env).map_err(failed)
    }

    /// What the text says for one environment: the command's own values go before the global ones.
    fn of(text: &str, config_env: &str) -> Result<Self, String> {
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| error.message().to_owned())?;
        let Some(environment) = table.get(config_env).and_then(toml::Value::as_table) else {
            return Err(format!("it has no table {config_env:?}"));
        };
        let parameter = |name: &str| {
            ["deploy", "global"].iter().find_map(|command| {
                let value = environment.get(*command)?.get("parameters")?.get(name)?;
                Some(value.as_str()?.to_owned())
            })
        };
        Ok(Self { stack_name: parameter("stack_name"), region: parameter("region"), profile: parameter("profile") })
    }

    /// What does not agree with the stack and region that Alch looks after, for people; none when all does.
    pub fn disagrees(&self, config_env: &str, stack: &str, region: &str) -> Option<String> {
        let other = |what: &str, theirs: &Option<String>, ours: &str| {
            let theirs = theirs.as_deref().filter(|theirs| *theirs != ours)?;
            Some(format!("samconfig.toml's {config_env} deploys to the {what} {theirs}, but Alch looks after {ours}"))
        };
        other("stack", &self.stack_name, stack).or_else(|| other("region", &self.region, region)).or_else(|| {
            let profile = self.profile.as_deref()?;
            Some(format!(
                "samconfig.toml's {config_env} names the profile {profile}, but sam is to deploy with Alch's own \
                 credentials: take the line out"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> BTreeMap<String, String> {
        let path = std::env::var("PATH").unwrap_or_default();
        BTreeMap::from([("PATH".to_owned(), path)])
    }

    fn run(folder: &Path, arguments: &[&str]) {
        let who = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main"];
        let status = std::process::Command::new("git").args(who).args(arguments).current_dir(folder).output().unwrap();
        assert!(status.status.success(), "{status:?}");
    }

    #[tokio::test]
    async fn a_checkout_says_which_commit_it_is_and_what_else_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        assert!(matches!(read(folder, &own()).await, Err(CheckoutError::Git { .. })), "no repository yet");
        run(folder, &["init", "-q"]);
        std::fs::write(folder.join("template.yaml"), "a").unwrap();
        std::fs::write(folder.join(".gitignore"), "ignored\n").unwrap();
        run(folder, &["add", "."]);
        run(folder, &["commit", "-qm", "one"]);
        std::fs::create_dir(folder.join(".aws-sam")).unwrap();
        std::fs::write(folder.join(".aws-sam/built"), "").unwrap();
        std::fs::write(folder.join("ignored"), "").unwrap();
        let clean = read(folder, &own()).await.unwrap();
        assert!(clean.checked_out().is_clean(), "{clean:?}");
        assert_eq!(clean.branch.as_deref(), Some("main"));
        assert_eq!(clean.commit.len(), 40);
        assert!(clean.git_dir.is_absolute());
        std::fs::write(folder.join("new\u{1b}[31m.py"), "").unwrap();
        run(folder, &["mv", "template.yaml", "moved.yaml"]);
        let dirty = read(folder, &own()).await.unwrap();
        assert_eq!((dirty.changed_count, dirty.commit == clean.commit), (2, true), "{dirty:?}");
        assert_eq!(dirty.changed, ["moved.yaml", "new.py"]);
        run(folder, &["checkout", "-q", "--detach"]);
        assert_eq!(read(folder, &own()).await.unwrap().branch, None);
        assert!(matches!(read(&folder.join("no"), &own()).await, Err(CheckoutError::NoFolder(_))));
    }

    #[test]
    fn samconfig_has_to_agree_with_what_alch_looks_after() {
        let text = r#"
            version = 0.1
            [default.deploy.parameters]
            stack_name = "other"
            [dev.global.parameters]
            stack_name = "by all"
            region = "us-east-1"
            [dev.deploy.parameters]
            stack_name = "trading-dev"
            capabilities = "CAPABILITY_IAM"
            [prod.deploy.parameters]
            profile = "admin"
        "#;
        let dev = SamConfig::of(text, "dev").unwrap();
        assert_eq!(dev.disagrees("dev", "trading-dev", "us-east-1"), None);
        let disagreed = dev.disagrees("dev", "trading", "us-east-1").unwrap();
        assert!(disagreed.contains("deploys to the stack trading-dev, but Alch looks after trading"), "{disagreed}");
        assert!(dev.disagrees("dev", "trading-dev", "eu-west-1").unwrap().contains("region us-east-1"));
        let prod = SamConfig::of(text, "prod").unwrap();
        assert!(prod.disagrees("prod", "x", "y").unwrap().contains("profile admin"));
        assert!(SamConfig::of(text, "staging").unwrap_err().contains("no table \"staging\""));
        assert!(SamConfig::of("a = ", "dev").is_err());
    }
}
