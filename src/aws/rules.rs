//! EventBridge: rules and their bus. Every call names the bus: without it, AWS would mean the default bus.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_eventbridge::operation::RequestId;
use aws_sdk_eventbridge::types::RuleState as SdkRuleState;

use crate::checks::Reading;
use crate::domain::{Held, RuleFact, RuleState};

use super::operation::{DESCRIBE_EVENT_BUS, DESCRIBE_RULE, DISABLE_RULE, ENABLE_RULE, LIST_RULES, LIST_TARGETS};
use super::{Answer, Aws, AwsError, AwsErrorKind, Operation};

/// Pages of one listing that are read before it is called endless.
const MAX_PAGES: usize = 100;
/// How often a change that met another change at the same time is sent in all.
const CONFLICT_ATTEMPTS: u32 = 5;
/// The pause after the first such conflict; it doubles with each.
const CONFLICT_PAUSE: Duration = Duration::from_millis(100);

/// A rule as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedRule {
    /// Its name in EventBridge.
    pub name: String,
    /// Its ARN; empty when the listing left it out.
    pub arn: String,
    /// Its state.
    pub state: RuleState,
    /// The AWS service that manages it.
    pub managed_by: Option<String>,
}

impl Aws {
    /// Whether the bus exists (DescribeEventBus).
    pub async fn bus_exists(&self, bus: &str) -> Result<bool, AwsError> {
        self.describe_bus(bus).await.map(|answer| answer.value)
    }

    pub(crate) async fn describe_bus(&self, bus: &str) -> Result<Answer<bool>, AwsError> {
        match self.clients().events.describe_event_bus().name(bus).send().await {
            Ok(output) => Ok(Answer { value: true, request_ids: ids(&output) }),
            Err(error) => match AwsError::from_sdk(DESCRIBE_EVENT_BUS, &error).about(bus) {
                missing if missing.is_not_found() => {
                    Ok(Answer { value: false, request_ids: missing.request_id.into_iter().collect() })
                }
                error => Err(error),
            },
        }
    }

    /// All rules of a bus (ListRules, all pages).
    pub async fn rules(&self, bus: &str) -> Result<Vec<ListedRule>, AwsError> {
        list_rules(&self.clients().events, bus).await
    }

    /// The states of a bus's rules by their names (ListRules, all pages); an error in words.
    pub async fn rule_states(&self, bus: &str) -> Reading<BTreeMap<String, RuleState>> {
        let listed = self.rules(bus).await.map_err(|error| error.to_string())?;
        let value = listed.into_iter().map(|rule| (rule.name, rule.state)).collect();
        Ok(Answer { value, request_ids: Vec::new() })
    }

    /// A rule with its targets (DescribeRule, ListTargetsByRule). `rule` is its name in EventBridge.
    pub async fn describe_rule(&self, bus: &str, rule: &str) -> Result<RuleFact, AwsError> {
        self.read_rule(bus, rule).await.map(|answer| answer.value)
    }

    pub(crate) async fn read_rule(&self, bus: &str, rule: &str) -> Result<Answer<RuleFact>, AwsError> {
        let describe = async {
            let call = self.clients().events.describe_rule().name(rule).event_bus_name(bus);
            call.send().await.map_err(|error| AwsError::from_sdk(DESCRIBE_RULE, &error).about(rule))
        };
        // Both are waited for, so that of two errors it is always the same one that is told.
        let (described, targets) = tokio::join!(describe, self.targets(bus, rule));
        let (described, targets) = (described?, targets?);
        let fact = RuleFact {
            state: rule_state(DESCRIBE_RULE, rule, described.state())?,
            managed_by: described.managed_by().map(str::to_owned),
            targets: targets.value,
        };
        let request_ids = ids(&described).into_iter().chain(targets.request_ids).collect();
        Ok(Answer { value: fact, request_ids })
    }

    /// The ARNs of a rule's targets (ListTargetsByRule, all pages).
    async fn targets(&self, bus: &str, rule: &str) -> Result<Answer<Vec<String>>, AwsError> {
        let mut all = Answer { value: Vec::new(), request_ids: Vec::new() };
        let mut next = None;
        for _ in 0..MAX_PAGES {
            let call = self.clients().events.list_targets_by_rule().rule(rule).event_bus_name(bus);
            let page = call
                .set_next_token(next)
                .send()
                .await
                .map_err(|error| AwsError::from_sdk(LIST_TARGETS, &error).about(rule))?;
            all.value.extend(page.targets().iter().map(|target| target.arn().to_owned()));
            all.request_ids.extend(ids(&page));
            next = page.next_token().filter(|token| !token.is_empty()).map(str::to_owned);
            if next.is_none() {
                return Ok(all);
            }
        }
        Err(endless(LIST_TARGETS).about(rule))
    }

    /// Enables a rule of the bus; returns the ids of the requests. A repeat is harmless: enabling an enabled rule
    /// changes nothing. It does not say whether the rule was enabled before, and takes effect a little later: read it
    /// before and after.
    ///
    /// Must not be called on a rule in `ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS`, which it would make plain
    /// `ENABLED`.
    pub async fn enable_rule(&self, held: &Held<'_>, bus: &str, rule: &str) -> Result<Vec<String>, AwsError> {
        retrying_conflicts(|| async {
            let in_time = self.may_change(held, ENABLE_RULE).await?;
            let call = self.clients().events.enable_rule().name(rule).event_bus_name(bus);
            match call.customize().interceptor(in_time).send().await {
                Ok(output) => Ok(ids(&output)),
                Err(error) => Err(AwsError::from_sdk(ENABLE_RULE, &error).about(rule)),
            }
        })
        .await
    }

    /// Disables a rule of the bus; returns the ids of the requests. A repeat is harmless: disabling a disabled rule
    /// changes nothing. It does not say whether the rule was enabled before: read it before and after.
    pub async fn disable_rule(&self, held: &Held<'_>, bus: &str, rule: &str) -> Result<Vec<String>, AwsError> {
        retrying_conflicts(|| async {
            let in_time = self.may_change(held, DISABLE_RULE).await?;
            let call = self.clients().events.disable_rule().name(rule).event_bus_name(bus);
            match call.customize().interceptor(in_time).send().await {
                Ok(output) => Ok(ids(&output)),
                Err(error) => Err(AwsError::from_sdk(DISABLE_RULE, &error).about(rule)),
            }
        })
        .await
    }
}

/// All rules of a bus, all pages, by the client given.
pub(super) async fn list_rules(events: &aws_sdk_eventbridge::Client, bus: &str) -> Result<Vec<ListedRule>, AwsError> {
    let mut all = Vec::new();
    let mut next = None;
    for _ in 0..MAX_PAGES {
        let page = events
            .list_rules()
            .event_bus_name(bus)
            .limit(100)
            .set_next_token(next)
            .send()
            .await
            .map_err(|error| AwsError::from_sdk(LIST_RULES, &error).about(bus))?;
        for rule in page.rules() {
            let Some(name) = rule.name() else { continue };
            all.push(ListedRule {
                name: name.to_owned(),
                arn: rule.arn().unwrap_or_default().to_owned(),
                state: rule_state(LIST_RULES, name, rule.state())?,
                managed_by: rule.managed_by().map(str::to_owned),
            });
        }
        next = page.next_token().filter(|token| !token.is_empty()).map(str::to_owned);
        if next.is_none() {
            return Ok(all);
        }
    }
    Err(endless(LIST_RULES).about(bus))
}

pub(super) fn rule_state(
    operation: &'static Operation,
    rule: &str,
    state: Option<&SdkRuleState>,
) -> Result<RuleState, AwsError> {
    match state {
        Some(SdkRuleState::Enabled) => Ok(RuleState::Enabled),
        Some(SdkRuleState::EnabledWithAllCloudtrailManagementEvents) => {
            Ok(RuleState::EnabledWithAllCloudtrailManagementEvents)
        }
        Some(SdkRuleState::Disabled) => Ok(RuleState::Disabled),
        other => {
            let state = other.map_or("none", SdkRuleState::as_str);
            Err(AwsError::other(operation, "UnknownState", format!("the state is {state}")).about(rule))
        }
    }
}

async fn retrying_conflicts<F>(call: impl Fn() -> F) -> Result<Vec<String>, AwsError>
where
    F: Future<Output = Result<Vec<String>, AwsError>>,
{
    let mut pause = CONFLICT_PAUSE;
    for _ in 1..CONFLICT_ATTEMPTS {
        match call().await {
            Err(error) if error.kind == AwsErrorKind::Conflict => {
                tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..1.0))).await;
                pause *= 2;
            }
            result => return result,
        }
    }
    call().await
}

fn endless(operation: &'static Operation) -> AwsError {
    AwsError::other(operation, "TooManyPages", format!("the listing did not end within {MAX_PAGES} pages"))
}

pub(super) fn ids(output: &impl RequestId) -> Vec<String> {
    output.request_id().map(str::to_owned).into_iter().collect()
}
