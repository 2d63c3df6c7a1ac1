//! What becomes of the SQLite file: copied beside a running server and put back, on a full disk, damaged. Each with the real
//! program.
#![cfg(feature = "sandbox")]
#![expect(clippy::unwrap_used, reason = "a story that cannot go on panics, in its helpers too")]

mod support {
    pub mod server;
}

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use alch::domain::RunId;
use alch::sandbox::aws::RuleState;
use alch::store::Store;
use support::server::{ALICE, BOB, By, CAROL, Stage, get, until};

const AFTER_ENABLE: &str = "ALCH__ENVIRONMENTS__DEV__WAITS__AFTER_ENABLE";

fn database(stage: &Stage) -> PathBuf {
    stage.directory.path().join("alch.db")
}

/// The names in the stage's directory that have this word.
fn named(stage: &Stage, word: &str) -> Vec<String> {
    let names = std::fs::read_dir(stage.directory.path()).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.contains(word)).collect()
}

/// Puts a copy where the database is, as docs/operations.md says.
fn restore(stage: &Stage, copy: &Path) {
    for old in ["alch.db", "alch.db-wal", "alch.db-shm"] {
        let _ = std::fs::remove_file(stage.directory.path().join(old));
    }
    std::fs::copy(copy, database(stage)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_a_database_that_is_written_to_is_whole() {
    let stage = Stage::new().await;
    let _server = stage.serve().await;
    let typing: Vec<_> = [ALICE, BOB, CAROL]
        .into_iter()
        .map(|person| {
            let slack = stage.slack.clone();
            tokio::spawn(async move {
                for environment in ["dev", "prod", "dev", "prod"] {
                    assert!(slack.types(person, &format!("/alch verify {environment}")).await.is_ok());
                }
            })
        })
        .collect();
    let mut events = 0;
    for number in 1..=4 {
        let grown = events;
        until("the journals grow", async || stage.number("SELECT count(*) FROM events").await > grown).await;
        let copy = stage.directory.path().join(format!("copy-{number}.db"));
        let done = stage.alch(&["backup", "--to", copy.to_str().unwrap()]).await;
        assert_eq!(done.code, Some(0), "{done:?}");
        assert_eq!(std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
        let store = Store::open(&format!("sqlite:{}", copy.display())).await.unwrap();
        let chain = store.check_chain(None).await.unwrap();
        assert_eq!(chain.problems, Vec::<String>::new());
        assert!(chain.events > u64::try_from(grown).unwrap(), "{chain:?}");
        let (run, hash) = chain.head.unwrap();
        for part in [format!("{} events of {} runs", chain.events, chain.runs), format!("Head: {run} {hash}")] {
            assert!(done.stdout.contains(&part), "{part}: {}", done.stdout);
        }
        store.close().await;
        events = i64::try_from(chain.events).unwrap();
    }
    for typed in typing {
        typed.await.unwrap();
    }
    assert_eq!(named(&stage, ".part"), Vec::<String>::new());
    until("the server goes on", async || stage.number("SELECT count(*) FROM runs WHERE live = 0").await == 12).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_replaces_nothing_and_leaves_nothing_half_done() {
    let mut stage = Stage::new().await;
    let there = stage.alch(&["backup"]).await;
    assert_eq!(there.code, Some(1), "there is nothing to copy yet: {there:?}");
    stage.alch(&["run", "verify dev"]).await;
    let _server = stage.serve().await;
    let taken = stage.directory.path().join("taken.db");
    std::fs::write(&taken, "somebody's").unwrap();
    let refused = stage.alch(&["backup", "--to", taken.to_str().unwrap()]).await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("taken.db") && refused.stderr.contains("there already"), "{refused:?}");
    assert_eq!(std::fs::read_to_string(&taken).unwrap(), "somebody's");
    let own = stage.alch(&["backup", "--to", database(&stage).to_str().unwrap()]).await;
    assert_eq!(own.code, Some(1), "nor the database itself: {own:?}");
    let nowhere = stage.alch(&["backup", "--to", "/nowhere/at/all.db"]).await;
    assert_eq!(nowhere.code, Some(1), "{nowhere:?}");
    // 32 KiB: less than the database has.
    let copy = stage.directory.path().join("copy.db");
    let mut full = stage.spawn_on_a_small_disk("64", &["backup", "--to", copy.to_str().unwrap()]);
    assert_eq!(full.exit().await.code(), Some(1), "{}", full.stderr());
    assert!(full.stderr().contains("there is no backup"), "{}", full.stderr());
    assert_eq!((copy.exists(), named(&stage, ".part")), (false, Vec::new()));
    let beside = stage.alch(&["backup"]).await;
    assert_eq!(beside.code, Some(0), "{beside:?}");
    assert_eq!(named(&stage, "alch-20").len(), 1, "beside the database, with the time in its name");
    stage.variables.insert("DATABASE_URL".to_owned(), "postgres://alch@127.0.0.1:9/alch".to_owned());
    let other = stage.alch(&["backup"]).await;
    assert_eq!(other.code, Some(1), "{other:?}");
    assert!(other.stderr.contains("pg_dump"), "{other:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_goes_on_from_a_copy_that_was_put_back() {
    let stage = Stage::with(By::Http, &[(AFTER_ENABLE, "2s")]).await;
    let mut server = stage.serve().await;
    assert!(stage.slack.types(ALICE, "/alch enable signal-generated dev").await.is_ok());
    until("the act is recorded", async || {
        stage.number("SELECT count(*) FROM events WHERE run_id = 1 AND kind = 'applied'").await == 1
    })
    .await;
    let copy = stage.directory.path().join("copy.db");
    let done = stage.alch(&["backup", "--to", copy.to_str().unwrap()]).await;
    assert_eq!(done.code, Some(0), "{done:?}");
    stage.told(RunId(1)).await;
    assert!(stage.slack.types(BOB, "/alch verify dev").await.is_ok());
    stage.told(RunId(2)).await;
    server.process.terminate();
    assert!(server.process.exit().await.success());
    restore(&stage, &copy);
    assert_eq!(stage.number("SELECT count(*) FROM runs WHERE live = 1").await, 1, "it is in the middle again");
    let _server = stage.serve().await;
    until("it ends again", async || stage.number("SELECT count(*) FROM runs WHERE live = 0").await == 1).await;
    assert!(stage.told(RunId(1)).await.0.text.contains("succeeded"));
    assert_eq!(stage.changes_asked(), 1, "what was done before the copy is not done again");
    let verified = stage.alch(&["audit", "verify"]).await;
    assert_eq!(verified.code, Some(0), "{verified:?}");
}

type Damage = fn(&mut Vec<u8>);

/// What can become of a file, by what does it.
const DAMAGES: [(&str, Damage); 5] = [
    ("garbage", |bytes| bytes.iter_mut().for_each(|byte| *byte = byte.wrapping_mul(31).wrapping_add(7))),
    ("cut off", |bytes| bytes.truncate(bytes.len() / 2)),
    ("cut off by one page", |bytes| bytes.truncate(bytes.len() - PAGE)),
    ("emptied", Vec::clear),
    ("a page in the middle overwritten", |bytes| {
        let page = bytes.len() / PAGE / 2;
        bytes[page * PAGE..(page + 1) * PAGE].fill(0xff);
    }),
];
/// SQLite's page in bytes.
const PAGE: usize = 4_096;

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_is_refused_untouched_and_a_copy_put_back_mends_it() {
    let stage = Stage::new().await;
    for environment in ["dev", "prod", "dev"] {
        stage.alch(&["run", &format!("verify {environment}")]).await;
    }
    let copy = stage.directory.path().join("copy.db");
    let done = stage.alch(&["backup", "--to", copy.to_str().unwrap()]).await;
    assert_eq!(done.code, Some(0), "{done:?}");
    for (name, damage) in DAMAGES {
        restore(&stage, &copy);
        let mut bytes = std::fs::read(&copy).unwrap();
        damage(&mut bytes);
        std::fs::write(database(&stage), &bytes).unwrap();
        let mut server = stage.spawn_server();
        assert_eq!(server.exit().await.code(), Some(1), "{name}: {}", server.stderr());
        let said = server.stderr();
        let parts = ["alch.db` is damaged", "nor in AWS", "-wal and -shm", "alch audit verify", "rollback <env>"];
        for part in parts {
            assert!(said.contains(part), "{name}: {part}: {said}");
        }
        assert_eq!(std::fs::read(database(&stage)).unwrap(), bytes, "{name}: it is left as it is");
        let acting = stage.alch(&["run", "--yes", "enable signal-generated dev"]).await;
        assert_eq!(acting.code, Some(1), "{name}: {acting:?}");
        assert_eq!(stage.changes_asked(), 0, "{name}");
        let backup = stage.alch(&["backup"]).await;
        // Damage to an index alone is mended by copying; whatever else is damaged is copied to nowhere.
        let whole = backup.stdout.contains("events of 3 runs") && backup.code == Some(0);
        assert!(whole || backup.code == Some(1) && named(&stage, "alch-20").is_empty(), "{name}: {backup:?}");
    }
    let dev = stage.config.environment("dev").unwrap();
    for rule in &dev.rules {
        assert!(stage.aws.set_rule_state(&dev.bus, &rule.rule, RuleState::Enabled));
    }
    let rolled_back = stage.alch(&["run", "--yes", "rollback dev"]).await;
    assert_eq!(rolled_back.code, Some(0), "{rolled_back:?}");
    assert!(dev.rules.iter().all(|rule| !stage.is_enabled("dev", &rule.name)));
    restore(&stage, &copy);
    let verified = stage.alch(&["audit", "verify"]).await;
    assert_eq!(verified.code, Some(0), "{verified:?}");
    let _server = stage.serve().await;
    assert!(stage.slack.types(ALICE, "/alch verify dev").await.is_ok());
    stage.told(RunId(4)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_file_is_a_new_database_only_where_there_was_none() {
    let stage = Stage::new().await;
    std::fs::write(database(&stage), "").unwrap();
    let first = stage.alch(&["run", "verify dev"]).await;
    assert_eq!(first.code, Some(0), "somebody has made the file for us: {first:?}");
    std::fs::write(database(&stage), "").unwrap();
    let second = stage.alch(&["run", "verify dev"]).await;
    assert_eq!(second.code, Some(1), "{second:?}");
    assert!(second.stderr.contains("it has no content any more"), "{second:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_damaged_while_it_is_open_is_said_to_be() {
    let stage = Stage::new().await;
    for _ in 0..3 {
        stage.alch(&["run", "verify dev"]).await;
    }
    // An orderly stop moves everything into the one file.
    stage.store().await.close().await;
    let mut server = stage.serve().await;
    let mut bytes = std::fs::read(database(&stage)).unwrap();
    bytes[PAGE..].fill(0xff);
    std::fs::write(database(&stage), &bytes).unwrap();
    // What was read before is in memory, so that much may still be recorded; a journal that nobody has read is not.
    stage.slack.types(ALICE, "/alch show R-1").await;
    assert_eq!(get(&format!("{}/healthz", server.url)).await.unwrap().status, 200);
    server.process.line("copy the backup to the file's place").await.expect("the log says how to go on");
    assert_eq!(stage.changes_asked(), 0, "what cannot be recorded is not done");
    let dev = stage.config.environment("dev").unwrap();
    for rule in &dev.rules {
        assert!(stage.aws.set_rule_state(&dev.bus, &rule.rule, RuleState::Enabled));
    }
    assert!(stage.slack.types(ALICE, "/alch rollback dev").await.is_ok());
    until("all rules are off", async || dev.rules.iter().all(|rule| !stage.is_enabled("dev", &rule.name))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_full_in_the_middle_of_a_run_stops_it_and_no_rollback() {
    let stage = Stage::with(By::Http, &[(AFTER_ENABLE, "2s")]).await;
    let config = stage.config_path().display().to_string();
    let mut server = stage.spawn_on_a_small_disk("unlimited", &["serve", "--config", &config]);
    stage.address_of(&mut server).await.unwrap();
    let dev = stage.config.environment("dev").unwrap();
    let enabled = || dev.rules.iter().filter(|rule| stage.is_enabled("dev", &rule.name)).count();
    assert!(stage.slack.types(ALICE, "/alch enable all dev").await.is_ok());
    until("the act is recorded", async || {
        stage.number("SELECT count(*) FROM events WHERE run_id = 1 AND kind = 'applied'").await == 1
    })
    .await;
    server.limit_files("4096");
    server.line("the database failed").await.expect("the log says so");
    let typed = stage.slack.types(BOB, "/alch cancel R-1").await;
    assert!(typed.body.contains("could not be recorded, so nothing was done"), "{typed:?}");
    assert_eq!(enabled(), 1, "what cannot be recorded is not done");
    assert!(stage.slack.types(BOB, "/alch rollback dev").await.is_ok());
    until("all rules are off", async || enabled() == 0).await;
    server.limit_files("unlimited");
    let (card, _) = stage.told(RunId(2)).await;
    assert!(card.text.contains("R-2 · rollback · dev"), "it is journalled when there is room: {}", card.text);
    stage.told(RunId(1)).await;
    assert_eq!(enabled(), 0);
    server.terminate();
    assert!(server.exit().await.success());
    let verified = stage.alch(&["audit", "verify"]).await;
    assert_eq!(verified.code, Some(0), "{verified:?}");
}
