//! AWS: the reads and changes that Alch makes in one environment, as values of the domain. Only here are the SDK's
//! clients spoken to; its types do not leave this folder. What the answers mean is decided in `checks`.

mod access;
mod alarms;
mod arn;
mod change_sets;
mod checklist;
mod clients;
mod doctor;
mod emergency;
#[cfg(all(test, feature = "sandbox"))]
mod emulated;
#[cfg(test)]
mod emulators;
mod error;
mod function;
mod held;
mod history;
mod iam;
mod identity;
mod invoke;
mod keys;
mod logs;
mod messages;
mod meter;
mod metrics;
mod notices;
mod observe;
mod operation;
mod policies;
mod queues;
mod replay;
mod role;
mod rules;
mod session;
mod stack_state;
mod subscriptions;
mod table;
#[cfg(test)]
mod tests;
mod version;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::sync::OnceCell;

use crate::checks::Answer;
use crate::domain::{Environment, SessionStyle};

pub use access::Access;
pub use clients::{AccessKeys, AwsSettings, AwsTimeouts};
pub use emergency::AllDisabled;
pub use error::{AwsError, AwsErrorKind};
pub use identity::Identity;
pub use invoke::{Answered, Invocation, Invoke, Invoked, Mode};
pub use keys::ProgramAccess;
pub use messages::Sample;
pub use meter::AwsCounters;
pub use operation::Operation;
pub use replay::NotPut;
pub use rules::ListedRule;
pub use session::Session;
pub use stack_state::StackState;

/// AWS as one environment sees it: its account, region and role. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Aws(Arc<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    environment: String,
    account: Option<String>,
    region: String,
    /// The role that acts are done in.
    operator: Option<String>,
    /// How much of who acts its sessions say.
    style: SessionStyle,
    clients: clients::Clients,
    emergency: aws_sdk_eventbridge::Client,
    /// On whose behalf the emergency path acts.
    emergency_for: Option<Session>,
    /// What all identities' clients are made from.
    own: aws_config::SdkConfig,
    /// Counts the calls of all of them.
    counters: AwsCounters,
    shared: Arc<Shared>,
}

/// What is known of an environment, whoever's clients asked.
#[derive(Debug, Default)]
struct Shared {
    /// SQS asks for a queue's URL, which never changes, rather than its name.
    queue_urls: Mutex<BTreeMap<String, String>>,
    /// The account of the credentials, once it was asked for and seen to be the configured one, if there is one.
    known_account: OnceCell<String>,
    /// The operator's credentials that are kept fresh for an emergency.
    standing: Mutex<Option<session::Standing>>,
    /// What of a session's attribution the operator's trust policy was last seen to take, when that is not all.
    taken: Mutex<Option<(session::Attribution, Instant)>>,
    /// The invocations that this process has sent.
    invocations: invoke::Invocations,
}

impl Aws {
    /// Makes the clients of an environment. Calls nobody yet, except that the SDK reads its configuration files. They have
    /// the reader's role, or without one the operator's; what acts is for [`Aws::acting_for`].
    pub async fn connect(environment: &Environment, settings: &AwsSettings) -> Self {
        let clients::Connection { own, clients, emergency } = clients::connect(environment, settings).await;
        Self(Arc::new(Inner {
            environment: environment.name.clone(),
            account: environment.account.clone(),
            region: environment.region.clone(),
            operator: environment.role_arn.clone(),
            style: environment.session,
            clients,
            emergency,
            emergency_for: None,
            own,
            counters: settings.counters.clone(),
            shared: Arc::default(),
        }))
    }

    fn clients(&self) -> &clients::Clients {
        &self.0.clients
    }

    /// Refuses what is meant for another environment than that of these clients.
    fn same_environment(&self, operation: &'static Operation, environment: &str) -> Result<(), AwsError> {
        if environment == self.0.environment {
            return Ok(());
        }
        let kind =
            AwsErrorKind::WrongEnvironment { expected: self.0.environment.clone(), actual: environment.to_owned() };
        Err(AwsError::new(operation, kind))
    }
}
