//! A PostgreSQL of the tests' own, in a temporary directory, on a free port of loopback.

use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use sqlx::{AnyConnection, Connection};

use super::required::missing;

/// PostgreSQL refuses to run as root; this user has no rights anywhere.
const NOBODY: u32 = 65_534;

/// A running server; stopped when the last test that holds it is over.
pub struct Postgres {
    server: Child,
    port: u16,
    databases: AtomicU32,
    _directory: tempfile::TempDir,
}

static SHARED: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());

/// The server that the tests of this binary share, if PostgreSQL is installed.
pub fn postgres() -> Option<Arc<Postgres>> {
    let mut shared = SHARED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if let Some(running) = shared.upgrade() {
        return Some(running);
    }
    let Some(binaries) = binaries() else {
        missing("postgres", "On Debian: apt-get install postgresql");
        return None;
    };
    let started = Arc::new(Postgres::start(&binaries));
    *shared = Arc::downgrade(&started);
    Some(started)
}

impl Postgres {
    fn start(binaries: &Path) -> Self {
        let directory = tempfile::Builder::new().prefix("alch-postgres").tempdir().unwrap();
        let root = is_root();
        if root {
            chown(directory.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let data = directory.path().join("data");
        let command = |binary: &str| {
            let mut command = Command::new(binaries.join(binary));
            if root {
                command.uid(NOBODY).gid(NOBODY);
            }
            command.current_dir(directory.path()).stdout(Stdio::null()).stderr(Stdio::null());
            command
        };
        let made = command("initdb")
            .args(["--username=alch", "--auth=trust", "--encoding=UTF8", "--no-sync", "-D"])
            .arg(&data)
            .status()
            .unwrap();
        assert!(made.success(), "initdb failed");
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = command("postgres")
            .arg("-D")
            .arg(&data)
            .args(["-p", &port.to_string(), "-k"])
            .arg(directory.path())
            .args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "max_connections=300"])
            .spawn()
            .unwrap();
        Self { server, port, databases: AtomicU32::new(0), _directory: directory }
    }

    /// The URL of a new, empty database.
    pub async fn database(&self) -> String {
        sqlx::any::install_default_drivers();
        let admin = format!("postgres://alch@127.0.0.1:{}/postgres", self.port);
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut connection = loop {
            match AnyConnection::connect(&admin).await {
                Ok(connection) => break connection,
                Err(error) => assert!(Instant::now() < deadline, "PostgreSQL did not start: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        let name = format!("alch_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        sqlx::query(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        format!("postgres://alch@127.0.0.1:{}/{name}", self.port)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn is_root() -> bool {
    let probe = tempfile::NamedTempFile::new().unwrap();
    std::os::unix::fs::MetadataExt::uid(&probe.as_file().metadata().unwrap()) == 0
}

fn binaries() -> Option<PathBuf> {
    let mut folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect();
    if let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") {
        folders.extend(versions.flatten().map(|version| version.path().join("bin")));
    }
    folders.into_iter().find(|folder| folder.join("initdb").is_file() && folder.join("postgres").is_file())
}
