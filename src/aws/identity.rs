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
        match self.0.account {
            Some(_) => self.account().await.map(drop),
            None => Ok(()),
        }
    }

    /// The account of the credentials. Refuses like [`Aws::confirm_account`], and asks AWS as seldom.
    pub(super) async fn account(&self) -> Result<&str, AwsError> {
        let ask = || async {
            let actual = self.identity().await?.account;
            match &self.0.account {
                Some(expected) if actual != *expected => {
                    let kind = AwsErrorKind::WrongAccount { expected: expected.clone(), actual };
                    Err(AwsError::new(GET_CALLER_IDENTITY, kind))
                }
                Some(_) | None => Ok(actual),
            }
        };
        self.0.shared.known_account.get_or_try_init(ask).await.map(String::as_str)
    }
}
