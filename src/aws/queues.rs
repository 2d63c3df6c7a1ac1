//! SQS: how many messages lie in a dead-letter queue. The messages themselves are in `messages`.

use std::sync::PoisonError;

use aws_sdk_sqs::types::QueueAttributeName;

use crate::domain::DlqDepth;

use super::operation::{GET_QUEUE_ATTRIBUTES, GET_QUEUE_URL};
use super::rules::ids;
use super::{Answer, Aws, AwsError};

impl Aws {
    /// The messages in a queue by its name (GetQueueUrl once, GetQueueAttributes); AWS's approximations.
    pub async fn dlq_depth(&self, queue: &str) -> Result<DlqDepth, AwsError> {
        self.read_dlq(queue).await.map(|answer| answer.value)
    }

    pub(crate) async fn read_dlq(&self, queue: &str) -> Result<Answer<DlqDepth>, AwsError> {
        let url = self.queue_url(queue).await?;
        let mut call = self.clients().sqs.get_queue_attributes().queue_url(url);
        let counts = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
        ];
        for name in &counts {
            call = call.attribute_names(name.clone());
        }
        let output =
            call.send().await.map_err(|error| AwsError::from_sdk(GET_QUEUE_ATTRIBUTES, &error).about(queue))?;
        let count = |name: &QueueAttributeName| {
            let text = output.attributes().and_then(|attributes| attributes.get(name));
            text.and_then(|text| text.parse::<i64>().ok()).ok_or_else(|| {
                let message = format!("no number for {}", name.as_str());
                AwsError::other(GET_QUEUE_ATTRIBUTES, "MissingAttribute", message).about(queue)
            })
        };
        let [visible, in_flight, delayed] = &counts;
        let depth = DlqDepth { visible: count(visible)?, in_flight: count(in_flight)?, delayed: count(delayed)? };
        Ok(Answer { value: depth, request_ids: ids(&output) })
    }

    pub(super) async fn queue_url(&self, queue: &str) -> Result<String, AwsError> {
        let known = self.0.shared.queue_urls.lock().unwrap_or_else(PoisonError::into_inner).get(queue).cloned();
        if let Some(url) = known {
            return Ok(url);
        }
        let output = self
            .clients()
            .sqs
            .get_queue_url()
            .queue_name(queue)
            .send()
            .await
            .map_err(|error| AwsError::from_sdk(GET_QUEUE_URL, &error).about(queue))?;
        let url = output
            .queue_url()
            .ok_or_else(|| AwsError::other(GET_QUEUE_URL, "MissingUrl", "the answer has no URL").about(queue))?;
        self.0
            .shared
            .queue_urls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(queue.to_owned(), url.to_owned());
        Ok(url.to_owned())
    }
}
