//! The database: runs with their journals and leases, locks, holds, the inbox, what Slack was told, and which codes of
//! second factors were spent. All SQL is here.
//!
//! One dialect serves SQLite and PostgreSQL: numbered placeholders, `BIGINT` and `TEXT`. What differs is in this file:
//! how a writing transaction begins, and that only PostgreSQL locks rows.

mod audit;
mod away;
mod backup;
mod figures;
mod holds;
mod inbox;
mod journal;
mod listen;
mod locks;
mod queue;
mod replica;
mod retention;
mod slack;
mod soundness;
mod step_up;

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};
use std::time::Duration;

use jiff::Timestamp;
use sqlx::any::{AnyPoolOptions, AnyRow};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{Any, AnyPool, Row, SqlSafeStr, Transaction};
use tokio::sync::{mpsc, watch};
use tokio_util::task::AbortOnDropHandle;

pub use audit::{AuditScope, ChainReport};
pub use backup::Backup;
pub use figures::{Figures, LiveRuns};
pub use holds::{HoldChange, NewHold};
pub use inbox::{Pending, Put};
pub use journal::{NewRun, Pulse};
pub use locks::{Holder, LockOutcome};
pub use queue::Claim;
pub use replica::{Duty, Replica, Standing, Tenure};
pub use retention::Retention;

pub use crate::journal::{AuditKeys, Removed};
pub use slack::SlackMessage;
pub use step_up::FactorRun;

/// How long a statement waits for another writer of a SQLite file.
const BUSY_TIMEOUT_MS: u32 = 5_000;
/// How long a caller waits for a connection before it is told that the database is busy or gone.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections that read a SQLite file at the same time; there is one that writes.
const SQLITE_READERS: u32 = 4;
/// A process that is frozen in the middle of a transaction must not keep its rows from those who take over.
const IDLE_TIMEOUT: &str = "SET idle_in_transaction_session_timeout = '3s'";
/// Connections to PostgreSQL for all but the inbox: few, so that what is worked on leaves it room to acknowledge.
const POSTGRES_CONNECTIONS: u32 = 8;
/// Connections to PostgreSQL for the inbox, which has one writer.
const INBOX_CONNECTIONS: u32 = 1;

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has the SQLite file open.
    #[error("another alch is running on `{}`: stop it, or give this one its own database", .0.display())]
    InUse(PathBuf),
    /// The directory or the lock file cannot be made.
    #[error("cannot open `{}`: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The SQLite file is not what was written to it.
    #[error("{}", damaged(path.as_deref(), what))]
    Damaged {
        /// Which, where it was looked at as a whole.
        path: Option<PathBuf>,
        /// What SQLite says.
        what: String,
    },
    /// A copy would replace something.
    #[error("`{}` is there already, and a backup replaces nothing: name another file", .0.display())]
    Exists(PathBuf),
    /// PostgreSQL is no file that could be copied.
    #[error("the database is PostgreSQL: back it up with its own tools, such as pg_dump")]
    NoFile,
    /// The run is driven by somebody else by now: this process must not act for it nor record.
    #[error("the lease of the run has passed to another process")]
    Fenced,
    /// There is no such run.
    #[error("there is no such run")]
    NoRun,
    /// A row that this version cannot read.
    #[error("a stored record cannot be read: {0}")]
    Unreadable(String),
    /// Opened to be read only, and not as this version writes it.
    #[error("{}", other_schema(*found, *known))]
    OtherSchema {
        /// The newest migration that it has; 0 when it has none.
        found: i64,
        /// The newest that this version knows.
        known: i64,
    },
    /// The journal is not what was recorded, so nothing of it is removed.
    #[error("no journal is removed: {0}. `alch audit verify` tells more")]
    Broken(String),
    /// The migrations do not fit.
    #[error("the database's schema does not fit this version of alch: {0}")]
    Schema(#[from] sqlx::migrate::MigrateError),
    /// The database failed.
    #[error("the database failed: {0}")]
    Database(#[source] sqlx::Error),
    /// The database failed under several writes at once.
    #[error("the database failed: {0}")]
    NotWritten(String),
}

fn other_schema(found: i64, known: i64) -> String {
    match found {
        0 => "this is no database of alch".to_owned(),
        _ if found > known => {
            format!("the database was written by a newer alch (schema {found}; this one reads {known}): use that one")
        }
        _ => format!(
            "the database was last used by an older alch (schema {found}; this one reads {known}): start this one on it \
             once, or use the older one"
        ),
    }
}

fn damaged(path: Option<&Path>, what: &str) -> String {
    match path {
        Some(path) => {
            let path = path.display();
            format!(
                "the database `{path}` is damaged: {what}. Nothing was changed, neither in it nor in AWS. {}",
                soundness::MEND
            )
        }
        None => {
            format!("the database is damaged: {what}. What cannot be recorded is not done. {}", soundness::MEND)
        }
    }
}

type Result<T, E = StoreError> = std::result::Result<T, E>;

/// The open database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    reads: AnyPool,
    writes: AnyPool,
    /// For the inbox: on PostgreSQL apart from the others, so that an acknowledgement does not wait behind work.
    acknowledging: AnyPool,
    dialect: Dialect,
    /// To the writer of the inbox.
    inbox: mpsc::Sender<inbox::Write>,
    /// Counts the changes of journals that this process knows of.
    changes: Arc<watch::Sender<u64>>,
    /// Tells the changes made through this store from others'.
    id: Arc<str>,
    /// Listens for others' changes while the store is open.
    listening: Option<Arc<AbortOnDropHandle<()>>>,
    /// Tries to reach a database that was away at the start.
    opening: Option<Arc<AbortOnDropHandle<()>>>,
    /// Held while the store is open, so that a second process on the same SQLite file refuses to start.
    lock: Option<Arc<File>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    /// The statement that begins a transaction that sees the database as it is at one moment.
    fn begin_snapshot(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN",
            Self::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        }
    }

    /// The statement that begins a transaction that writes.
    fn begin(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN IMMEDIATE",
            Self::Postgres => "BEGIN",
        }
    }
}

impl Store {
    /// Opens the database, creates the SQLite file if it is not there, and brings the schema up to date.
    ///
    /// # Errors
    /// When the database cannot be reached, its schema is newer than this version, or, for SQLite, another process has it.
    pub async fn open(url: &str) -> Result<Self> {
        install_drivers();
        let (store, dialect) = match sqlite_path(url) {
            Some(path) => (Self::open_sqlite(&path).await?, Dialect::Sqlite),
            None => {
                let fits = watch::channel(true).1;
                let inbox = away::postgres(fits.clone(), INBOX_CONNECTIONS).connect_lazy(url)?;
                let pool = away::postgres(fits, POSTGRES_CONNECTIONS).connect(url).await?;
                let mut store = Self::new((pool.clone(), pool, inbox), Dialect::Postgres, None);
                let listening = listen::start(url.to_owned(), Arc::clone(&store.id), Arc::clone(&store.changes));
                store.listening = Some(Arc::new(listening));
                (store, Dialect::Postgres)
            }
        };
        migrator().run(&store.writes).await?;
        if dialect == Dialect::Sqlite {
            // This process alone has the file.
            store.bury_all().await?;
            store.lock.as_deref().into_iter().for_each(soundness::mark);
        }
        Ok(store)
    }

    /// Opens the database to be read only, beside whoever has it: takes no lock, runs no migration, writes nothing.
    ///
    /// # Errors
    /// When the database is not there or cannot be reached, or its schema is not the one that this version knows.
    pub async fn open_read_only(url: &str) -> Result<Self> {
        install_drivers();
        let options = AnyPoolOptions::new().acquire_timeout(ACQUIRE_TIMEOUT);
        let (pool, dialect) = match sqlite_path(url) {
            Some(path) => {
                // Else SQLite says only that it cannot open the file.
                std::fs::metadata(&path).map_err(|source| StoreError::File { path: path.clone(), source })?;
                let options = options.max_connections(1).after_connect(|connection, _| {
                    Box::pin(async move {
                        let busy = format!("PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}");
                        sqlx::Executor::execute(connection, sqlx::AssertSqlSafe(busy)).await?;
                        Ok(())
                    })
                });
                (options.connect(&format!("sqlite://{}?mode=ro", path.display())).await?, Dialect::Sqlite)
            }
            None => {
                let options = options.max_connections(1).after_connect(|connection, _| {
                    Box::pin(async move {
                        sqlx::Executor::execute(connection, "SET default_transaction_read_only = on").await?;
                        Ok(())
                    })
                });
                (options.connect(url).await?, Dialect::Postgres)
            }
        };
        let store = Self::new((pool.clone(), pool.clone(), pool), dialect, None);
        store.confirm_schema().await?;
        Ok(store)
    }

    /// Whether the schema is what this version's migrations make.
    async fn confirm_schema(&self) -> Result<()> {
        let rows = sqlx::query("SELECT version, checksum FROM _sqlx_migrations WHERE success ORDER BY version")
            .fetch_all(&self.reads)
            .await;
        let rows = match rows {
            Ok(rows) => rows,
            Err(error) => match StoreError::from(error) {
                // There is no such table.
                StoreError::Database(sqlx::Error::Database(_)) => Vec::new(),
                error => return Err(error),
            },
        };
        let migrator = migrator();
        let known = migrator.iter().map(|migration| migration.version).max().unwrap_or_default();
        let mut found = 0;
        for row in &rows {
            found = row.try_get("version")?;
            let checksum: Vec<u8> = row.try_get("checksum")?;
            let own = migrator.iter().find(|migration| migration.version == found);
            if own.is_some_and(|own| *own.checksum != *checksum) {
                return Err(sqlx::migrate::MigrateError::VersionMismatch(found).into());
            }
        }
        if found == known { Ok(()) } else { Err(StoreError::OtherSchema { found, known }) }
    }

    async fn open_sqlite(path: &Path) -> Result<Self> {
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            std::fs::create_dir_all(parent).map_err(|source| StoreError::File { path: parent.to_owned(), source })?;
        }
        let mut lock_path = path.as_os_str().to_owned();
        lock_path.push(".lock");
        let lock_path = PathBuf::from(lock_path);
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock_path)
            .map_err(|source| StoreError::File { path: lock_path.clone(), source })?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => StoreError::InUse(path.to_owned()),
            TryLockError::Error(source) => StoreError::File { path: lock_path, source },
        })?;
        soundness::look_through(path, &file).await?;
        let url = format!("sqlite://{}?mode=rwc", path.display());
        // A commit is on the disk when it returns (synchronous = FULL): an acknowledged request survives a power cut.
        let options = || {
            AnyPoolOptions::new().acquire_timeout(ACQUIRE_TIMEOUT).after_connect(|connection, _| {
                Box::pin(async move {
                    use sqlx::Executor;
                    for pragma in ["PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "PRAGMA foreign_keys = ON"]
                    {
                        connection.execute(pragma).await?;
                    }
                    let busy = format!("PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}");
                    connection.execute(sqlx::AssertSqlSafe(busy)).await?;
                    Ok(())
                })
            })
        };
        let writes = options().max_connections(1).connect(&url).await?;
        let reads = options().max_connections(SQLITE_READERS).connect_lazy(&url)?;
        Ok(Self::new((reads, writes.clone(), writes), Dialect::Sqlite, Some(file)))
    }

    /// The connections that read, those that write, and those that write the inbox.
    fn new((reads, writes, acknowledging): (AnyPool, AnyPool, AnyPool), dialect: Dialect, lock: Option<File>) -> Self {
        let inbox = inbox::start_writer(acknowledging.clone(), dialect.begin());
        let (changes, id) = (Arc::new(watch::Sender::new(0)), format!("{:016x}", rand::random::<u64>()).into());
        Self {
            reads,
            writes,
            acknowledging,
            dialect,
            inbox,
            changes,
            id,
            listening: None,
            opening: None,
            lock: lock.map(Arc::new),
        }
    }

    /// Begins a transaction that writes. On SQLite it takes the write lock at once: a transaction that began by reading
    /// could not, later, without failing.
    async fn begin(&self) -> Result<Transaction<'static, Any>> {
        begin(&self.writes, self.dialect.begin()).await
    }

    /// A select whose rows are locked until the transaction's end. SQLite's transaction holds the whole database already.
    fn locking(&self, select: &str, clause: &str) -> sqlx::AssertSqlSafe<String> {
        sqlx::AssertSqlSafe(match self.dialect {
            Dialect::Sqlite => select.replace("{lock}", ""),
            Dialect::Postgres => select.replace("{lock}", clause),
        })
    }

    /// Begins a transaction that sees the database as it is at one moment.
    async fn begin_snapshot(&self) -> Result<Transaction<'static, Any>> {
        begin(&self.reads, self.dialect.begin_snapshot()).await
    }

    /// A statement that asks what time it is by the database's clock, which all its processes share.
    fn timed(&self, statement: &str) -> sqlx::AssertSqlSafe<String> {
        sqlx::AssertSqlSafe(statement.replace(
            "{now}",
            match self.dialect {
                Dialect::Sqlite => "CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
                Dialect::Postgres => "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)",
            },
        ))
    }

    /// Whether several processes may have the database open.
    pub fn is_shared(&self) -> bool {
        self.dialect == Dialect::Postgres
    }

    /// Commits what others may wait for: those in this process are woken, and on PostgreSQL those in others.
    async fn commit(&self, mut tx: Transaction<'static, Any>) -> Result<()> {
        if self.is_shared() {
            sqlx::query("SELECT pg_notify($1, $2)")
                .bind(listen::CHANNEL)
                .bind(self.id.as_ref().to_owned())
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        self.changed();
        Ok(())
    }

    /// Takes all processes that were here before for dead.
    pub(crate) async fn bury_all(&self) -> Result<()> {
        sqlx::query("DELETE FROM replicas").execute(&self.writes).await?;
        Ok(())
    }

    /// Whether the database answers with what the last request left there.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<()> {
        sqlx::query("SELECT run_id FROM events ORDER BY run_id DESC LIMIT 1").fetch_optional(&self.reads).await?;
        Ok(())
    }

    /// Resolves to a new value whenever a journal has grown, through this process or, on PostgreSQL, another.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// Closes the connections; what is under way is finished first.
    pub async fn close(&self) {
        self.reads.close().await;
        self.writes.close().await;
        self.acknowledging.close().await;
    }
}

/// Begins a transaction. SQLite ends one by itself when a write fails, as on a full disk; the connection takes it for open all
/// the same, and would begin none ever after. It is closed, and another one opened.
async fn begin(pool: &AnyPool, statement: &'static str) -> Result<Transaction<'static, Any>> {
    match pool.begin_with(statement).await {
        Err(sqlx::Error::InvalidSavePointStatement) => {
            tracing::warn!("a transaction was ended by the database; its connection is replaced");
            pool.acquire().await?.close().await?;
            Ok(pool.begin_with(statement).await?)
        }
        begun => Ok(begun?),
    }
}

/// The file that a URL names, if it is SQLite's: `sqlite:data/alch.db`, `sqlite:///var/lib/alch.db`.
pub fn sqlite_path(url: &str) -> Option<PathBuf> {
    let path = url.strip_prefix("sqlite:")?;
    let path = path.strip_prefix("//").unwrap_or(path);
    Some(PathBuf::from(path.split('?').next().unwrap_or(path)))
}

fn install_drivers() {
    static DRIVERS: Once = Once::new();
    DRIVERS.call_once(sqlx::any::install_default_drivers);
}

fn migrator() -> Migrator {
    let migration = |version, name: &'static str, sql: &'static str| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    Migrator::with_migrations(vec![
        migration(1, "journal", include_str!("../../migrations/0001_journal.sql")),
        migration(2, "holds", include_str!("../../migrations/0002_holds.sql")),
        migration(3, "step_up", include_str!("../../migrations/0003_step_up.sql")),
        migration(4, "replicas", include_str!("../../migrations/0004_replicas.sql")),
        migration(5, "retention", include_str!("../../migrations/0005_retention.sql")),
    ])
}

fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

/// The same, and never before `at`: who is woken too early finds nothing to do, and would be put back and woken at once.
fn micros_after(at: Timestamp) -> i64 {
    let whole = micros(at);
    if Timestamp::from_microsecond(whole).is_ok_and(|cut| cut < at) { whole.saturating_add(1) } else { whole }
}

fn time(row: &AnyRow, column: &str) -> Result<Timestamp> {
    let micros: i64 = row.try_get(column)?;
    Timestamp::from_microsecond(micros).map_err(|error| StoreError::Unreadable(format!("{column}: {error}")))
}

fn optional_time(row: &AnyRow, column: &str) -> Result<Option<Timestamp>> {
    match row.try_get::<Option<i64>, _>(column)? {
        None => Ok(None),
        Some(_) => time(row, column).map(Some),
    }
}
