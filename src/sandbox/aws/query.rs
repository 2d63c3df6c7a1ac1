//! The Query protocol of CloudWatch, CloudFormation, SNS, IAM and STS: a form becomes the JSON value that operations read, and what they answer
//! becomes XML. Neither form nor XML has types: members that are no text are told by their names.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::refusal::Refusal;
use super::wire::Service;

/// How deep the members of a request may nest; each level of a list counts twice.
const DEPTH_MAX: usize = 32;
/// What stands between a list's name and an entry's number, and around an entry in an answer.
const MEMBER: &str = "member";

const NUMBERS: [&str; 4] = ["DurationSeconds", "MaxDatapoints", "MaxRecords", "Period"];
const TIMES: [&str; 4] = ["EndDate", "EndTime", "StartDate", "StartTime"];
const BOOLEANS: [&str; 2] = ["ReturnData", "ReturnSubscriptionArn"];
/// The members of an answer that are maps and no structures.
const MAPS: [&str; 1] = ["Attributes"];

/// A request.
pub struct Form {
    pub action: String,
    pub version: String,
    /// The input, or why it cannot be read.
    pub input: Result<Value, Refusal>,
}

impl Form {
    pub fn parse(body: &[u8]) -> Self {
        let (mut action, mut version) = (String::new(), String::new());
        let mut root = Map::new();
        let mut placed = Ok(());
        for (name, text) in form_urlencoded::parse(body) {
            match name.as_ref() {
                "Action" => action = text.into_owned(),
                "Version" => version = text.into_owned(),
                name => placed = placed.and_then(|()| place(&mut root, name, &text)),
            }
        }
        Self { action, version, input: placed.map(|()| lists(Value::Object(root))) }
    }

    /// Each service has one version of its interface, and no two have the same.
    pub fn service(&self) -> Option<Service> {
        match self.version.as_str() {
            "2010-08-01" => Some(Service::CloudWatch),
            "2011-06-15" => Some(Service::Sts),
            "2010-05-08" => Some(Service::Iam),
            "2010-05-15" => Some(Service::CloudFormation),
            "2010-03-31" => Some(Service::Sns),
            _ => None,
        }
    }
}

/// Puts one field where its dotted name says.
fn place(root: &mut Map<String, Value>, path: &str, text: &str) -> Result<(), Refusal> {
    let malformed = || Refusal::sender("MalformedInput", format!("{path} is not valid"));
    if path.split('.').count() > DEPTH_MAX {
        return Err(malformed());
    }
    let mut names = path.split('.');
    let leaf = names.next_back().unwrap_or_default();
    let mut map = root;
    for name in names {
        let inner = map.entry(name).or_insert_with(|| Value::Object(Map::new()));
        map = inner.as_object_mut().ok_or_else(malformed)?;
    }
    match map.insert(leaf.to_owned(), typed(leaf, text)) {
        None => Ok(()),
        Some(_) => Err(malformed()),
    }
}

/// A value of the type that its name asks for. What cannot be read as one stays a text, and the operation refuses it.
fn typed(name: &str, text: &str) -> Value {
    let value = if NUMBERS.contains(&name) {
        text.parse::<i64>().ok().map(Value::from)
    } else if TIMES.contains(&name) {
        text.parse::<Timestamp>().ok().map(|time| json!(time.as_microsecond() as f64 / 1e6))
    } else if BOOLEANS.contains(&name) {
        text.parse::<bool>().ok().map(Value::from)
    } else {
        None
    };
    value.unwrap_or_else(|| Value::from(text))
}

/// Makes lists of the objects that are some: those with numbered members and nothing else.
fn lists(value: Value) -> Value {
    let Value::Object(mut map) = value else { return value };
    if map.len() == 1
        && let Some(entries) = map.get(MEMBER).and_then(Value::as_object)
        && let Some(mut entries) = entries
            .iter()
            .map(|(number, entry)| Some((number.parse::<u32>().ok()?, entry)))
            .collect::<Option<Vec<(u32, &Value)>>>()
    {
        entries.sort_by_key(|(number, _)| *number);
        return entries.into_iter().map(|(_, entry)| lists(entry.clone())).collect();
    }
    for inner in map.values_mut() {
        *inner = lists(inner.take());
    }
    Value::Object(map)
}

/// The XML of an answer.
pub fn answer(service: Option<Service>, operation: &str, value: &Value, request_id: &str) -> String {
    let mut result = String::new();
    write_members(&mut result, value);
    format!(
        "<{operation}Response xmlns=\"{}\"><{operation}Result>{result}</{operation}Result>\
         <ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{operation}Response>",
        namespace(service)
    )
}

/// The XML of an error.
pub fn error(service: Option<Service>, refusal: &Refusal, request_id: &str) -> String {
    let mut error = String::new();
    let value = json!({"Type": refusal.fault(), "Code": refusal.query_code, "Message": refusal.message});
    write_members(&mut error, &value);
    format!(
        "<ErrorResponse xmlns=\"{}\"><Error>{error}</Error><RequestId>{request_id}</RequestId></ErrorResponse>",
        namespace(service)
    )
}

fn namespace(service: Option<Service>) -> &'static str {
    match service {
        Some(Service::CloudWatch) => "http://monitoring.amazonaws.com/doc/2010-08-01/",
        Some(Service::Sts) => "https://sts.amazonaws.com/doc/2011-06-15/",
        Some(Service::Iam) => "https://iam.amazonaws.com/doc/2010-05-08/",
        Some(Service::CloudFormation) => "http://cloudformation.amazonaws.com/doc/2010-05-15/",
        Some(Service::Sns) => "http://sns.amazonaws.com/doc/2010-03-31/",
        Some(Service::Events | Service::Sqs | Service::DynamoDb | Service::Lambda | Service::Logs) | None => {
            "http://webservices.amazon.com/AWSFault/2005-15-09"
        }
    }
}

fn write_members(out: &mut String, value: &Value) {
    for (name, value) in value.as_object().into_iter().flatten() {
        let is_time = name.ends_with("Timestamp") || name.ends_with("Timestamps");
        write_element(out, name, value, is_time);
    }
}

/// One element. Where there is nothing, there is no element.
fn write_element(out: &mut String, name: &str, value: &Value, is_time: bool) {
    if value.is_null() {
        return;
    }
    out.push_str(&format!("<{name}>"));
    match value {
        Value::Array(list) => {
            for value in list {
                write_element(out, MEMBER, value, is_time);
            }
        }
        Value::Object(map) if MAPS.contains(&name) => {
            for (key, value) in map {
                write_element(out, "entry", &json!({"key": key, "value": value}), false);
            }
        }
        Value::Object(_) => write_members(out, value),
        Value::String(text) => out.push_str(&text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")),
        Value::Number(seconds) if is_time => write_time(out, seconds.as_f64().unwrap_or_default()),
        Value::Null | Value::Bool(_) | Value::Number(_) => out.push_str(&value.to_string()),
    }
    out.push_str(&format!("</{name}>"));
}

fn write_time(out: &mut String, seconds: f64) {
    let time = Timestamp::from_millisecond((seconds * 1000.0).round() as i64).unwrap_or_default();
    out.push_str(&time.to_string());
}
