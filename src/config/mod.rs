//! The settings: read from TOML files, overridden by environment variables, checked as a whole before anything starts.
//!
//! Owns which settings exist and what makes them sound; a struct a concern, each in its file. Asks the operating system
//! for nothing but the files that it is told of: the variables are a parameter.

mod contacts;
mod deploy;
mod environments;
mod limits;
pub mod manifest;
mod problem;
mod read;
mod roles;
mod safeguards;
mod secrets;
mod server;
mod slack;
mod smoke;
mod store;
mod tree;
mod vocabulary;
mod window;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::domain::Environment;

pub use contacts::Contacts;
pub use limits::Limits;
pub use problem::{ConfigError, ConfigErrors, KeyPath, Origin, Segment};
pub use secrets::Secrets;
pub use server::Server;
pub use slack::{Slack, Transport, TransportChoice};
pub use store::Store;

use problem::Findings;
use tree::Node;

/// Environment variables by name.
pub type Variables = BTreeMap<String, String>;

/// The embedded `config/alch.toml`, every key with a comment.
pub const ALCH_TOML: &str = include_str!("../../config/alch.toml");

/// The embedded `config/sandbox.toml`: what differs from [`ALCH_TOML`] in the sandbox.
pub const SANDBOX_TOML: &str = include_str!("../../config/sandbox.toml");

/// All settings that are no secrets.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The HTTP server.
    #[serde(default)]
    pub server: Server,
    /// Where runs and journals are kept.
    #[serde(default)]
    pub store: Store,
    /// The Slack workspace and its channels.
    pub slack: Slack,
    /// Whom people turn to.
    #[serde(default)]
    pub contacts: Contacts,
    /// How many requests are taken.
    #[serde(default)]
    pub limits: Limits,
    /// The environments by the name that people type.
    pub environments: BTreeMap<String, Environment>,
}

impl Config {
    /// Reads one file.
    pub fn load(path: &Path, variables: &Variables) -> Result<(Self, Secrets), ConfigErrors> {
        let name = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&text, &name, variables),
            Err(error) => Err(ConfigErrors(vec![ConfigError {
                origin: Origin::File(name),
                key: KeyPath::default(),
                problem: format!("the file cannot be read: {error}"),
                mend: "Name another with --config.".to_owned(),
            }])),
        }
    }

    /// Reads the text of one file; its name is for error messages.
    pub fn parse(text: &str, file_name: &str, variables: &Variables) -> Result<(Self, Secrets), ConfigErrors> {
        Self::layered(&[(file_name, text)], variables)
    }

    /// Reads several files by name and text, each laid over the ones before it, and the variables over all. Tables are
    /// joined; values and lists are replaced.
    pub fn layered(layers: &[(&str, &str)], variables: &Variables) -> Result<(Self, Secrets), ConfigErrors> {
        let mut root = Node::default();
        let mut errors = Vec::new();
        for (file, text) in layers {
            let (layer, syntax) = Node::from_toml(file, text);
            if root.origin == Origin::Default {
                root.origin = layer.origin.clone();
            }
            root.overlay(layer);
            errors.extend(syntax);
        }
        if !errors.is_empty() {
            // What follows from half a file would only confuse.
            return Err(secrets::hidden_in(errors));
        }
        errors.extend(root.override_from(variables));
        secrets::refuse_in(&mut root, &mut errors);

        let mut findings = Findings::default();
        let config = read::read::<Self>(&root, &mut findings, &mut BTreeMap::new()).map(Self::named);
        let config = config.map(|config| config.with_variables(variables, &mut errors));
        let misread = findings.0.len();
        if let Some(config) = &config {
            config.check(&mut findings);
        }
        // A value that could not be read has a stand-in, which is not worth a second complaint.
        let stood_in: Vec<KeyPath> = findings.0[..misread].iter().map(|(key, _, _)| key.clone()).collect();
        let refused: Vec<KeyPath> = errors.iter().map(|error| error.key.clone()).collect();
        for (position, (key, problem, mend)) in findings.0.into_iter().enumerate() {
            let again = position >= misread && stood_in.iter().any(|known| known.touches(&key));
            if !again && !refused.iter().any(|known| !known.0.is_empty() && known.touches(&key)) {
                errors.push(ConfigError { origin: root.origin(&key), key, problem, mend });
            }
        }
        let secrets = Secrets::from_variables(variables, config.as_ref(), &mut errors);
        errors.sort_by(|a, b| (&a.origin, &a.key).cmp(&(&b.origin, &b.key)));
        errors.dedup();
        match (config, secrets) {
            (Some(config), Some(secrets)) if errors.is_empty() => Ok((config, secrets)),
            _ => Err(secrets::hidden_in(errors)),
        }
    }

    /// The settings of the sandbox.
    pub fn sandbox(variables: &Variables) -> Result<(Self, Secrets), ConfigErrors> {
        Self::layered(&[("config/alch.toml", ALCH_TOML), ("config/sandbox.toml", SANDBOX_TOML)], variables)
    }

    /// The environment of this name.
    pub fn environment(&self, name: &str) -> Option<&Environment> {
        self.environments.get(name)
    }

    fn named(mut self) -> Self {
        for (name, environment) in &mut self.environments {
            environment.name.clone_from(name);
            environment.escalation = self.contacts.escalation.clone().unwrap_or_default();
        }
        self
    }

    /// Takes over the variables that keep other people's names: `PORT` and `SLACK_API_URL`.
    fn with_variables(mut self, variables: &Variables, errors: &mut Vec<ConfigError>) -> Self {
        let mut refuse = |name: &str, problem: &str, mend: &str| {
            errors.push(ConfigError {
                origin: Origin::Variable(name.to_owned()),
                key: KeyPath::default(),
                problem: problem.to_owned(),
                mend: mend.to_owned(),
            });
        };
        let given = |name: &str| variables.get(name).map(|text| text.trim()).filter(|text| !text.is_empty());
        if let Some(port) = given("PORT") {
            match port.parse() {
                Ok(port) => self.server.listen = self.server.with_port(port),
                Err(_) => refuse("PORT", "this is not a port", "Write a number from 0 to 65535."),
            }
        }
        if let Some(base) = given("SLACK_API_URL") {
            self.slack.api_url = base.trim_end_matches('/').to_owned();
            if !is_web_url(base) {
                refuse("SLACK_API_URL", "this is not a URL", "Write it like https://slack.com/api/.");
            }
        }
        self
    }

    fn check(&self, findings: &mut Findings) {
        self.server.check(findings);
        self.store.check(&self.environments, findings);
        self.slack.check(findings);
        self.limits.check(findings);
        environments::check(&self.environments, findings);
    }
}

/// Whether this is an address that a browser or a client could open, without a name and password in it.
fn is_web_url(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
    })
}
