//! CloudFormation: change sets, what happens to a stack while one is executed, and the ways out of a failed update.

use aws_sdk_cloudformation::operation::describe_change_set::DescribeChangeSetOutput;
use aws_sdk_cloudformation::types::{
    Capability, ChangeSetStatus, ChangeSetType, ExecutionStatus, Parameter, Replacement as SdkReplacement, Tag,
};

use crate::domain::{ChangeSet, ChangeSetOrder, ChangeSetState, Held, Replacement, ResourceChange, StackEvent};

use super::metrics::timestamp;
use super::operation::{
    CONTINUE_UPDATE_ROLLBACK, CREATE_CHANGE_SET, DELETE_CHANGE_SET, DESCRIBE_CHANGE_SET, DESCRIBE_STACK_EVENTS,
    EXECUTE_CHANGE_SET, ROLLBACK_STACK,
};
use super::rules::ids;
use super::{Answer, Aws, AwsError, AwsErrorKind};

/// Pages of a change set or of a stack's events that are read before they are called endless.
const MAX_PAGES: usize = 50;

impl Aws {
    /// Has CloudFormation work out what a template would change (CreateChangeSet); returns the change set's id. Nothing of
    /// the stack is changed, but for a stack that does not exist yet: that one is there from then on, without resources.
    ///
    /// A repeat is harmless: name and token follow from run and attempt. When there is one of the name already, it is
    /// described, and its id is returned.
    ///
    /// # Errors
    /// When CloudFormation refuses it, or cannot be asked.
    pub async fn create_change_set(&self, held: &Held<'_>, order: &ChangeSetOrder) -> Result<Answer<String>, AwsError> {
        let in_time = self.may_change(held, CREATE_CHANGE_SET).await?;
        let given = order
            .parameters
            .iter()
            .map(|(key, value)| Parameter::builder().parameter_key(key).parameter_value(value).build());
        let kept = order
            .kept_parameters
            .iter()
            .map(|key| Parameter::builder().parameter_key(key).use_previous_value(true).build());
        let tags = order.tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build());
        let kind = if order.creates { ChangeSetType::Create } else { ChangeSetType::Update };
        let sent = self
            .clients()
            .cloudformation
            .create_change_set()
            .stack_name(&order.stack)
            .change_set_name(&order.name)
            .client_token(&order.token)
            .change_set_type(kind)
            .template_url(&order.template_url)
            .set_parameters(Some(given.chain(kept).collect()))
            .set_capabilities(Some(order.capabilities.iter().map(|name| Capability::from(name.as_str())).collect()))
            .set_role_arn(order.role_arn.clone())
            .set_tags(Some(tags.collect()))
            .customize()
            .interceptor(in_time)
            .send()
            .await;
        match sent {
            Ok(output) => {
                let missing = || AwsError::other(CREATE_CHANGE_SET, "MissingId", "the answer has no id");
                let id = output.id().ok_or_else(|| missing().about(&order.name))?;
                Ok(Answer { value: id.to_owned(), request_ids: ids(&output) })
            }
            Err(error) => {
                let exists = error.as_service_error().is_some_and(|error| error.is_already_exists_exception());
                let error = AwsError::from_sdk(CREATE_CHANGE_SET, &error).about(&order.name);
                if !exists {
                    return Err(error);
                }
                let found = self.change_set(&order.stack, &order.name).await?;
                let Some(there) = found.value else { return Err(error) };
                Ok(Answer { value: there.id, request_ids: found.request_ids })
            }
        }
    }

    /// A change set by its name or id, with all its changes (DescribeChangeSet, all pages); none when there is no such
    /// change set.
    ///
    /// # Errors
    /// When CloudFormation cannot be asked, or its answer has no id.
    pub async fn change_set(&self, stack: &str, name: &str) -> Result<Answer<Option<ChangeSet>>, AwsError> {
        let mut found: Option<ChangeSet> = None;
        let mut request_ids = Vec::new();
        let mut next = None;
        for _ in 0..MAX_PAGES {
            let call = self.clients().cloudformation.describe_change_set().stack_name(stack).change_set_name(name);
            let page = match call.set_next_token(next).send().await {
                Ok(page) => page,
                Err(error) => {
                    let gone = error.as_service_error().is_some_and(|error| error.is_change_set_not_found_exception());
                    let error = AwsError::from_sdk(DESCRIBE_CHANGE_SET, &error).about(name);
                    if gone || error.is_not_found() {
                        return Ok(Answer { value: None, request_ids });
                    }
                    return Err(error);
                }
            };
            request_ids.extend(ids(&page));
            let missing = || AwsError::other(DESCRIBE_CHANGE_SET, "MissingId", "the answer has no id").about(name);
            let id = page.change_set_id().ok_or_else(missing)?.to_owned();
            let whole = found.get_or_insert_with(|| ChangeSet { id, state: state(&page), changes: Vec::new() });
            whole.changes.extend(page.changes().iter().filter_map(|change| change.resource_change()).map(change));
            next = page.next_token().filter(|token| !token.is_empty()).map(str::to_owned);
            if next.is_none() {
                return Ok(Answer { value: found, request_ids });
            }
        }
        Err(AwsError::other(DESCRIBE_CHANGE_SET, "TooManyPages", "the changes did not end").about(name))
    }

    /// Takes a change set away (DeleteChangeSet). The stack stays as it is.
    ///
    /// A repeat is harmless: what is gone already counts as done.
    ///
    /// # Errors
    /// When CloudFormation refuses it, or cannot be asked.
    pub async fn delete_change_set(&self, held: &Held<'_>, stack: &str, name: &str) -> Result<Vec<String>, AwsError> {
        let in_time = self.may_change(held, DELETE_CHANGE_SET).await?;
        let call = self.clients().cloudformation.delete_change_set().stack_name(stack).change_set_name(name);
        match call.customize().interceptor(in_time).send().await {
            Ok(output) => Ok(ids(&output)),
            Err(error) => match AwsError::from_sdk(DELETE_CHANGE_SET, &error).about(name) {
                gone if gone.is_not_found() || is_coded(&gone, "ChangeSetNotFound") => Ok(Vec::new()),
                error => Err(error),
            },
        }
    }

    /// Executes a change set (ExecuteChangeSet). It is named by its id, so that no other one of the same name is meant.
    ///
    /// A repeat is harmless: the token follows from run and step, CloudFormation takes it once, and every event of the
    /// stack that comes of it carries it.
    ///
    /// # Errors
    /// When CloudFormation refuses it, or cannot be asked.
    pub async fn execute_change_set(
        &self,
        held: &Held<'_>,
        stack: &str,
        id: &str,
        token: &str,
    ) -> Result<Vec<String>, AwsError> {
        let in_time = self.may_change(held, EXECUTE_CHANGE_SET).await?;
        let call = self.clients().cloudformation.execute_change_set().stack_name(stack).change_set_name(id);
        match call.client_request_token(token).customize().interceptor(in_time).send().await {
            Ok(output) => Ok(ids(&output)),
            Err(error) => {
                let known = error.as_service_error().is_some_and(|error| error.is_token_already_exists_exception());
                let error = AwsError::from_sdk(EXECUTE_CHANGE_SET, &error).about(stack);
                if known { Ok(error.request_id.into_iter().collect()) } else { Err(error) }
            }
        }
    }

    /// What came of the request with a token, oldest first (DescribeStackEvents, the newest pages, read until they are
    /// older than the request); nothing when the stack knows no such request.
    ///
    /// # Errors
    /// When CloudFormation cannot be asked.
    pub async fn stack_events(&self, stack: &str, token: &str) -> Result<Answer<Vec<StackEvent>>, AwsError> {
        let mut all = Answer { value: Vec::new(), request_ids: Vec::new() };
        let mut next = None;
        for _ in 0..MAX_PAGES {
            let call = self.clients().cloudformation.describe_stack_events().stack_name(stack);
            let page = call
                .set_next_token(next)
                .send()
                .await
                .map_err(|error| AwsError::from_sdk(DESCRIBE_STACK_EVENTS, &error).about(stack))?;
            all.request_ids.extend(ids(&page));
            let before = all.value.len();
            for event in page.stack_events().iter().filter(|event| event.client_request_token() == Some(token)) {
                let Some(at) = event.timestamp().and_then(timestamp) else { continue };
                all.value.push(StackEvent {
                    id: event.event_id().unwrap_or_default().to_owned(),
                    at,
                    logical_id: event.logical_resource_id().unwrap_or_default().to_owned(),
                    resource_type: event.resource_type().unwrap_or_default().to_owned(),
                    status: event.resource_status().map(|status| status.as_str().to_owned()).unwrap_or_default(),
                    reason: event.resource_status_reason().filter(|reason| !reason.is_empty()).map(str::to_owned),
                    token: event.client_request_token().map(str::to_owned),
                });
            }
            next = page.next_token().filter(|token| !token.is_empty()).map(str::to_owned);
            // Newest first: a page without any, after one that had some, is older than the request.
            if next.is_none() || (before > 0 && before == all.value.len()) {
                all.value.reverse();
                return Ok(all);
            }
        }
        all.value.reverse();
        if all.value.is_empty() {
            let message = "the newest events are not of this request, and there are too many to read them all";
            return Err(AwsError::other(DESCRIBE_STACK_EVENTS, "TooManyPages", message).about(stack));
        }
        Ok(all)
    }

    /// Brings a stack in `UPDATE_FAILED` or `CREATE_FAILED` back to its last good state (RollbackStack).
    ///
    /// A repeat is harmless: the token follows from run and step, and a stack on its way back refuses another request.
    ///
    /// # Errors
    /// When CloudFormation refuses it, or cannot be asked.
    pub async fn rollback_stack(
        &self,
        held: &Held<'_>,
        stack: &str,
        role_arn: Option<&str>,
        token: &str,
    ) -> Result<Vec<String>, AwsError> {
        let in_time = self.may_change(held, ROLLBACK_STACK).await?;
        let call = self.clients().cloudformation.rollback_stack().stack_name(stack);
        let call = call.set_role_arn(role_arn.map(str::to_owned)).client_request_token(token);
        once(
            call.customize()
                .interceptor(in_time)
                .send()
                .await
                .map(|output| ids(&output))
                .map_err(|error| AwsError::from_sdk(ROLLBACK_STACK, &error)),
        )
        .map_err(|error| error.about(stack))
    }

    /// Goes on with a rollback that failed, in `UPDATE_ROLLBACK_FAILED` (ContinueUpdateRollback). No resource is skipped:
    /// what a skipped one is afterwards, CloudFormation does not know.
    ///
    /// A repeat is harmless: the token follows from run and step, and a stack on its way back refuses another request.
    ///
    /// # Errors
    /// When CloudFormation refuses it, or cannot be asked.
    pub async fn continue_update_rollback(
        &self,
        held: &Held<'_>,
        stack: &str,
        role_arn: Option<&str>,
        token: &str,
    ) -> Result<Vec<String>, AwsError> {
        let in_time = self.may_change(held, CONTINUE_UPDATE_ROLLBACK).await?;
        let call = self.clients().cloudformation.continue_update_rollback().stack_name(stack);
        let call = call.set_role_arn(role_arn.map(str::to_owned)).client_request_token(token);
        let sent = call.customize().interceptor(in_time).send().await.map(|output| ids(&output));
        once(sent.map_err(|error| AwsError::from_sdk(CONTINUE_UPDATE_ROLLBACK, &error)))
            .map_err(|error| error.about(stack))
    }
}

/// A token that CloudFormation knows already means that the request was taken before.
fn once(sent: Result<Vec<String>, AwsError>) -> Result<Vec<String>, AwsError> {
    sent.or_else(|error| {
        if is_coded(&error, "TokenAlreadyExistsException") {
            Ok(error.request_id.into_iter().collect())
        } else {
            Err(error)
        }
    })
}

fn is_coded(error: &AwsError, wanted: &str) -> bool {
    matches!(&error.kind, AwsErrorKind::Other { code, .. } if code == wanted)
}

fn state(page: &DescribeChangeSetOutput) -> ChangeSetState {
    let reason = page.status_reason().unwrap_or("CloudFormation gives no reason");
    let status = page.status().map_or("no status", ChangeSetStatus::as_str);
    match (page.execution_status(), page.status()) {
        (
            Some(
                executed @ (ExecutionStatus::ExecuteInProgress
                | ExecutionStatus::ExecuteComplete
                | ExecutionStatus::ExecuteFailed),
            ),
            _,
        ) => ChangeSetState::Executed { status: executed.as_str().to_owned() },
        (_, Some(ChangeSetStatus::Failed)) if is_empty(reason) => ChangeSetState::Empty,
        (_, Some(ChangeSetStatus::CreatePending | ChangeSetStatus::CreateInProgress)) => ChangeSetState::Pending,
        (Some(ExecutionStatus::Available), Some(ChangeSetStatus::CreateComplete)) => ChangeSetState::Available,
        (Some(ExecutionStatus::Obsolete), _) => {
            ChangeSetState::Unusable { reason: "the stack was changed since (OBSOLETE)".to_owned() }
        }
        _ => ChangeSetState::Unusable { reason: format!("{status}: {reason}") },
    }
}

/// CloudFormation has no code for a change set without changes, only words; a template with transforms has others.
fn is_empty(reason: &str) -> bool {
    reason.contains("didn't contain changes") || reason.contains("No updates are to be performed")
}

fn change(change: &aws_sdk_cloudformation::types::ResourceChange) -> ResourceChange {
    ResourceChange {
        action: change.action().map(|action| action.as_str().to_owned()).unwrap_or_default(),
        logical_id: change.logical_resource_id().unwrap_or_default().to_owned(),
        resource_type: change.resource_type().unwrap_or_default().to_owned(),
        replacement: match change.replacement() {
            Some(SdkReplacement::True) => Replacement::Yes,
            Some(SdkReplacement::False) | None => Replacement::No,
            // What is not known to keep the resource may replace it.
            Some(_) => Replacement::Conditional,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_set_without_changes_is_told_from_one_that_failed() {
        let described = |status: ChangeSetStatus, execution: ExecutionStatus, reason: &str| {
            let page = DescribeChangeSetOutput::builder().status(status).execution_status(execution);
            state(&page.status_reason(reason).build())
        };
        let empty =
            "The submitted information didn't contain changes. Submit different information to create a change set.";
        for reason in [empty, "No updates are to be performed."] {
            assert_eq!(described(ChangeSetStatus::Failed, ExecutionStatus::Unavailable, reason), ChangeSetState::Empty);
        }
        assert_eq!(
            described(ChangeSetStatus::Failed, ExecutionStatus::Unavailable, "S3 error: Access Denied"),
            ChangeSetState::Unusable { reason: "FAILED: S3 error: Access Denied".to_owned() }
        );
        assert_eq!(
            described(ChangeSetStatus::CreateComplete, ExecutionStatus::Available, ""),
            ChangeSetState::Available
        );
        assert_eq!(
            described(ChangeSetStatus::CreatePending, ExecutionStatus::Unavailable, ""),
            ChangeSetState::Pending
        );
        assert_eq!(
            described(ChangeSetStatus::CreateComplete, ExecutionStatus::ExecuteComplete, ""),
            ChangeSetState::Executed { status: "EXECUTE_COMPLETE".to_owned() }
        );
        assert!(matches!(
            described(ChangeSetStatus::CreateComplete, ExecutionStatus::Obsolete, ""),
            ChangeSetState::Unusable { .. }
        ));
    }
}
