//! Slack over HTTP: one URL for commands, interactions and events. Every request is verified before it is read, within
//! limits on size and time, and is acknowledged once it is persisted.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::post;
use tower_http::limit::RequestBodyLimitLayer;

use super::inbound::{Delivery, Inbound};
use super::ingress::{Intake, Reply};
use super::verify::SigningSecrets;
use crate::clock::Clock;

/// The largest body taken, bytes.
const MAX_BODY_BYTES: usize = 1024 * 1024;
/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// What the transport rests on.
#[derive(Clone)]
pub struct Ingress {
    /// The app's signing secrets.
    pub secrets: SigningSecrets,
    /// Tells how old a request is.
    pub clock: Clock,
    /// Where requests go.
    pub intake: Intake,
}

/// `POST /slack/events`.
pub fn router(ingress: Ingress) -> Router {
    Router::new()
        .route("/slack/events", post(receive))
        .with_state(Arc::new(ingress))
        .layer(RequestBodyLimitLayer::new(MAX_BODY_BYTES))
}

async fn receive(State(ingress): State<Arc<Ingress>>, headers: HeaderMap, body: Body) -> Response {
    receive_within(BODY_TIMEOUT, &ingress, &headers, body).await
}

async fn receive_within(limit: Duration, ingress: &Ingress, headers: &HeaderMap, body: Body) -> Response {
    let refuse = |status: StatusCode, outcome: &'static str| {
        ingress.intake.counters.count("unverified", outcome);
        status.into_response()
    };
    let body = match tokio::time::timeout(limit, to_bytes(body, MAX_BODY_BYTES)).await {
        Err(_) => return refuse(StatusCode::REQUEST_TIMEOUT, "slow_body"),
        Ok(Err(error)) if too_large(&error) => return refuse(StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
        Ok(Err(_)) => return refuse(StatusCode::BAD_REQUEST, "broken_body"),
        Ok(Ok(body)) => body,
    };
    let signed = match ingress.secrets.verify(headers, body, ingress.clock.now()) {
        Ok(signed) => signed,
        Err(rejection) => {
            tracing::warn!(reason = %rejection, "refused a request that is not shown to be Slack's");
            return refuse(StatusCode::UNAUTHORIZED, rejection.outcome());
        }
    };
    let signature = signed.get().signature.clone();
    let inbound = signed.map(|signed| Inbound::from_http(&signed.body));
    match ingress.intake.take(inbound, Delivery::Http { signature: &signature }).await {
        Reply::Received(Some(json)) => Json(json).into_response(),
        Reply::Received(None) => StatusCode::OK.into_response(),
        Reply::Redeliver => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

fn too_large(error: &axum::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.is::<http_body_util::LengthLimitError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests;
