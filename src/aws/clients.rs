//! The SDK's clients of one environment, and how patient they are.

use std::time::Duration;

use aws_config::identity::IdentityCache;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sts::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use secrecy::{ExposeSecret, SecretString};

use super::meter::AwsCounters;
use crate::domain::Environment;

/// How AWS is reached. The default is right for AWS itself; emulators need an endpoint and keys.
#[derive(Clone, Debug, Default)]
pub struct AwsSettings {
    /// The endpoint of all services, `http` or `https`. When not given, the SDK's own rules hold, the variable
    /// `AWS_ENDPOINT_URL` included.
    pub endpoint_url: Option<String>,
    /// Fixed keys, for emulators: so that no real credentials of the machine are sent to one. When not given, the SDK
    /// looks where it always does.
    pub keys: Option<AccessKeys>,
    /// How patient the clients are.
    pub timeouts: AwsTimeouts,
    /// Counts the calls.
    pub counters: AwsCounters,
}

/// An access key id and its secret.
#[derive(Clone, Debug)]
pub struct AccessKeys {
    /// The id, which is no secret.
    pub id: String,
    /// The secret.
    pub secret: SecretString,
}

/// How long a call may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AwsTimeouts {
    /// Until a connection stands.
    pub connect: Duration,
    /// One attempt.
    pub attempt: Duration,
    /// All attempts of one call together.
    pub operation: Duration,
    /// Attempts of one call.
    pub attempts: u32,
}

impl Default for AwsTimeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            attempt: Duration::from_secs(5),
            operation: Duration::from_secs(20),
            attempts: 3,
        }
    }
}

/// In an emergency a call that hangs is given up early, and repeated by Alch's own loop rather than the SDK's.
const EMERGENCY_CONNECT: Duration = Duration::from_secs(1);
const EMERGENCY_ATTEMPT: Duration = Duration::from_secs(2);

/// A function may run for 15 minutes: the answer is waited for longer.
const INVOKE_ATTEMPT: Duration = Duration::from_secs(16 * 60);

/// A client whose calls are counted.
macro_rules! counted {
    ($service:ident, $config:expr, $counters:expr) => {
        $service::Client::from_conf($service::config::Builder::from($config).interceptor($counters.clone()).build())
    };
}

/// One client for each service. All of them share connections and credentials, and none does anything before its first
/// call.
#[derive(Clone, Debug)]
pub(super) struct Clients {
    pub(super) events: aws_sdk_eventbridge::Client,
    pub(super) cloudwatch: aws_sdk_cloudwatch::Client,
    pub(super) sqs: aws_sdk_sqs::Client,
    pub(super) dynamodb: aws_sdk_dynamodb::Client,
    pub(super) lambda: aws_sdk_lambda::Client,
    pub(super) cloudformation: aws_sdk_cloudformation::Client,
    pub(super) sns: aws_sdk_sns::Client,
    pub(super) sts: aws_sdk_sts::Client,
    /// STS with the process's own identity, which assumes roles.
    pub(super) sts_own: aws_sdk_sts::Client,
    /// The same for an emergency, where one attempt has to do.
    pub(super) sts_urgent: aws_sdk_sts::Client,
    pub(super) iam: aws_sdk_iam::Client,
    pub(super) logs: aws_sdk_cloudwatchlogs::Client,
    /// Where the clients get their credentials from, for programs that act as Alch does.
    pub(super) credentials: Option<SharedCredentialsProvider>,
    /// The endpoint that all of them were given; none when the SDK knows.
    pub(super) endpoint: Option<String>,
}

impl Clients {
    /// Clients of the identity in `config`; `own` is the process's own.
    pub(super) fn new(config: &SdkConfig, own: &SdkConfig, counters: &AwsCounters) -> Self {
        Self {
            events: counted!(aws_sdk_eventbridge, config, counters),
            cloudwatch: counted!(aws_sdk_cloudwatch, config, counters),
            sqs: counted!(aws_sdk_sqs, config, counters),
            dynamodb: counted!(aws_sdk_dynamodb, config, counters),
            lambda: counted!(aws_sdk_lambda, config, counters),
            cloudformation: counted!(aws_sdk_cloudformation, config, counters),
            sns: counted!(aws_sdk_sns, config, counters),
            sts: counted!(aws_sdk_sts, config, counters),
            sts_own: counted!(aws_sdk_sts, own, counters),
            sts_urgent: counted!(aws_sdk_sts, &urgent(own), counters),
            iam: counted!(aws_sdk_iam, config, counters),
            logs: counted!(aws_sdk_cloudwatchlogs, config, counters),
            credentials: config.credentials_provider(),
            endpoint: config.endpoint_url().map(str::to_owned),
        }
    }
}

/// What an environment's calls are made with.
pub(super) struct Connection {
    /// The process's own identity, which assumes roles.
    pub(super) own: SdkConfig,
    /// The patient clients, of the reader's role.
    pub(super) clients: Clients,
    /// EventBridge's client for the emergency path, of the operator's role.
    pub(super) emergency: aws_sdk_eventbridge::Client,
}

/// Makes an environment's clients. The reader's role is the operator's where there is none.
pub(super) async fn connect(environment: &Environment, settings: &AwsSettings) -> Connection {
    let own = patient_config(environment, settings).await;
    let operator = assuming(&own, environment, environment.role_arn.as_deref()).await;
    let reader = match &environment.reader_role_arn {
        Some(role) => assuming(&own, environment, Some(role)).await,
        // One cache for both: the emergency path finds credentials that a read has fetched before.
        None => operator.clone(),
    };
    let counters = &settings.counters;
    let emergency = counted!(aws_sdk_eventbridge, &urgent(&operator), counters);
    Connection { clients: Clients::new(&reader, &own, counters), emergency, own }
}

/// EventBridge's client for the emergency path, with these credentials.
pub(super) fn emergency(
    own: &SdkConfig,
    credentials: &Credentials,
    counters: &AwsCounters,
) -> aws_sdk_eventbridge::Client {
    let provider = SharedCredentialsProvider::new(credentials.clone());
    counted!(aws_sdk_eventbridge, &urgent(&with_identity(own, provider)), counters)
}

/// Lambda's client for an invocation, with the process's own identity or that of a role's session: it sends once, waits for as
/// long as a function may run, and shares no connection, so that none that was idle for long breaks under it.
pub(super) fn patient_lambda(
    own: &SdkConfig,
    session: Option<SharedCredentialsProvider>,
    counters: &AwsCounters,
) -> aws_sdk_lambda::Client {
    let config = session.map_or_else(|| own.clone(), |provider| with_identity(own, provider));
    let config = config
        .to_builder()
        .http_client(
            aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https(),
        )
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(EMERGENCY_CONNECT * 2)
                .operation_attempt_timeout(INVOKE_ATTEMPT)
                .operation_timeout(INVOKE_ATTEMPT)
                .build(),
        )
        .retry_config(RetryConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .build();
    counted!(aws_sdk_lambda, &config, counters)
}

/// The same configuration with another identity, and a cache for it.
pub(super) fn with_identity(config: &SdkConfig, identity: SharedCredentialsProvider) -> SdkConfig {
    let builder = config.to_builder().credentials_provider(identity);
    builder.identity_cache(IdentityCache::lazy().build()).build()
}

/// The same configuration for who gives up early and repeats by himself.
fn urgent(config: &SdkConfig) -> SdkConfig {
    config
        .to_builder()
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(EMERGENCY_CONNECT)
                .operation_attempt_timeout(EMERGENCY_ATTEMPT)
                .operation_timeout(EMERGENCY_ATTEMPT)
                .build(),
        )
        .retry_config(RetryConfig::disabled())
        .build()
}

/// The configuration with a role's identity, assumed by the first call and again when it ends; without a role, as it is.
async fn assuming(own: &SdkConfig, environment: &Environment, role: Option<&str>) -> SdkConfig {
    let Some(role) = role else { return own.clone() };
    let name = session_name(&environment.name);
    let assumed = AssumeRoleProvider::builder(role).configure(own).session_name(name).build().await;
    with_identity(own, SharedCredentialsProvider::new(assumed))
}

async fn patient_config(environment: &Environment, settings: &AwsSettings) -> SdkConfig {
    let http = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let AwsTimeouts { connect, attempt, operation, attempts } = settings.timeouts;
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(environment.region.clone()))
        .http_client(http)
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(connect)
                .operation_attempt_timeout(attempt)
                .operation_timeout(operation)
                .build(),
        )
        .retry_config(RetryConfig::standard().with_max_attempts(attempts))
        .stalled_stream_protection(StalledStreamProtectionConfig::enabled().build())
        // One cache for all clients: the emergency path finds credentials that a read has fetched before.
        .identity_cache(IdentityCache::lazy().build());
    if let Some(url) = &settings.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    if let Some(AccessKeys { id, secret }) = &settings.keys {
        let keys = Credentials::new(id, secret.expose_secret(), None, None, "alch-settings");
        loader = loader.credentials_provider(keys);
    }
    loader.load().await
}

/// What CloudTrail shows as the caller of reads: `alch-prod`. STS takes 2 to 64 of `[\w+=,.@-]`.
fn session_name(environment: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || "+=,.@-_".contains(c) { c } else { '-' };
    format!("alch-{environment}").chars().map(allowed).take(64).collect()
}
