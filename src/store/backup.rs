//! A copy of a SQLite database as it is at one moment, also while a server writes to it. The copy is checked before it
//! gets its name; putting it back is a matter of files, and told in docs/operations.md.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use sqlx::any::AnyPoolOptions;

use super::{ACQUIRE_TIMEOUT, ChainReport, Dialect, Result, Store, StoreError, install_drivers, soundness};
use crate::journal::AuditKeys;

/// A copy, and what is in it.
#[derive(Clone, Debug)]
pub struct Backup {
    /// Where it is.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// What the check of its hash chain saw. A broken chain is copied as it is.
    pub chain: ChainReport,
}

impl Store {
    /// Copies the database into a new file that only its owner may read. It appears under its name when it is whole, checked
    /// and on the disk; what fails leaves nothing behind. Does not keep writers waiting. `keys` are for [`Store::check_chain`].
    ///
    /// # Errors
    /// When the file is there already or cannot be written, or the copy is not sound. [`StoreError::NoFile`] on PostgreSQL.
    pub async fn back_up(&self, to: &Path, keys: Option<&AuditKeys>) -> Result<Backup> {
        if self.dialect != Dialect::Sqlite {
            return Err(StoreError::NoFile);
        }
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| StoreError::File { path, source }
        };
        let to = std::path::absolute(to).map_err(failed(to))?;
        if to.symlink_metadata().is_ok() {
            return Err(StoreError::Exists(to));
        }
        let draft = Draft::beside(&to).map_err(failed(&to))?;
        let name = draft.0.to_str().ok_or_else(|| failed(&to)(ErrorKind::InvalidFilename.into()))?;
        sqlx::query("VACUUM INTO $1").bind(name.to_owned()).execute(&self.reads).await?;
        let chain = check(&draft.0, keys).await?;
        let file = File::open(&draft.0).map_err(failed(&draft.0))?;
        file.sync_all().map_err(failed(&draft.0))?;
        let bytes = file.metadata().map_err(failed(&draft.0))?.len();
        draft.publish(&to).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => StoreError::Exists(to.clone()),
            _ => failed(&to)(error),
        })?;
        Ok(Backup { path: to, bytes, chain })
    }
}

/// Whether the copy is what SQLite makes, and its chain. Nobody else has it, so it is opened without files beside it.
async fn check(copy: &Path, keys: Option<&AuditKeys>) -> Result<ChainReport> {
    install_drivers();
    let url = format!("sqlite://{}?mode=ro&immutable=1", copy.display());
    let pool = AnyPoolOptions::new().acquire_timeout(ACQUIRE_TIMEOUT).max_connections(1).connect(&url).await?;
    let store = Store::new((pool.clone(), pool.clone(), pool), Dialect::Sqlite, None);
    let checked = async {
        let said = soundness::check(&store.reads, "PRAGMA integrity_check(1)").await?;
        if said != "ok" {
            return Err(StoreError::Damaged { path: Some(copy.to_owned()), what: said });
        }
        store.confirm_schema().await?;
        store.check_chain(keys).await
    };
    let checked = checked.await;
    store.close().await;
    checked
}

/// The file while it has no name yet. It is removed when it gets none.
struct Draft(PathBuf);

impl Draft {
    /// SQLite fills an empty file, and leaves its mode as it is.
    fn beside(to: &Path) -> io::Result<Self> {
        let mut name = to.as_os_str().to_owned();
        name.push(format!(".{:016x}.part", rand::random::<u64>()));
        let draft = Self(PathBuf::from(name));
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft.0)?;
        Ok(draft)
    }

    /// Gives it its name, which nothing has that is there by then.
    fn publish(self, to: &Path) -> io::Result<()> {
        // A rename would replace what somebody has put there meanwhile; a second name is refused. Not every file system
        // has second names.
        match std::fs::hard_link(&self.0, to) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => std::fs::rename(&self.0, to)?,
            named => named?,
        }
        let folder = to.parent().unwrap_or(to);
        File::open(folder)?.sync_all()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        let mut journal = self.0.as_os_str().to_owned();
        journal.push("-journal");
        for path in [self.0.clone(), PathBuf::from(journal)] {
            // It is not there, or stays where it can be seen.
            let _ = std::fs::remove_file(path);
        }
    }
}
