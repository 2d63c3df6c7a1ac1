//! The services' wire protocols: from an HTTP request to the operation and its input as a JSON value, and from the
//! answer back to HTTP. What the operations do is not its business.

use axum::body::Body;
use axum::response::Response;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use serde_json::{Map, Value, json};

use super::query::{self, Form};
use super::refusal::Refusal;

/// The services that the world answers for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    Events,
    CloudWatch,
    Sqs,
    DynamoDb,
    Lambda,
    CloudFormation,
    Sns,
    Sts,
    Iam,
    Logs,
}

impl Service {
    fn of_target(prefix: &str) -> Option<Self> {
        match prefix {
            "AWSEvents" => Some(Self::Events),
            "GraniteServiceVersion20100801" => Some(Self::CloudWatch),
            "AmazonSQS" => Some(Self::Sqs),
            "DynamoDB_20120810" => Some(Self::DynamoDb),
            "Logs_20140328" => Some(Self::Logs),
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
            Self::Lambda => "lambda",
            Self::CloudFormation => "cloudformation",
            Self::Sns => "sns",
            Self::Sts => "sts",
            Self::Iam => "iam",
            Self::Logs => "logs",
        }
    }

    /// What the service puts before the code of an error.
    fn error_namespace(self) -> &'static str {
        match self {
            Self::Events | Self::Lambda | Self::CloudFormation | Self::Sns | Self::Sts | Self::Iam | Self::Logs => "",
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
    Query,
    /// The path names the operation; only Lambda's.
    Rest,
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
        } else if is_form(headers) {
            let form = Form::parse(body);
            let name = caller.service.clone().unwrap_or_default();
            (form.service(), name, form.action, Protocol::Query, form.input)
        } else if caller.service.as_deref() == Some(Service::Lambda.iam_prefix()) {
            let (operation, input) = lambda_call(method, uri, headers, body);
            (Some(Service::Lambda), String::new(), operation, Protocol::Rest, Ok(input))
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
            (Protocol::Rest, Ok(value)) if self.operation == INVOKE => {
                value["Payload"].as_str().unwrap_or_default().to_owned()
            }
            (Protocol::Json | Protocol::Rest, Ok(value)) => value.to_string(),
            (Protocol::Json, Err(refusal)) => self.error_value(refusal).to_string(),
            (Protocol::Rest, Err(refusal)) => json!({"Type": "User", "Message": refusal.message}).to_string(),
            (Protocol::Query, Ok(value)) => query::answer(self.service, &self.operation, value, REQUEST_ID),
            (Protocol::Query, Err(refusal)) => query::error(self.service, refusal, REQUEST_ID),
        };
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert("x-amzn-requestid", HeaderValue::from_static(REQUEST_ID));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type()));
        if let (Protocol::Rest, Err(refusal)) = (self.protocol, answer) {
            headers.insert("x-amzn-errortype", HeaderValue::from_static(refusal.code));
        }
        if let (INVOKE, Ok(value)) = (self.operation.as_str(), answer) {
            for (header, field) in [
                ("x-amz-function-error", "FunctionError"),
                ("x-amz-log-result", "LogResult"),
                ("x-amz-executed-version", "ExecutedVersion"),
            ] {
                if let Some(Ok(value)) = value[field].as_str().map(HeaderValue::from_str) {
                    headers.insert(header, value);
                }
            }
        }
        // Services that spoke Query before they spoke JSON tell the older code as well.
        if let Err(refusal) = answer
            && self.protocol == Protocol::Json
            && matches!(self.service, Some(Service::CloudWatch | Service::Sqs))
            && let Ok(value) = HeaderValue::from_str(&format!("{};{}", refusal.query_code, refusal.fault()))
        {
            headers.insert("x-amzn-query-error", value);
        }
        response
    }

    fn error_value(&self, refusal: &Refusal) -> Value {
        let namespace = self.service.map_or("", Service::error_namespace);
        json!({"__type": format!("{namespace}{}", refusal.code), "message": refusal.message})
    }

    fn content_type(&self) -> &'static str {
        match (self.protocol, self.service) {
            (Protocol::Json, Some(Service::Events | Service::Logs)) => "application/x-amz-json-1.1",
            (Protocol::Json, _) => "application/x-amz-json-1.0",
            (Protocol::Rest, _) => "application/json",
            (Protocol::Query, _) => "text/xml",
        }
    }
}

/// The one operation whose body is not Lambda's own.
const INVOKE: &str = "Invoke";
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

/// The operation that a path of Lambda's interface names, and its input.
fn lambda_call(method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> (String, Value) {
    let parts: Vec<&str> = uri.path().trim_start_matches('/').split('/').collect();
    let operation = match (method.as_str(), parts.as_slice()) {
        ("GET", ["2015-03-31", "functions", name, "configuration"]) => Some(("GetFunctionConfiguration", *name)),
        ("GET", ["2019-09-30", "functions", name, "concurrency"]) => Some(("GetFunctionConcurrency", *name)),
        ("PUT", ["2017-10-31", "functions", name, "concurrency"]) => Some(("PutFunctionConcurrency", *name)),
        ("DELETE", ["2017-10-31", "functions", name, "concurrency"]) => Some(("DeleteFunctionConcurrency", *name)),
        ("PUT", ["2015-03-31", "functions", name, "code"]) => Some(("UpdateFunctionCode", *name)),
        ("GET", ["2015-03-31", "functions", name, "policy"]) => Some(("GetPolicy", *name)),
        ("POST", ["2015-03-31", "functions", name, "invocations"]) => Some((INVOKE, *name)),
        _ => None,
    };
    let Some((operation, name)) = operation else {
        return (format!("{method} {}", uri.path()), Value::Null);
    };
    // An ARN's colons; nothing else in a function's name is written otherwise in a path.
    let mut input = if operation == INVOKE {
        // The body is the function's, and what is for Lambda is in headers.
        json!({
            "Payload": String::from_utf8_lossy(body),
            "InvocationType": text(headers, "x-amz-invocation-type"),
            "LogType": text(headers, "x-amz-log-type"),
        })
    } else {
        parse_json(body).ok().filter(|input| input.is_object()).unwrap_or_else(|| json!({}))
    };
    input["FunctionName"] = json!(name.replace("%3A", ":"));
    for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
        input[name.as_ref()] = json!(value);
    }
    (operation.to_owned(), input)
}

fn is_form(headers: &HeaderMap) -> bool {
    text(headers, CONTENT_TYPE.as_str()).is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"))
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
