//! AWS's own deployment tool as a child process: `sam build` and `sam deploy` in a checkout, what they write, and their
//! end. What a deployment did to the stack is read from AWS, not from here.

mod checkout;
mod invocation;
mod jobs;
mod mask;
mod output;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub use checkout::{Checkout, CheckoutError, SamConfig};
pub use invocation::{Keys, Target, Variables, build, deploy, refused, variables};
pub use jobs::{End, GRACE, Jobs, Key, Seen, StartError, Stopped, Task};
pub use mask::{MASKED, Mask, is_secret_name};
pub use output::{MAX_LINE_CHARS, MAX_LINES};

use crate::domain::{CheckedOut, SamDeployer, SamFacts};

/// The lock on a checkout, in git's own folder, where it is no change of the checkout.
const LOCK: &str = "alch-sam.lock";

/// `sam` as this process runs it: its children, and the variables that they may find. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Sam {
    /// The processes.
    pub jobs: Jobs,
    own: Arc<BTreeMap<String, String>>,
}

/// What `sam` is told to do.
#[derive(Clone, Copy, Debug)]
pub enum Order<'a> {
    /// `sam build`. It gets no credentials.
    Build,
    /// `sam deploy`, to this stack, with these keys.
    Deploy {
        /// Where to.
        target: Target<'a>,
        /// With what.
        keys: &'a Keys,
        /// The endpoint of AWS, where one is configured.
        endpoint: Option<&'a str>,
    },
}

impl Sam {
    /// With the variables that this process found.
    pub fn new(own: BTreeMap<String, String>) -> Self {
        Self { jobs: Jobs::default(), own: Arc::new(own) }
    }

    /// What is checked out where this deployer works, and whether that can be deployed to this stack.
    pub async fn facts(&self, deployer: &SamDeployer, stack: &str, region: &str) -> SamFacts {
        let folder = Path::new(&deployer.checkout);
        let checkout = match self.checkout(deployer).await {
            Ok(checkout) => checkout.checked_out(),
            Err(error) => return SamFacts { checkout: None, problem: Some(error.to_string()) },
        };
        let problem = match SamConfig::read(folder, &deployer.config_env) {
            Ok(config) => config.disagrees(&deployer.config_env, stack, region),
            Err(error) => Some(error.to_string()),
        };
        SamFacts { checkout: Some(checkout), problem }
    }

    /// Why what is checked out now is not what was planned, for people; none when it is.
    pub async fn moved(&self, deployer: &SamDeployer, planned: &CheckedOut) -> Option<String> {
        match self.checkout(deployer).await {
            Ok(now) if now.checked_out() == *planned => None,
            Ok(now) => Some(format!(
                "the checkout was at {}, and is at {} now; nothing was done with it. Ask again for a plan of what is there",
                planned.name(),
                now.checked_out().name()
            )),
            Err(error) => Some(error.to_string()),
        }
    }

    /// Whether nothing is at work in the checkout, also nothing that a former Alch left behind.
    pub async fn is_free(&self, deployer: &SamDeployer) -> bool {
        let Ok(checkout) = self.checkout(deployer).await else { return true };
        match File::open(checkout.git_dir.join(LOCK)).map(|file| file.try_lock()) {
            Ok(Err(TryLockError::WouldBlock)) => false,
            Ok(Ok(()) | Err(TryLockError::Error(_))) | Err(_) => true,
        }
    }

    /// Starts `sam` for a step, unless it runs for it already.
    ///
    /// # Errors
    /// When the checkout cannot be read or is taken, or the machine refuses.
    pub async fn start(
        &self,
        key: Key,
        deployer: &SamDeployer,
        region: &str,
        order: Order<'_>,
    ) -> Result<(), StartError> {
        let checkout = self.checkout(deployer).await?;
        let (arguments, keys, endpoint) = match &order {
            Order::Build => (build(&deployer.build), None, None),
            Order::Deploy { target, keys, endpoint } => (deploy(target, &deployer.deploy), Some(*keys), *endpoint),
        };
        let Variables { passed, secret } = variables(&self.own, &deployer.variables, region, endpoint, keys);
        let task = Task {
            command: std::iter::once(deployer.command.clone()).chain(arguments).collect(),
            folder: deployer.checkout.clone().into(),
            variables: passed,
            secret,
            lock: checkout.git_dir.join(LOCK),
            limit: Duration::try_from(deployer.timeout).unwrap_or_default(),
        };
        self.jobs.start(key, &task)
    }

    async fn checkout(&self, deployer: &SamDeployer) -> Result<Checkout, CheckoutError> {
        checkout::read(Path::new(&deployer.checkout), &self.own).await
    }
}
