//! What a change set would do to a stack, as CloudFormation tells it before anything is changed.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What CloudFormation is asked to prepare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeSetOrder {
    /// The stack.
    pub stack: String,
    /// The change set's name, which follows from run and attempt.
    pub name: String,
    /// The token by which CloudFormation knows a repeat.
    pub token: String,
    /// Where the template is: an https address of S3.
    pub template_url: String,
    /// Parameters with their values.
    pub parameters: Vec<(String, String)>,
    /// Parameters that keep the value that the stack has.
    pub kept_parameters: Vec<String>,
    /// What the template may do beside ordinary resources: `CAPABILITY_AUTO_EXPAND`.
    pub capabilities: Vec<String>,
    /// The role that CloudFormation acts in; the stack's, or the caller's rights, when not given.
    pub role_arn: Option<String>,
    /// The tags of the stack from then on. CloudFormation drops those that are not named.
    pub tags: Vec<(String, String)>,
    /// Whether the stack is made by it, rather than updated.
    pub creates: bool,
}

/// A change set as CloudFormation describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeSet {
    /// Its ARN: another change set of the same name has another one.
    pub id: String,
    /// How far it is.
    pub state: ChangeSetState,
    /// What it would change, in CloudFormation's order.
    pub changes: Vec<ResourceChange>,
}

/// How far a change set is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum ChangeSetState {
    /// CloudFormation is still working it out.
    Pending,
    /// It can be executed.
    Available,
    /// There is nothing to change.
    Empty,
    /// It is being executed, or was, with success or without: CloudFormation's word for it.
    Executed {
        /// `EXECUTE_IN_PROGRESS`, `EXECUTE_COMPLETE` or `EXECUTE_FAILED`.
        status: String,
    },
    /// It cannot be executed.
    Unusable {
        /// CloudFormation's words.
        reason: String,
    },
}

/// One resource that a change set would change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceChange {
    /// CloudFormation's word for what is done: `Add`, `Modify`, `Remove`.
    pub action: String,
    /// The resource's name in the template.
    pub logical_id: String,
    /// Its type: `AWS::Events::Rule`.
    pub resource_type: String,
    /// Whether a new resource takes the place of the old one.
    pub replacement: Replacement,
}

/// Whether a new resource takes the place of the old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Replacement {
    /// It is changed where it is, or there was none before.
    No,
    /// It may be: CloudFormation knows only when it does it.
    Conditional,
    /// It is.
    Yes,
}

/// Types of resources that hold something which a new one would not have.
const STATEFUL: [&str; 12] = [
    "AWS::DynamoDB::Table",
    "AWS::DynamoDB::GlobalTable",
    "AWS::SQS::Queue",
    "AWS::SNS::Topic",
    "AWS::SNS::Subscription",
    "AWS::Events::EventBus",
    "AWS::Events::Archive",
    "AWS::S3::Bucket",
    "AWS::Logs::LogGroup",
    "AWS::KMS::Key",
    "AWS::SecretsManager::Secret",
    "AWS::CloudFormation::Stack",
];

impl ResourceChange {
    /// What somebody who approves has to notice, in words; none for an ordinary change.
    pub fn warning(&self) -> Option<String> {
        let Self { logical_id, resource_type, .. } = self;
        let removed = self.action == "Remove";
        if STATEFUL.contains(&resource_type.as_str()) {
            if removed {
                return Some(format!("{logical_id} ({resource_type}) is removed, and with it what it holds"));
            }
            match self.replacement {
                Replacement::Yes => {
                    return Some(format!("{logical_id} ({resource_type}) is replaced: the new one starts empty"));
                }
                Replacement::Conditional => {
                    return Some(format!(
                        "{logical_id} ({resource_type}) may be replaced: the new one would start empty"
                    ));
                }
                Replacement::No => {}
            }
        }
        let rights = resource_type.starts_with("AWS::IAM::")
            || resource_type.ends_with("Policy")
            || resource_type == "AWS::Lambda::Permission";
        rights.then(|| format!("{logical_id} ({resource_type}) changes who may do what"))
    }
}

/// What is known for a deployment by change set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeSetFacts {
    /// The version that is meant.
    pub version: String,
    /// The change set's name.
    #[serde(default)]
    pub name: String,
    /// The change set; none when there is a problem.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub set: Option<ChangeSet>,
    /// The stack's status before; none when there was no stack.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub status: Option<String>,
    /// Why it cannot be deployed, for people; a sentence without its full stop.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub problem: Option<String>,
}

/// Something that happened to a stack or to a resource of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackEvent {
    /// Its id.
    pub id: String,
    /// When, UTC.
    pub at: Timestamp,
    /// The resource's name in the template, or the stack's.
    pub logical_id: String,
    /// The resource's type.
    pub resource_type: String,
    /// CloudFormation's word for how it stands: `UPDATE_FAILED`.
    pub status: String,
    /// Why, where CloudFormation says it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// The token of the request that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub token: Option<String>,
}

impl StackEvent {
    /// Whether it tells of a failure.
    pub fn is_failure(&self) -> bool {
        self.status.ends_with("_FAILED")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_loses_something_and_what_gives_rights_is_told_in_words() {
        let warned = |action: &str, resource_type: &str, replacement| {
            let change = ResourceChange {
                action: action.to_owned(),
                logical_id: "It".to_owned(),
                resource_type: resource_type.to_owned(),
                replacement,
            };
            change.warning().unwrap_or_default()
        };
        let table = [
            ("Modify", "AWS::DynamoDB::Table", Replacement::Yes, "is replaced"),
            ("Modify", "AWS::SQS::Queue", Replacement::Conditional, "may be replaced"),
            ("Remove", "AWS::Events::Archive", Replacement::No, "is removed"),
            ("Add", "AWS::IAM::Role", Replacement::No, "who may do what"),
            ("Modify", "AWS::Lambda::Permission", Replacement::Yes, "who may do what"),
            ("Remove", "AWS::SQS::QueuePolicy", Replacement::No, "who may do what"),
        ];
        for (action, resource_type, replacement, words) in table {
            let warning = warned(action, resource_type, replacement);
            assert!(warning.contains(words), "{action} {resource_type}: {warning}");
        }
        for (action, resource_type) in
            [("Add", "AWS::DynamoDB::Table"), ("Modify", "AWS::SQS::Queue"), ("Remove", "AWS::Events::Rule")]
        {
            assert_eq!(warned(action, resource_type, Replacement::No), "", "{action} {resource_type}");
        }
    }
}
