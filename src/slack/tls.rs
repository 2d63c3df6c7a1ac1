//! How we speak TLS to Slack: ring, and the roots of the machine. One configuration for Web API and Socket Mode.

use std::sync::Arc;

use hyper_rustls::ConfigBuilderExt;
use rustls::{ClientConfig, RootCertStore};

/// `required` says that TLS will be used: then a machine without root certificates is an error. A sandbox on plain HTTP
/// needs none.
pub(super) fn client_config(required: bool) -> std::io::Result<ClientConfig> {
    let builder = || {
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(std::io::Error::other)
    };
    match builder()?.with_native_roots() {
        Ok(config) => Ok(config.with_no_client_auth()),
        Err(error) if required => Err(error),
        Err(_) => Ok(builder()?.with_root_certificates(RootCertStore::empty()).with_no_client_auth()),
    }
}
