//! What can go wrong with a call to AWS, as questions that callers ask and words that people in Slack read.

use std::error::Error;
use std::fmt;

use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::operation::{ASSUME_ROLE, Operation};

/// AWS's codes for too many calls, in all protocols.
pub(super) const THROTTLED: [&str; 13] = [
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "Throttled",
    "RequestThrottled",
    "RequestThrottledException",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "ProvisionedThroughputExceededException",
    "SlowDown",
    "PriorRequestNotComplete",
    "BandwidthLimitExceeded",
    "LimitExceeded",
];
/// AWS's codes for what the identity may not do.
pub(super) const DENIED: [&str; 7] = [
    "AccessDenied",
    "AccessDeniedException",
    "UnauthorizedOperation",
    "NotAuthorized",
    "NotAuthorizedException",
    "AuthorizationError",
    "AuthorizationErrorException",
];

/// A call to AWS that did not succeed. Its Display is for people: no secrets, no internals.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct AwsError {
    /// What was called.
    pub operation: &'static Operation,
    /// On what, when that helps: the name of a rule, a queue, a table.
    pub subject: Option<String>,
    /// What went wrong.
    pub kind: AwsErrorKind,
    /// The id that AWS gave the request, when it answered.
    pub request_id: Option<String>,
}

/// The ways in which a call fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AwsErrorKind {
    /// AWS asks to slow down.
    Throttled,
    /// The identity may not do this.
    AccessDenied {
        /// The IAM action to add to its policy.
        iam_action: &'static str,
    },
    /// What was asked for does not exist.
    NotFound,
    /// An AWS service manages the rule; Alch never touches such rules.
    Managed,
    /// Somebody else changed the same thing at the same time.
    Conflict,
    /// There are no credentials, or AWS does not know them.
    CredentialsUnavailable,
    /// The credentials were good once.
    CredentialsExpired,
    /// No connection was made: nothing was sent.
    Unreachable,
    /// The connection broke, or what came back could not be read. The request may have been carried out.
    Interrupted,
    /// No answer in time. The request may have been carried out.
    Timeout,
    /// What was asked for is still being made.
    NotReady,
    /// AWS failed. The request may have been carried out.
    ServerError,
    /// The credentials belong to another account than the configuration names.
    WrongAccount {
        /// The configured account.
        expected: String,
        /// The account of the credentials.
        actual: String,
    },
    /// The proof of holding an environment, or the environment asked about, is not the one these clients belong to.
    WrongEnvironment {
        /// The environment of these clients.
        expected: String,
        /// The environment that was named.
        actual: String,
    },
    /// The proof of holding the environment is worth nothing any more, or not for long enough: nothing was sent.
    LeaseLapsed,
    /// Anything else.
    Other {
        /// AWS's code for it, or a word of ours.
        code: String,
        /// AWS's own words.
        message: String,
    },
}

impl AwsError {
    pub(super) fn new(operation: &'static Operation, kind: AwsErrorKind) -> Self {
        Self { operation, subject: None, kind, request_id: None }
    }

    pub(super) fn other(operation: &'static Operation, code: &str, message: impl Into<String>) -> Self {
        Self::new(operation, AwsErrorKind::Other { code: code.to_owned(), message: message.into() })
    }

    pub(super) fn missing(operation: &'static Operation, subject: &str) -> Self {
        Self::new(operation, AwsErrorKind::NotFound).about(subject)
    }

    /// CloudFormation is still working out a change set.
    pub(crate) fn not_ready(name: &str) -> Self {
        Self::new(super::operation::DESCRIBE_CHANGE_SET, AwsErrorKind::NotReady).about(name)
    }

    pub(super) fn about(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// Whether the same call may well succeed a little later, without anybody doing anything.
    pub fn is_transient(&self) -> bool {
        match &self.kind {
            AwsErrorKind::Throttled
            | AwsErrorKind::Conflict
            | AwsErrorKind::Unreachable
            | AwsErrorKind::Interrupted
            | AwsErrorKind::NotReady
            | AwsErrorKind::LeaseLapsed
            | AwsErrorKind::Timeout
            | AwsErrorKind::ServerError => true,
            AwsErrorKind::AccessDenied { .. }
            | AwsErrorKind::NotFound
            | AwsErrorKind::Managed
            | AwsErrorKind::CredentialsUnavailable
            | AwsErrorKind::CredentialsExpired
            | AwsErrorKind::WrongAccount { .. }
            | AwsErrorKind::WrongEnvironment { .. }
            | AwsErrorKind::Other { .. } => false,
        }
    }

    /// Whether the call, if it was one that changes something, may have been carried out all the same. Then only
    /// looking again can tell.
    pub fn may_have_happened(&self) -> bool {
        self.operation.changes
            && match &self.kind {
                AwsErrorKind::Interrupted | AwsErrorKind::Timeout | AwsErrorKind::ServerError => true,
                AwsErrorKind::Throttled
                | AwsErrorKind::NotReady
                | AwsErrorKind::LeaseLapsed
                | AwsErrorKind::AccessDenied { .. }
                | AwsErrorKind::NotFound
                | AwsErrorKind::Managed
                | AwsErrorKind::Conflict
                | AwsErrorKind::CredentialsUnavailable
                | AwsErrorKind::CredentialsExpired
                | AwsErrorKind::Unreachable
                | AwsErrorKind::WrongAccount { .. }
                | AwsErrorKind::WrongEnvironment { .. }
                | AwsErrorKind::Other { .. } => false,
            }
    }

    /// Whether what was asked for does not exist.
    pub fn is_not_found(&self) -> bool {
        self.kind == AwsErrorKind::NotFound
    }

    /// Whether the credentials are the trouble. A role's or an instance's credentials may come back by themselves.
    pub fn is_credentials(&self) -> bool {
        matches!(self.kind, AwsErrorKind::CredentialsUnavailable | AwsErrorKind::CredentialsExpired)
    }

    /// There is nothing that credentials could come from.
    pub(super) fn no_credentials() -> Self {
        Self::new(ASSUME_ROLE, AwsErrorKind::CredentialsUnavailable)
    }

    /// Reads why credentials could not be had.
    pub(super) fn from_credentials(error: &(dyn Error + 'static)) -> Self {
        assume_role_failure(error).unwrap_or_else(Self::no_credentials)
    }

    /// Reads the SDK's error for what it means.
    pub(super) fn from_sdk<E>(operation: &'static Operation, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        match error {
            SdkError::ServiceError(answer) => {
                let meta = answer.err().meta();
                let status = answer.raw().status().as_u16();
                let code = meta.code().unwrap_or_default();
                let kind = AwsErrorKind::of_answer(operation, code, meta.message().unwrap_or_default(), status);
                Self { request_id: request_id(answer.raw()), ..Self::new(operation, kind) }
            }
            SdkError::ResponseError(answer) => {
                let kind = match answer.raw().status().as_u16() {
                    429 => AwsErrorKind::Throttled,
                    500.. => AwsErrorKind::ServerError,
                    _ => AwsErrorKind::Interrupted,
                };
                Self { request_id: request_id(answer.raw()), ..Self::new(operation, kind) }
            }
            SdkError::TimeoutError(_) => Self::new(operation, AwsErrorKind::Timeout),
            SdkError::DispatchFailure(failure) => {
                if let Some(refused) = assume_role_failure(error) {
                    return refused;
                }
                let kind = if mentions(error, "credential") {
                    AwsErrorKind::CredentialsUnavailable
                } else if never_connected(error) {
                    AwsErrorKind::Unreachable
                } else if failure.is_timeout() {
                    AwsErrorKind::Timeout
                } else {
                    AwsErrorKind::Interrupted
                };
                Self::new(operation, kind)
            }
            SdkError::ConstructionFailure(_) if mentions(error, "credential") => {
                Self::new(operation, AwsErrorKind::CredentialsUnavailable)
            }
            // Includes what the SDK may add: nothing was sent for a failed construction.
            _ => Self::other(operation, "RequestNotBuilt", "the request could not be built"),
        }
    }
}

impl AwsErrorKind {
    fn of_answer(operation: &'static Operation, code: &str, message: &str, status: u16) -> Self {
        // Codes may carry a namespace (`com.amazonaws.sqs#…`, `AWS.SimpleQueueService.…`).
        let short = code.rsplit(['#', '.']).next().unwrap_or(code);
        match short {
            code if THROTTLED.contains(&code) => Self::Throttled,
            code if DENIED.contains(&code) => Self::AccessDenied { iam_action: operation.iam_action },
            "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" | "TokenRefreshRequired" => {
                Self::CredentialsExpired
            }
            "UnrecognizedClientException"
            | "InvalidClientTokenId"
            | "InvalidAccessKeyId"
            | "InvalidSignatureException"
            | "SignatureDoesNotMatch"
            | "IncompleteSignature"
            | "IncompleteSignatureException"
            | "MissingAuthenticationToken"
            | "MissingAuthenticationTokenException" => Self::CredentialsUnavailable,
            "ResourceNotFoundException"
            | "ResourceNotFound"
            | "NonExistentQueue"
            | "QueueDoesNotExist"
            | "NotFound"
            | "NoSuchEntity"
            | "NoSuchEntityException" => Self::NotFound,
            // CloudFormation has no code of its own for a stack that does not exist.
            "ValidationError" if operation.service == "CloudFormation" && message.ends_with("does not exist") => {
                Self::NotFound
            }
            "ManagedRuleException" => Self::Managed,
            "ConcurrentModificationException" => Self::Conflict,
            // Another update of the function is under way.
            "ResourceConflictException" if operation.service == "Lambda" => Self::Conflict,
            _ if status == 429 => Self::Throttled,
            // 501 is no failure that passes: whatever answered has no such operation, and did nothing.
            _ if status >= 500 && status != 501 => Self::ServerError,
            _ => Self::Other {
                code: if short.is_empty() { format!("HTTP {status}") } else { short.to_owned() },
                message: message.to_owned(),
            },
        }
    }
}

impl fmt::Display for AwsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Operation { service, name, .. } = self.operation;
        let on = self.subject.as_ref().map(|subject| format!(" for {subject}")).unwrap_or_default();
        match &self.kind {
            AwsErrorKind::Throttled => write!(f, "{service} throttled {name}{on}: too many requests at the moment")?,
            AwsErrorKind::AccessDenied { iam_action } => {
                write!(f, "{service} denied {name}{on}: add the IAM action {iam_action} to Alch's role")?;
            }
            AwsErrorKind::NotFound => match &self.subject {
                Some(subject) => write!(f, "{subject} does not exist ({service} {name})")?,
                None => write!(f, "{service} {name} found nothing of that name")?,
            },
            AwsErrorKind::Managed => write!(
                f,
                "{} is managed by an AWS service, so {name} is refused; Alch leaves such rules alone",
                self.subject.as_deref().unwrap_or("the rule")
            )?,
            AwsErrorKind::Conflict => {
                write!(f, "{service} {name}{on} met another change at the same time and was not carried out")?;
            }
            AwsErrorKind::CredentialsUnavailable => write!(
                f,
                "no usable AWS credentials for {service} {name}{on}: check the role, profile or keys that Alch runs with"
            )?,
            AwsErrorKind::CredentialsExpired => {
                write!(
                    f,
                    "the AWS credentials have expired ({service} {name}{on}): renew them, and restart Alch where they are fixed keys"
                )?;
            }
            AwsErrorKind::Unreachable => write!(f, "{service} could not be reached for {name}{on}; nothing was sent")?,
            AwsErrorKind::Interrupted => write!(f, "the connection to {service} broke during {name}{on}")?,
            AwsErrorKind::NotReady => {
                write!(f, "{service} is still working out {}", self.subject.as_deref().unwrap_or("it"))?;
            }
            AwsErrorKind::Timeout => write!(f, "{service} did not answer {name}{on} in time")?,
            AwsErrorKind::ServerError => write!(f, "{service} failed on its side during {name}{on}")?,
            AwsErrorKind::WrongAccount { expected, actual } => write!(
                f,
                "the AWS credentials are of account {actual}, but the configuration says {expected}; nothing was changed"
            )?,
            AwsErrorKind::WrongEnvironment { expected, actual } => write!(
                f,
                "internal mix-up: {name} for environment {actual} was asked of the clients of {expected}; nothing was sent"
            )?,
            AwsErrorKind::LeaseLapsed => {
                write!(f, "{name}{on} was not sent: the run may have passed to another process of Alch")?;
            }
            AwsErrorKind::Other { code, message } if message.is_empty() => {
                write!(f, "{service} refused {name}{on} with {code}")?;
            }
            AwsErrorKind::Other { code, message } => write!(f, "{service} refused {name}{on} with {code}: {message}")?,
        }
        if self.may_have_happened() {
            f.write_str("; it may have been carried out all the same")?;
        }
        match &self.request_id {
            Some(id) => write!(f, " (request {id})"),
            None => Ok(()),
        }
    }
}

/// The id that AWS gave a request.
fn request_id(answer: &HttpResponse) -> Option<String> {
    let headers = answer.headers();
    headers.get("x-amzn-requestid").or_else(|| headers.get("x-amz-request-id")).map(str::to_owned)
}

/// Getting credentials includes AssumeRole; when that was refused, this is the trouble that people can mend. Looked for
/// among the causes: the error itself may be one of AssumeRole, which another call of ours failed with.
fn assume_role_failure(error: &(dyn Error + 'static)) -> Option<AwsError> {
    let failure =
        chain(error).skip(1).find_map(|cause| cause.downcast_ref::<SdkError<AssumeRoleError, HttpResponse>>())?;
    Some(AwsError::from_sdk(ASSUME_ROLE, failure))
}

/// Whether no connection came about, for whatever reason: then surely nothing was sent.
fn never_connected(error: &(dyn Error + 'static)) -> bool {
    let http = chain(error).find_map(|cause| cause.downcast_ref::<hyper_util::client::legacy::Error>());
    http.is_some_and(hyper_util::client::legacy::Error::is_connect)
}

/// Whether an error or one of its causes speaks of something. The SDK does not re-export its types for credentials.
fn mentions(error: &(dyn Error + 'static), what: &str) -> bool {
    let what = what.to_ascii_lowercase();
    chain(error).any(|cause| cause.to_string().to_ascii_lowercase().contains(&what))
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |cause: &&'a (dyn Error + 'static)| (*cause).source())
}
