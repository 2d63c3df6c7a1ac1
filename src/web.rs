//! What the process shows over HTTP besides Slack's requests: whether it lives, whether it is ready, and its numbers.

mod connections;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use prometheus_client::registry::Registry;
use serde_json::json;

use crate::store::Store;
pub use connections::{Limits, serve};

/// How long the database may take to answer before the process counts as not ready.
const PING_PATIENCE: Duration = Duration::from_secs(2);

/// What has to be seen once before the process is ready. Once seen, it stays: an outage of AWS or Slack must not take the
/// bot, and with it the rollback, off the load balancer.
#[derive(Clone, Debug)]
pub struct Readiness {
    store: Store,
    seen: Arc<Mutex<BTreeMap<String, Seen>>>,
}

#[derive(Clone, Debug)]
enum Seen {
    NotYet(String),
    Ok,
}

impl Readiness {
    /// Waits for these, by name.
    pub fn new(store: Store, wanted: impl IntoIterator<Item = String>) -> Self {
        let seen = wanted.into_iter().map(|name| (name, Seen::NotYet("not asked yet".to_owned()))).collect();
        Self { store, seen: Arc::new(Mutex::new(seen)) }
    }

    /// Notes that one of them was seen, or why not.
    pub fn note(&self, name: &str, result: Result<(), String>) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(()) => {
                seen.insert(name.to_owned(), Seen::Ok);
            }
            Err(why) => {
                if !matches!(seen.get(name), Some(Seen::Ok)) {
                    seen.insert(name.to_owned(), Seen::NotYet(why));
                }
            }
        }
    }

    /// Whether all is there, and what each part says.
    pub async fn check(&self) -> (bool, BTreeMap<String, String>) {
        let database = match tokio::time::timeout(PING_PATIENCE, self.store.ping()).await {
            Ok(Ok(())) => "ok".to_owned(),
            Ok(Err(_)) => "does not answer".to_owned(),
            Err(_) => "does not answer in time".to_owned(),
        };
        let mut parts: BTreeMap<String, String> = self
            .seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .map(|(name, seen)| match seen {
                Seen::Ok => (name.clone(), "ok".to_owned()),
                Seen::NotYet(why) => (name.clone(), why.clone()),
            })
            .collect();
        parts.insert("database".to_owned(), database);
        (parts.values().all(|part| part == "ok"), parts)
    }
}

#[derive(Clone)]
struct Web {
    readiness: Readiness,
    registry: Arc<Registry>,
}

/// `GET /healthz`, `GET /readyz`, `GET /metrics`.
pub fn router(readiness: Readiness, registry: Arc<Registry>) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(Web { readiness, registry })
}

async fn readyz(State(web): State<Web>) -> Response {
    let (ready, parts) = web.readiness.check().await;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ready": ready, "parts": parts }))).into_response()
}

async fn metrics(State(web): State<Web>) -> Response {
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &web.registry) {
        Ok(()) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
