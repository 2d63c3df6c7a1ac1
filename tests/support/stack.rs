//! Makes the resources that an `Environment` names, in an emulated AWS, through the SDK.

use std::time::Duration;

use alch::aws::{AccessKeys, AwsSettings};
use alch::domain::Environment;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_cloudformation::types::{Capability, StackStatus, Tag};
use aws_sdk_cloudwatch::types::{ComparisonOperator, Dimension, MetricDatum, Statistic};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, TimeToLiveSpecification,
};
use aws_sdk_eventbridge::types::{DeadLetterConfig, RuleState, Target};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_types::DateTime;
use jiff::Timestamp;
use secrecy::SecretString;

/// The environment `dev` of the example configuration.
pub fn dev(account: &str) -> Environment {
    let text = format!(
        r#"
        account = "{account}"
        region = "us-east-1"
        stack = "the-alchemiser-v2-dev"
        bus = "alchemiser-trading-events-dev"
        rules = [
            {{ name = "signal-generated", rule = "alchemiser-signal-generated-dev" }},
            {{ name = "rebalance-planned", rule = "alchemiser-rebalance-planned-dev" }},
            {{ name = "trade-executed", rule = "alchemiser-trade-executed-dev" }},
            {{ name = "all-events-monitor", rule = "alchemiser-all-events-monitor-dev" }},
        ]
        function = "the-alchemiser-v2-lambda-dev"
        dlqs = ["alchemiser-event-dlq-dev", "the-alchemiser-dlq-dev"]
        table = {{ name = "alchemiser-event-dedup-dev", key = "event_id", ttl_attribute = "ttl" }}
        archive = "alchemiser-event-archive-dev"
        alarm_topic = "alchemiser-alarms-dev"
        alarms = ["alchemiser-dlq-high-depth-dev", "alchemiser-lambda-errors-dev"]
        "#
    );
    let mut environment: Environment = toml::from_str(&text).unwrap();
    environment.name = "dev".to_owned();
    environment
}

/// What the stack of [`Sdk::make_stack`] has as its tag `version`.
pub const VERSION: &str = "2026.11.20";

/// The stack's template. It makes what neither EventBridge, SQS, DynamoDB nor CloudWatch does: function and topic.
pub fn template(environment: &Environment) -> String {
    let Environment { function, alarm_topic, .. } = environment;
    format!(
        r#"{{
  "AWSTemplateFormatVersion": "2010-09-09",
  "Description": "events & what becomes of them",
  "Resources": {{
    "Role": {{
      "Type": "AWS::IAM::Role",
      "Properties": {{
        "AssumeRolePolicyDocument": {{
          "Version": "2012-10-17",
          "Statement": [{{ "Effect": "Allow", "Principal": {{ "Service": "lambda.amazonaws.com" }}, "Action": "sts:AssumeRole" }}]
        }}
      }}
    }},
    "Function": {{
      "Type": "AWS::Lambda::Function",
      "Properties": {{
        "FunctionName": "{function}",
        "Handler": "index.handler",
        "Runtime": "python3.12",
        "Role": {{ "Fn::GetAtt": ["Role", "Arn"] }},
        "Code": {{ "ZipFile": "def handler(event, context): pass" }},
        "Environment": {{ "Variables": {{ "ENDPOINT": "https://paper.example.com", "SECRET": "hunter2-hunter2" }} }}
      }}
    }},
    "Topic": {{ "Type": "AWS::SNS::Topic", "Properties": {{ "TopicName": "{alarm_topic}" }} }}
  }}
}}
"#
    )
}

/// Settings that reach an emulator, with keys that are good nowhere else.
pub fn settings(endpoint: &str) -> AwsSettings {
    let keys = AccessKeys { id: "test".to_owned(), secret: SecretString::from("test") };
    AwsSettings { endpoint_url: Some(endpoint.to_owned()), keys: Some(keys), ..AwsSettings::default() }
}

/// The SDK's clients, for what Alch itself never does.
pub struct Sdk {
    pub events: aws_sdk_eventbridge::Client,
    pub cloudwatch: aws_sdk_cloudwatch::Client,
    pub sqs: aws_sdk_sqs::Client,
    pub dynamodb: aws_sdk_dynamodb::Client,
    pub cloudformation: aws_sdk_cloudformation::Client,
    pub iam: aws_sdk_iam::Client,
}

impl Sdk {
    pub async fn connect(environment: &Environment, endpoint: &str) -> Self {
        let http =
            aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
        let config = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(environment.region.clone()))
            .http_client(http)
            .endpoint_url(endpoint)
            .credentials_provider(aws_sdk_sts::config::Credentials::new("test", "test", None, None, "test"))
            .load()
            .await;
        Self {
            events: aws_sdk_eventbridge::Client::new(&config),
            cloudwatch: aws_sdk_cloudwatch::Client::new(&config),
            sqs: aws_sdk_sqs::Client::new(&config),
            dynamodb: aws_sdk_dynamodb::Client::new(&config),
            cloudformation: aws_sdk_cloudformation::Client::new(&config),
            iam: aws_sdk_iam::Client::new(&config),
        }
    }

    /// Makes everything that the environment names: the rules disabled, each with the function as its target and the
    /// first queue as its dead-letter queue.
    pub async fn make_stack(&self, environment: &Environment) {
        self.events.create_event_bus().name(&environment.bus).send().await.unwrap();
        for queue in &environment.dlqs {
            self.sqs.create_queue().queue_name(queue).send().await.unwrap();
        }
        for rule in &environment.rules {
            self.make_rule(environment, &rule.rule).await;
        }
        self.make_table(environment).await;
        for alarm in &environment.alarms {
            self.make_alarm(environment, alarm).await;
        }
        let tag = Tag::builder().key("version").value(VERSION).build();
        let create = self.cloudformation.create_stack().stack_name(&environment.stack).tags(tag);
        create.template_body(template(environment)).capabilities(Capability::CapabilityIam).send().await.unwrap();
        self.await_stack(environment).await;
    }

    /// An emulator may take a while to make what a template names.
    async fn await_stack(&self, environment: &Environment) {
        for _ in 0..100 {
            let stacks = self.cloudformation.describe_stacks().stack_name(&environment.stack).send().await.unwrap();
            match stacks.stacks()[0].stack_status() {
                Some(StackStatus::CreateComplete) => return,
                Some(StackStatus::CreateInProgress) => tokio::time::sleep(Duration::from_millis(50)).await,
                other => panic!("the stack is {other:?}: {:?}", stacks.stacks()[0].stack_status_reason()),
            }
        }
        panic!("the stack is not there after 5 s");
    }

    async fn make_rule(&self, environment: &Environment, rule: &str) {
        let account = environment.account.clone().unwrap_or_default();
        let Environment { region, bus, function, .. } = environment;
        self.events
            .put_rule()
            .name(rule)
            .event_bus_name(bus)
            .event_pattern(r#"{"source":[{"prefix":"alchemiser"}]}"#)
            .state(RuleState::Disabled)
            .send()
            .await
            .unwrap();
        let queue = environment.dlqs.first().cloned().unwrap_or_default();
        let target = Target::builder()
            .id("function")
            .arn(format!("arn:aws:lambda:{region}:{account}:function:{function}"))
            .dead_letter_config(
                DeadLetterConfig::builder().arn(format!("arn:aws:sqs:{region}:{account}:{queue}")).build(),
            )
            .build()
            .unwrap();
        self.events.put_targets().rule(rule).event_bus_name(bus).targets(target).send().await.unwrap();
    }

    async fn make_table(&self, environment: &Environment) {
        let table = &environment.table;
        let key = KeySchemaElement::builder().attribute_name(&table.key).key_type(KeyType::Hash).build().unwrap();
        let attribute = AttributeDefinition::builder()
            .attribute_name(&table.key)
            .attribute_type(ScalarAttributeType::S)
            .build()
            .unwrap();
        let create = self.dynamodb.create_table().table_name(&table.name).billing_mode(BillingMode::PayPerRequest);
        create.key_schema(key).attribute_definitions(attribute).send().await.unwrap();
        let ttl =
            TimeToLiveSpecification::builder().enabled(true).attribute_name(&table.ttl_attribute).build().unwrap();
        let update = self.dynamodb.update_time_to_live().table_name(&table.name);
        update.time_to_live_specification(ttl).send().await.unwrap();
    }

    async fn make_alarm(&self, environment: &Environment, alarm: &str) {
        self.cloudwatch
            .put_metric_alarm()
            .alarm_name(alarm)
            .namespace("AWS/Lambda")
            .metric_name("Errors")
            .dimensions(Dimension::builder().name("FunctionName").value(&environment.function).build())
            .statistic(Statistic::Sum)
            .period(60)
            .evaluation_periods(1)
            .threshold(0.0)
            .comparison_operator(ComparisonOperator::GreaterThanThreshold)
            .treat_missing_data("notBreaching")
            .send()
            .await
            .unwrap();
    }

    /// Reports one datapoint of a metric, as the service itself would.
    pub async fn put_metric(
        &self,
        namespace: &str,
        metric: &str,
        dimensions: &[(&str, &str)],
        at: Timestamp,
        value: f64,
    ) {
        let dimensions =
            dimensions.iter().map(|(name, value)| Dimension::builder().name(*name).value(*value).build()).collect();
        let datum = MetricDatum::builder()
            .metric_name(metric)
            .set_dimensions(Some(dimensions))
            .timestamp(DateTime::from_secs(at.as_second()))
            .value(value)
            .build();
        self.cloudwatch.put_metric_data().namespace(namespace).metric_data(datum).send().await.unwrap();
    }
}
