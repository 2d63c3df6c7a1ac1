//! The App Home: all environments and the recent runs, as a view for `views.publish`.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::blocks::Draft;
use super::markup::md;
use super::status::{EnvironmentStatus, run_line, write};
use crate::domain::Run;

/// Runs that the home shows.
const MAX_RUNS: usize = 10;
/// Environments that the home shows; each takes three blocks.
const MAX_ENVIRONMENTS: usize = 12;

/// The view. It stays within a message's 50 blocks, of the 100 that a view may have.
pub fn home(environments: &[EnvironmentStatus], runs: &[Run], now: Timestamp) -> Value {
    let mut draft = Draft::new();
    for environment in environments.iter().take(MAX_ENVIRONMENTS) {
        write(&mut draft, environment, now);
    }
    if environments.len() > MAX_ENVIRONMENTS {
        draft.context(md!("… and {} more environments", environments.len() - MAX_ENVIRONMENTS));
    }
    draft.divider();
    draft.header("Recent runs");
    if runs.is_empty() {
        draft.section(md!("No runs yet."));
    }
    draft.lines(runs.iter().take(MAX_RUNS).map(|run| run_line(run, now)));
    json!({"type": "home", "blocks": draft.finish().blocks})
}
