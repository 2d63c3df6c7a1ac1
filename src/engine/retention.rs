//! Removes what is kept no longer, every hour. Of several processes on one database, one does.

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::execute::{Engine, HISTORY};
use super::later;
use crate::store::{AuditKeys, Duty, Retention, StoreError};

/// How often it looks.
const LOOK_EVERY: SignedDuration = SignedDuration::from_hours(1);
/// How long after it was settled a request is known when it comes again. Slack sends one again for an hour at most.
const REQUESTS_KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How many runs are removed in one transaction: whoever writes meanwhile waits for a moment only.
const RUNS_TOGETHER: usize = 10;

/// For how long journals are kept, and who signs for those that are not.
#[derive(Clone, Debug)]
pub struct JournalsKept {
    /// After their newest event.
    pub lasting: SignedDuration,
    /// `AUDIT_KEY`.
    pub keys: AuditKeys,
}

impl Engine {
    /// Removes, until `stop`, what is kept no longer. Journals are kept for ever when nothing is said of them.
    pub async fn keep_to_retention(&self, journals: Option<JournalsKept>, stop: CancellationToken) {
        let clock = &self.0.clock;
        while !stop.is_cancelled() {
            let now = clock.now();
            match stop.run_until_cancelled(self.remove_outlived(journals.as_ref(), now)).await {
                Some(Err(error @ StoreError::Broken(_))) => {
                    tracing::error!(%error, "journals are kept for longer than asked")
                }
                Some(Err(error)) => {
                    tracing::warn!(%error, "the database failed; what is over is removed an hour later")
                }
                Some(Ok(())) => {}
                None => return,
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = clock.sleep_until(later(now, LOOK_EVERY)) => {}
            }
        }
    }

    /// Removes what is over by now.
    ///
    /// # Errors
    /// [`StoreError::Broken`] when a journal that is over is not what was recorded; when the database fails.
    pub async fn remove_outlived(&self, journals: Option<&JournalsKept>, now: Timestamp) -> Result<(), StoreError> {
        let (store, replica) = (self.store(), &self.0.replica);
        let requests_before = now.saturating_sub(REQUESTS_KEPT).unwrap_or(Timestamp::MIN);
        loop {
            if replica.take_duty(Duty::Retention).await?.is_none() {
                return Ok(());
            }
            if !store.forget_requests(requests_before).await? {
                break;
            }
        }
        let Some(JournalsKept { lasting, keys }) = journals else { return Ok(()) };
        loop {
            let outlived = store.outlived(Retention { kept: *lasting, changes: HISTORY }, now).await?;
            let mut removed = 0;
            for runs in outlived.chunks(RUNS_TOGETHER) {
                if replica.take_duty(Duty::Retention).await?.is_none() {
                    return Ok(());
                }
                removed += store.remove_journals(runs, keys, now).await?;
            }
            if removed == 0 {
                return Ok(());
            }
            tracing::info!(runs = removed, days = lasting.as_hours() / 24, "journals were removed: their time is over");
        }
    }
}
