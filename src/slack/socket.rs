//! Slack over Socket Mode: connections that we open, for where Slack cannot reach us. Each envelope is acknowledged
//! once it is persisted. Two connections, so that Slack's recycling of one leaves no gap.
//!
//! Our own loop rather than slack-morphism's: that one fails on interactions that it does not model, knows no time
//! limit for connecting, and keeps asking at full pace with a token that is not accepted.

mod connection;

use std::sync::Arc;
use std::time::Duration;

use rand::random_range;
use secrecy::SecretString;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_tungstenite::Connector;
use tokio_util::sync::CancellationToken;

use self::connection::{End, connect};
use super::client::{BadClient, CallError, SlackClient};
use super::ingress::Intake;
use super::tls;

/// How many connections are held.
const CONNECTIONS: usize = 2;
/// The wait before connecting again grows from the first to the second of these, each time jittered down to its half.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// A connection that lasted this long was a good one: the wait starts over.
const GOOD_AFTER: Duration = Duration::from_secs(30);
/// The wait before asking again when Slack says that we may not connect; only a person can change that.
const REFUSED_WAIT: Duration = Duration::from_secs(60);

/// How patient the connections are.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Silence after which a ping is sent, and silence after that by which the connection is given up.
    pub silence: Duration,
    /// The longest that connecting may take, up to Slack's hello.
    pub connect: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { silence: Duration::from_secs(20), connect: Duration::from_secs(10) }
    }
}

/// Socket Mode, not yet running.
pub struct Socket {
    client: SlackClient,
    app_token: SecretString,
    intake: Intake,
    patience: Patience,
    connector: Connector,
    live: Arc<watch::Sender<usize>>,
}

impl Socket {
    /// Will connect with `app_token`, asking `client`'s Slack where to.
    pub fn new(
        client: SlackClient,
        app_token: SecretString,
        intake: Intake,
        patience: Patience,
    ) -> Result<Self, BadClient> {
        let connector = Connector::Rustls(Arc::new(tls::client_config(client.is_public())?));
        Ok(Self { client, app_token, intake, patience, connector, live: Arc::new(watch::Sender::new(0)) })
    }

    /// How many connections are live: Slack has said hello on them. For readiness.
    pub fn live(&self) -> watch::Receiver<usize> {
        self.live.subscribe()
    }

    /// Holds the connections until `stop`; then lets acknowledgements that are under way go out, and closes them.
    pub async fn run(self, stop: CancellationToken) {
        let socket = &self;
        let lanes = (0..CONNECTIONS).map(|lane| socket.hold(lane, &stop));
        futures_util::future::join_all(lanes).await;
    }

    /// One connection after the other.
    async fn hold(&self, lane: usize, stop: &CancellationToken) {
        let mut failures = 0;
        let mut refused = false;
        while !stop.is_cancelled() {
            let began = Instant::now();
            let wait = match self.connect_once(stop).await {
                Ok(End::Stopped) => return,
                Ok(End::LinkDisabled) => {
                    tracing::error!("Socket Mode is switched off in the Slack app's settings: no request reaches Alch");
                    refused = true;
                    REFUSED_WAIT
                }
                Ok(end) => {
                    refused = false;
                    if began.elapsed() >= GOOD_AFTER {
                        failures = 0;
                    }
                    tracing::info!(lane, ?end, "a Socket Mode connection ended; connecting again");
                    // At once, but not again and again.
                    let wait = backoff(failures);
                    failures += 1;
                    wait
                }
                Err(error @ (CallError::InvalidAuth(_) | CallError::Api { .. })) => {
                    // Said once; after that Slack is asked again in silence.
                    if !std::mem::replace(&mut refused, true) {
                        tracing::error!(lane, %error, "Slack refuses Socket Mode: check SLACK_APP_TOKEN and its scope \
                                                       connections:write");
                    }
                    REFUSED_WAIT
                }
                Err(CallError::RateLimited { retry_after }) => retry_after + backoff(failures),
                Err(error @ (CallError::Ambiguous(_) | CallError::Unreachable(_))) => {
                    failures += 1;
                    let wait = backoff(failures);
                    tracing::warn!(lane, %error, wait_ms = wait.as_millis(), "cannot connect to Slack; trying again");
                    wait
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    async fn connect_once(&self, stop: &CancellationToken) -> Result<End, CallError> {
        let connecting = async {
            let url = self.client.apps_connections_open(&self.app_token).await?;
            if self.client.is_public() && !url.starts_with("wss://") {
                return Err(CallError::Unreachable("Slack gave an address that is not encrypted".to_owned()));
            }
            connect(&url, self.connector.clone()).await
        };
        let connection = tokio::select! {
            connection = tokio::time::timeout(self.patience.connect, connecting) => match connection {
                Ok(connection) => connection?,
                Err(_) => return Err(CallError::Unreachable("connecting took too long".to_owned())),
            },
            () = stop.cancelled() => return Ok(End::Stopped),
        };
        let live = Live(self.live.clone(), false);
        Ok(connection.serve(self.intake.clone(), live, self.patience, stop).await)
    }
}

/// A connection's mark in the count of live ones; gone when it is dropped.
struct Live(Arc<watch::Sender<usize>>, bool);

impl Live {
    fn set(&mut self) {
        if !std::mem::replace(&mut self.1, true) {
            self.0.send_modify(|live| *live += 1);
        }
    }

    fn is_set(&self) -> bool {
        self.1
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if self.1 {
            self.0.send_modify(|live| *live -= 1);
        }
    }
}

/// The wait before the next attempt after so many failures: jittered, so that replicas do not come all at once.
fn backoff(failures: u32) -> Duration {
    let (first, longest) = BACKOFF;
    if failures == 0 {
        return Duration::ZERO;
    }
    let whole = first.saturating_mul(1 << (failures - 1).min(5)).min(longest);
    whole.mul_f64(random_range(0.5..=1.0))
}

#[cfg(test)]
mod tests;
