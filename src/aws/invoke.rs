//! Lambda: whether the function is set up for paper, and one invocation of it, which goes on in the background. Of the
//! function's variables, one is compared; the values of the others are only known to whoever hides them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{InvocationType, LogType};
use aws_smithy_types::base64;
use secrecy::SecretString;
use tokio::sync::watch;

use crate::checks::smoke::{Proof, Variable};
use crate::domain::Held;

use super::operation::{GET_FUNCTION, INVOKE};
use super::rules::ids;
use super::{Aws, AwsError, clients};

/// How many invocations that are over are remembered: whoever waits for one looks within seconds.
const REMEMBERED: usize = 100;

/// How the function is set up, as far as a smoke test may know.
#[derive(Clone, Debug)]
pub struct Mode {
    /// What proves paper mode, or does not.
    pub proof: Proof,
    /// The values of its variables with their names, but for one that is expected: to be hidden wherever they turn up.
    pub secrets: Vec<(String, SecretString)>,
}

/// One invocation that is wanted.
#[derive(Clone, Debug)]
pub struct Invoke {
    /// Its name here: the correlation id.
    pub key: String,
    /// The function.
    pub function: String,
    /// The version or alias; `$LATEST` when not said.
    pub qualifier: Option<String>,
    /// The payload.
    pub payload: String,
    /// How the function was set up right before.
    pub mode: Mode,
}

/// An invocation that is over.
#[derive(Clone, Debug)]
pub struct Invoked {
    /// What came back, or why nothing did.
    pub result: Result<Answered, AwsError>,
    /// How long it took.
    pub elapsed: Duration,
    /// How the function was set up right before.
    pub mode: Mode,
}

/// What a function answered. It may hold secrets.
#[derive(Clone)]
pub struct Answered {
    /// FunctionError: `Unhandled`, when the function failed.
    pub function_error: Option<String>,
    /// ExecutedVersion.
    pub version: Option<String>,
    /// The payload.
    pub payload: String,
    /// LogResult: the last 4 KB of the log.
    pub log: String,
    /// The request's id, which the log has too.
    pub request_id: Option<String>,
}

impl fmt::Debug for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answered").field("function_error", &self.function_error).finish_non_exhaustive()
    }
}

/// How an invocation of this process stands.
#[derive(Clone, Debug)]
pub enum Invocation {
    /// It is about to be sent; nothing was.
    Prepared,
    /// It was sent, and there is no answer yet.
    Running {
        /// For how long.
        elapsed: Duration,
    },
    /// It is over.
    Over(Arc<Invoked>),
}

/// The invocations of this process, by key.
#[derive(Debug, Default)]
pub(super) struct Invocations(Mutex<BTreeMap<String, Slot>>);

#[derive(Debug)]
enum Slot {
    Prepared,
    Sent { at: Instant, answer: watch::Receiver<Option<Arc<Invoked>>> },
}

impl Invocations {
    fn slots(&self) -> MutexGuard<'_, BTreeMap<String, Slot>> {
        // What is kept is whole after each statement: a panic elsewhere does not spoil it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets the oldest that are over.
    fn tidy(&self) {
        let mut slots = self.slots();
        let over = |slot: &Slot| matches!(slot, Slot::Sent { answer, .. } if answer.borrow().is_some());
        let mut old: Vec<(Instant, String)> = slots
            .iter()
            .filter(|(_, slot)| over(slot))
            .filter_map(|(key, slot)| match slot {
                Slot::Sent { at, .. } => Some((*at, key.clone())),
                Slot::Prepared => None,
            })
            .collect();
        old.sort();
        let many = old.len().saturating_sub(REMEMBERED);
        for (_, key) in old.into_iter().take(many) {
            slots.remove(&key);
        }
    }
}

impl Aws {
    /// Whether the function's variable has one of these values, and which state of the function that is
    /// (GetFunctionConfiguration). The answer has all variables: no other is looked at, and no value leaves this place
    /// unless as what is to be hidden.
    pub async fn mode(
        &self,
        function: &str,
        qualifier: Option<&str>,
        variable: &str,
        expected: &[String],
    ) -> Result<Mode, AwsError> {
        let call = self.clients().lambda.get_function_configuration().function_name(function);
        let output = call
            .set_qualifier(qualifier.map(str::to_owned))
            .send()
            .await
            .map_err(|error| AwsError::from_sdk(GET_FUNCTION, &error).about(function))?;
        let environment = output.environment();
        let variables = environment.and_then(|environment| environment.variables());
        let unreadable = environment.and_then(|environment| environment.error());
        let found = variables.and_then(|variables| variables.get(variable));
        let is_expected = |value: &String| expected.contains(value);
        let proof = Proof {
            variable: match (unreadable, found) {
                (Some(error), _) => Variable::Unreadable {
                    code: error.error_code().unwrap_or("an error without a code").to_owned(),
                    key: output.kms_key_arn().map(str::to_owned),
                },
                (None, None) => Variable::Absent,
                (None, Some(value)) if is_expected(value) => Variable::AsExpected,
                (None, Some(_)) => Variable::Other,
            },
            update: output.last_update_status().map(|status| status.as_str().to_owned()),
            version: output.version().map(str::to_owned),
            state: [output.revision_id(), output.code_sha256(), output.last_modified()]
                .map(|part| part.unwrap_or_default())
                .join(" "),
        };
        let secrets = variables.into_iter().flatten().filter(|(_, value)| !is_expected(value));
        let secrets = secrets.map(|(name, value)| (name.clone(), SecretString::from(value.as_str()))).collect();
        Ok(Mode { proof, secrets })
    }

    /// Notes that an invocation is about to be sent by this process: as long as it is noted as that, nothing was sent.
    pub fn prepare_invocation(&self, key: &str) {
        self.0.shared.invocations.slots().entry(key.to_owned()).or_insert(Slot::Prepared);
    }

    /// Sends an invocation (Invoke, RequestResponse, with the tail of the log) and returns; [`Aws::invocation`] tells how it
    /// stands.
    ///
    /// A repeat is not harmless: the function runs twice. It is sent once, by a client that repeats nothing, over a
    /// connection of its own, and a key that was sent is not sent again.
    pub async fn invoke(&self, held: &Held<'_>, wanted: Invoke) -> Result<(), AwsError> {
        let in_time = self.may_change(held, INVOKE).await?;
        let Invoke { key, function, qualifier, payload, mode } = wanted;
        let session = self.0.operator.as_ref().and(self.clients().credentials.clone());
        let lambda = clients::patient_lambda(&self.0.own, session, &self.0.counters);
        let (tell, answer) = watch::channel(None);
        let at = Instant::now();
        {
            let mut slots = self.0.shared.invocations.slots();
            if let Some(Slot::Sent { .. }) = slots.get(&key) {
                return Ok(());
            }
            slots.insert(key, Slot::Sent { at, answer });
        }
        self.0.shared.invocations.tidy();
        tokio::spawn(async move {
            let call = lambda.invoke().function_name(&function).set_qualifier(qualifier).payload(Blob::new(payload));
            let call = call.invocation_type(InvocationType::RequestResponse).log_type(LogType::Tail);
            // On the heap: it lasts long and is large.
            let sent = Box::pin(call.customize().interceptor(in_time).send()).await;
            let result = match sent {
                Ok(output) => Ok(Answered {
                    function_error: output.function_error().map(str::to_owned),
                    version: output.executed_version().map(str::to_owned),
                    payload: output.payload().map(text).unwrap_or_default(),
                    log: output
                        .log_result()
                        .and_then(|log| base64::decode(log).ok())
                        .map(Blob::new)
                        .as_ref()
                        .map(text)
                        .unwrap_or_default(),
                    request_id: ids(&output).into_iter().next(),
                }),
                Err(error) => Err(AwsError::from_sdk(INVOKE, &error).about(&function)),
            };
            // Nobody has to be waiting for it.
            let _ = tell.send(Some(Arc::new(Invoked { result, elapsed: at.elapsed(), mode })));
        });
        Ok(())
    }

    /// How an invocation of this process stands, once it is over or after so long; none when this process knows of none.
    pub async fn invocation(&self, key: &str, patience: Duration) -> Option<Invocation> {
        let (at, mut answer) = match self.0.shared.invocations.slots().get(key)? {
            Slot::Prepared => return Some(Invocation::Prepared),
            Slot::Sent { at, answer } => (*at, answer.clone()),
        };
        match tokio::time::timeout(patience, answer.wait_for(Option::is_some)).await {
            Err(_) => Some(Invocation::Running { elapsed: at.elapsed() }),
            Ok(Ok(over)) => over.as_ref().map(|over| Invocation::Over(Arc::clone(over))),
            // Whoever was to tell is gone: as after a restart, nothing is known.
            Ok(Err(_)) => None,
        }
    }
}

fn text(blob: &Blob) -> String {
    String::from_utf8_lossy(blob.as_ref()).into_owned()
}
