//! A PostgreSQL that is away when the process starts: waited for, while all else goes on. What needs the database fails until
//! it is there and its schema fits; a rollback needs none.

use std::sync::Arc;
use std::time::Duration;

use sqlx::any::AnyPoolOptions;
use sqlx::migrate::MigrateError;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::{
    ACQUIRE_TIMEOUT, Dialect, IDLE_TIMEOUT, INBOX_CONNECTIONS, POSTGRES_CONNECTIONS, Result, Store, StoreError, listen,
    sqlite_path,
};

/// Between two tries to reach it; a try itself takes as long as [`ACQUIRE_TIMEOUT`].
const RETRY: Duration = Duration::from_secs(1);
/// Between two tries when it answers, and will not do.
const RETRY_UNFIT: Duration = Duration::from_secs(30);

impl Store {
    /// As [`Store::open`]. A PostgreSQL that cannot be reached is no error: the store is opened when it is there.
    ///
    /// # Errors
    /// As [`Store::open`], but for a PostgreSQL that is away.
    pub async fn open_when_there(url: &str) -> Result<Self> {
        match Self::open(url).await {
            Err(error) if sqlite_path(url).is_none() && error.is_away() => {
                tracing::error!(
                    %error,
                    "PostgreSQL cannot be reached; it is tried on, and until then only a rollback works"
                );
                Self::wait_for(url)
            }
            opened => opened,
        }
    }

    fn wait_for(url: &str) -> Result<Self> {
        let (fit, fits) = watch::channel(false);
        let inbox = postgres(fits.clone(), INBOX_CONNECTIONS).connect_lazy(url)?;
        let pool = postgres(fits, POSTGRES_CONNECTIONS).connect_lazy(url)?;
        let mut store = Self::new((pool.clone(), pool, inbox), Dialect::Postgres, None);
        let listening = listen::start(url.to_owned(), Arc::clone(&store.id), Arc::clone(&store.changes));
        store.listening = Some(Arc::new(listening));
        let (url, changes) = (url.to_owned(), Arc::clone(&store.changes));
        let opening = tokio::spawn(async move {
            loop {
                match Self::open(&url).await {
                    Ok(opened) => {
                        opened.close().await;
                        fit.send_replace(true);
                        changes.send_modify(|count| *count += 1);
                        tracing::info!("PostgreSQL is there");
                        return;
                    }
                    Err(error) if error.is_away() => tokio::time::sleep(RETRY).await,
                    Err(error) => {
                        tracing::error!(%error, "PostgreSQL is there, and cannot be used");
                        tokio::time::sleep(RETRY_UNFIT).await;
                    }
                }
            }
        });
        store.opening = Some(Arc::new(AbortOnDropHandle::new(opening)));
        Ok(store)
    }
}

/// Connections to PostgreSQL; none is handed out before its schema is known to fit.
pub(super) fn postgres(fits: watch::Receiver<bool>, most: u32) -> AnyPoolOptions {
    let options = AnyPoolOptions::new().max_connections(most).acquire_timeout(ACQUIRE_TIMEOUT);
    options.after_connect(move |connection, _| {
        let mut fits = fits.clone();
        Box::pin(async move {
            // Who asked for the connection waits for it no longer than for any.
            fits.wait_for(|fits| *fits).await.map_err(|_| sqlx::Error::PoolClosed)?;
            sqlx::Executor::execute(connection, IDLE_TIMEOUT).await?;
            Ok(())
        })
    })
}

impl StoreError {
    /// Whether the database could not be reached, or is not up yet, so that another try may find it.
    fn is_away(&self) -> bool {
        let error = match self {
            Self::Database(error) | Self::Schema(MigrateError::Execute(error)) => error,
            _ => return false,
        };
        match error {
            sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut => true,
            // Connections that fail, resources that are used up, and a server that stops or starts.
            sqlx::Error::Database(error) => {
                error.code().is_some_and(|code| ["08", "53", "57P"].iter().any(|class| code.starts_with(class)))
            }
            _ => false,
        }
    }
}
