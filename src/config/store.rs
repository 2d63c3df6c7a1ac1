//! Settings of the database.

use serde::Deserialize;

use super::problem::Findings;

/// `[store]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Store {
    /// The database, without a password. Default `sqlite:data/alch.db`. Connect to [`super::Secrets::database_url`]
    /// instead: there the variable `DATABASE_URL` has replaced it.
    pub url: String,
}

impl Default for Store {
    fn default() -> Self {
        Self { url: "sqlite:data/alch.db".to_owned() }
    }
}

impl Store {
    pub(super) fn check(&self, findings: &mut Findings) {
        findings.require(is_database_url(&self.url), "store.url".into(), PROBLEM, MEND);
    }
}

pub(super) const PROBLEM: &str = "this is not the URL of a database";
pub(super) const MEND: &str = "Write sqlite:data/alch.db, or postgres://user@host/database.";

/// Whether it names a database that the store speaks to.
pub(super) fn is_database_url(url: &str) -> bool {
    match url.split_once(':') {
        Some(("sqlite", file)) => !file.trim_start_matches('/').is_empty(),
        Some(("postgres" | "postgresql", _)) => url::Url::parse(url).is_ok(),
        _ => false,
    }
}
