//! CloudFormation: how a stack stands.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudformation::operation::describe_stacks::DescribeStacksOutput;
use aws_sdk_cloudformation::types::Output;
use jiff::Timestamp;

use super::observe::{in_words, none_if_missing};
use super::operation::DESCRIBE_STACKS;
use super::rules::ids;
use super::{Answer, Aws, AwsError};
use crate::checks::infrastructure::InfrastructureReadings;
use crate::domain::Environment;

/// A stack as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackState {
    /// CloudFormation's word for it: `UPDATE_COMPLETE`.
    pub status: String,
    /// Why, where CloudFormation says it.
    pub reason: Option<String>,
    /// When it was last made or changed, UTC; none when the answer does not say.
    pub touched_at: Option<Timestamp>,
    /// The names of its parameters.
    pub parameters: BTreeSet<String>,
}

impl StackState {
    /// Whether CloudFormation is at work on it.
    pub fn is_in_progress(&self) -> bool {
        self.status.ends_with("_IN_PROGRESS") && self.status != "REVIEW_IN_PROGRESS"
    }

    /// Whether the last thing done to it succeeded.
    pub fn is_good(&self) -> bool {
        matches!(self.status.as_str(), "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "IMPORT_COMPLETE")
    }

    /// Whether it can be updated as it stands.
    pub fn takes_updates(&self) -> bool {
        self.is_good()
            || matches!(
                self.status.as_str(),
                "UPDATE_ROLLBACK_COMPLETE" | "IMPORT_ROLLBACK_COMPLETE" | "REVIEW_IN_PROGRESS"
            )
    }
}

impl Aws {
    /// What a deployment should have made, all asked at the same time.
    pub async fn read_infrastructure(&self, environment: &Environment) -> InfrastructureReadings {
        let table = &environment.table.name;
        let queue = async {
            let queue = environment.dlqs.first()?;
            Some((queue.clone(), in_words(none_if_missing(self.read_dlq(queue).await))))
        };
        let (bus, described, ttl, queue, outputs) = tokio::join!(
            self.describe_bus(&environment.bus),
            self.read_table(table),
            self.read_ttl(table),
            queue,
            self.stack_outputs(&environment.stack),
        );
        InfrastructureReadings {
            bus: in_words(bus),
            table: in_words(none_if_missing(described)),
            ttl: in_words(none_if_missing(ttl)),
            queue,
            outputs: in_words(outputs),
        }
    }

    /// The stack's outputs by key (DescribeStacks).
    ///
    /// # Errors
    /// When AWS cannot be asked, or there is no such stack.
    pub async fn stack_outputs(&self, stack: &str) -> Result<Answer<BTreeMap<String, String>>, AwsError> {
        let output = self.describe_stack(stack).await?;
        let described = output.stacks().first().ok_or_else(|| AwsError::missing(DESCRIBE_STACKS, stack))?;
        let pair = |output: &Output| Some((output.output_key()?.to_owned(), output.output_value()?.to_owned()));
        Ok(Answer { value: described.outputs().iter().filter_map(pair).collect(), request_ids: ids(&output) })
    }

    /// How a stack stands (DescribeStacks); none when there is no such stack.
    ///
    /// # Errors
    /// When AWS cannot be asked.
    pub async fn stack_state(&self, stack: &str) -> Result<Option<StackState>, AwsError> {
        let output = match self.describe_stack(stack).await {
            Ok(output) => output,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error),
        };
        let Some(described) = output.stacks().first() else { return Ok(None) };
        let status = described.stack_status().map(|status| status.as_str().to_owned());
        let status = status.ok_or_else(|| {
            AwsError::other(DESCRIBE_STACKS, "MissingStatus", "the answer has no StackStatus").about(stack)
        })?;
        let at = described.last_updated_time().or(described.creation_time());
        let parameters = described.parameters().iter().filter_map(|one| one.parameter_key());
        Ok(Some(StackState {
            status,
            reason: described.stack_status_reason().filter(|reason| !reason.is_empty()).map(str::to_owned),
            touched_at: at.and_then(|at| Timestamp::new(at.secs(), 0).ok()),
            parameters: parameters.map(str::to_owned).collect(),
        }))
    }

    /// One stack as CloudFormation describes it (DescribeStacks).
    pub(super) async fn describe_stack(&self, stack: &str) -> Result<DescribeStacksOutput, AwsError> {
        let call = self.clients().cloudformation.describe_stacks().stack_name(stack);
        call.send().await.map_err(|error| AwsError::from_sdk(DESCRIBE_STACKS, &error).about(stack))
    }
}
