//! Whether Alch can read what it needs in an environment: each read tried once, for people setting it up.

use futures_util::future::{BoxFuture, FutureExt, join_all};
use jiff::{SignedDuration, Timestamp};

use crate::checks::{GateMetric, minute_after, minute_of};
use crate::domain::{Environment, SessionStyle};

use super::operation::{
    ASSUME_ROLE, DESCRIBE_ALARM_HISTORY, DESCRIBE_ALARMS, DESCRIBE_EVENT_BUS, DESCRIBE_RULE, DESCRIBE_STACKS,
    DESCRIBE_TABLE, DESCRIBE_TTL, GET_CALLER_IDENTITY, GET_FUNCTION, GET_METRIC_DATA, GET_QUEUE_ATTRIBUTES,
    GET_TEMPLATE, GET_TOPIC_ATTRIBUTES, LIST_RULES,
};
use super::session::{Attribution, check_session};
use super::{Aws, AwsError, AwsErrorKind, Operation};

/// What was tried, and what it said.
pub type Access = (&'static Operation, Result<String, AwsError>);

impl Aws {
    /// Tries who Alch is, whether that is the configured account, and each read, all at the same time. Changes nothing:
    /// whether rules may be enabled and disabled, and notices published, cannot be told without doing it.
    pub async fn check_access(&self, environment: &Environment, now: Timestamp) -> Vec<Access> {
        if let Err(error) = self.same_environment(GET_CALLER_IDENTITY, &environment.name) {
            return vec![(GET_CALLER_IDENTITY, Err(error))];
        }
        let mut tries: Vec<BoxFuture<'_, Access>> = vec![
            async { (GET_CALLER_IDENTITY, self.try_identity().await) }.boxed(),
            async { (DESCRIBE_EVENT_BUS, self.try_bus(&environment.bus).await) }.boxed(),
            async { (LIST_RULES, self.try_rules(environment).await) }.boxed(),
            async { (DESCRIBE_ALARMS, self.try_alarms(&environment.alarms).await) }.boxed(),
            async { (GET_METRIC_DATA, self.try_metrics(environment, now).await) }.boxed(),
            async { (DESCRIBE_TABLE, self.try_table(environment).await) }.boxed(),
            async { (DESCRIBE_TTL, self.try_ttl(environment).await) }.boxed(),
            async { (DESCRIBE_ALARM_HISTORY, self.try_history(&environment.alarms, now).await) }.boxed(),
            async { (GET_FUNCTION, self.try_artefact(&environment.function).await) }.boxed(),
            async { (GET_TEMPLATE, self.try_template(&environment.stack).await) }.boxed(),
            async { (DESCRIBE_STACKS, self.try_label(&environment.stack).await) }.boxed(),
        ];
        if let Some(topic) = &environment.notify.topic {
            tries.push(async { (GET_TOPIC_ATTRIBUTES, self.try_topic(topic).await) }.boxed());
        }
        if let Some(role) = &environment.role_arn {
            tries.push(async { (ASSUME_ROLE, self.try_session(role).await) }.boxed());
        }
        tries.extend(environment.rules.iter().map(|rule| {
            async move {
                let fact = self.describe_rule(&environment.bus, &rule.rule).await;
                let told =
                    fact.map(|fact| format!("{}: {}, targets {}", rule.rule, fact.state.word(), fact.targets.len()));
                (DESCRIBE_RULE, told)
            }
            .boxed()
        }));
        tries.extend(environment.dlqs.iter().map(|queue| {
            async move {
                let depth = self.dlq_depth(queue).await;
                (GET_QUEUE_ATTRIBUTES, depth.map(|depth| format!("{queue}: {} messages", depth.total())))
            }
            .boxed()
        }));
        let mut tried = join_all(tries).await;
        // A refused call names the operation that was refused, which may be another: AssumeRole, GetQueueUrl.
        for (operation, result) in &mut tried {
            if let Err(error) = result {
                *operation = error.operation;
            }
        }
        tried
    }

    async fn try_identity(&self) -> Result<String, AwsError> {
        let identity = self.identity().await?;
        self.confirm_account().await?;
        Ok(format!("account {}, {}", identity.account, identity.arn))
    }

    /// Whether acts get sessions that name the person who asked. The reads above have shown whether there are any at all.
    async fn try_session(&self, role: &str) -> Result<String, AwsError> {
        let session = check_session();
        let fullest = match self.0.style {
            SessionStyle::Tagged => Attribution::Tagged,
            SessionStyle::Named => Attribution::Named,
        };
        match self.assume_as(&self.0.clients.sts_own, role, &session, fullest).await {
            Ok(_) if fullest == Attribution::Named => {
                Ok(format!("{role}: sessions are named after run and step, and do not say who asked"))
            }
            Ok(_) => Ok(format!("{role}: sessions are named after run and step, and say who asked")),
            Err(error) if matches!(error.kind, AwsErrorKind::AccessDenied { .. }) && fullest != Attribution::Named => {
                self.assume_as(&self.0.clients.sts_own, role, &session, Attribution::Named).await?;
                let message = format!(
                    "it may be assumed, but not with SourceIdentity and tags, so CloudTrail does not say who asked: allow \
                     sts:SetSourceIdentity and sts:TagSession in its trust policy and to Alch's own role (alch iam {} --role \
                     trust), or set session = \"named\"",
                    self.0.environment
                );
                Err(AwsError::other(ASSUME_ROLE, "AccessDenied", message).about(role))
            }
            Err(error) => Err(error),
        }
    }

    async fn try_bus(&self, bus: &str) -> Result<String, AwsError> {
        match self.describe_bus(bus).await?.value {
            true => Ok(format!("{bus} is there")),
            false => Err(AwsError::missing(DESCRIBE_EVENT_BUS, bus)),
        }
    }

    async fn try_rules(&self, environment: &Environment) -> Result<String, AwsError> {
        let listed = self.rules(&environment.bus).await?;
        let missing = environment.rules.iter().find(|rule| !listed.iter().any(|found| found.name == rule.rule));
        match missing {
            Some(rule) => Err(AwsError::missing(LIST_RULES, &rule.rule)),
            None => Ok(format!("{} rules on the bus, all configured ones among them", listed.len())),
        }
    }

    async fn try_alarms(&self, names: &[String]) -> Result<String, AwsError> {
        let found = self.alarms(names).await?;
        match names.iter().find(|name| !found.contains_key(*name)) {
            Some(name) => Err(AwsError::missing(DESCRIBE_ALARMS, name)),
            None => Ok(format!("all {} configured alarms are there", names.len())),
        }
    }

    async fn try_history(&self, alarms: &[String], now: Timestamp) -> Result<String, AwsError> {
        let Some(alarm) = alarms.first() else {
            return Ok("no alarm to ask about".to_owned());
        };
        let changes = self.alarm_changes(std::slice::from_ref(alarm), now - SignedDuration::from_hours(24)).await?;
        Ok(format!("{alarm}: {} changes in 24 hours", changes.len()))
    }

    async fn try_artefact(&self, function: &str) -> Result<String, AwsError> {
        Ok(format!("{function}: CodeSha256 {}", self.artefact(function).await?))
    }

    async fn try_template(&self, stack: &str) -> Result<String, AwsError> {
        Ok(format!("{stack}: template {}", self.template_digest(stack).await?))
    }

    async fn try_label(&self, stack: &str) -> Result<String, AwsError> {
        Ok(match self.version_label(stack).await? {
            Some(label) => format!("{stack}: version {label}"),
            None => format!("{stack} is there, and has no tag \"version\""),
        })
    }

    async fn try_topic(&self, topic: &str) -> Result<String, AwsError> {
        Ok(match self.topic_subscriptions(topic).await? {
            Some(0) => format!("{topic} is there, but nobody has confirmed a subscription"),
            Some(1) => format!("{topic}: 1 confirmed subscription"),
            Some(number) => format!("{topic}: {number} confirmed subscriptions"),
            None => format!("{topic} is there"),
        })
    }

    async fn try_metrics(&self, environment: &Environment, now: Timestamp) -> Result<String, AwsError> {
        let Some(rule) = environment.rules.first() else {
            return Ok("no rule to ask about".to_owned());
        };
        let query = GateMetric::Invocations.query(environment, rule);
        let answers = self.metric_series(vec![query], minute_of(now), minute_after(now)).await?;
        match answers.into_iter().find_map(Result::err) {
            Some(why) => Err(AwsError::other(GET_METRIC_DATA, "NoData", why)),
            None => Ok("metrics can be read".to_owned()),
        }
    }

    async fn try_table(&self, environment: &Environment) -> Result<String, AwsError> {
        let fact = self.table(&environment.table.name).await?;
        Ok(format!("{}: {}, key {}", environment.table.name, fact.status, fact.partition_key.unwrap_or_default()))
    }

    async fn try_ttl(&self, environment: &Environment) -> Result<String, AwsError> {
        let fact = self.ttl(&environment.table.name).await?;
        let on = fact.attribute.map(|attribute| format!(" on {attribute}")).unwrap_or_default();
        Ok(format!("{}: {}{on}", environment.table.name, fact.status))
    }
}
