//! The same story against moto and ministack. Here rather than among the integration tests, because only the crate
//! itself can say that it holds an environment.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use crate::checks::gate::{self, GateQuestion};
use crate::checks::smoke::{self, Variable};
use crate::checks::{checklist, minute_of};
use crate::clock::Clock;
use crate::domain::{AlarmState, Check, Environment, Facts, Held, Rule, RuleState, Verdict};

use super::{Answer, Aws, AwsErrorKind, Invocation, Invoke};

mod events;
mod stacks;
#[path = "../../tests/support/mod.rs"]
mod support;

use support::emulators::{self, Emulator};
use support::stack::{Sdk, VERSION, dev, settings, template};

/// Where an emulator is not like AWS.
#[derive(Clone, Copy)]
struct Lies {
    /// Whether a new alarm has no data yet, as in AWS, or is OK.
    new_alarms_lack_data: bool,
    /// Whether enabling a rule that does not exist is refused, as in AWS.
    missing_rules_are_refused: bool,
    /// Whether a function is not run, and answers with its payload.
    functions_echo: bool,
}

#[tokio::test]
async fn the_runbooks_calls_work_against_moto() {
    if let Some(moto) = emulators::moto().await {
        let lies = Lies { new_alarms_lack_data: false, missing_rules_are_refused: true, functions_echo: true };
        tell(&moto, lies).await;
    }
}

#[tokio::test]
async fn the_runbooks_calls_work_against_ministack() {
    if let Some(ministack) = emulators::ministack().await {
        let lies = Lies { new_alarms_lack_data: true, missing_rules_are_refused: false, functions_echo: false };
        tell(&ministack, lies).await;
    }
}

async fn tell(emulator: &Emulator, lies: Lies) {
    let story = Story::begin(emulator, lies).await;
    story.access().await;
    story.version().await;
    story.notices().await;
    story.checklist().await;
    story.rules_are_enabled_on_the_bus().await;
    story.gate().await;
    story.what_is_missing_is_told().await;
    story.rollback().await;
    story.smoke(emulator).await;
    story.another_account_is_refused(emulator).await;
}

fn find<'a>(checks: &'a [Check], name: &str) -> &'a Check {
    checks.iter().find(|check| check.name == name).unwrap_or_else(|| panic!("no check {name} in {checks:#?}"))
}

struct Story {
    lies: Lies,
    environment: Environment,
    sdk: Sdk,
    aws: Aws,
    held: Held<'static>,
    now: Timestamp,
}

impl Story {
    async fn begin(emulator: &Emulator, lies: Lies) -> Self {
        let environment = dev(emulator.account);
        let sdk = Sdk::connect(&environment, &emulator.endpoint).await;
        sdk.make_stack(&environment).await;
        let aws = Aws::connect(&environment, &settings(&emulator.endpoint)).await;
        Self { lies, environment, sdk, aws, held: Held::granted("dev", None), now: Clock::system().now() }
    }

    fn rule(&self) -> &Rule {
        &self.environment.rules[0]
    }

    fn bus(&self) -> &str {
        &self.environment.bus
    }

    async fn observe(&self) -> Facts {
        self.aws.observe(&self.environment, &self.environment.rules.iter().collect::<Vec<_>>(), self.now).await.unwrap()
    }

    async fn access(&self) {
        let tried = self.aws.check_access(&self.environment, self.now).await;
        assert_eq!(tried.len(), 11 + self.environment.rules.len() + self.environment.dlqs.len());
        for (operation, result) in tried {
            // moto does not have it, and ministack leaves out the states; the emulated AWS of ours tells them.
            let is_told = operation.name != "DescribeAlarmHistory";
            assert!(result.is_ok() || !is_told, "{operation}: {result:?}");
        }
        let facts = self.observe().await;
        assert_eq!(facts.rules.len(), 4);
        assert!(facts.rules.values().all(|fact| fact.state == RuleState::Disabled && fact.targets.len() == 1));
        assert_eq!(facts.dlqs.values().map(|depth| depth.total()).collect::<Vec<_>>(), [0, 0]);
    }

    async fn version(&self) {
        let version = self.aws.version(&self.environment).await.unwrap();
        assert_eq!(version.label.as_deref(), Some(VERSION));
        assert_eq!(version.template, hex::encode(Sha256::digest(template(&self.environment))));
        assert_eq!((version.artefact.len(), version.artefact.ends_with('=')), (44, true), "{version:?}");
        assert_eq!(self.observe().await.version, Some(version));
        let mut elsewhere = self.environment.clone();
        elsewhere.stack = "no-such-stack".to_owned();
        assert!(self.aws.version(&elsewhere).await.unwrap_err().is_not_found());
        elsewhere.function = "no-such-function".to_owned();
        assert!(self.aws.version(&elsewhere).await.unwrap_err().is_not_found());
    }

    /// The function proves what its variables say, and is invoked.
    async fn smoke(&self, emulator: &Emulator) {
        let function = &self.environment.function;
        let paper = ["https://paper.example.com".to_owned()];
        let mode = self.aws.mode(function, None, "ENDPOINT", &paper).await.unwrap();
        assert_eq!(smoke::unproven(function, "ENDPOINT", &mode.proof), None, "{:?}", mode.proof);
        assert_eq!((mode.secrets.len(), format!("{mode:?}").contains("hunter2")), (1, false));
        for (variable, values, found) in [
            ("ENDPOINT", &["https://paper.example.com/".to_owned()][..], Variable::Other),
            ("ENDPOINT", &[], Variable::Other),
            ("NO_SUCH", &paper, Variable::Absent),
        ] {
            assert_eq!(self.aws.mode(function, None, variable, values).await.unwrap().proof.variable, found);
        }
        if self.lies.functions_echo {
            emulator.with_docker(false);
        }
        let payload = r#"{"correlation_id": "alch-dev-R1"}"#.to_owned();
        let key = "alch-dev-R1".to_owned();
        let wanted =
            Invoke { key: key.clone(), function: function.clone(), qualifier: None, payload: payload.clone(), mode };
        self.aws.invoke(&self.held, wanted.clone()).await.unwrap();
        self.aws.invoke(&self.held, wanted).await.unwrap();
        let Some(Invocation::Over(invoked)) = self.aws.invocation(&key, Duration::from_secs(60)).await else {
            panic!("the function does not answer")
        };
        let answered = invoked.result.as_ref().unwrap();
        assert_eq!(answered.function_error, None, "{}", answered.payload);
        let expected = if self.lies.functions_echo { payload.as_str() } else { "null" };
        assert_eq!(answered.payload, expected);
        if self.lies.functions_echo {
            emulator.with_docker(true);
        }
    }

    async fn notices(&self) {
        let subject = format!("prod: R-7 »begins« {}", "x".repeat(200));
        let topic = &self.environment.alarm_topic;
        let by_name = self.aws.publish(topic, &subject, "What: all rules.\r\nWhy: a test.").await.unwrap();
        let account = self.environment.account.as_deref().unwrap_or_default();
        let arn = format!("arn:aws:sns:{}:{account}:{topic}", self.environment.region);
        let by_arn = self.aws.publish(&arn, "R-7 ends", "Done.").await.unwrap();
        assert!(!by_name.is_empty() && by_name != by_arn);
        assert!(self.aws.publish("no-such-topic", "R-7", "Done.").await.unwrap_err().is_not_found());
        let before = self.aws.subscriptions(topic).await.unwrap().value.len();
        for _ in 0..2 {
            // Twice is once. Both emulators confirm e-mails by themselves, or never; so that is not looked at.
            self.aws.subscribe(topic, "ada@example.com").await.unwrap();
        }
        let all = self.aws.subscriptions(topic).await.unwrap().value;
        assert_eq!(all.len(), before + 1, "{all:#?}");
        assert!(all.iter().any(|one| one.is_email_of("ada@example.com")), "{all:#?}");
    }

    async fn checklist(&self) {
        let facts = self.observe().await;
        assert_eq!(facts.notes, Vec::<String>::new());
        assert_eq!(facts.alarms.len(), 2);
        let new = if self.lies.new_alarms_lack_data { AlarmState::InsufficientData } else { AlarmState::Ok };
        assert!(facts.alarms.values().all(|alarm| alarm.state == new), "{:#?}", facts.alarms);
        let readings = self.aws.read_checklist(&self.environment, self.now).await;
        let wanted = facts.rules.iter().map(|(name, fact)| (name.clone(), fact.state)).collect();
        let checks = checklist::checks(&self.environment, &wanted, &readings);
        // The emulators lack the function, its role and its log: what cannot be asked there is no crash. All rules are off.
        assert_eq!(checks.iter().filter(|check| !check.is_part()).count(), 9, "{checks:#?}");
        for (item, passes) in [("table", true), ("invocations", true)] {
            let check = checks.iter().find(|check| check.name == item).unwrap();
            assert_eq!(check.verdict == Verdict::Pass, passes, "{check:#?}");
        }
    }

    async fn rules_are_enabled_on_the_bus(&self) {
        // Twice is the same as once.
        for _ in 0..2 {
            let ids = self.aws.enable_rule(&self.held, self.bus(), &self.rule().rule).await.unwrap();
            assert_eq!(ids.len(), 1);
        }
        let listed = self.aws.rules(self.bus()).await.unwrap();
        assert_eq!(listed.len(), 4);
        for found in &listed {
            assert_eq!(found.state.is_enabled(), found.name == self.rule().rule, "{listed:#?}");
        }
    }

    async fn gate_checks(&self, facts: &Facts) -> Vec<Check> {
        let since = self.now - SignedDuration::from_mins(3);
        let readings = self.aws.read_gate(&self.environment, self.rule(), since, self.now).await;
        let question =
            GateQuestion { environment: &self.environment, rule: self.rule(), since, changed: true, baseline: facts };
        gate::checks(&question, &readings)
    }

    async fn gate(&self) {
        let facts = self.observe().await;
        assert_eq!(gate::verdict(&self.gate_checks(&facts).await), Verdict::Inconclusive);

        let minute = minute_of(self.now) - SignedDuration::from_mins(2);
        let next = minute + SignedDuration::from_mins(1);
        let of_rule = [("EventBusName", self.bus()), ("RuleName", self.rule().rule.as_str())];
        let of_function = [("FunctionName", self.environment.function.as_str())];

        // By the rule alone: that of the default bus, which must not count.
        self.sdk.put_metric("AWS/Events", "Invocations", &of_rule[1..], minute, 99.0).await;
        assert_eq!(find(&self.gate_checks(&facts).await, "traffic").value, "0");

        self.sdk.put_metric("AWS/Events", "Invocations", &of_rule, minute, 2.0).await;
        self.sdk.put_metric("AWS/Events", "Invocations", &of_rule, next, 1.0).await;
        self.sdk.put_metric("AWS/Lambda", "Invocations", &of_function, minute, 3.0).await;
        self.sdk.put_metric("AWS/Lambda", "Errors", &of_function, minute, 0.0).await;
        let checks = self.gate_checks(&facts).await;
        for check in &checks {
            assert_eq!(check.verdict, Verdict::Pass, "{check:#?}");
            assert!(!check.evidence.request_ids.is_empty(), "{check:#?}");
        }
        assert_eq!(find(&checks, "traffic").evidence.datapoints, [(minute, 2), (next, 1)]);

        self.sdk.put_metric("AWS/Events", "FailedInvocations", &of_rule, minute, 3.0).await;
        let queue = &self.environment.dlqs[0];
        let url = self.sdk.sqs.get_queue_url().queue_name(queue).send().await.unwrap();
        self.sdk.sqs.send_message().queue_url(url.queue_url().unwrap()).message_body("{}").send().await.unwrap();
        let checks = self.gate_checks(&facts).await;
        assert!(gate::is_decided_early(&checks));
        let failed = find(&checks, "failed-invocations");
        assert_eq!((failed.verdict, failed.value.as_str()), (Verdict::Fail, "3"), "{failed:#?}");
        let grown = find(&checks, &format!("dlq:{queue}"));
        assert_eq!((grown.verdict, grown.value.as_str()), (Verdict::Fail, "0 → 1"), "{grown:#?}");
    }

    async fn what_is_missing_is_told(&self) {
        assert!(self.aws.describe_rule(self.bus(), "no-such-rule").await.unwrap_err().is_not_found());
        assert!(!self.aws.bus_exists("no-such-bus").await.unwrap());
        assert!(self.aws.dlq_depth("no-such-queue").await.unwrap_err().is_not_found());
        assert!(self.aws.table("no-such-table").await.unwrap_err().is_not_found());
        assert!(self.aws.ttl("no-such-table").await.unwrap_err().is_not_found());
        let refused = self.aws.enable_rule(&self.held, self.bus(), "no-such-rule").await;
        assert_eq!(refused.is_err_and(|error| error.is_not_found()), self.lies.missing_rules_are_refused);
        let elsewhere = Held::granted("prod", None);
        let mixed_up = self.aws.disable_rule(&elsewhere, self.bus(), &self.rule().rule).await.unwrap_err();
        assert!(matches!(mixed_up.kind, AwsErrorKind::WrongEnvironment { .. }), "{mixed_up}");
    }

    async fn rollback(&self) {
        let rules = &self.environment.rules;
        self.aws.enable_rule(&self.held, self.bus(), &rules[3].rule).await.unwrap();
        let done = self.aws.disable_all(&self.held, self.bus(), rules, Instant::now()).await.unwrap();
        assert!(done.verified, "{done:#?}");
        for (outcome, enabled_before) in done.rules.iter().zip([true, false, false, true]) {
            assert_eq!(outcome.before.map(RuleState::is_enabled), Some(enabled_before), "{done:#?}");
            assert_eq!((outcome.after, outcome.attempts), (Some(RuleState::Disabled), 1), "{done:#?}");
            assert_eq!(outcome.error, None);
        }
    }

    async fn another_account_is_refused(&self, emulator: &Emulator) {
        let mut other = self.environment.clone();
        other.account = Some("999999999999".to_owned());
        let wrong = Aws::connect(&other, &settings(&emulator.endpoint)).await;
        let error = wrong.enable_rule(&self.held, self.bus(), &self.rule().rule).await.unwrap_err();
        assert!(matches!(error.kind, AwsErrorKind::WrongAccount { .. }), "{error}");
        let error =
            wrong.disable_all(&self.held, self.bus(), &self.environment.rules, Instant::now()).await.unwrap_err();
        assert!(matches!(error.kind, AwsErrorKind::WrongAccount { .. }), "{error}");
        assert!(!self.aws.describe_rule(self.bus(), &self.rule().rule).await.unwrap().state.is_enabled());
    }
}
