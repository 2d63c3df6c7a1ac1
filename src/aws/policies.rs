//! What the checklist reads beside the plain states: full rules, the function with its role and policy, queues' policies,
//! the table's policy.

use aws_sdk_sqs::types::QueueAttributeName;
use jiff::Timestamp;

use crate::checks::facts::{BusFact, FullRule, FunctionFact, OtherRule, QueueFact, TargetFact};
use crate::domain::{Environment, RuleFact};
use futures_util::future::join_all;

use super::function::log_group_of;
use super::operation::{
    DESCRIBE_EVENT_BUS, DESCRIBE_RULE, GET_FUNCTION, GET_FUNCTION_POLICY, GET_QUEUE_ATTRIBUTES, GET_RESOURCE_POLICY,
    LIST_TARGETS,
};
use super::rules::{ids, rule_state};
use super::{Answer, Aws, AwsError, AwsErrorKind};

/// Rules of others whose targets are looked at; a bus holds 300 at most.
const MAX_OTHERS: usize = 300;
/// A rule has five targets at most, unless AWS was asked for more.
const MAX_PAGES: usize = 100;

impl Aws {
    /// A bus with its policy (DescribeEventBus); none when there is none of that name.
    pub(crate) async fn read_bus(&self, bus: &str) -> Result<Answer<Option<BusFact>>, AwsError> {
        match self.clients().events.describe_event_bus().name(bus).send().await {
            Ok(output) => {
                let fact = BusFact {
                    arn: output.arn().unwrap_or_default().to_owned(),
                    policy: output.policy().filter(|policy| !policy.is_empty()).map(str::to_owned),
                };
                Ok(Answer { value: Some(fact), request_ids: ids(&output) })
            }
            Err(error) => none_if_missing(AwsError::from_sdk(DESCRIBE_EVENT_BUS, &error).about(bus)),
        }
    }

    /// A rule with its ARN and its targets' dead-letter queues (DescribeRule, ListTargetsByRule).
    pub(crate) async fn read_full_rule(&self, bus: &str, rule: &str) -> Result<Answer<FullRule>, AwsError> {
        let describe = async {
            let call = self.clients().events.describe_rule().name(rule).event_bus_name(bus);
            call.send().await.map_err(|error| AwsError::from_sdk(DESCRIBE_RULE, &error).about(rule))
        };
        let (described, targets) = tokio::join!(describe, self.full_targets(bus, rule));
        let (described, targets) = (described?, targets?);
        let fact = RuleFact {
            state: rule_state(DESCRIBE_RULE, rule, described.state())?,
            managed_by: described.managed_by().map(str::to_owned),
            targets: targets.value.iter().map(|target| target.arn.clone()).collect(),
        };
        let request_ids = ids(&described).into_iter().chain(targets.request_ids).collect();
        let arn = described.arn().unwrap_or_default().to_owned();
        let pattern = described.event_pattern().map(str::to_owned);
        Ok(Answer { value: FullRule { arn, fact, pattern, targets: targets.value }, request_ids })
    }

    async fn full_targets(&self, bus: &str, rule: &str) -> Result<Answer<Vec<TargetFact>>, AwsError> {
        let mut all = Answer { value: Vec::new(), request_ids: Vec::new() };
        let mut next = None;
        for _ in 0..MAX_PAGES {
            let call = self.clients().events.list_targets_by_rule().rule(rule).event_bus_name(bus).set_next_token(next);
            let page = call.send().await.map_err(|error| AwsError::from_sdk(LIST_TARGETS, &error).about(rule))?;
            all.value.extend(page.targets().iter().map(|target| TargetFact {
                arn: target.arn().to_owned(),
                dlq: target.dead_letter_config().and_then(|config| config.arn()).map(str::to_owned),
            }));
            all.request_ids.extend(ids(&page));
            next = page.next_token().filter(|token| !token.is_empty()).map(str::to_owned);
            if next.is_none() {
                return Ok(all);
            }
        }
        Err(AwsError::other(LIST_TARGETS, "TooManyPages", "the listing did not end").about(rule))
    }

    /// The rules of the environment's bus that are neither configured nor managed by AWS, with their targets (ListRules,
    /// ListTargetsByRule).
    pub(crate) async fn read_other_rules(&self, environment: &Environment) -> Result<Answer<Vec<OtherRule>>, AwsError> {
        let bus = &environment.bus;
        let listed = self.rules(bus).await?;
        let is_other = |name: &str| !environment.rules.iter().any(|rule| rule.rule == name);
        let others = listed.into_iter().filter(|rule| rule.managed_by.is_none() && is_other(&rule.name));
        let read = join_all(others.take(MAX_OTHERS).map(|rule| async move {
            let targets = match self.full_targets(bus, &rule.name).await {
                Ok(targets) => targets,
                // It may be gone since it was listed.
                Err(error) if error.is_not_found() => Answer { value: Vec::new(), request_ids: Vec::new() },
                Err(error) => return Err(error),
            };
            let other = OtherRule {
                name: rule.name,
                enabled: rule.state.is_enabled(),
                targets: targets.value.into_iter().map(|target| target.arn).collect(),
            };
            Ok((other, targets.request_ids))
        }));
        let mut all = Answer { value: Vec::new(), request_ids: Vec::new() };
        for read in read.await {
            let (other, request_ids) = read?;
            all.value.push(other);
            all.request_ids.extend(request_ids);
        }
        Ok(all)
    }

    /// A function's ARN, role and last change (GetFunctionConfiguration).
    pub(crate) async fn read_function(&self, function: &str) -> Result<Answer<FunctionFact>, AwsError> {
        let call = self.clients().lambda.get_function_configuration().function_name(function);
        let output = call.send().await.map_err(|error| AwsError::from_sdk(GET_FUNCTION, &error).about(function))?;
        let fact = FunctionFact {
            arn: output.function_arn().unwrap_or_default().to_owned(),
            role: output.role().unwrap_or_default().to_owned(),
            log_group: log_group_of(function, &output),
            modified: output.last_modified().and_then(|text| text.replace("+0000", "Z").parse::<Timestamp>().ok()),
        };
        Ok(Answer { value: fact, request_ids: ids(&output) })
    }

    /// A function's own policy (Lambda GetPolicy); none when it has none.
    pub(crate) async fn read_function_policy(&self, function: &str) -> Result<Answer<Option<String>>, AwsError> {
        match self.clients().lambda.get_policy().function_name(function).send().await {
            Ok(output) => {
                let policy = output.policy().filter(|policy| !policy.is_empty()).map(str::to_owned);
                Ok(Answer { value: policy, request_ids: ids(&output) })
            }
            Err(error) => none_if_missing(AwsError::from_sdk(GET_FUNCTION_POLICY, &error).about(function)),
        }
    }

    /// A queue with its policy (GetQueueUrl once, GetQueueAttributes).
    pub(crate) async fn read_queue(&self, queue: &str) -> Result<Answer<QueueFact>, AwsError> {
        let depth = self.read_dlq(queue);
        let attributes = async {
            let call = self.clients().sqs.get_queue_attributes().queue_url(self.queue_url(queue).await?);
            let call = call.attribute_names(QueueAttributeName::Policy).attribute_names(QueueAttributeName::QueueArn);
            call.send().await.map_err(|error| AwsError::from_sdk(GET_QUEUE_ATTRIBUTES, &error).about(queue))
        };
        let (depth, output) = tokio::join!(depth, attributes);
        let (depth, output) = (depth?, output?);
        let attribute = |name| output.attributes().and_then(|all| all.get(&name)).filter(|text| !text.is_empty());
        let fact = QueueFact {
            arn: attribute(QueueAttributeName::QueueArn).cloned().unwrap_or_default(),
            depth: depth.value,
            policy: attribute(QueueAttributeName::Policy).cloned(),
        };
        Ok(Answer { value: fact, request_ids: depth.request_ids.into_iter().chain(ids(&output)).collect() })
    }

    /// The policy of a table, by its ARN (GetResourcePolicy); none when it has none.
    pub(crate) async fn read_table_policy(&self, arn: &str) -> Result<Answer<Option<String>>, AwsError> {
        match self.clients().dynamodb.get_resource_policy().resource_arn(arn).send().await {
            Ok(output) => {
                let policy = output.policy().filter(|policy| !policy.is_empty()).map(str::to_owned);
                Ok(Answer { value: policy, request_ids: ids(&output) })
            }
            Err(error) => match AwsError::from_sdk(GET_RESOURCE_POLICY, &error).about(arn) {
                AwsError { kind: AwsErrorKind::Other { code, .. }, request_id, .. }
                    if code == "PolicyNotFoundException" =>
                {
                    Ok(Answer { value: None, request_ids: request_id.into_iter().collect() })
                }
                error => Err(error),
            },
        }
    }
}

fn none_if_missing<T>(error: AwsError) -> Result<Answer<Option<T>>, AwsError> {
    if error.is_not_found() {
        return Ok(Answer { value: None, request_ids: error.request_id.into_iter().collect() });
    }
    Err(error)
}
