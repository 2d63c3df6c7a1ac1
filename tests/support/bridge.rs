//! Lets the SDK talk to an emulator that knows CloudWatch only in JSON: the SDK speaks CBOR to CloudWatch. Requests to
//! other services, and everything about a request but its encoding, go through as they are.

use aws_smithy_cbor::data::Type;
use aws_smithy_cbor::{Decoder, Encoder};
use aws_smithy_types::DateTime;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Map, Value};

/// The path of CloudWatch's operations in the protocol that the SDK speaks.
const CLOUDWATCH: &str = "/service/GraniteServiceVersion20100801/operation/";

type Http = Client<HttpConnector, Full<bytes::Bytes>>;

/// Starts a bridge to `endpoint` on a free loopback port; returns its own endpoint. It ends with its runtime, or when
/// aborted.
pub async fn start(endpoint: &str) -> (String, tokio::task::AbortHandle) {
    let http: Http = Client::builder(TokioExecutor::new()).build_http();
    let target = endpoint.to_owned();
    let app = Router::new().fallback(move |request: Request| {
        let (http, target) = (http.clone(), target.clone());
        async move { pass(&http, &target, request).await }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = format!("http://{}", listener.local_addr().unwrap());
    let task = tokio::spawn(async move { axum::serve(listener, app).await });
    (own, task.abort_handle())
}

async fn pass(http: &Http, target: &str, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let mut body = body.collect().await.unwrap().to_bytes();
    let operation = parts.uri.path().strip_prefix(CLOUDWATCH).map(str::to_owned);
    let mut path = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    if let Some(operation) = &operation {
        let json = if body.is_empty() { Value::Object(Map::new()) } else { to_json(&mut Decoder::new(&body)) };
        body = json.to_string().into();
        path = "/".to_owned();
        let target = HeaderValue::try_from(format!("GraniteServiceVersion20100801.{operation}")).unwrap();
        parts.headers.insert("x-amz-target", target);
        parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.0"));
        parts.headers.remove("smithy-protocol");
        parts.headers.remove(header::ACCEPT);
    }
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.uri = format!("{target}{path}").parse().unwrap();
    let answer = match http.request(Request::from_parts(parts, Full::new(body))).await {
        Ok(answer) => answer,
        Err(_) => return StatusCode::BAD_GATEWAY.into_response(),
    };
    let (mut parts, body) = answer.into_parts();
    let mut body = body.collect().await.unwrap().to_bytes();
    if operation.is_some() {
        let json: Value = serde_json::from_slice(&body).unwrap_or_else(|_| Value::Object(Map::new()));
        let mut encoder = Encoder::new(Vec::new());
        to_cbor(&mut encoder, "", &json);
        body = encoder.into_writer().into();
        parts.headers.insert("smithy-protocol", HeaderValue::from_static("rpc-v2-cbor"));
        parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/cbor"));
    }
    for gone in [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION] {
        parts.headers.remove(gone);
    }
    Response::from_parts(parts, Body::from(body))
}

fn to_json(decoder: &mut Decoder<'_>) -> Value {
    match decoder.datatype().unwrap() {
        Type::Map | Type::MapIndef => {
            let size = decoder.map().unwrap();
            let mut all = Map::new();
            while !ends(decoder, size, all.len()) {
                let key = decoder.string().unwrap();
                all.insert(key, to_json(decoder));
            }
            Value::Object(all)
        }
        Type::Array | Type::ArrayIndef => {
            let size = decoder.list().unwrap();
            let mut all = Vec::new();
            while !ends(decoder, size, all.len()) {
                all.push(to_json(decoder));
            }
            Value::Array(all)
        }
        Type::String | Type::StringIndef => decoder.string().unwrap().into(),
        Type::Bool => decoder.boolean().unwrap().into(),
        Type::Tag => decoder.timestamp().unwrap().as_secs_f64().into(),
        Type::F32 => f64::from(decoder.float().unwrap()).into(),
        Type::F64 => decoder.double().unwrap().into(),
        Type::Null | Type::Undefined => {
            decoder.skip().unwrap();
            Value::Null
        }
        _ => decoder.long().unwrap().into(),
    }
}

/// Whether a list or map is over; takes the mark that ends one of unknown length.
fn ends(decoder: &mut Decoder<'_>, size: Option<u64>, read: usize) -> bool {
    match size {
        Some(size) => read as u64 == size,
        None if decoder.datatype().unwrap() == Type::Break => {
            decoder.skip().unwrap();
            true
        }
        None => false,
    }
}

/// `name` is that of the member, which tells a time from a number.
fn to_cbor(encoder: &mut Encoder, name: &str, value: &Value) {
    match value {
        Value::Null => drop(encoder.null()),
        Value::Bool(truth) => drop(encoder.boolean(*truth)),
        Value::String(text) => drop(encoder.str(text)),
        Value::Number(number) => {
            let float = number.as_f64().unwrap();
            if name.ends_with("Timestamp") || name == "Timestamps" {
                encoder.timestamp(&DateTime::from_secs_f64(float));
            } else if let Some(whole) = number.as_i64().filter(|_| name != "Values" && name != "Threshold") {
                encoder.long(whole);
            } else {
                encoder.double(float);
            }
        }
        Value::Array(all) => {
            encoder.array(all.len());
            for one in all {
                to_cbor(encoder, name, one);
            }
        }
        Value::Object(all) => {
            let present: Vec<_> = all.iter().filter(|(_, value)| !value.is_null()).collect();
            encoder.map(present.len());
            for (name, value) in present {
                encoder.str(name);
                to_cbor(encoder, name, value);
            }
        }
    }
}
