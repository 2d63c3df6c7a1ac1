//! Real processes: small shell scripts that print, fork, hang and fail as `sam` may.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use super::*;
use crate::domain::{RunId, StepId};

/// How long anything may take here.
const PATIENCE: Duration = Duration::from_secs(30);

struct Stage {
    folder: tempfile::TempDir,
    jobs: Jobs,
}

impl Stage {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), jobs: Jobs::default() }
    }

    /// A program of these shell commands.
    fn task(&self, script: &str) -> Task {
        let program = self.folder.path().join("sam");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let own = BTreeMap::from([
            ("PATH".to_owned(), std::env::var("PATH").unwrap()),
            ("SLACK_BOT_TOKEN".to_owned(), "of-the-bot-itself".to_owned()),
        ]);
        let Variables { passed, secret } = variables(&own, &[], "us-east-1", None, None);
        Task {
            command: vec![program.display().to_string(), "deploy".to_owned()],
            folder: self.folder.path().to_owned(),
            variables: passed,
            secret,
            lock: self.folder.path().join("lock"),
            limit: PATIENCE,
        }
    }

    fn starts(&self, script: &str) -> Key {
        let key = key("sam-deploy");
        self.jobs.start(key.clone(), &self.task(script)).unwrap();
        key
    }

    async fn until(&self, key: &Key, holds: impl Fn(&Seen) -> bool) -> Seen {
        let began = Instant::now();
        loop {
            let seen = self.jobs.look(key).unwrap();
            if holds(&seen) {
                return seen;
            }
            assert!(began.elapsed() < PATIENCE, "{seen:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn ended(&self, key: &Key) -> Seen {
        self.until(key, |seen| seen.end.is_some()).await
    }

    /// The process ids that a script wrote into a file, one a line.
    fn pids(&self) -> Vec<u32> {
        let written = std::fs::read_to_string(self.folder.path().join("pids")).unwrap();
        written.lines().map(|line| line.parse().unwrap()).collect()
    }
}

fn key(step: &str) -> Key {
    Key { run: RunId(7), step: StepId(step.to_owned()) }
}

/// Whether a process is there and no mere remnant.
fn lives(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| !stat.rsplit(')').next().unwrap().trim_start().starts_with('Z'))
}

async fn all_end(pids: &[u32]) {
    let began = Instant::now();
    while pids.iter().any(|pid| lives(*pid)) {
        assert!(began.elapsed() < PATIENCE, "{pids:?} go on");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Starts two children, one of a child, and notes all of them.
const FAMILY: &str = "echo $$ > pids\n(echo $(exec sh -c 'echo $PPID') >> pids; sleep 300) &\n\
                      sh -c 'echo $$ >> pids; sleep 300 & echo $! >> pids; wait' &\n\
                      while [ $(wc -l < pids) -lt 4 ]; do sleep 0.02; done";

#[tokio::test]
async fn what_it_writes_is_seen_in_order_and_without_secrets() {
    let stage = Stage::new();
    let key =
        stage.starts("echo \"$1 begins\"; printf '\\033[32mtoken=abc\\033[0m\\n' >&2; echo of-the-bot-itself; cat");
    let seen = stage.ended(&key).await;
    assert_eq!(seen.lines, ["deploy begins", "token=[masked]", "[masked]"], "and it reads nothing");
    assert_eq!(seen.end, Some(End { code: Some(0), signal: None, stopped: None }));
    assert!(seen.end.unwrap().is_success());
    stage.jobs.forget(&key);
    assert!(stage.jobs.look(&key).is_none());
}

#[tokio::test]
async fn it_finds_only_the_variables_that_it_is_given() {
    let stage = Stage::new();
    let key = stage.starts("env");
    let seen = stage.ended(&key).await;
    let has = |start: &str| seen.lines.iter().any(|line| line.starts_with(start));
    assert!(has("SAM_CLI_TELEMETRY=0") && has("AWS_REGION=us-east-1") && has("PATH="), "{:?}", seen.lines);
    assert!(!has("SLACK_BOT_TOKEN") && !has("CARGO"), "{:?}", seen.lines);
}

#[tokio::test]
async fn its_exit_status_is_kept() {
    let stage = Stage::new();
    let key = stage.starts("echo no >&2; exit 3");
    let seen = stage.ended(&key).await;
    assert_eq!((seen.end.unwrap().code, seen.lines.as_slice()), (Some(3), ["no".to_owned()].as_slice()));
    let mut task = stage.task("");
    task.command = vec!["/nowhere/sam".to_owned()];
    stage.jobs.start(key.clone(), &task).unwrap();
    let seen = stage.ended(&key).await;
    assert_eq!(seen.end.unwrap().code, Some(127), "{seen:?}");
    assert!(seen.lines.last().unwrap().contains("not found"), "{seen:?}");
}

#[tokio::test]
async fn a_stop_ends_it_with_all_its_children() {
    let stage = Stage::new();
    let key = stage.starts(&format!("{FAMILY}\necho ready\nwait"));
    stage.until(&key, |seen| !seen.lines.is_empty()).await;
    let pids = stage.pids();
    assert!(pids.len() == 4 && pids.iter().all(|pid| lives(*pid)), "{pids:?}");
    let asked = Instant::now();
    stage.jobs.stop(&key);
    let seen = stage.ended(&key).await;
    assert_eq!(seen.end, Some(End { code: None, signal: Some(15), stopped: Some(Stopped::Asked) }));
    assert!(asked.elapsed() < GRACE, "who ends at once is not waited for: {:?}", asked.elapsed());
    all_end(&pids).await;
}

#[tokio::test]
async fn who_does_not_end_when_asked_is_killed() {
    let stage = Stage::new();
    let key = stage.starts(&format!("trap 'echo not yet' TERM\n{FAMILY}\necho ready\nwhile :; do sleep 0.05; done"));
    stage.until(&key, |seen| !seen.lines.is_empty()).await;
    stage.jobs.stop(&key);
    let seen = stage.ended(&key).await;
    assert_eq!(seen.end, Some(End { code: None, signal: Some(9), stopped: Some(Stopped::Asked) }), "{seen:?}");
    assert_eq!(seen.lines.last().map(String::as_str), Some("not yet"), "what it said meanwhile is seen");
    all_end(&stage.pids()).await;
}

#[tokio::test]
async fn what_takes_too_long_is_ended() {
    let stage = Stage::new();
    let task = Task { limit: Duration::from_millis(300), ..stage.task(&format!("{FAMILY}\nsleep 300")) };
    stage.jobs.start(key("slow"), &task).unwrap();
    let seen = stage.ended(&key("slow")).await;
    assert_eq!(seen.end.unwrap().stopped, Some(Stopped::TimedOut));
    all_end(&stage.pids()).await;
}

#[tokio::test]
async fn what_writes_without_end_is_ended() {
    let stage = Stage::new();
    let key = stage.starts(&format!("yes {}", "y".repeat(4_000)));
    let seen = stage.ended(&key).await;
    assert_eq!(seen.end.unwrap().stopped, Some(Stopped::WroteTooMuch));
    assert_eq!(seen.lines.len(), MAX_LINES);
}

#[tokio::test]
async fn children_that_outlive_it_do_not() {
    let stage = Stage::new();
    let key = stage.starts(&format!("{FAMILY}\necho done"));
    let seen = stage.ended(&key).await;
    assert!(seen.end.unwrap().is_success(), "{seen:?}");
    assert!(seen.elapsed < GRACE, "{seen:?}");
    all_end(&stage.pids()).await;
}

#[test]
fn when_alch_is_no_more_its_processes_end() {
    let stage = Stage::new();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let key = stage.starts(&format!("{FAMILY}\necho ready\nwait"));
        stage.until(&key, |seen| !seen.lines.is_empty()).await;
    });
    let pids = stage.pids();
    assert!(pids.iter().all(|pid| lives(*pid)), "{pids:?}");
    // Nothing is asked to stop: all that happens is that our end of the pipe is closed, as the kernel does for the dead.
    runtime.shutdown_background();
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(all_end(&pids));
}

#[tokio::test]
async fn one_key_has_one_process_and_one_checkout_one_at_a_time() {
    let stage = Stage::new();
    let first = stage.starts("echo $$ >> started; while [ ! -e go ]; do sleep 0.02; done");
    // Until its shell has read the script: the next task writes that file anew.
    let began = Instant::now();
    while std::fs::read_to_string(stage.folder.path().join("started")).unwrap_or_default().is_empty() {
        assert!(began.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stage.jobs.start(first.clone(), &stage.task("echo $$ >> started; while [ ! -e go ]; do sleep 0.02; done")).unwrap();
    let other =
        stage.jobs.start(key("other"), &stage.task("echo $$ >> started; while [ ! -e go ]; do sleep 0.02; done"));
    assert!(matches!(&other, Err(error @ StartError::Busy(_)) if error.is_transient()), "{other:?}");
    std::fs::write(stage.folder.path().join("go"), "").unwrap();
    stage.ended(&first).await;
    let began = Instant::now();
    while let Err(error) = stage.jobs.start(key("other"), &stage.task("echo $$ >> started")) {
        assert!(error.is_transient() && began.elapsed() < PATIENCE, "{error}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stage.ended(&key("other")).await;
    let started = std::fs::read_to_string(stage.folder.path().join("started")).unwrap();
    assert_eq!(started.lines().count(), 2, "{started}");
}

#[tokio::test]
async fn what_the_machine_refuses_is_said() {
    let stage = Stage::new();
    let task = Task { folder: Path::new("/nowhere").to_owned(), ..stage.task("") };
    let refused = stage.jobs.start(key("x"), &task).unwrap_err();
    assert!(refused.to_string().contains("no process can be started in /nowhere"), "{refused}");
    let task = Task { lock: Path::new("/nowhere/lock").to_owned(), ..stage.task("") };
    let refused = stage.jobs.start(key("x"), &task).unwrap_err();
    assert!(refused.to_string().contains("/nowhere/lock cannot be opened") && !refused.is_transient(), "{refused}");
    assert!(stage.jobs.look(&key("x")).is_none());
}
