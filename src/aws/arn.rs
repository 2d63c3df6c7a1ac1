//! The ARNs of an environment's resources, in the partition of its region and the account of the credentials.

use super::{Aws, AwsError};
use crate::domain;

impl Aws {
    /// The ARN of a resource of the environment's region, written as its service does after the account: `rule/bus/name`,
    /// `function:name`, a topic's plain name. Asks AWS for the account once; refuses another than the configured one.
    pub async fn arn(&self, service: &str, resource: &str) -> Result<String, AwsError> {
        let account = self.account().await?;
        Ok(domain::arn(&self.0.region, account, service, resource))
    }
}

/// The region that an ARN names; none for what is in no region.
pub(super) fn region_of(arn: &str) -> Option<&str> {
    arn.split(':').nth(3).filter(|region| !region.is_empty())
}
