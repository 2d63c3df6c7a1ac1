//! Stands between the program and an emulated AWS, passes everything on as it is, and keeps what was asked.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A request to AWS.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The operation, without its service.
    pub operation: String,
    /// The body: JSON, or a form of the Query protocol.
    pub body: String,
}

impl Asked {
    /// The input of an operation that speaks JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The fields of an operation that speaks the Query protocol.
    pub fn form(&self) -> Vec<(String, String)> {
        form_urlencoded::parse(self.body.as_bytes()).into_owned().collect()
    }
}

/// The proxy. It ends when it is dropped.
pub struct Recorder {
    /// The endpoint that the program is given.
    pub url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    _serving: JoinSet<()>,
}

impl Recorder {
    /// In front of the emulator at `endpoint`.
    pub async fn start(endpoint: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let http: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (endpoint, kept) = (endpoint.to_owned(), asked.clone());
        let routes = Router::new().fallback(move |request: Request| {
            let (http, endpoint, kept) = (http.clone(), endpoint.clone(), kept.clone());
            async move { pass(&http, &endpoint, &kept, request).await }
        });
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let _ = axum::serve(listener, routes).await;
        });
        Self { url, asked, _serving: serving }
    }

    /// What was asked so far of one operation.
    pub fn asked(&self, operation: &str) -> Vec<Asked> {
        self.asked.lock().unwrap().iter().filter(|asked| asked.operation == operation).cloned().collect()
    }
}

async fn pass(
    http: &Client<HttpConnector, Full<Bytes>>,
    endpoint: &str,
    kept: &Mutex<Vec<Asked>>,
    request: Request,
) -> Response {
    let (mut parts, body) = request.into_parts();
    // The program may have been told to stop while it sent this.
    let Ok(body) = body.collect().await else { return StatusCode::BAD_REQUEST.into_response() };
    let body = body.to_bytes();
    let text = String::from_utf8_lossy(&body).into_owned();
    let target = parts.headers.get("x-amz-target").and_then(|target| target.to_str().ok()?.rsplit('.').next());
    let operation = match target {
        Some(operation) => operation.to_owned(),
        None => {
            let action = form_urlencoded::parse(text.as_bytes()).find(|(name, _)| name == "Action");
            action.map(|(_, action)| action.into_owned()).unwrap_or_else(|| parts.uri.path().to_owned())
        }
    };
    kept.lock().unwrap().push(Asked { operation, body: text });
    let path = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    parts.uri = format!("{endpoint}{path}").parse().unwrap();
    parts.headers.remove(header::CONTENT_LENGTH);
    let Ok(answer) = http.request(Request::from_parts(parts, Full::new(body))).await else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    let (mut parts, body) = answer.into_parts();
    let Ok(body) = body.collect().await else { return StatusCode::BAD_GATEWAY.into_response() };
    for gone in [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION] {
        parts.headers.remove(gone);
    }
    Response::from_parts(parts, Body::from(body.to_bytes()))
}
