//! Whether a SQLite file can be trusted: looked at before anything is written to it, and told from what its errors say
//! while it is open.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use sqlx::any::AnyPoolOptions;
use sqlx::error::DatabaseError;
use sqlx::{AnyPool, Row};

use super::{ACQUIRE_TIMEOUT, Result, StoreError};

/// The largest file that is looked at from end to end at each start, in bytes: 0.15 s for 100 MB that are in memory.
const LOOKED_THROUGH: u64 = 2 * 1024 * 1024 * 1024;
/// SQLite's `SQLITE_CORRUPT` and `SQLITE_NOTADB`, without what extends them.
const DAMAGED: [i32; 2] = [11, 26];
/// `SQLITE_READONLY`.
const READ_ONLY: i32 = 8;
/// What a lock file says once there is a database beside it.
const MARK: &str = "A database of Alch is beside this file.\n";

/// How to go on with a damaged file. A rollback needs none.
pub(super) const MEND: &str = "Put the last backup in its place: stop Alch; move the file away together with those of the \
     same name with -wal and -shm at their end, and keep them; copy the backup to the file's place; `alch audit verify`; \
     start Alch. Rules stay as they are meanwhile; `alch run \"rollback <env>\"` works without the database";

/// Looks at a file that is there, without writing to it or to what is beside it.
///
/// # Errors
/// [`StoreError::Damaged`] when it is not what SQLite has written, or lost what it had.
pub(super) async fn look_through(path: &Path, lock: &File) -> Result<()> {
    let damaged = |what: &str| StoreError::Damaged { path: Some(path.to_owned()), what: what.to_owned() };
    let bytes = match std::fs::metadata(path) {
        Ok(metadata) => metadata.len(),
        Err(_) => return Ok(()),
    };
    if bytes == 0 {
        // To SQLite a file without content is a new database. It is one only where there has been none yet.
        let had = lock.metadata().is_ok_and(|metadata| metadata.len() > 0);
        return if had { Err(damaged("it has no content any more")) } else { Ok(()) };
    }
    if bytes > LOOKED_THROUGH {
        tracing::info!(bytes, "the database is too large to be looked through at each start");
        return Ok(());
    }
    // Read only: who may write would, on closing, move what is in the -wal into the damaged file.
    let url = format!("sqlite://{}?mode=ro", path.display());
    let pool = AnyPoolOptions::new().acquire_timeout(ACQUIRE_TIMEOUT).max_connections(1).connect_lazy(&url)?;
    let said = check(&pool, "PRAGMA quick_check(1)").await;
    pool.close().await;
    match said {
        Ok(said) if said == "ok" => Ok(()),
        Ok(said) => Err(damaged(&said)),
        Err(StoreError::Damaged { what, .. }) => Err(damaged(&what)),
        // A process was killed in the middle of a change that only a writer takes back; it does so when it opens the file.
        Err(StoreError::Database(error)) if code(&error).is_some_and(|code| code & 0xff == READ_ONLY) => Ok(()),
        Err(error) => Err(error),
    }
}

/// The first line of what SQLite says of a file: "ok", or what is wrong.
pub(super) async fn check(pool: &AnyPool, pragma: &'static str) -> Result<String> {
    let said: String = sqlx::query(pragma).fetch_one(pool).await?.try_get(0)?;
    // What it begins with is said of every damage.
    Ok(said.trim_start_matches("*** in database main ***\n").to_owned())
}

/// Notes that there is a database, so that a file that lost its content is not taken for a new one.
pub(super) fn mark(mut lock: &File) {
    if lock.metadata().is_ok_and(|metadata| metadata.len() == 0)
        && let Err(error) = lock.write_all(MARK.as_bytes())
    {
        tracing::warn!(%error, "the lock file cannot be written; an emptied database would be taken for a new one");
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error.as_database_error().filter(|error| is_damage(*error)) {
            Some(damage) => Self::Damaged { path: None, what: damage.message().to_owned() },
            None => Self::Database(error),
        }
    }
}

fn is_damage(error: &dyn DatabaseError) -> bool {
    sqlite_code(error).is_some_and(|code| DAMAGED.contains(&(code & 0xff)))
}

fn code(error: &sqlx::Error) -> Option<i32> {
    error.as_database_error().and_then(sqlite_code)
}

/// PostgreSQL's codes have five letters or digits, SQLite's fewer.
fn sqlite_code(error: &dyn DatabaseError) -> Option<i32> {
    error.code().filter(|code| code.len() < 5)?.parse().ok()
}
