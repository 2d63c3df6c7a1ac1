//! The whole program against two emulators of AWS that other people wrote: moto and ministack. They know nothing of
//! Alch, and a recorder in front of them keeps what it asked, because they forgive what AWS would not.
#![cfg(feature = "sandbox")]
#![expect(clippy::unwrap_used, reason = "a story that cannot go on panics, in its helpers too")]

#[expect(dead_code, reason = "other tests use the rest")]
mod support {
    pub mod emulators;
    pub mod recorder;
    pub mod server;
    pub mod stack;
}

use std::collections::BTreeMap;

use alch::clock::Clock;
use alch::domain::{Environment, RunId};
use aws_sdk_eventbridge::types::RuleState;
use support::emulators::{self, Emulator};
use support::recorder::{Asked, Recorder};
use support::server::{ALICE, By, CAROL, Stage, until};
use support::stack::Sdk;

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_story_is_told_against_moto() {
    if let Some(moto) = emulators::moto().await {
        tell(&moto).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_story_is_told_against_ministack() {
    if let Some(ministack) = emulators::ministack().await {
        tell(&ministack).await;
    }
}

async fn tell(emulator: &Emulator) {
    let story = Story::begin(emulator).await;
    let server = story.stage.serve().await;
    story.with_traffic_it_ends_healthy().await;
    story.without_traffic_it_is_not_proven().await;
    story.failed_invocations_stop_it().await;
    story.a_rollback_turns_all_of_it_off().await;
    story.every_request_named_the_bus();
    story.the_version_was_read_from_function_and_stack();
    drop(server);
}

struct Story {
    stage: Stage,
    dev: Environment,
    recorder: Recorder,
    sdk: Sdk,
}

impl Story {
    async fn begin(emulator: &Emulator) -> Self {
        let settings = [
            ("ALCH__ENVIRONMENTS__DEV__ACCOUNT", emulator.account),
            ("ALCH__ENVIRONMENTS__DEV__WAITS__AFTER_ENABLE", "3s"),
            ("ALCH__ENVIRONMENTS__DEV__WAITS__POLL", "500ms"),
            ("ALCH__ENVIRONMENTS__DEV__WAITS__SETTLE", "1s"),
            ("ALCH__ENVIRONMENTS__DEV__WAITS__UNKNOWN_GRACE", "10s"),
        ];
        let mut stage = Stage::with(By::Http, &settings).await;
        let dev = stage.config.environment("dev").unwrap().clone();
        let sdk = Sdk::connect(&dev, &emulator.endpoint).await;
        sdk.make_stack(&dev).await;
        let recorder = Recorder::start(&emulator.endpoint).await;
        stage.variables.insert("AWS_ENDPOINT_URL".to_owned(), recorder.url.clone());
        Self { stage, dev, recorder, sdk }
    }

    /// Types the command and waits until the rule was enabled.
    async fn enables(&self, rule: &str) {
        let before = self.recorder.asked("EnableRule").len();
        let typed = self.stage.slack.types(ALICE, &format!("/alch enable {rule} dev")).await;
        assert_eq!((typed.http_status, typed.error), (200, None));
        until("the rule is enabled", async || self.recorder.asked("EnableRule").len() > before).await;
    }

    /// Reports that the rule did something, as EventBridge does.
    async fn happened(&self, rule: &str, metric: &str, times: f64) {
        let rule = &self.dev.rule(rule).unwrap().rule;
        let dimensions = [("EventBusName", self.dev.bus.as_str()), ("RuleName", rule)];
        self.sdk.put_metric("AWS/Events", metric, &dimensions, Clock::system().now(), times).await;
    }

    /// The rules' states by the short name, as the emulator tells them.
    async fn states(&self) -> BTreeMap<&str, bool> {
        let listed = self.sdk.events.list_rules().event_bus_name(&self.dev.bus).send().await.unwrap();
        let enabled = |name: &str| {
            let rule = listed.rules().iter().find(|rule| rule.name() == Some(name)).unwrap();
            rule.state() == Some(&RuleState::Enabled)
        };
        self.dev.rules.iter().map(|rule| (rule.name.as_str(), enabled(&rule.rule))).collect()
    }

    async fn with_traffic_it_ends_healthy(&self) {
        let rule = "signal-generated";
        self.enables(rule).await;
        self.happened(rule, "Invocations", 3.0).await;
        let function = [("FunctionName", self.dev.function.as_str())];
        self.sdk.put_metric("AWS/Lambda", "Invocations", &function, Clock::system().now(), 3.0).await;
        self.sdk.put_metric("AWS/Lambda", "Errors", &function, Clock::system().now(), 0.0).await;
        let (card, last) = self.stage.told(RunId(1)).await;
        assert!(card.text.contains("succeeded"), "{}", self.stage.slack.transcript());
        assert!(last.text.contains("signal-generated: enabled and healthy"), "{}", last.text);
        let gate = self.stage.slack.thread_transcript(&card.ts);
        assert!(gate.contains("3 invocations, no failures"), "{gate}");
        assert_eq!(
            self.states().await.into_iter().filter(|(_, on)| *on).map(|(rule, _)| rule).collect::<Vec<_>>(),
            [rule]
        );
    }

    async fn without_traffic_it_is_not_proven(&self) {
        let rule = "rebalance-planned";
        self.enables(rule).await;
        // What a rule of that name on the default bus does is no evidence.
        let named = [("RuleName", self.dev.rule(rule).unwrap().rule.as_str())];
        self.sdk.put_metric("AWS/Events", "Invocations", &named, Clock::system().now(), 99.0).await;
        let (card, last) = self.stage.told(RunId(2)).await;
        assert!(card.text.contains("enabled, not yet proven"), "{}", self.stage.slack.transcript());
        assert!(last.text.contains("not yet proven"), "{}", last.text);
        assert!(self.states().await[rule], "it stays enabled");
    }

    async fn failed_invocations_stop_it(&self) {
        let rule = "trade-executed";
        self.enables(rule).await;
        self.happened(rule, "Invocations", 2.0).await;
        self.happened(rule, "FailedInvocations", 2.0).await;
        let (card, last) = self.stage.told(RunId(3)).await;
        assert!(card.text.contains("failed"), "{}", self.stage.slack.transcript());
        assert!(last.text.contains("The gate of trade-executed failed"), "{}", last.text);
        assert!(last.broadcast, "the channel sees a bad end");
        assert!(self.states().await[rule], "dev holds things as they are");
    }

    async fn a_rollback_turns_all_of_it_off(&self) {
        assert_eq!(self.states().await.values().filter(|on| **on).count(), 3);
        assert!(self.stage.slack.types(CAROL, "/alch rollback dev").await.is_ok());
        let (card, last) = self.stage.told(RunId(4)).await;
        assert!(card.text.contains("succeeded"), "{}", self.stage.slack.transcript());
        assert!(last.text.contains("All 4 rules of dev are off"), "{}", last.text);
        assert_eq!(self.states().await.values().filter(|on| **on).count(), 0);
    }

    fn the_version_was_read_from_function_and_stack(&self) {
        let function = format!("/2015-03-31/functions/{}/configuration", self.dev.function);
        assert!(!self.recorder.asked(&function).is_empty());
        let stack = ("StackName".to_owned(), self.dev.stack.clone());
        let templates = self.recorder.asked("GetTemplate");
        let stage = ("TemplateStage".to_owned(), "Original".to_owned());
        assert!(!templates.is_empty());
        assert!(templates.iter().all(|asked| asked.form().contains(&stage) && asked.form().contains(&stack)));
        // The story's own calls do not go by the recorder.
        let labels = self.recorder.asked("DescribeStacks");
        // One more looks, after the rollback, whether CloudFormation is at work.
        assert_eq!(labels.len(), templates.len() + 1);
        assert!(labels.iter().all(|asked| asked.form().contains(&stack)));
    }

    fn every_request_named_the_bus(&self) {
        for operation in ["EnableRule", "DisableRule", "DescribeRule", "ListRules"] {
            let asked = self.recorder.asked(operation);
            assert!(!asked.is_empty(), "{operation}");
            for asked in asked {
                let request = asked.json();
                assert_eq!(request["EventBusName"], self.dev.bus.as_str(), "{operation}: {request}");
            }
        }
        let enabled: Vec<String> = self
            .recorder
            .asked("EnableRule")
            .iter()
            .map(|asked| asked.json()["Name"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(enabled, self.dev.rules[..3].iter().map(|rule| rule.rule.clone()).collect::<Vec<_>>());
        let disabled = self.recorder.asked("DisableRule");
        assert_eq!(disabled.len(), self.dev.rules.len(), "each rule once");
        let metrics = self.recorder.asked("GetMetricData");
        assert!(!metrics.is_empty());
        for asked in &metrics {
            let queries = queries(asked);
            let of_rules = queries.values().filter(|query| query.namespace == "AWS/Events");
            let mut count = 0;
            for query in of_rules {
                assert_eq!(query.dimensions.get("EventBusName"), Some(&self.dev.bus), "{query:?}");
                let rule = query.dimensions.get("RuleName").unwrap_or_else(|| panic!("{query:?}"));
                assert!(self.dev.rules.iter().any(|known| known.rule == *rule), "{query:?}");
                count += 1;
            }
            assert!(count > 0, "a gate asks about its rule: {asked:?}");
        }
    }
}

/// One query of a GetMetricData request.
#[derive(Debug, Default)]
struct Query {
    namespace: String,
    dimensions: BTreeMap<String, String>,
}

fn queries(asked: &Asked) -> BTreeMap<String, Query> {
    let mut queries: BTreeMap<String, Query> = BTreeMap::new();
    let mut names: BTreeMap<(String, String), String> = BTreeMap::new();
    for (key, value) in asked.form() {
        let parts: Vec<&str> = key.split('.').collect();
        match parts.as_slice() {
            ["MetricDataQueries", "member", number, "MetricStat", "Metric", "Namespace"] => {
                queries.entry((*number).to_owned()).or_default().namespace = value;
            }
            ["MetricDataQueries", "member", number, "MetricStat", "Metric", "Dimensions", "member", place, part] => {
                let at = ((*number).to_owned(), (*place).to_owned());
                if *part == "Name" {
                    names.insert(at, value);
                } else {
                    // The protocol writes a dimension's name before its value.
                    let name = names[&at].clone();
                    queries.entry((*number).to_owned()).or_default().dimensions.insert(name, value);
                }
            }
            _ => {}
        }
    }
    queries
}
