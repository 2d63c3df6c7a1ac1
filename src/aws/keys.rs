//! The credentials of an environment as values, for a program that Alch starts. They are handed to nobody else.

use aws_sdk_sts::config::ProvideCredentials;
use secrecy::SecretString;

use super::clients::AccessKeys;
use super::operation::ASSUME_ROLE;
use super::{Aws, AwsError};
use crate::domain::Held;

/// What a program needs to act as Alch does.
#[derive(Clone, Debug)]
pub struct ProgramAccess {
    /// The keys: those that Alch itself uses, or temporary ones of the environment's role.
    pub keys: AccessKeys,
    /// The token of temporary keys.
    pub session: Option<SecretString>,
    /// The endpoint of all services, where one is configured.
    pub endpoint: Option<String>,
}

impl Aws {
    /// Gets credentials (STS `AssumeRole` where the environment names a role), and sees first that they are of the
    /// configured account. What a program does with them is a change: it takes who holds the environment.
    ///
    /// # Errors
    /// When there are none, the role cannot be assumed, or they are of another account.
    pub async fn program_access(&self, held: &Held<'_>) -> Result<ProgramAccess, AwsError> {
        drop(self.may_change(held, ASSUME_ROLE).await?);
        let Some(provider) = &self.clients().credentials else { return Err(AwsError::no_credentials()) };
        let credentials = provider.provide_credentials().await.map_err(|error| AwsError::from_credentials(&error))?;
        let secret = |text: &str| SecretString::from(text.to_owned());
        Ok(ProgramAccess {
            keys: AccessKeys {
                id: credentials.access_key_id().to_owned(),
                secret: secret(credentials.secret_access_key()),
            },
            session: credentials.session_token().map(secret),
            endpoint: self.clients().endpoint.clone(),
        })
    }
}
