//! STS: who Alch is to AWS, and whether that is the account which the configuration means.

use super::operation::GET_CALLER_IDENTITY;
use super::{Aws, AwsError, AwsErrorKind};

/// Who the credentials speak for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The account's twelve digits.
    pub account: String,
    /// The ARN of the user or the assumed role.
    pub arn: String,
}

impl Aws {
    /// Who the credentials of this environment speak for (GetCallerIdentity). Needs no permission.
    pub async fn identity(&self) -> Result<Identity, AwsError> {
        let call = self.clients().sts.get_caller_identity();
        let output = call.send().await.map_err(|error| AwsError::from_sdk(GET_CALLER_IDENTITY, &error))?;
        Ok(Identity {
            account: output.account().unwrap_or_default().to_owned(),
            arn: output.arn().unwrap_or_default().to_owned(),
        })
    }

    /// Refuses when the credentials are of another account than the configured one. Asks AWS once, and again only while
    /// the answer was not yes.
    pub async fn confirm_account(&self) -> Result<(), AwsError> {
        let Some(expected) = &self.0.account else {
            return Ok(());
        };
        let confirm = || async {
            let actual = self.identity().await?.account;
            if actual == *expected {
                return Ok(());
            }
            let kind = AwsErrorKind::WrongAccount { expected: expected.clone(), actual };
            Err(AwsError::new(GET_CALLER_IDENTITY, kind))
        };
        self.0.account_confirmed.get_or_try_init(confirm).await.copied()
    }
}
