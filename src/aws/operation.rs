//! The AWS operations that Alch calls, with the names that people meet in errors and in IAM policies.

use std::fmt;

/// One operation of one service. There is one of each, so errors carry a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Operation {
    /// Its name in the service's API: `DescribeRule`.
    pub name: &'static str,
    /// The service, for people: `EventBridge`.
    pub service: &'static str,
    /// The IAM action that permits it: `events:DescribeRule`.
    pub iam_action: &'static str,
    /// Whether it changes something.
    pub changes: bool,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.service, self.name)
    }
}

impl Operation {
    const fn read(service: &'static str, name: &'static str, iam_action: &'static str) -> Self {
        Self { name, service, iam_action, changes: false }
    }

    const fn change(service: &'static str, name: &'static str, iam_action: &'static str) -> Self {
        Self { name, service, iam_action, changes: true }
    }
}

pub(super) const DESCRIBE_EVENT_BUS: &Operation =
    &Operation::read("EventBridge", "DescribeEventBus", "events:DescribeEventBus");
pub(super) const LIST_RULES: &Operation = &Operation::read("EventBridge", "ListRules", "events:ListRules");
pub(super) const DESCRIBE_RULE: &Operation = &Operation::read("EventBridge", "DescribeRule", "events:DescribeRule");
pub(super) const LIST_TARGETS: &Operation =
    &Operation::read("EventBridge", "ListTargetsByRule", "events:ListTargetsByRule");
pub(super) const ENABLE_RULE: &Operation = &Operation::change("EventBridge", "EnableRule", "events:EnableRule");
pub(super) const DISABLE_RULE: &Operation = &Operation::change("EventBridge", "DisableRule", "events:DisableRule");
pub(super) const GET_QUEUE_URL: &Operation = &Operation::read("SQS", "GetQueueUrl", "sqs:GetQueueUrl");
pub(super) const GET_QUEUE_ATTRIBUTES: &Operation =
    &Operation::read("SQS", "GetQueueAttributes", "sqs:GetQueueAttributes");
pub(super) const DESCRIBE_ALARMS: &Operation =
    &Operation::read("CloudWatch", "DescribeAlarms", "cloudwatch:DescribeAlarms");
pub(super) const GET_METRIC_DATA: &Operation =
    &Operation::read("CloudWatch", "GetMetricData", "cloudwatch:GetMetricData");
pub(super) const DESCRIBE_ALARM_HISTORY: &Operation =
    &Operation::read("CloudWatch", "DescribeAlarmHistory", "cloudwatch:DescribeAlarmHistory");
pub(super) const DESCRIBE_TABLE: &Operation = &Operation::read("DynamoDB", "DescribeTable", "dynamodb:DescribeTable");
pub(super) const DESCRIBE_TTL: &Operation =
    &Operation::read("DynamoDB", "DescribeTimeToLive", "dynamodb:DescribeTimeToLive");
pub(super) const GET_FUNCTION: &Operation =
    &Operation::read("Lambda", "GetFunctionConfiguration", "lambda:GetFunctionConfiguration");
pub(super) const GET_CONCURRENCY: &Operation =
    &Operation::read("Lambda", "GetFunctionConcurrency", "lambda:GetFunctionConcurrency");
pub(super) const PUT_CONCURRENCY: &Operation =
    &Operation::change("Lambda", "PutFunctionConcurrency", "lambda:PutFunctionConcurrency");
pub(super) const DELETE_CONCURRENCY: &Operation =
    &Operation::change("Lambda", "DeleteFunctionConcurrency", "lambda:DeleteFunctionConcurrency");
pub(super) const UPDATE_CODE: &Operation =
    &Operation::change("Lambda", "UpdateFunctionCode", "lambda:UpdateFunctionCode");
pub(super) const INVOKE: &Operation = &Operation::change("Lambda", "Invoke", "lambda:InvokeFunction");
pub(super) const GET_TEMPLATE: &Operation =
    &Operation::read("CloudFormation", "GetTemplate", "cloudformation:GetTemplate");
pub(super) const DESCRIBE_STACKS: &Operation =
    &Operation::read("CloudFormation", "DescribeStacks", "cloudformation:DescribeStacks");
pub(super) const CREATE_CHANGE_SET: &Operation =
    &Operation::change("CloudFormation", "CreateChangeSet", "cloudformation:CreateChangeSet");
pub(super) const DESCRIBE_CHANGE_SET: &Operation =
    &Operation::read("CloudFormation", "DescribeChangeSet", "cloudformation:DescribeChangeSet");
pub(super) const DELETE_CHANGE_SET: &Operation =
    &Operation::change("CloudFormation", "DeleteChangeSet", "cloudformation:DeleteChangeSet");
pub(super) const EXECUTE_CHANGE_SET: &Operation =
    &Operation::change("CloudFormation", "ExecuteChangeSet", "cloudformation:ExecuteChangeSet");
pub(super) const DESCRIBE_STACK_EVENTS: &Operation =
    &Operation::read("CloudFormation", "DescribeStackEvents", "cloudformation:DescribeStackEvents");
pub(super) const ROLLBACK_STACK: &Operation =
    &Operation::change("CloudFormation", "RollbackStack", "cloudformation:RollbackStack");
pub(super) const CONTINUE_UPDATE_ROLLBACK: &Operation =
    &Operation::change("CloudFormation", "ContinueUpdateRollback", "cloudformation:ContinueUpdateRollback");
pub(super) const PUBLISH: &Operation = &Operation::change("SNS", "Publish", "sns:Publish");
pub(super) const GET_TOPIC_ATTRIBUTES: &Operation =
    &Operation::read("SNS", "GetTopicAttributes", "sns:GetTopicAttributes");
pub(super) const LIST_SUBSCRIPTIONS: &Operation =
    &Operation::read("SNS", "ListSubscriptionsByTopic", "sns:ListSubscriptionsByTopic");
pub(super) const SUBSCRIBE: &Operation = &Operation::change("SNS", "Subscribe", "sns:Subscribe");
pub(super) const GET_CALLER_IDENTITY: &Operation =
    &Operation::read("STS", "GetCallerIdentity", "sts:GetCallerIdentity");
pub(super) const ASSUME_ROLE: &Operation = &Operation::read("STS", "AssumeRole", "sts:AssumeRole");
pub(super) const DESCRIBE_ARCHIVE: &Operation =
    &Operation::read("EventBridge", "DescribeArchive", "events:DescribeArchive");
pub(super) const LIST_ARCHIVES: &Operation = &Operation::read("EventBridge", "ListArchives", "events:ListArchives");
pub(super) const DESCRIBE_REPLAY: &Operation =
    &Operation::read("EventBridge", "DescribeReplay", "events:DescribeReplay");
pub(super) const LIST_REPLAYS: &Operation = &Operation::read("EventBridge", "ListReplays", "events:ListReplays");
pub(super) const START_REPLAY: &Operation = &Operation::change("EventBridge", "StartReplay", "events:StartReplay");
pub(super) const CANCEL_REPLAY: &Operation = &Operation::change("EventBridge", "CancelReplay", "events:CancelReplay");
pub(super) const PUT_EVENTS: &Operation = &Operation::change("EventBridge", "PutEvents", "events:PutEvents");
/// Hides messages for a moment, which counts as a look and not as a change.
pub(super) const RECEIVE_MESSAGE: &Operation = &Operation::read("SQS", "ReceiveMessage", "sqs:ReceiveMessage");
/// Ends that moment.
pub(super) const CHANGE_VISIBILITY: &Operation =
    &Operation::read("SQS", "ChangeMessageVisibilityBatch", "sqs:ChangeMessageVisibility");
pub(super) const DELETE_MESSAGE: &Operation = &Operation::change("SQS", "DeleteMessage", "sqs:DeleteMessage");
pub(super) const SIMULATE: &Operation =
    &Operation::read("IAM", "SimulatePrincipalPolicy", "iam:SimulatePrincipalPolicy");
pub(super) const GET_ROLE: &Operation = &Operation::read("IAM", "GetRole", "iam:GetRole");
pub(super) const LIST_ROLE_POLICIES: &Operation = &Operation::read("IAM", "ListRolePolicies", "iam:ListRolePolicies");
pub(super) const GET_ROLE_POLICY: &Operation = &Operation::read("IAM", "GetRolePolicy", "iam:GetRolePolicy");
pub(super) const LIST_ATTACHED_POLICIES: &Operation =
    &Operation::read("IAM", "ListAttachedRolePolicies", "iam:ListAttachedRolePolicies");
pub(super) const GET_POLICY: &Operation = &Operation::read("IAM", "GetPolicy", "iam:GetPolicy");
pub(super) const GET_POLICY_VERSION: &Operation = &Operation::read("IAM", "GetPolicyVersion", "iam:GetPolicyVersion");
pub(super) const GET_FUNCTION_POLICY: &Operation = &Operation::read("Lambda", "GetPolicy", "lambda:GetPolicy");
pub(super) const GET_RESOURCE_POLICY: &Operation =
    &Operation::read("DynamoDB", "GetResourcePolicy", "dynamodb:GetResourcePolicy");
pub(super) const FILTER_LOG_EVENTS: &Operation =
    &Operation::read("CloudWatch Logs", "FilterLogEvents", "logs:FilterLogEvents");
