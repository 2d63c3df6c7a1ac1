//! `alch backup`: a copy of the SQLite database, also beside a server that has it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use secrecy::ExposeSecret;

use super::audit::say_chain;
use super::{load, say};
use crate::cli::BackupArgs;
use crate::clock::Clock;
use crate::config::Variables;
use crate::store::{AuditKeys, Backup, Store, sqlite_path};

pub(super) async fn backup(args: BackupArgs, variables: &Variables) -> anyhow::Result<ExitCode> {
    let (_, secrets) = load(&args.config, variables)?;
    let url = secrets.database_url.expose_secret();
    let Some(database) = sqlite_path(url) else {
        anyhow::bail!(
            "the database is PostgreSQL, which has its own tools for this: pg_dump for a copy, and archived WAL for every \
             moment since. Check what they restored with `alch audit verify`."
        );
    };
    let to = target(args.to, &database, Clock::system().now());
    let store = Store::open_read_only(url).await.context("cannot open the database")?;
    let keys = secrets.audit_key.as_ref().map(AuditKeys::read);
    let copied = store.back_up(&to, keys.as_ref()).await;
    store.close().await;
    let Backup { path, bytes, chain } = copied.context("there is no backup")?;
    say(format_args!("{}: {bytes} bytes, {} events of {} runs.", path.display(), chain.events, chain.runs));
    say_chain(&chain);
    if chain.problems.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    say("The copy is what the database is, and its hash chain is broken: the journal is not what was recorded.");
    Ok(ExitCode::FAILURE)
}

/// Where the copy goes: what was said, and in a directory a name of its own.
fn target(said: Option<PathBuf>, database: &Path, now: Timestamp) -> PathBuf {
    let stem = database.file_stem().unwrap_or_default().to_string_lossy();
    let name = format!("{stem}-{}.db", now.to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H-%M-%SZ"));
    match said {
        Some(file) if !file.is_dir() => file,
        Some(directory) => directory.join(name),
        None => database.with_file_name(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_beside_the_database_unless_said_otherwise() {
        let now = "2026-11-23T03:00:07.25Z".parse().unwrap();
        let there = tempfile::tempdir().unwrap();
        let named = "alch-2026-11-23T03-00-07Z.db";
        let database = Path::new("/data/alch.db");
        for (said, goes_to) in [
            (None, Path::new("/data").join(named)),
            (Some("/x/y.db".into()), PathBuf::from("/x/y.db")),
            (Some(there.path().to_owned()), there.path().join(named)),
        ] {
            assert_eq!(target(said.clone(), database, now), goes_to, "{said:?}");
        }
    }
}
