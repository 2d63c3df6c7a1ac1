//! Settings of the HTTP server.

use std::net::SocketAddr;

use serde::Deserialize;

use super::problem::Findings;

/// `[server]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// Where it listens, address and port. Default `0.0.0.0:8080`; the variable `PORT` replaces the port.
    pub listen: String,
}

impl Default for Server {
    fn default() -> Self {
        Self { listen: "0.0.0.0:8080".to_owned() }
    }
}

impl Server {
    /// Where it listens. None only for a value that was not checked.
    pub fn address(&self) -> Option<SocketAddr> {
        self.listen.parse().ok()
    }

    pub(super) fn with_port(&self, port: u16) -> String {
        let address = self.address().map(|address| SocketAddr::new(address.ip(), port).to_string());
        address.unwrap_or_else(|| self.listen.clone())
    }

    pub(super) fn check(&self, findings: &mut Findings) {
        findings.require(
            self.address().is_some(),
            "server.listen".into(),
            "this is not an address and a port",
            "Write it like 0.0.0.0:8080, or 127.0.0.1:8080 to listen on this machine only.",
        );
    }
}
