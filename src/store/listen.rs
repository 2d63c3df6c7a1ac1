//! PostgreSQL's LISTEN: what another process has recorded wakes this one.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgListener;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

/// What changes are told on.
pub(super) const CHANNEL: &str = "alch_changes";
/// Between two tries to connect.
const RETRY: Duration = Duration::from_secs(1);

/// Counts the changes of others, until it is dropped. What was told while there was no connection is made up for by one
/// change.
pub(super) fn start(url: String, own: Arc<str>, changes: Arc<watch::Sender<u64>>) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(async move {
        let mut told = false;
        loop {
            if let Err(error) = listen(&url, &own, &changes).await
                && !std::mem::replace(&mut told, true)
            {
                tracing::warn!(%error, "cannot listen for what other processes record; it is looked for every few seconds");
            }
            tokio::time::sleep(RETRY).await;
        }
    }))
}

async fn listen(url: &str, own: &str, changes: &watch::Sender<u64>) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect(url).await?;
    listener.listen(CHANNEL).await?;
    changes.send_modify(|count| *count += 1);
    // None when the connection was lost: what was told meanwhile is not known.
    while let Some(told) = listener.try_recv().await? {
        if told.payload() != own {
            changes.send_modify(|count| *count += 1);
        }
    }
    Ok(())
}
