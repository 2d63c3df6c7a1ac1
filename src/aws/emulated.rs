//! What is read for safeguards, and what is published, against the emulated AWS.

#![expect(clippy::unwrap_used, reason = "in a test, what is not there fails it")]

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::domain::{AlarmState, Environment, Subscription};
use crate::sandbox::aws::{
    AlarmMetric, AlarmSpec, AlarmState as Set, ApiFault, Failure, Outcome, Pace, RuleSpec, StackSpec, World,
};

mod dead_letters;
mod iam;
mod replay;

use super::observe::VERSION_PATIENCE;
use super::{AccessKeys, Aws, AwsErrorKind, AwsSettings};

/// A world with two environments in two regions of one account, reached until the stage is dropped.
struct Stage {
    clock: Clock,
    world: World,
    endpoint: String,
    server: JoinHandle<()>,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn environment(name: &str, region: &str) -> Environment {
    let mut environment: Environment = toml::from_str(&format!(
        r#"
        account = "111111111111"
        region = "{region}"
        stack = "trading-{name}"
        bus = "orders-{name}"
        rules = [{{ name = "first", rule = "first-{name}" }}]
        function = "worker-{name}"
        dlqs = ["dlq-{name}"]
        table = {{ name = "seen-{name}", key = "id", ttl_attribute = "expires" }}
        archive = "archive-{name}"
        alarm_topic = "alarms-{name}"
        alarms = ["errors-{name}", "throttles-{name}"]
        notify = {{ topic = "notices-{name}" }}
        "#
    ))
    .unwrap();
    environment.name = name.to_owned();
    environment
}

fn stack(environment: &Environment) -> StackSpec {
    let rule =
        |rule: &crate::domain::Rule| RuleSpec { short: rule.name.clone(), name: rule.rule.clone(), enabled: false };
    let alarm = |name: &String| AlarmSpec { name: name.clone(), watches: AlarmMetric::Unmodelled, threshold: 1.0 };
    StackSpec {
        environment: environment.name.clone(),
        account: environment.account.clone().unwrap(),
        region: environment.region.clone(),
        stack: environment.stack.clone(),
        bus: environment.bus.clone(),
        rules: environment.rules.iter().map(rule).collect(),
        function: environment.function.clone(),
        dlqs: environment.dlqs.clone(),
        table: environment.table.name.clone(),
        table_key: environment.table.key.clone(),
        ttl_attribute: environment.table.ttl_attribute.clone(),
        topic: environment.alarm_topic.clone(),
        more_topics: environment.notify.topic.iter().cloned().collect(),
        version: "1.0".to_owned(),
        archive: environment.archive.clone(),
        alarms: environment.alarms.iter().map(alarm).collect(),
        variables: Default::default(),
        trades: None,
    }
}

fn dev() -> Environment {
    environment("dev", "eu-west-1")
}

fn prod() -> Environment {
    environment("prod", "us-east-1")
}

impl Stage {
    async fn new() -> Self {
        let clock = Clock::manual("2026-11-20T09:00:00Z".parse().unwrap());
        let world = World::new(clock.clone(), Pace::default(), vec![stack(&dev()), stack(&prod())]);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let router = world.router();
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { clock, world, endpoint, server }
    }

    async fn aws(&self, environment: &Environment) -> Aws {
        let keys = AccessKeys { id: "test".to_owned(), secret: SecretString::from("hush") };
        let endpoint_url = Some(self.endpoint.clone());
        Aws::connect(environment, &AwsSettings { endpoint_url, keys: Some(keys), ..AwsSettings::default() }).await
    }

    fn plan(&self, operation: &str, how: Failure) {
        self.world.inject(ApiFault { operation: operation.to_owned(), times: 1, how });
    }

    fn asked(&self, operation: &str) -> usize {
        self.world.calls().iter().filter(|call| call.operation == operation).count()
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

#[tokio::test]
async fn the_same_code_and_template_are_the_same_version() {
    let stage = Stage::new().await;
    let (dev, prod) = (dev(), prod());
    let (in_dev, in_prod) = (stage.aws(&dev).await, stage.aws(&prod).await);
    let first = in_dev.version(&dev).await.unwrap();
    assert_eq!(first, in_prod.version(&prod).await.unwrap());
    assert_eq!((first.label.as_deref(), first.template.len()), (Some("1.0"), 64));
    assert!(stage.world.deploy("dev", "1.1"));
    let second = in_dev.version(&dev).await.unwrap();
    assert!(second.label.as_deref() == Some("1.1") && second.artefact != first.artefact);
    assert!(!second.is_same(&first));
    // A stack without the tag has a version without a name; any edit of the template makes another version.
    assert!(stage.world.set_label("prod", None));
    let unnamed = in_prod.version(&prod).await.unwrap();
    assert!(unnamed.label.is_none() && unnamed.is_same(&first));
    assert!(stage.world.set_template("prod", "Resources: {}\n"));
    let edited = in_prod.version(&prod).await.unwrap();
    assert!(edited.artefact == first.artefact && !edited.is_same(&first));
    assert_eq!(edited.template, "49cbd1e9008e8b67dec76613bb4d6468c822c99701820526928d43b382f35fba");
}

#[tokio::test]
async fn a_version_that_cannot_be_read_is_an_error_that_says_what_to_do() {
    let stage = Stage::new().await;
    let dev = dev();
    let aws = stage.aws(&dev).await;
    for (operation, action) in [
        ("GetFunctionConfiguration", "lambda:GetFunctionConfiguration"),
        ("GetTemplate", "cloudformation:GetTemplate"),
        ("DescribeStacks", "cloudformation:DescribeStacks"),
    ] {
        stage.plan(operation, Failure::AccessDenied);
        let error = aws.version(&dev).await.unwrap_err();
        assert!(matches!(error.kind, AwsErrorKind::AccessDenied { iam_action } if iam_action == action), "{error}");
        stage.plan(operation, Failure::Throttle);
        aws.version(&dev).await.unwrap();
    }
    let mut elsewhere = dev.clone();
    elsewhere.stack = "gone".to_owned();
    assert!(aws.version(&elsewhere).await.unwrap_err().is_not_found(), "CloudFormation has no code for that");
    elsewhere.function = "gone".to_owned();
    let missing = aws.version(&elsewhere).await.unwrap_err();
    assert!(missing.is_not_found() && missing.to_string().starts_with("gone does not exist (Lambda"), "{missing}");
    let mixed_up = aws.version(&prod()).await.unwrap_err();
    assert!(matches!(mixed_up.kind, AwsErrorKind::WrongEnvironment { .. }), "{mixed_up}");
}

#[tokio::test]
async fn an_observation_has_the_version_and_goes_on_without_it() {
    let stage = Stage::new().await;
    let dev = dev();
    let aws = stage.aws(&dev).await;
    let rules: Vec<_> = dev.rules.iter().collect();
    let facts = aws.observe(&dev, &rules, stage.now()).await.unwrap();
    assert_eq!(facts.version.unwrap().name().split(' ').next(), Some("1.0"));
    assert_eq!(facts.notes, Vec::<String>::new());
    assert!(stage.world.set_fault("aws.version-forbidden", true));
    let facts = aws.observe(&dev, &rules, stage.now()).await.unwrap();
    assert_eq!((facts.version, facts.rules.len()), (None, 1));
    let [note] = facts.notes.as_slice() else { panic!("{:?}", facts.notes) };
    assert!(note.starts_with("Deployed version: Lambda denied"), "{note}");
    assert!(stage.world.set_fault("aws.version-forbidden", false));
    stage.plan("GetTemplate", Failure::Hang);
    let began = Instant::now();
    let facts = aws.observe(&dev, &rules, stage.now()).await.unwrap();
    assert!(began.elapsed() < VERSION_PATIENCE + Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(facts.notes, ["Deployed version: not told within 3 s"]);
}

#[tokio::test]
async fn changes_of_alarms_are_told_oldest_first_since_a_time() {
    let stage = Stage::new().await;
    let dev = dev();
    let aws = stage.aws(&dev).await;
    stage.world.set_page_max(2);
    let began = stage.now();
    assert!(aws.alarm_changes(&dev.alarms, began).await.unwrap().is_empty(), "that it was made is no change");
    let story = [
        (1, "errors-dev", Set::Alarm),
        (2, "throttles-dev", Set::InsufficientData),
        (2, "errors-prod", Set::Alarm),
        (3, "errors-dev", Set::InsufficientData),
        (4, "errors-dev", Set::Ok),
        (5, "throttles-dev", Set::Alarm),
        (6, "errors-dev", Set::Alarm),
    ];
    for (minute, alarm, state) in story {
        stage.clock.advance(SignedDuration::from_mins(minute) - stage.now().duration_since(began));
        assert!(stage.world.set_alarm(alarm, Some(state)));
    }
    let told = async |alarms: &[String], minute: i64| {
        let changes = aws.alarm_changes(alarms, began + SignedDuration::from_mins(minute)).await.unwrap();
        let told = changes.into_iter().map(|change| {
            (change.at.duration_since(began).as_mins(), change.alarm.trim_end_matches("-dev").to_owned(), change.to)
        });
        told.collect::<Vec<_>>()
    };
    let (errors, throttles) = (|| "errors".to_owned(), || "throttles".to_owned());
    let all = [
        (1, errors(), AlarmState::Alarm),
        (2, throttles(), AlarmState::InsufficientData),
        (3, errors(), AlarmState::InsufficientData),
        (4, errors(), AlarmState::Ok),
        (5, throttles(), AlarmState::Alarm),
        (6, errors(), AlarmState::Alarm),
    ];
    assert_eq!(told(&dev.alarms, 0).await, all);
    assert_eq!(told(&dev.alarms, 4).await, all[3..], "its time is part of it");
    assert_eq!(told(&dev.alarms[1..], 0).await, [all[1].clone(), all[4].clone()]);
    assert!(told(&[], 0).await.is_empty(), "no names are not all names");
    stage.plan("DescribeAlarmHistory", Failure::AccessDenied);
    let error = aws.alarm_changes(&dev.alarms, began).await.unwrap_err();
    let action = "cloudwatch:DescribeAlarmHistory";
    assert!(matches!(error.kind, AwsErrorKind::AccessDenied { iam_action } if iam_action == action), "{error}");
}

#[tokio::test]
async fn a_notice_is_published_by_the_name_or_the_arn_of_its_topic() {
    let stage = Stage::new().await;
    let aws = stage.aws(&dev()).await;
    let first = aws.publish("notices-dev", "R-7: »enable« →\nprod", "One.\r\nTwo.").await.unwrap();
    let second = aws.publish("arn:aws:sns:eu-west-1:111111111111:alarms-dev", "R-7 ends", "Done.\n").await.unwrap();
    let kept = stage.world.published("dev");
    let told: Vec<_> =
        kept.iter().map(|m| (m.topic.as_str(), m.subject.as_deref().unwrap(), m.body.as_str())).collect();
    assert_eq!(told, [("notices-dev", "R-7: ?enable? -> prod", "One.\nTwo.\n"), ("alarms-dev", "R-7 ends", "Done.\n")]);
    assert_eq!([first, second], [kept[0].id.clone(), kept[1].id.clone()]);
    // The topic's region need not be the environment's.
    aws.publish("arn:aws:sns:us-east-1:111111111111:notices-prod", "R-7 ends", "Done.").await.unwrap();
    assert_eq!(stage.world.published("prod").len(), 1);
    assert_eq!(stage.asked("GetCallerIdentity"), 1, "the account is asked for once");
    // Without an account in the configuration, that of the credentials is meant.
    let unpinned = Environment { account: None, ..dev() };
    stage.aws(&unpinned).await.publish("notices-dev", "R-8", "Again.").await.unwrap();
    assert_eq!(stage.world.published("dev").len(), 3);
}

#[tokio::test]
async fn a_lost_answer_makes_a_notice_come_twice_and_never_not_at_all() {
    let stage = Stage::new().await;
    let aws = stage.aws(&dev()).await;
    stage.plan("Publish", Failure::AfterEffect);
    let id = aws.publish("notices-dev", "R-7", "Begins.").await.unwrap();
    let kept = stage.world.published("dev");
    assert_eq!(kept.len(), 2);
    assert_eq!(kept[1].id, id, "the one that was answered is the receipt");
    assert_eq!(kept[0].body, kept[1].body);
}

#[tokio::test]
async fn a_notice_that_cannot_be_published_says_why() {
    let stage = Stage::new().await;
    let aws = stage.aws(&dev()).await;
    assert!(stage.world.set_fault("dev.sns.refuses", true));
    let denied = aws.publish("notices-dev", "R-7", "Begins.").await.unwrap_err();
    assert_eq!(denied.kind, AwsErrorKind::AccessDenied { iam_action: "sns:Publish" });
    assert!(denied.to_string().starts_with("SNS denied Publish for notices-dev: add the IAM action sns:Publish"));
    assert!(stage.world.set_fault("dev.sns.refuses", false));
    assert!(aws.publish("gone", "R-7", "Begins.").await.unwrap_err().is_not_found());
    let empty = aws.publish("notices-dev", "R-7", "").await.unwrap_err();
    assert!(matches!(&empty.kind, AwsErrorKind::Other { code, .. } if code == "InvalidParameter"), "{empty}");
    stage.plan("Publish", Failure::Throttle);
    stage.plan("Publish", Failure::Throttle);
    stage.plan("Publish", Failure::Throttle);
    let throttled = aws.publish("notices-dev", "R-7", "Begins.").await.unwrap_err();
    assert!(throttled.is_transient() && !throttled.may_have_happened(), "{throttled}");
    stage.world.cancel_injected();
    let wrong = Environment { account: Some("999999999999".to_owned()), ..dev() };
    let told = stage.aws(&wrong).await.publish("notices-dev", "R-7", "Begins.").await.unwrap_err();
    assert!(matches!(told.kind, AwsErrorKind::WrongAccount { .. }), "{told}");
    assert!(stage.world.published("dev").is_empty());
}

#[tokio::test]
async fn a_check_asks_what_may_be_asked_and_publishes_nothing() {
    let stage = Stage::new().await;
    let dev = dev();
    let aws = stage.aws(&dev).await;
    let tried = aws.check_access(&dev, stage.now()).await;
    let told = |name: &str| {
        let (_, result) =
            tried.iter().find(|(operation, _)| operation.name == name).unwrap_or_else(|| panic!("{name}"));
        result.clone().unwrap()
    };
    assert!(told("GetFunctionConfiguration").starts_with("worker-dev: CodeSha256 "));
    assert!(told("GetTemplate").starts_with("trading-dev: template "));
    assert_eq!(told("DescribeStacks"), "trading-dev: version 1.0");
    assert_eq!(told("DescribeAlarmHistory"), "errors-dev: 0 changes in 24 hours");
    assert_eq!(told("GetTopicAttributes"), "notices-dev: 1 confirmed subscription");
    assert_eq!(stage.asked("Publish"), 0);
    assert!(stage.world.calls().iter().all(|call| call.outcome == Outcome::Answered));
    let silent = Environment { notify: Default::default(), ..dev };
    let tried = aws.check_access(&silent, stage.now()).await;
    assert!(tried.iter().all(|(operation, _)| operation.service != "SNS"));
}

#[tokio::test]
async fn subscriptions_of_all_pages_are_told_with_those_that_nobody_has_confirmed() {
    let stage = Stage::new().await;
    let aws = stage.aws(&dev()).await;
    stage.world.set_page_max(1);
    let told = async || aws.subscriptions("alarms-dev").await.unwrap().value;
    let confirmed = |all: &[Subscription]| all.iter().map(Subscription::is_confirmed).collect::<Vec<_>>();
    aws.subscribe("alarms-dev", "ada@example.com").await.unwrap();
    aws.subscribe("arn:aws:sns:eu-west-1:111111111111:alarms-dev", "bo@example.com").await.unwrap();
    assert_eq!(confirmed(&told().await), [true, false, false]);
    assert!(told().await[1].is_email_of("Ada@Example.com"));
    assert!(stage.world.confirm_subscription("alarms-dev", "ada@example.com"));
    let all = aws.subscriptions("alarms-dev").await.unwrap();
    assert_eq!((confirmed(&all.value), all.request_ids.len()), (vec![true, true, false], 3));
    assert!(all.value[1].arn.as_deref().unwrap().starts_with("arn:aws:sns:eu-west-1:111111111111:alarms-dev:"));
    assert!(stage.world.unsubscribe("alarms-dev", "ada@example.com"));
    assert_eq!(told().await.len(), 2, "what was deleted is left out");
    assert!(aws.subscriptions("gone").await.unwrap_err().is_not_found());
    let refused = aws.subscribe("alarms-dev", "nobody").await.unwrap_err();
    assert!(matches!(&refused.kind, AwsErrorKind::Other { code, .. } if code == "InvalidParameter"), "{refused}");
    for (operation, action) in
        [("ListSubscriptionsByTopic", "sns:ListSubscriptionsByTopic"), ("Subscribe", "sns:Subscribe")]
    {
        stage.plan(operation, Failure::AccessDenied);
        let denied = match operation {
            "Subscribe" => aws.subscribe("alarms-dev", "cy@example.com").await.map(drop),
            _ => aws.subscriptions("alarms-dev").await.map(drop),
        };
        assert_eq!(denied.unwrap_err().kind, AwsErrorKind::AccessDenied { iam_action: action });
    }
}

#[tokio::test]
async fn arns_are_of_the_regions_partition_and_the_account_of_the_credentials() {
    let stage = Stage::new().await;
    let arn = stage.aws(&dev()).await.arn("events", "rule/orders-dev/first-dev").await.unwrap();
    assert_eq!(arn, "arn:aws:events:eu-west-1:111111111111:rule/orders-dev/first-dev");
    let china = environment("dev", "cn-north-1");
    let arn = stage.aws(&china).await.arn("sns", "alarms-dev").await.unwrap();
    assert_eq!(arn, "arn:aws-cn:sns:cn-north-1:111111111111:alarms-dev");
    let wrong = Environment { account: Some("999999999999".to_owned()), ..dev() };
    let refused = stage.aws(&wrong).await.arn("sns", "alarms-dev").await.unwrap_err();
    assert!(matches!(refused.kind, AwsErrorKind::WrongAccount { .. }), "{refused}");
}
