//! Lambda: how many of a function may run at a time, and the code that it runs.

use aws_sdk_lambda::operation::get_function_configuration::GetFunctionConfigurationOutput;

use crate::domain::{Held, Package};

use super::held::InTime;
use super::operation::{DELETE_CONCURRENCY, GET_CONCURRENCY, GET_FUNCTION, PUT_CONCURRENCY, UPDATE_CODE};
use super::rules::ids;
use super::{Answer, Aws, AwsError};

/// The code of a function, and how its last update stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeFact {
    /// CodeSha256: base64.
    pub code: String,
    /// RevisionId; another one after each change.
    pub revision: String,
    /// LastUpdateStatus: `Successful`, `InProgress` or `Failed`.
    pub status: String,
    /// LastUpdateStatusReason.
    pub reason: Option<String>,
}

/// The log group that a function writes to: the one that it is set up with, else the one that is named after it.
pub(super) fn log_group_of(function: &str, output: &GetFunctionConfigurationOutput) -> String {
    let configured = output.logging_config().and_then(|config| config.log_group());
    configured.map_or_else(|| format!("/aws/lambda/{function}"), str::to_owned)
}

impl Aws {
    /// The log group that the function writes to (GetFunctionConfiguration, LoggingConfig.LogGroup).
    pub async fn log_group(&self, function: &str) -> Result<String, AwsError> {
        let call = self.clients().lambda.get_function_configuration().function_name(function);
        let output = call.send().await.map_err(|error| AwsError::from_sdk(GET_FUNCTION, &error).about(function))?;
        Ok(log_group_of(function, &output))
    }

    /// The function's reserved concurrency (GetFunctionConcurrency); none without a reservation, 0 when it is stopped.
    pub async fn concurrency(&self, function: &str) -> Result<Answer<Option<u32>>, AwsError> {
        let call = self.clients().lambda.get_function_concurrency().function_name(function);
        let output = call.send().await.map_err(|error| AwsError::from_sdk(GET_CONCURRENCY, &error).about(function))?;
        let value = match output.reserved_concurrent_executions() {
            None => None,
            Some(number) => Some(u32::try_from(number).map_err(|_| {
                AwsError::other(GET_CONCURRENCY, "UnknownConcurrency", format!("it reads {number}")).about(function)
            })?),
        };
        Ok(Answer { value, request_ids: ids(&output) })
    }

    /// Reserves concurrency for the function (PutFunctionConcurrency), or takes the reservation back for none
    /// (DeleteFunctionConcurrency); returns the request's ids. With 0 the function does not run.
    ///
    /// A repeat is harmless: it sets the same value.
    pub async fn set_concurrency(
        &self,
        held: &Held<'_>,
        function: &str,
        to: Option<u32>,
    ) -> Result<Vec<String>, AwsError> {
        let Some(to) = to else {
            let in_time = self.may_change(held, DELETE_CONCURRENCY).await?;
            let call = self.clients().lambda.delete_function_concurrency().function_name(function);
            let sent = call.customize().interceptor(in_time).send().await;
            return sent
                .map(|output| ids(&output))
                .map_err(|error| AwsError::from_sdk(DELETE_CONCURRENCY, &error).about(function));
        };
        let in_time = self.may_change(held, PUT_CONCURRENCY).await?;
        let number = i32::try_from(to).unwrap_or(i32::MAX);
        let call = self.clients().lambda.put_function_concurrency().function_name(function);
        let sent = call.reserved_concurrent_executions(number).customize().interceptor(in_time).send().await;
        sent.map(|output| ids(&output)).map_err(|error| AwsError::from_sdk(PUT_CONCURRENCY, &error).about(function))
    }

    /// The function's code and how its last update stands (GetFunctionConfiguration).
    pub async fn code(&self, function: &str) -> Result<Answer<CodeFact>, AwsError> {
        let call = self.clients().lambda.get_function_configuration().function_name(function);
        let output = call.send().await.map_err(|error| AwsError::from_sdk(GET_FUNCTION, &error).about(function))?;
        let lacks = |what: &str| {
            AwsError::other(GET_FUNCTION, "EmptyAnswer", format!("the answer has no {what}")).about(function)
        };
        let value = CodeFact {
            code: output.code_sha256().filter(|code| !code.is_empty()).ok_or_else(|| lacks("CodeSha256"))?.to_owned(),
            revision: output.revision_id().unwrap_or_default().to_owned(),
            status: output
                .last_update_status()
                .map(|status| status.as_str().to_owned())
                .ok_or_else(|| lacks("LastUpdateStatus"))?,
            reason: output.last_update_status_reason().filter(|reason| !reason.is_empty()).map(str::to_owned),
        };
        Ok(Answer { value, request_ids: ids(&output) })
    }

    /// Has the function run the code of a package (UpdateFunctionCode); returns the CodeSha256 that Lambda answers with.
    /// Lambda works on it for a while: [`Aws::code`] tells when it is done.
    ///
    /// A repeat is harmless where `revision` is given: Lambda refuses it once the function is another one than was read.
    pub async fn update_code(
        &self,
        held: &Held<'_>,
        function: &str,
        package: &Package,
        revision: &str,
    ) -> Result<Answer<Option<String>>, AwsError> {
        let in_time = self.may_change(held, UPDATE_CODE).await?;
        let revision = Some(revision).filter(|revision| !revision.is_empty());
        self.send_code(in_time, function, package, revision, false).await
    }

    /// The CodeSha256 that a package has, as Lambda computes it from S3 (UpdateFunctionCode with DryRun). Changes nothing;
    /// it needs the rights to, and so it is no reading.
    pub async fn dry_run_code(
        &self,
        held: &Held<'_>,
        function: &str,
        package: &Package,
    ) -> Result<Answer<Option<String>>, AwsError> {
        let in_time = self.may_change(held, UPDATE_CODE).await?;
        self.send_code(in_time, function, package, None, true).await
    }

    async fn send_code(
        &self,
        in_time: InTime,
        function: &str,
        package: &Package,
        revision: Option<&str>,
        dry: bool,
    ) -> Result<Answer<Option<String>>, AwsError> {
        let call = self.clients().lambda.update_function_code().function_name(function);
        let call = call.s3_bucket(&package.bucket).s3_key(&package.key);
        let call = call.set_s3_object_version(package.object_version.clone());
        let call = call.set_revision_id(revision.map(str::to_owned)).set_dry_run(dry.then_some(true));
        let output = call.customize().interceptor(in_time).send().await;
        let output = output.map_err(|error| AwsError::from_sdk(UPDATE_CODE, &error).about(function))?;
        let code = output.code_sha256().filter(|code| !code.is_empty()).map(str::to_owned);
        Ok(Answer { value: code, request_ids: ids(&output) })
    }
}
