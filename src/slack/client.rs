//! Slack's Web API, one call at a time: a time limit on each, and an outcome that says whether the call may have
//! happened. Retries nothing and paces nothing; that is for those who know what a repeat would do.

mod call;
mod files;
mod find;
mod methods;
mod text;

pub use call::{CallCounters, CallError};
pub use files::FileUpload;
pub use find::{Lookup, Place};
pub use methods::{Answer, AuthTest, Degraded, Post, Posted, User};
pub use text::{cut, escape};

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use secrecy::SecretString;
use url::Url;

use super::tls;

/// How long a call may take, from the first byte sent to the last received.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);
/// Shorter than servers and middleboxes keep an idle connection.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// The Web API with one token. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SlackClient(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    base: Base,
    token: SecretString,
    http: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    timeout: Duration,
    counters: CallCounters,
}

/// The Web API cannot be spoken to with these settings.
#[derive(Debug, thiserror::Error)]
pub enum BadClient {
    /// The base is no URL.
    #[error("SLACK_API_URL must be an http or https URL such as https://slack.com/api")]
    Base,
    /// TLS cannot be set up.
    #[error("cannot set up TLS towards Slack: {0}")]
    Tls(#[from] std::io::Error),
}

impl SlackClient {
    /// Calls `base` (`https://slack.com/api`, or an emulator's) with `token`.
    pub fn new(base: &str, token: SecretString, counters: CallCounters) -> Result<Self, BadClient> {
        let base = Base::parse(base)?;
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        tcp.set_nodelay(true);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls::client_config(base.is_tls())?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let http = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build(connector);
        Ok(Self(Arc::new(Inner { base, token, http, timeout: CALL_TIMEOUT, counters })))
    }

    /// The same with another time limit for each call.
    pub fn with_timeout(self, timeout: Duration) -> Self {
        let Inner { base, token, http, counters, .. } = &*self.0;
        Self(Arc::new(Inner {
            base: base.clone(),
            token: token.clone(),
            http: http.clone(),
            timeout,
            counters: counters.clone(),
        }))
    }

    /// Whether it is the public Slack that is called.
    pub fn is_public(&self) -> bool {
        self.0.base.public_domain().is_some()
    }
}

/// Where the Web API is, and which other URLs belong to it.
#[derive(Clone, Debug)]
struct Base(Url);

impl Base {
    fn parse(text: &str) -> Result<Self, BadClient> {
        match Url::parse(text.trim_end_matches('/')) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.host_str().is_some() => Ok(Self(url)),
            Ok(_) | Err(_) => Err(BadClient::Base),
        }
    }

    fn is_tls(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// The domain of the public Slack, or of the one for the US government.
    fn public_domain(&self) -> Option<&'static str> {
        let host = self.0.host_str()?;
        ["slack.com", "slack-gov.com"].into_iter().find(|domain| within(host, domain))
    }

    fn method(&self, method: &str) -> String {
        format!("{}/{method}", self.0.as_str().trim_end_matches('/'))
    }

    /// Whether `url` is Slack's own: one that comes in a request or an answer, and is sent what runs say.
    fn owns(&self, url: &Url) -> bool {
        let (Some(host), true) = (url.host_str(), url.username().is_empty() && url.password().is_none()) else {
            return false;
        };
        match self.public_domain() {
            Some(domain) => url.scheme() == "https" && url.port().is_none() && within(host, domain),
            None => matches!(url.scheme(), "http" | "https") && self.0.host_str() == Some(host),
        }
    }
}

fn within(host: &str, domain: &str) -> bool {
    host == domain || host.strip_suffix(domain).is_some_and(|front| front.ends_with('.'))
}

#[cfg(test)]
mod tests;
