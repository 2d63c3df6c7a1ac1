//! A subscription of an SNS topic.

use serde::{Deserialize, Serialize};

/// Who gets what is published to a topic, and by which way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// The way: `email`, `https`, `sqs`, `lambda`.
    pub protocol: String,
    /// The address that it goes to.
    pub endpoint: String,
    /// Its ARN; none while nobody has confirmed it.
    pub arn: Option<String>,
}

impl Subscription {
    /// Whether what is published reaches it.
    pub fn is_confirmed(&self) -> bool {
        self.arn.is_some()
    }

    /// Whether it is the one of an e-mail address. SNS keeps an address as it was typed, and mail does not mind case.
    pub fn is_email_of(&self, address: &str) -> bool {
        self.protocol.starts_with("email") && self.endpoint.eq_ignore_ascii_case(address)
    }
}
