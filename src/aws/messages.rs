//! SQS: the messages of a dead-letter queue. Looking hides them for a moment and gives them back; a message is deleted only
//! when its event was put on the bus again. Nothing here purges a queue.

use std::collections::HashMap;

use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, Message, MessageAttributeValue, MessageSystemAttributeName,
};
use jiff::Timestamp;

use crate::checks::dead_letters::DeadLetter;
use crate::checks::{MetricQuery, minute_after, minute_of};
use crate::domain::Held;

use super::operation::{CHANGE_VISIBILITY, DELETE_MESSAGE, RECEIVE_MESSAGE};
use super::rules::ids;
use super::{Answer, Aws, AwsError};

/// SQS gives at most so many messages at a time.
const BATCH: usize = 10;
/// For how long a look hides messages at most, seconds: they are given back at once, and by SQS when that fails.
const LOOK_HIDES_SECONDS: i32 = 20;
/// Longer than zero, SQS asks all of its servers rather than some.
const WAIT_SECONDS: i32 = 1;
/// How many minutes back the age of the oldest message is looked for. SQS tells it a few minutes late.
const AGE_MINUTES: i64 = 15;

/// The messages that a look found. SQS does not promise to show all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// The messages, the oldest first. Their receipts are of no use any more.
    pub letters: Vec<DeadLetter>,
    /// How many of them could not be given back at once, and why: those come back by themselves after 20 s.
    pub hidden: Option<(usize, String)>,
    /// The ids of the requests.
    pub request_ids: Vec<String>,
}

impl Aws {
    /// Looks at some messages of a queue, `most` at the most, and gives them back at once (ReceiveMessage,
    /// ChangeMessageVisibilityBatch to zero), whatever goes wrong in between. Nothing is deleted. Each look counts as a
    /// receive of the message.
    pub async fn sample(&self, queue: &str, most: usize) -> Result<Sample, AwsError> {
        let mut sample = Sample::default();
        let mut trouble = None;
        while sample.letters.len() < most {
            let wanted = (most - sample.letters.len()).min(BATCH);
            match self.receive(queue, wanted, LOOK_HIDES_SECONDS).await {
                Ok(found) if found.value.is_empty() => break,
                Ok(found) => {
                    // A message that comes back within a look has been given back by SQS itself: there are no more.
                    let known = |letter: &DeadLetter| sample.letters.iter().any(|other| other.id == letter.id);
                    let again = found.value.iter().any(known);
                    let fresh: Vec<_> = found.value.into_iter().filter(|letter| !known(letter)).collect();
                    sample.letters.extend(fresh);
                    sample.request_ids.extend(found.request_ids);
                    if again {
                        break;
                    }
                }
                Err(error) => {
                    trouble = Some(error);
                    break;
                }
            }
        }
        let (back, why) = self.give_back(queue, &sample.letters).await;
        let left = sample.letters.len() - back;
        sample.hidden = why.filter(|_| left > 0).map(|why| (left, why));
        sample.letters.sort_by_key(|letter| letter.sent);
        match trouble {
            // What was seen before it went wrong is still worth telling.
            Some(error) if sample.letters.is_empty() => Err(error),
            Some(_) | None => Ok(sample),
        }
    }

    /// Takes at most `most` messages, ten at the most, and hides them for so many seconds (ReceiveMessage, with all that
    /// EventBridge wrote beside the event). A repeat is harmless: what an answer that was lost has hidden comes back.
    pub async fn receive(
        &self,
        queue: &str,
        most: usize,
        hidden_seconds: i32,
    ) -> Result<Answer<Vec<DeadLetter>>, AwsError> {
        let url = self.queue_url(queue).await?;
        let most = i32::try_from(most.clamp(1, BATCH)).unwrap_or(1);
        let call = self.clients().sqs.receive_message().queue_url(url).max_number_of_messages(most);
        let output = call
            .visibility_timeout(hidden_seconds)
            .wait_time_seconds(WAIT_SECONDS)
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .message_attribute_names("All")
            .send()
            .await
            .map_err(|error| AwsError::from_sdk(RECEIVE_MESSAGE, &error).about(queue))?;
        let letters = output.messages().iter().map(|message| {
            letter(message)
                .ok_or_else(|| AwsError::other(RECEIVE_MESSAGE, "EmptyAnswer", "a message has no id").about(queue))
        });
        Ok(Answer { value: letters.collect::<Result<_, _>>()?, request_ids: ids(&output) })
    }

    /// Lets messages be seen again at once (ChangeMessageVisibilityBatch to zero). Says of how many that was taken, and
    /// why not of the others: those come back when the time for which they were hidden is over. A repeat is harmless.
    pub async fn give_back(&self, queue: &str, letters: &[DeadLetter]) -> (usize, Option<String>) {
        self.hide(queue, letters, 0).await
    }

    /// Hides messages that were received for so many seconds from now on (ChangeMessageVisibilityBatch); answers as
    /// [`Aws::give_back`]. A repeat is harmless.
    pub async fn hide(&self, queue: &str, letters: &[DeadLetter], seconds: i32) -> (usize, Option<String>) {
        let (mut back, mut trouble) = (0, None);
        for letters in letters.chunks(BATCH) {
            match self.hide_batch(queue, letters, seconds).await {
                Ok((taken, why)) => {
                    back += taken;
                    trouble = trouble.or(why);
                }
                Err(error) => trouble = trouble.or(Some(error.to_string())),
            }
        }
        (back, trouble)
    }

    async fn hide_batch(
        &self,
        queue: &str,
        letters: &[DeadLetter],
        seconds: i32,
    ) -> Result<(usize, Option<String>), AwsError> {
        let url = self.queue_url(queue).await?;
        let mut call = self.clients().sqs.change_message_visibility_batch().queue_url(url);
        for (index, letter) in letters.iter().enumerate() {
            let entry = ChangeMessageVisibilityBatchRequestEntry::builder()
                .id(format!("m{index}"))
                .receipt_handle(&letter.receipt)
                .visibility_timeout(seconds)
                .build()
                .map_err(|_| AwsError::other(CHANGE_VISIBILITY, "RequestNotBuilt", "a message has no receipt"))?;
            call = call.entries(entry);
        }
        let output = call.send().await.map_err(|error| AwsError::from_sdk(CHANGE_VISIBILITY, &error).about(queue))?;
        let why = output.failed().first().map(|failed| {
            let message = failed.message().unwrap_or("no reason given");
            AwsError::other(CHANGE_VISIBILITY, failed.code(), message).about(queue).to_string()
        });
        Ok((output.successful().len(), why))
    }

    /// Deletes a message whose event was put on the bus again (DeleteMessage); returns the ids of the requests. For no
    /// other message.
    ///
    /// A repeat is harmless: a message that is gone stays gone, and SQS says so without an error. When it is not known
    /// to be deleted, it comes back and would be sent again.
    pub async fn delete_message(
        &self,
        held: &Held<'_>,
        queue: &str,
        letter: &DeadLetter,
    ) -> Result<Vec<String>, AwsError> {
        let url = self.queue_url(queue).await?;
        let in_time = self.may_change(held, DELETE_MESSAGE).await?;
        let call = self.clients().sqs.delete_message().queue_url(url).receipt_handle(&letter.receipt);
        match call.customize().interceptor(in_time).send().await {
            Ok(output) => Ok(ids(&output)),
            Err(error) => Err(AwsError::from_sdk(DELETE_MESSAGE, &error).about(queue)),
        }
    }

    /// How old the oldest message of a queue is, seconds (AWS/SQS ApproximateAgeOfOldestMessage, the newest datapoint of
    /// the last minutes); none without a datapoint, which SQS leaves out when nothing was in the queue for a while.
    pub async fn oldest_age(&self, queue: &str, now: Timestamp) -> Result<Option<i64>, AwsError> {
        let query = MetricQuery {
            namespace: "AWS/SQS",
            name: "ApproximateAgeOfOldestMessage",
            dimensions: vec![("QueueName", queue.to_owned())],
        };
        let from = minute_of(now).saturating_sub(jiff::SignedDuration::from_mins(AGE_MINUTES)).unwrap_or(now);
        let answers = self.metric_series(vec![query], from, minute_after(now)).await?;
        match answers.into_iter().next() {
            // One datapoint a minute: its sum is its value.
            Some(Ok(answer)) => Ok(answer.value.points.last_key_value().map(|(_, seconds)| *seconds)),
            Some(Err(why)) => Err(AwsError::other(super::operation::GET_METRIC_DATA, "NoData", why).about(queue)),
            None => Ok(None),
        }
    }
}

/// A message as EventBridge wrote it; none when it cannot be given back or deleted.
fn letter(message: &Message) -> Option<DeadLetter> {
    let none = HashMap::new();
    let attributes = message.message_attributes().unwrap_or(&none);
    let text = |name: &str| attributes.get(name).and_then(MessageAttributeValue::string_value).map(str::to_owned);
    let of_queue = |name: &MessageSystemAttributeName| {
        let attributes = message.attributes()?;
        attributes.get(name).map(String::as_str)
    };
    let milliseconds = |text: &str| text.parse().ok().and_then(|at| Timestamp::from_millisecond(at).ok());
    Some(DeadLetter {
        id: message.message_id()?.to_owned(),
        receipt: message.receipt_handle()?.to_owned(),
        sent: of_queue(&MessageSystemAttributeName::SentTimestamp).and_then(milliseconds),
        receives: of_queue(&MessageSystemAttributeName::ApproximateReceiveCount)
            .and_then(|count| count.parse().ok())
            .unwrap_or(1),
        body: message.body().unwrap_or_default().to_owned(),
        rule_arn: text("RULE_ARN"),
        target_arn: text("TARGET_ARN"),
        error_code: text("ERROR_CODE"),
        error_message: text("ERROR_MESSAGE"),
        exhausted: text("EXHAUSTED_RETRY_CONDITION"),
        retries: text("RETRY_ATTEMPTS").and_then(|count| count.parse().ok()),
    })
}
