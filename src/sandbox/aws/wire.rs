//! The services' wire protocols: from an HTTP request to the operation and its input as a JSON value, and from the
//! answer back to HTTP. What the operations do is not its business.

use axum::body::Body;
use axum::response::Response;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use serde_json::{Map, Value, json};

use super::cbor;
use super::refusal::Refusal;

/// What the path of CloudWatch's operations and its JSON target start with.
const CLOUDWATCH_TARGET: &str = "GraniteServiceVersion20100801";
const STS_VERSION: &str = "2011-06-15";

/// The services that the world answers for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    Events,
    CloudWatch,
    Sqs,
    DynamoDb,
    Sts,
}

impl Service {
    fn of_target(prefix: &str) -> Option<Self> {
        match prefix {
            "AWSEvents" => Some(Self::Events),
            CLOUDWATCH_TARGET => Some(Self::CloudWatch),
            "AmazonSQS" => Some(Self::Sqs),
            "DynamoDB_20120810" => Some(Self::DynamoDb),
            _ => None,
        }
    }

    /// The service's name in policies; the call log uses it too.
    pub fn iam_prefix(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::CloudWatch => "cloudwatch",
            Self::Sqs => "sqs",
            Self::DynamoDb => "dynamodb",
            Self::Sts => "sts",
        }
    }

    /// What the service puts before the code of an error.
    fn error_namespace(self) -> &'static str {
        match self {
            Self::Events | Self::Sts => "",
            Self::CloudWatch => "com.amazonaws.cloudwatch#",
            Self::Sqs => "com.amazonaws.sqs#",
            Self::DynamoDb => "com.amazonaws.dynamodb.v20120810#",
        }
    }
}

/// How a request is written, and so its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Json,
    Cbor,
    Query,
}

/// Who calls, as the signature's scope tells; nobody checks the signature.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    pub access_key: Option<String>,
    pub region: Option<String>,
    service: Option<String>,
}

/// One call.
#[derive(Clone, Debug)]
pub struct Request {
    /// `None` for one that the world does not have.
    pub service: Option<Service>,
    pub service_name: String,
    pub operation: String,
    pub protocol: Protocol,
    pub caller: Caller,
    /// The endpoint as the caller knows it, for the URLs in answers.
    pub endpoint: String,
    /// The input, or why it cannot be read.
    pub input: Result<Value, Refusal>,
}

impl Request {
    pub fn parse(method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Self {
        let caller = caller(headers);
        let host = text(headers, HOST.as_str()).unwrap_or("localhost");
        let (service, service_name, operation, protocol, input) = if let Some(target) = text(headers, "x-amz-target") {
            let (prefix, operation) = target.split_once('.').unwrap_or(("", target));
            let service = Service::of_target(prefix);
            (service, prefix.to_owned(), operation.to_owned(), Protocol::Json, parse_json(body))
        } else if let Some((prefix, operation)) = cbor_operation(uri.path()) {
            let service = (prefix == CLOUDWATCH_TARGET).then_some(Service::CloudWatch);
            let input = cbor::decode(body).map_err(unreadable);
            (service, prefix.to_owned(), operation.to_owned(), Protocol::Cbor, input)
        } else if let Some(form) = parse_form(headers, body) {
            let field = |name: &str| form.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            let service = (field("Version") == STS_VERSION).then_some(Service::Sts);
            let name = caller.service.clone().unwrap_or_default();
            (service, name, field("Action"), Protocol::Query, Ok(Value::Object(form)))
        } else {
            let name = caller.service.clone().unwrap_or_default();
            (None, name, format!("{method} {}", uri.path()), Protocol::Json, Ok(Value::Null))
        };
        Self {
            service,
            service_name: service.map_or(service_name, |service| service.iam_prefix().to_owned()),
            operation,
            protocol,
            caller,
            endpoint: format!("http://{host}"),
            input,
        }
    }

    /// The HTTP response for what the operation answered.
    pub fn respond(&self, answer: &Result<Value, Refusal>) -> Response {
        let status = answer.as_ref().map_or_else(|refusal| refusal.status, |_| 200);
        let body = match (self.protocol, answer) {
            (Protocol::Json, Ok(value)) => value.to_string().into_bytes(),
            (Protocol::Json, Err(refusal)) => self.error_value(refusal).to_string().into_bytes(),
            (Protocol::Cbor, Ok(value)) => cbor::encode(value),
            (Protocol::Cbor, Err(refusal)) => cbor::encode(&self.error_value(refusal)),
            (Protocol::Query, Ok(value)) => query_answer(&self.operation, value).into_bytes(),
            (Protocol::Query, Err(refusal)) => query_error(refusal).into_bytes(),
        };
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert("x-amzn-requestid", HeaderValue::from_static(REQUEST_ID));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type()));
        if self.protocol == Protocol::Cbor {
            headers.insert("smithy-protocol", HeaderValue::from_static("rpc-v2-cbor"));
        }
        if let Err(refusal) = answer
            && matches!(self.service, Some(Service::CloudWatch | Service::Sqs))
        {
            let fault = if refusal.status < 500 { "Sender" } else { "Receiver" };
            if let Ok(value) = HeaderValue::from_str(&format!("{};{fault}", refusal.query_code)) {
                headers.insert("x-amzn-query-error", value);
            }
        }
        response
    }

    fn error_value(&self, refusal: &Refusal) -> Value {
        let namespace = self.service.map_or("", Service::error_namespace);
        json!({"__type": format!("{namespace}{}", refusal.code), "message": refusal.message})
    }

    fn content_type(&self) -> &'static str {
        match (self.protocol, self.service) {
            (Protocol::Json, Some(Service::Events)) => "application/x-amz-json-1.1",
            (Protocol::Json, _) => "application/x-amz-json-1.0",
            (Protocol::Cbor, _) => "application/cbor",
            (Protocol::Query, _) => "text/xml",
        }
    }
}

/// Every answer has the same request id: nothing in the world depends on it.
const REQUEST_ID: &str = "00000000-0000-4000-8000-000000000000";

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn unreadable(error: impl std::fmt::Display) -> Refusal {
    Refusal::sender("SerializationException", error.to_string())
}

fn parse_json(body: &[u8]) -> Result<Value, Refusal> {
    if body.is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    serde_json::from_slice(body).map_err(unreadable)
}

fn cbor_operation(path: &str) -> Option<(&str, &str)> {
    path.strip_prefix("/service/")?.split_once("/operation/")
}

fn parse_form(headers: &HeaderMap, body: &[u8]) -> Option<Map<String, Value>> {
    let is_form = text(headers, CONTENT_TYPE.as_str())?.starts_with("application/x-www-form-urlencoded");
    is_form.then(|| {
        let pairs = form_urlencoded::parse(body);
        pairs.map(|(key, value)| (key.into_owned(), Value::String(value.into_owned()))).collect()
    })
}

fn caller(headers: &HeaderMap) -> Caller {
    let scope = text(headers, AUTHORIZATION.as_str())
        .and_then(|header| header.split_once("Credential="))
        .map(|(_, rest)| rest.split(',').next().unwrap_or(rest));
    let Some(scope) = scope else { return Caller::default() };
    let mut parts = scope.split('/').map(str::to_owned);
    let (access_key, _date) = (parts.next(), parts.next());
    Caller { access_key, region: parts.next(), service: parts.next() }
}

fn query_answer(operation: &str, value: &Value) -> String {
    let mut result = String::new();
    write_xml(&mut result, value);
    format!(
        "<{operation}Response xmlns=\"https://sts.amazonaws.com/doc/{STS_VERSION}/\"><{operation}Result>{result}\
         </{operation}Result><ResponseMetadata><RequestId>{REQUEST_ID}</RequestId></ResponseMetadata>\
         </{operation}Response>"
    )
}

fn query_error(refusal: &Refusal) -> String {
    let fault = if refusal.status < 500 { "Sender" } else { "Receiver" };
    let mut error = String::new();
    write_xml(&mut error, &json!({"Type": fault, "Code": refusal.query_code, "Message": refusal.message}));
    format!(
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/{STS_VERSION}/\"><Error>{error}</Error>\
         <RequestId>{REQUEST_ID}</RequestId></ErrorResponse>"
    )
}

/// Objects of objects and texts; no operation here answers with a list.
fn write_xml(out: &mut String, value: &Value) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                out.push_str(&format!("<{key}>"));
                write_xml(out, value);
                out.push_str(&format!("</{key}>"));
            }
        }
        Value::String(text) => out.push_str(&text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")),
        other => out.push_str(&other.to_string()),
    }
}
