//! What roles may do, where a test has given them policies: each call of a session is held against the policy of its role,
//! as IAM would. Without any policy in an account, everything is allowed there.

use std::collections::BTreeMap;

use serde_json::Value;

use super::serve::CallContext;
use super::state::{Place, Session, State};
use super::wire::{Request, Service};

/// Policies by account and role.
pub type Rights = BTreeMap<(String, String), Value>;

/// Whether the session's role may do what is asked.
pub fn allows(rights: &Rights, state: &State, session: &Session, call: &CallContext, request: &Request) -> bool {
    let is_watched = rights.keys().any(|(account, _)| *account == session.account);
    let Some(service) = request.service.filter(|_| is_watched) else { return true };
    // Who one is, nobody has to be allowed to ask.
    if request.operation == "GetCallerIdentity" {
        return true;
    }
    let Some(policy) = rights.get(&(session.account.clone(), session.role.clone())) else { return false };
    let place = Place { account: session.account.clone(), region: call.caller.region.clone().unwrap_or_default() };
    let input = request.input.as_ref().unwrap_or(&Value::Null);
    let context = context(state, &request.operation, input);
    let action = format!("{}:{}", service.iam_prefix(), action(&request.operation));
    let resources = resources(service, &request.operation, input, &place);
    resources.iter().all(|resource| {
        let statements = policy["Statement"].as_array().into_iter().flatten();
        statements.into_iter().any(|statement| {
            statement["Effect"] == "Allow"
                && texts(&statement["Action"]).any(|pattern| matches(pattern, &action))
                && texts(&statement["Resource"]).any(|pattern| matches(pattern, resource))
                && holds(&statement["Condition"], &context)
        })
    })
}

/// The action that permits an operation; they are not always of one name.
fn action(operation: &str) -> &str {
    match operation {
        "Invoke" => "InvokeFunction",
        other => other.strip_suffix("Batch").unwrap_or(other),
    }
}

fn resources(service: Service, operation: &str, input: &Value, place: &Place) -> Vec<String> {
    let text = |name: &str| input.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let last = |text: &str, mark: char| text.rsplit(mark).next().unwrap_or_default().to_owned();
    let iam = |resource: &str| format!("arn:{}:iam::{}:{resource}", place.partition(), place.account);
    let rule = |name: &str| {
        let bus = last(&text("EventBusName"), '/');
        if bus.is_empty() || bus == "default" { format!("rule/{name}") } else { format!("rule/{bus}/{name}") }
    };
    let here = match (service, operation) {
        (Service::CloudWatch, _)
        | (Service::Events, "ListRules" | "ListArchives" | "ListReplays" | "ListEventBuses") => {
            return vec!["*".to_owned()];
        }
        (Service::Events, "DescribeEventBus") => format!("event-bus/{}", last(&text("Name"), '/')),
        (Service::Events, "DescribeArchive") => format!("archive/{}", text("ArchiveName")),
        (Service::Events, "StartReplay") => {
            let replay = place.arn("events", &format!("replay/{}", text("ReplayName")));
            return vec![text("EventSourceArn"), replay];
        }
        (Service::Events, "DescribeReplay" | "CancelReplay") => format!("replay/{}", text("ReplayName")),
        (Service::Events, "PutEvents") => {
            let entries = input.get("Entries").and_then(Value::as_array).into_iter().flatten();
            let bus = |entry: &Value| last(entry["EventBusName"].as_str().unwrap_or("default"), '/');
            return entries.map(|entry| place.arn("events", &format!("event-bus/{}", bus(entry)))).collect();
        }
        (Service::Events, "ListTargetsByRule") => rule(&text("Rule")),
        (Service::Events, _) => rule(&text("Name")),
        (Service::Sqs, "GetQueueUrl") => text("QueueName"),
        (Service::Sqs, _) => last(&text("QueueUrl"), '/'),
        (Service::DynamoDb, "GetResourcePolicy") => return vec![text("ResourceArn")],
        (Service::DynamoDb, _) => format!("table/{}", last(&text("TableName"), '/')),
        (Service::Lambda, _) => {
            let qualifier = Some(text("Qualifier")).filter(|qualifier| !qualifier.is_empty() && qualifier != "$LATEST");
            let qualifier = qualifier.map(|qualifier| format!(":{qualifier}")).unwrap_or_default();
            format!("function:{}{qualifier}", last(&text("FunctionName"), ':'))
        }
        (Service::CloudFormation, _) => format!("stack/{}/0", text("StackName")),
        (Service::Sns, _) => return vec![text("TopicArn")],
        (service, _) => {
            // IAM's resources are in no region; of a log group all its streams are meant.
            let named = [("RoleName", "role"), ("PolicySourceArn", ""), ("PolicyArn", "")];
            let found = named.iter().find(|(name, _)| !text(name).is_empty());
            return match (service.iam_prefix(), found) {
                ("logs", _) => {
                    vec![place.arn("logs", &format!("log-group:{}:*", text("logGroupName")))]
                }
                (_, Some((name, ""))) => vec![text(name)],
                (_, Some((name, kind))) => vec![iam(&format!("{kind}/{}", text(name)))],
                (_, None) => vec!["*".to_owned()],
            };
        }
    };
    vec![place.arn(service.iam_prefix(), &here)]
}

/// What conditions may ask for.
fn context(state: &State, operation: &str, input: &Value) -> BTreeMap<&'static str, String> {
    let text = |name: &str| input.get(name).and_then(Value::as_str).unwrap_or_default();
    let mut context = BTreeMap::new();
    if matches!(operation, "EnableRule" | "DisableRule") {
        let buses = state.buses.iter().filter(|bus| bus.name == text("EventBusName"));
        let mut rules = buses.flat_map(|bus| &bus.rules).filter(|rule| rule.name == text("Name"));
        if let Some(by) = rules.find_map(|rule| rule.managed_by.clone()) {
            context.insert("events:ManagedBy", by);
        }
    }
    for (name, key) in [("Protocol", "sns:Protocol"), ("RoleARN", "cloudformation:RoleArn")] {
        if !text(name).is_empty() {
            context.insert(key, text(name).to_owned());
        }
    }
    context
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    value.as_str().into_iter().chain(value.as_array().into_iter().flatten().filter_map(Value::as_str))
}

/// Whether a text fits a pattern with `*` for anything.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    if !pattern.contains('*') {
        return rest.is_empty();
    }
    let parts: Vec<&str> = parts.collect();
    let (last, middle) = parts.split_last().map_or(("", &[][..]), |(last, middle)| (*last, middle));
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Whether a condition holds. One that is not known here never does.
fn holds(condition: &Value, context: &BTreeMap<&'static str, String>) -> bool {
    condition.as_object().into_iter().flatten().all(|(operator, keys)| {
        keys.as_object().into_iter().flatten().all(|(key, wanted)| {
            let actual = context.get(key.as_str());
            match operator.as_str() {
                "Null" => texts(wanted).any(|wanted| (wanted == "true") == actual.is_none()),
                "StringEquals" => actual.is_some_and(|actual| texts(wanted).any(|wanted| wanted == actual)),
                "StringEqualsIfExists" => actual.is_none_or(|actual| texts(wanted).any(|wanted| wanted == actual)),
                _ => false,
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_iams_do() {
        for (pattern, text, fits) in [
            ("*", "anything", true),
            ("a:b", "a:b", true),
            ("a:b", "a:bc", false),
            ("rule/bus/*", "rule/bus/one", true),
            ("rule/bus/*", "rule/other/one", false),
            ("replay/alch-*", "replay/alch-R1", true),
            ("a*c*e", "abcde", true),
            ("a*c*e", "abcd", false),
            ("a*a", "a", false),
        ] {
            assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
        }
    }
}
