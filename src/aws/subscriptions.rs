//! SNS: who is subscribed to a topic, and asking somebody to subscribe.

use aws_sdk_sns::operation::RequestId;

use crate::domain::Subscription;

use super::notices::in_region_of;
use super::operation::{LIST_SUBSCRIPTIONS, SUBSCRIBE};
use super::rules::ids;
use super::{Answer, Aws, AwsError};

/// Pages of one listing that are read before it is called endless; SNS puts 100 subscriptions on each.
const MAX_PAGES: usize = 100;
/// What SNS writes in place of an ARN while nobody has confirmed.
const PENDING: &str = "PendingConfirmation";
/// The same for a subscription that is gone and still listed.
const DELETED: &str = "Deleted";
const EMAIL: &str = "email";

impl Aws {
    /// The subscriptions of a topic, given by name or ARN (ListSubscriptionsByTopic, all pages). Those that were deleted
    /// are still listed by SNS for a while, and left out.
    pub async fn subscriptions(&self, topic: &str) -> Result<Answer<Vec<Subscription>>, AwsError> {
        let arn = self.topic_arn(topic).await?;
        let mut all = Answer { value: Vec::new(), request_ids: Vec::new() };
        let mut next = None;
        for _ in 0..MAX_PAGES {
            let call = self.clients().sns.list_subscriptions_by_topic().topic_arn(arn.as_str()).set_next_token(next);
            let asked = call.customize().config_override(in_region_of(&arn)).send().await;
            let page = asked.map_err(|error| AwsError::from_sdk(LIST_SUBSCRIPTIONS, &error).about(topic))?;
            all.request_ids.extend(ids(&page));
            all.value.extend(page.subscriptions().iter().filter_map(|listed| {
                let arn = listed.subscription_arn().unwrap_or(PENDING);
                (arn != DELETED).then(|| Subscription {
                    protocol: listed.protocol().unwrap_or_default().to_owned(),
                    endpoint: listed.endpoint().unwrap_or_default().to_owned(),
                    arn: (arn != PENDING).then(|| arn.to_owned()),
                })
            }));
            next = page.next_token().filter(|token| !token.is_empty()).map(str::to_owned);
            if next.is_none() {
                return Ok(all);
            }
        }
        let message = format!("the listing did not end within {MAX_PAGES} pages");
        Err(AwsError::other(LIST_SUBSCRIPTIONS, "TooManyPages", message).about(topic))
    }

    /// Asks an e-mail address to subscribe to a topic, given by name or ARN (Subscribe); returns the request's ids. SNS
    /// sends the address a message with a link, and the subscription is pending until somebody follows it, for two days.
    ///
    /// A repeat is harmless: SNS keeps one subscription for an address. It sends another message while it is pending, so
    /// look at [`Aws::subscriptions`] first, and do not ask who is there already.
    pub async fn subscribe(&self, topic: &str, email: &str) -> Result<Vec<String>, AwsError> {
        let arn = self.topic_arn(topic).await?;
        let call = self.clients().sns.subscribe().topic_arn(arn.as_str()).protocol(EMAIL).endpoint(email);
        let call = call.return_subscription_arn(true);
        let asked = call.customize().config_override(in_region_of(&arn)).send().await;
        let output = asked.map_err(|error| AwsError::from_sdk(SUBSCRIBE, &error).about(topic))?;
        Ok(output.request_id().map(str::to_owned).into_iter().collect())
    }
}
