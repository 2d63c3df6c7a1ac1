//! The clients against a scripted AWS: what it asked, and what each answer comes to.

use std::collections::BTreeSet;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::domain::{Environment, Held, Rule, RuleState};

use super::{AccessKeys, Aws, AwsErrorKind, AwsSettings};

type Reply = Pin<Box<dyn Future<Output = Response> + Send>>;

/// An AWS that answers as the test says, and remembers what it was asked.
struct Scripted {
    endpoint: String,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Scripted {
    /// `answer` gets the operation, the request's JSON, and how often the same was asked before.
    async fn start(answer: impl Fn(&str, &Value, usize) -> Reply + Send + Sync + 'static) -> Self {
        let asked: Arc<Mutex<Vec<(String, Value)>>> = Arc::default();
        let log = asked.clone();
        let answer = Arc::new(answer);
        let app = Router::new().fallback(move |headers: HeaderMap, body: Bytes| {
            let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
            let form =
                String::from_utf8_lossy(&body).split('&').find_map(|p| p.strip_prefix("Action=").map(str::to_owned));
            let operation = target.rsplit('.').next().filter(|name| !name.is_empty()).map(str::to_owned).or(form);
            let operation = operation.unwrap_or_default();
            let request: Value = serde_json::from_slice(&body).unwrap_or_default();
            let mut log = log.lock().unwrap();
            let before = log.iter().filter(|entry| **entry == (operation.clone(), request.clone())).count();
            log.push((operation.clone(), request.clone()));
            answer(&operation, &request, before)
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { endpoint, asked }
    }

    async fn aws(&self) -> Aws {
        Aws::connect(&environment(), &settings(&self.endpoint)).await
    }

    fn asked(&self, operation: &str) -> Vec<Value> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|(name, _)| name == operation).map(|(_, request)| request.clone()).collect()
    }
}

fn ok(body: Value) -> Reply {
    Box::pin(async move { ([("x-amzn-requestid", "req-1")], body.to_string()).into_response() })
}

fn error(status: u16, code: &str) -> Reply {
    let body = json!({ "__type": code, "message": "no" }).to_string();
    let status = StatusCode::from_u16(status).unwrap();
    Box::pin(async move { (status, [("x-amzn-requestid", "req-9")], body).into_response() })
}

fn never() -> Reply {
    Box::pin(pending())
}

fn settings(endpoint: &str) -> AwsSettings {
    let keys = AccessKeys { id: "test".to_owned(), secret: SecretString::from("hush") };
    let mut settings =
        AwsSettings { endpoint_url: Some(endpoint.to_owned()), keys: Some(keys), ..AwsSettings::default() };
    settings.timeouts.attempts = 1;
    settings
}

fn environment() -> Environment {
    let mut environment: Environment = toml::from_str(
        r#"
        region = "us-east-1"
        stack = "s"
        bus = "b"
        rules = [{ name = "one", rule = "rule-one" }, { name = "two", rule = "rule-two" }]
        function = "f"
        dlqs = ["q"]
        table = { name = "t", key = "k", ttl_attribute = "ttl" }
        archive = "a"
        alarm_topic = "topic"
        alarms = []
        "#,
    )
    .unwrap();
    environment.name = "dev".to_owned();
    environment
}

fn rules() -> Vec<Rule> {
    environment().rules
}

fn held() -> Held<'static> {
    Held::granted("dev", None)
}

fn listing(states: &[(&str, &str)]) -> Reply {
    let rules: Vec<_> = states.iter().map(|(name, state)| json!({ "Name": name, "State": state })).collect();
    ok(json!({ "Rules": rules }))
}

#[tokio::test]
async fn every_call_about_a_rule_names_the_bus() {
    let scripted = Scripted::start(|operation, _, _| match operation {
        "DescribeRule" => ok(json!({ "Name": "rule-one", "State": "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS" })),
        "ListTargetsByRule" => ok(json!({ "Targets": [{ "Id": "1", "Arn": "arn:one" }] })),
        "EnableRule" | "DisableRule" => ok(json!({})),
        _ => error(400, "UnknownOperationException"),
    })
    .await;
    let aws = scripted.aws().await;
    let fact = aws.describe_rule("b", "rule-one").await.unwrap();
    assert_eq!(fact.state, RuleState::EnabledWithAllCloudtrailManagementEvents);
    assert_eq!(fact.targets, ["arn:one"]);
    assert_eq!(aws.enable_rule(&held(), "b", "rule-one").await.unwrap(), ["req-1"]);
    assert_eq!(aws.disable_rule(&held(), "b", "rule-one").await.unwrap(), ["req-1"]);
    let asked = scripted.asked.lock().unwrap();
    assert_eq!(asked.len(), 4);
    assert!(asked.iter().all(|(_, request)| request["EventBusName"] == "b"), "{asked:?}");
}

#[tokio::test]
async fn listings_are_read_to_their_end() {
    let scripted = Scripted::start(|_, request, _| match request["NextToken"].as_str() {
        None => ok(json!({ "Rules": [{ "Name": "a", "State": "ENABLED" }], "NextToken": "more" })),
        Some(_) => ok(json!({ "Rules": [{ "Name": "z", "State": "DISABLED", "ManagedBy": "archive.amazonaws.com" }] })),
    })
    .await;
    let listed = scripted.aws().await.rules("b").await.unwrap();
    assert_eq!(listed.iter().map(|rule| rule.name.as_str()).collect::<Vec<_>>(), ["a", "z"]);
    assert_eq!(listed[1].managed_by.as_deref(), Some("archive.amazonaws.com"));
}

#[tokio::test]
async fn a_conflicting_change_is_sent_again() {
    let scripted = Scripted::start(|_, _, before| match before {
        0 | 1 => error(400, "ConcurrentModificationException"),
        _ => ok(json!({})),
    })
    .await;
    scripted.aws().await.enable_rule(&held(), "b", "rule-one").await.unwrap();
    assert_eq!(scripted.asked("EnableRule").len(), 3);
}

#[tokio::test]
async fn errors_say_what_happened_and_what_to_do() {
    // (status, code, transient, may have happened, words)
    let table = [
        (
            400,
            "ThrottlingException",
            true,
            false,
            "EventBridge throttled EnableRule for rule-one: too many requests at the moment (request req-9)",
        ),
        (
            400,
            "AccessDeniedException",
            false,
            false,
            "EventBridge denied EnableRule for rule-one: add the IAM action events:EnableRule to Alch's role (request req-9)",
        ),
        (
            400,
            "ResourceNotFoundException",
            false,
            false,
            "rule-one does not exist (EventBridge EnableRule) (request req-9)",
        ),
        (
            400,
            "ManagedRuleException",
            false,
            false,
            "rule-one is managed by an AWS service, so EnableRule is refused; Alch leaves such rules alone (request req-9)",
        ),
        (
            400,
            "ExpiredTokenException",
            false,
            false,
            "the AWS credentials have expired (EventBridge EnableRule for rule-one): renew them, and restart Alch where they are fixed keys (request req-9)",
        ),
        (
            403,
            "UnrecognizedClientException",
            false,
            false,
            "no usable AWS credentials for EventBridge EnableRule for rule-one: check the role, profile or keys that Alch runs with (request req-9)",
        ),
        (
            500,
            "InternalException",
            true,
            true,
            "EventBridge failed on its side during EnableRule for rule-one; it may have been carried out all the same (request req-9)",
        ),
        (
            400,
            "ValidationException",
            false,
            false,
            "EventBridge refused EnableRule for rule-one with ValidationException: no (request req-9)",
        ),
    ];
    for (status, code, transient, may_have_happened, words) in table {
        let scripted = Scripted::start(move |_, _, _| error(status, code)).await;
        let told = scripted.aws().await.enable_rule(&held(), "b", "rule-one").await.unwrap_err();
        assert_eq!(told.to_string(), words);
        assert_eq!((told.is_transient(), told.may_have_happened()), (transient, may_have_happened), "{code}");
    }
}

#[tokio::test]
async fn silence_is_told_from_a_closed_door() {
    let scripted = Scripted::start(|_, _, _| never()).await;
    let mut settings = settings(&scripted.endpoint);
    settings.timeouts.attempt = Duration::from_millis(100);
    let aws = Aws::connect(&environment(), &settings).await;
    let error = aws.enable_rule(&held(), "b", "rule-one").await.unwrap_err();
    assert_eq!(error.kind, AwsErrorKind::Timeout);
    assert!(error.may_have_happened() && error.is_transient());

    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    settings.endpoint_url = Some(format!("http://{closed}"));
    let aws = Aws::connect(&environment(), &settings).await;
    let error = aws.enable_rule(&held(), "b", "rule-one").await.unwrap_err();
    assert_eq!(error.kind, AwsErrorKind::Unreachable);
    assert!(!error.may_have_happened() && error.is_transient());
}

#[tokio::test]
async fn a_role_that_may_not_be_assumed_is_named_as_the_trouble() {
    let scripted = Scripted::start(|operation, _, _| {
        assert_eq!(operation, "AssumeRole");
        let body = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>no</Message></Error>\
                    <RequestId>req-9</RequestId></ErrorResponse>";
        Box::pin(async move { (StatusCode::FORBIDDEN, body).into_response() })
    })
    .await;
    let mut environment = environment();
    environment.role_arn = Some("arn:aws:iam::123456789012:role/alch".to_owned());
    let aws = Aws::connect(&environment, &settings(&scripted.endpoint)).await;
    let error = aws.describe_rule("b", "rule-one").await.unwrap_err();
    assert_eq!(error.kind, AwsErrorKind::AccessDenied { iam_action: "sts:AssumeRole" });
    assert!(!error.to_string().contains("hush"), "{error}");
}

#[tokio::test]
async fn the_emergency_path_repeats_what_aws_throttles_and_fails() {
    let scripted = Scripted::start(|operation, request, before| match (operation, before) {
        ("ListRules", 0) => listing(&[("rule-one", "ENABLED"), ("rule-two", "DISABLED"), ("not-ours", "ENABLED")]),
        ("ListRules", _) => listing(&[("rule-one", "DISABLED"), ("rule-two", "DISABLED"), ("not-ours", "ENABLED")]),
        ("DisableRule", 0) => error(400, "ThrottlingException"),
        ("DisableRule", 1) if request["Name"] == "rule-one" => error(500, "InternalException"),
        _ => ok(json!({})),
    })
    .await;
    let done = scripted.aws().await.disable_all(&held(), "b", &rules(), Instant::now()).await.unwrap();
    assert!(done.verified, "{done:#?}");
    let told: Vec<_> = done.rules.iter().map(|rule| (rule.before, rule.after, rule.attempts, &rule.error)).collect();
    let off = Some(RuleState::Disabled);
    assert_eq!(told, [(Some(RuleState::Enabled), off, 3, &None), (off, off, 2, &None)]);
    let touched: BTreeSet<_> = scripted.asked("DisableRule").iter().map(|r| r["Name"].to_string()).collect();
    assert_eq!(touched.into_iter().collect::<Vec<_>>(), ["\"rule-one\"", "\"rule-two\""]);
    assert!(scripted.asked("DisableRule").iter().all(|request| request["EventBusName"] == "b"));
}

#[tokio::test]
async fn the_emergency_path_does_not_wait_for_the_states_from_before() {
    let scripted = Scripted::start(|operation, _, before| match (operation, before) {
        ("ListRules", 0) => never(),
        ("ListRules", _) => listing(&[("rule-one", "DISABLED"), ("rule-two", "DISABLED")]),
        _ => ok(json!({})),
    })
    .await;
    let done = scripted.aws().await.disable_all(&held(), "b", &rules(), Instant::now()).await.unwrap();
    assert!(done.verified, "{done:#?}");
    assert!(done.rules.iter().all(|rule| rule.before.is_none() && rule.attempts == 1));
}

#[tokio::test]
async fn the_emergency_path_disables_also_where_the_rules_may_not_be_listed() {
    for (status, code) in
        [(400, "AccessDeniedException"), (400, "ResourceNotFoundException"), (400, "ValidationException")]
    {
        let scripted = Scripted::start(move |operation, _, _| match operation {
            "ListRules" => error(status, code),
            _ => ok(json!({})),
        })
        .await;
        let done = scripted.aws().await.disable_all(&held(), "b", &rules(), Instant::now()).await.unwrap();
        assert!(!done.verified, "{code}");
        assert_eq!(scripted.asked("DisableRule").len(), 2, "{code}");
        for rule in &done.rules {
            let error = rule.error.as_deref().unwrap();
            assert!(error.contains("accepted") && error.contains("could not be read back"), "{code}: {error}");
        }
    }
}

#[tokio::test]
async fn the_emergency_path_says_for_each_rule_what_it_could_not_do() {
    let scripted = Scripted::start(|operation, request, _| match operation {
        "ListRules" => listing(&[("rule-one", "ENABLED"), ("rule-two", "DISABLED")]),
        "DisableRule" if request["Name"] == "rule-one" => error(400, "AccessDeniedException"),
        _ => ok(json!({})),
    })
    .await;
    let done = scripted.aws().await.disable_all(&held(), "b", &rules(), Instant::now()).await.unwrap();
    assert!(!done.verified);
    let error = done.rules[0].error.as_deref().unwrap();
    assert!(error.contains("events:DisableRule"), "{error}");
    assert_eq!((done.rules[0].attempts, done.rules[0].after), (1, Some(RuleState::Enabled)));
    assert_eq!(done.rules[1].error, None);
}

#[tokio::test]
async fn the_emergency_path_leaves_managed_rules_alone() {
    let scripted = Scripted::start(|operation, _, _| match operation {
        "ListRules" => ok(json!({ "Rules": [
            { "Name": "rule-one", "State": "ENABLED", "ManagedBy": "archive.amazonaws.com" },
            { "Name": "rule-two", "State": "DISABLED" },
        ] })),
        _ => ok(json!({})),
    })
    .await;
    let done = scripted.aws().await.disable_all(&held(), "b", &rules(), Instant::now()).await.unwrap();
    assert!(!done.verified);
    assert_eq!(done.rules[0].attempts, 0);
    assert!(done.rules[0].error.as_deref().unwrap().contains("managed"));
    assert!(scripted.asked("DisableRule").iter().all(|request| request["Name"] == "rule-two"));
}

#[tokio::test]
async fn the_emergency_path_disables_again_what_still_shows_as_enabled() {
    let scripted = Scripted::start(|operation, _, before| match (operation, before) {
        ("ListRules", 0..=2) => listing(&[("rule-one", "ENABLED"), ("rule-two", "DISABLED")]),
        ("ListRules", _) => listing(&[("rule-one", "DISABLED"), ("rule-two", "DISABLED")]),
        _ => ok(json!({})),
    })
    .await;
    let done = scripted.aws().await.disable_all(&held(), "b", &rules(), Instant::now()).await.unwrap();
    assert!(done.verified, "{done:#?}");
    assert_eq!((done.rules[0].attempts, done.rules[1].attempts), (3, 1));
}

#[tokio::test]
async fn nothing_is_sent_for_an_environment_that_is_not_held() {
    let scripted = Scripted::start(|_, _, _| ok(json!({}))).await;
    let aws = scripted.aws().await;
    let elsewhere = Held::granted("prod", None);
    assert!(aws.disable_all(&elsewhere, "b", &rules(), Instant::now()).await.is_err());
    assert!(aws.enable_rule(&elsewhere, "b", "rule-one").await.is_err());
    assert!(scripted.asked.lock().unwrap().is_empty());
}
