//! Lambda: the role that a function runs with. What it may do is in `iam`.

use super::operation::GET_FUNCTION;
use super::{Aws, AwsError};

impl Aws {
    /// The ARN of a function's role (GetFunctionConfiguration).
    pub(super) async fn role_of(&self, function: &str) -> Result<String, AwsError> {
        let call = self.clients().lambda.get_function_configuration().function_name(function);
        let output = call.send().await.map_err(|error| AwsError::from_sdk(GET_FUNCTION, &error).about(function))?;
        let role = output.role().filter(|role| !role.is_empty()).map(str::to_owned);
        role.ok_or_else(|| AwsError::other(GET_FUNCTION, "EmptyAnswer", "the answer has no role").about(function))
    }
}
