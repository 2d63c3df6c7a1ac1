//! CloudWatch Logs: the lines of a log group that a pattern picks.

use jiff::Timestamp;

use crate::domain::LogLine;

use super::operation::FILTER_LOG_EVENTS;
use super::rules::ids;
use super::{Answer, Aws, AwsError};

/// Pages of one search that are read. Pages may be empty and have a next one all the same.
const MAX_PAGES: usize = 50;

impl Aws {
    /// The newest lines of a log group that the pattern picks, from `from` until before `until`, newest last
    /// (FilterLogEvents). A group that does not exist is an error that says so. When the search does not end within 50
    /// pages that is an error too: what was not read may hold what was looked for.
    pub async fn search_log(
        &self,
        group: &str,
        pattern: &str,
        from: Timestamp,
        until: Timestamp,
        most: usize,
    ) -> Result<Answer<Vec<LogLine>>, AwsError> {
        let mut all = Answer { value: Vec::new(), request_ids: Vec::new() };
        let mut next = None;
        for _ in 0..MAX_PAGES {
            let call = self.clients().logs.filter_log_events().log_group_name(group).filter_pattern(pattern);
            let call = call.start_time(from.as_millisecond()).end_time(until.as_millisecond() - 1);
            let page = call
                .set_next_token(next)
                .send()
                .await
                .map_err(|error| AwsError::from_sdk(FILTER_LOG_EVENTS, &error).about(group))?;
            all.request_ids.extend(ids(&page));
            all.value.extend(page.events().iter().filter_map(|event| {
                Some(LogLine {
                    at: Timestamp::from_millisecond(event.timestamp()?).ok()?,
                    stream: event.log_stream_name().unwrap_or_default().to_owned(),
                    text: event.message().unwrap_or_default().trim_end().to_owned(),
                })
            }));
            next = page.next_token().filter(|token| !token.is_empty()).map(str::to_owned);
            if next.is_none() {
                all.value.sort_by_key(|line| line.at);
                let older = all.value.len().saturating_sub(most);
                all.value.drain(..older);
                return Ok(all);
            }
        }
        let message = format!("the search did not end within {MAX_PAGES} pages");
        Err(AwsError::other(FILTER_LOG_EVENTS, "TooManyPages", message).about(group))
    }
}
