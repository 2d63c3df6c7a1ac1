//! What the process shows over HTTP besides Slack's requests: whether it lives, whether it is ready, and its numbers.

mod connections;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use serde_json::json;

use crate::clock::Clock;
use crate::store::{Duty, Figures, LiveRuns, Replica, Store, StoreError};
pub use connections::{Limits, serve};

/// How long the database may take for a scrape; without it what it would tell is left out.
const SCRAPE_PATIENCE: Duration = Duration::from_secs(2);
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
            Ok(Err(StoreError::Damaged { .. })) => {
                "is damaged: stop, put the last backup in its place, start".to_owned()
            }
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

/// How things stand at the moment of a scrape: what the database tells of all processes, and what this one knows of its lease.
/// A value that cannot be told is left out, for a zero would say that all is well.
#[derive(Clone, Debug)]
struct Vitals {
    replica: Replica,
    clock: Clock,
    /// Of the scrape that is under way.
    figures: Arc<Mutex<Option<Figures>>>,
}

/// The samples of a gauge: the labels of each, and its value.
type Samples<const LABELS: usize> = Vec<([(&'static str, String); LABELS], f64)>;

impl Collector for Vitals {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let figures = self.figures.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut told: Vec<(&str, &str, f64)> = Vec::new();
        let mut live: Samples<2> = Vec::new();
        if let Some(figures) = figures {
            live = figures.live.iter().flat_map(live_runs).collect();
            let lag = figures.untold_since.map(|since| self.clock.now().duration_since(since).as_secs_f64());
            told.extend([
                ("requests_open", "Requests recorded and not worked off", whole(figures.open_requests)),
                ("outbox_runs_behind", "Runs of which Slack does not know the newest", whole(figures.untold_runs)),
                ("outbox_lag_seconds", "Age of the oldest event that Slack does not know", lag.unwrap_or(0.0).max(0.0)),
                ("replicas", "Processes that have a lease", whole(figures.replicas)),
            ]);
        }
        let standing = self.replica.standing();
        let left = standing.left.map(|left| left.as_secs_f64());
        told.extend(left.map(|left| ("lease_left_seconds", "How long this process's lease lasts", left)));
        for (name, help, value) in told {
            ConstGauge::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
        }
        let has =
            |duty: Duty| ([("duty", duty.word().to_owned())], f64::from(u8::from(standing.duties.contains(&duty))));
        family(&mut encoder, "duty", "Whether this process does this for all", &Duty::ALL.map(has))?;
        family(&mut encoder, "runs_live", "Live runs in the database, driven right now or waiting", &live)
    }
}

fn live_runs(runs: &LiveRuns) -> Samples<2> {
    let sample =
        |state: &str, count| ([("environment", runs.environment.clone()), ("state", state.to_owned())], whole(count));
    vec![sample("driven", runs.driven), sample("waiting", runs.waiting)]
}

fn family<const LABELS: usize>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    samples: &[([(&'static str, String); LABELS], f64)],
) -> fmt::Result {
    if samples.is_empty() {
        return Ok(());
    }
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, value) in samples {
        ConstGauge::new(*value).encode(metric.encode_family(labels)?)?;
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "nobody has so many")]
fn whole(count: u64) -> f64 {
    count as f64
}

#[derive(Clone)]
struct Web {
    readiness: Readiness,
    vitals: Vitals,
    /// One scrape at a time.
    scraping: Arc<tokio::sync::Mutex<()>>,
    registry: Arc<Registry>,
}

/// `GET /healthz`, `GET /readyz`, `GET /metrics`; what `registry` has, and how things stand.
pub fn router(readiness: Readiness, replica: Replica, clock: Clock, mut registry: Registry) -> Router {
    let vitals = Vitals { replica, clock, figures: Arc::default() };
    registry.register_collector(Box::new(vitals.clone()));
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(Web { readiness, vitals, scraping: Arc::default(), registry: Arc::new(registry) })
}

async fn readyz(State(web): State<Web>) -> Response {
    let (ready, parts) = web.readiness.check().await;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ready": ready, "parts": parts }))).into_response()
}

async fn metrics(State(web): State<Web>) -> Response {
    let _one = web.scraping.lock().await;
    let figures = match tokio::time::timeout(SCRAPE_PATIENCE, web.vitals.replica.store().figures()).await {
        Ok(Ok(figures)) => Some(figures),
        Ok(Err(_)) | Err(_) => None,
    };
    *web.vitals.figures.lock().unwrap_or_else(PoisonError::into_inner) = figures;
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &web.registry) {
        Ok(()) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
