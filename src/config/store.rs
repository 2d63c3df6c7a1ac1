//! Settings of the database.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde::Deserialize;

use super::problem::{Findings, KeyPath};
use crate::domain::Environment;

/// How long every journal is kept at least. Safeguards look back for as long as they ask for and two weeks more.
const LEAST_KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);
/// A hundred years.
const MOST_DAYS: u32 = 36_500;

/// `[store]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Store {
    /// The database, without a password. Default `sqlite:data/alch.db`. Connect to [`super::Secrets::database_url`]
    /// instead: there the variable `DATABASE_URL` has replaced it.
    pub url: String,
    /// How many days after its newest event a journal is kept; for ever when not said. Needs the secret `AUDIT_KEY`.
    pub retention_days: Option<u32>,
}

impl Default for Store {
    fn default() -> Self {
        Self { url: "sqlite:data/alch.db".to_owned(), retention_days: None }
    }
}

impl Store {
    pub(super) fn check(&self, environments: &BTreeMap<String, Environment>, findings: &mut Findings) {
        findings.require(is_database_url(&self.url), "store.url".into(), PROBLEM, MEND);
        let Some(days) = self.retention_days else { return };
        let key = || KeyPath::from("store.retention_days");
        findings.require(days <= MOST_DAYS, key(), "this is no time", "Remove it: then journals are kept for ever.");
        let safeguards = environments.values().map(|environment| &environment.safeguards);
        let looked_back = safeguards.flat_map(|safeguards| [safeguards.soak, safeguards.rehearsal]).flatten().max();
        let needed = LEAST_KEPT.saturating_add(looked_back.unwrap_or_default());
        findings.require(
            self.kept().is_some_and(|kept| kept >= needed),
            key(),
            "safeguards look further back, or people still talk of them",
            format!(
                "Write {} at least: the longest soak or rehearsal that is asked for, and {} days; or remove it: then journals \
                 are kept for ever.",
                needed.as_hours().div_euclid(24) + i64::from(needed.as_hours() % 24 > 0),
                LEAST_KEPT.as_hours() / 24
            ),
        );
    }

    /// How long a journal is kept after its newest event; for ever when not said.
    pub fn kept(&self) -> Option<SignedDuration> {
        self.retention_days.map(|days| SignedDuration::from_hours(24 * i64::from(days)))
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
