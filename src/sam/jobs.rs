//! The processes that run, each by the run and step that it is for: started, looked at, stopped. Nobody waits for one in
//! a call; who wants to know looks again.
//!
//! A process has its group to itself, and in it a guard: a shell that reads from a pipe whose other end only Alch holds.
//! When that end closes, because Alch closes it or because Alch is no more, the guard ends the whole group: SIGTERM, some
//! seconds, SIGKILL. So a process never outlives who started it, `kill -9` included. The guard also holds a lock on the
//! checkout, for as long as anything of the group may still be at work in it.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio_util::sync::CancellationToken;

use super::mask::Mask;
use super::output::Output;
use crate::domain::{RunId, StepId};

/// How long a process has between SIGTERM and SIGKILL, whole seconds.
pub const GRACE: Duration = Duration::from_secs(5);
/// How long the guard is trusted to end a group beyond that; then the process itself is killed.
const GUARD_TIME: Duration = Duration::from_secs(3);
/// How long the rest of the output is waited for once the process has ended.
const LAST_OUTPUT: Duration = Duration::from_secs(2);
/// How much is read at once.
const READ_BYTES: usize = 4 * 1024;
/// How many processes may run at once.
const MAX_RUNNING: usize = 8;
/// How many that have ended are remembered.
const MAX_REMEMBERED: usize = 64;

/// Becomes the process; its guard stays behind. Descriptor 0 is the pipe, 2 the lock, `$1` the seconds of grace.
const GUARD: &str = r#"
grace=$1; shift
exec 3<&0 4>&2 </dev/null 2>&1
(
    trap '' HUP INT QUIT TERM
    if ! IFS= read -r _ <&3; then
        kill -TERM 0
        while [ "$grace" -gt 0 ] && kill -0 $$; do sleep 1; grace=$((grace - 1)); done
    fi
    kill -KILL 0
) >/dev/null 2>&1 &
exec 3<&- 4>&-
exec "$@"
"#;

/// For which step of which run a process is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The run.
    pub run: RunId,
    /// The step.
    pub step: StepId,
}

/// What is to be run.
#[derive(Debug)]
pub struct Task {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Where.
    pub folder: PathBuf,
    /// All variables that it finds.
    pub variables: BTreeMap<String, SecretString>,
    /// What its output must not show.
    pub secret: Vec<SecretString>,
    /// The file that is locked while it runs; made when it is not there.
    pub lock: PathBuf,
    /// How long it may take.
    pub limit: Duration,
}

/// Why a process was not started. For people.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another process is at work in the checkout.
    #[error("another sam is still at work in {0}")]
    Busy(String),
    /// There are too many.
    #[error("{MAX_RUNNING} processes run already")]
    TooMany,
    /// The configuration says nothing of it any more.
    #[error("the environment has no sam configured any more; nothing was done")]
    NotConfigured,
    /// What is checked out cannot be told.
    #[error(transparent)]
    Checkout(#[from] super::CheckoutError),
    /// The machine refused.
    #[error("{what}: {error}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        error: std::io::Error,
    },
}

impl StartError {
    /// Whether it may well work a little later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Busy(_) | Self::TooMany => true,
            Self::NotConfigured | Self::Checkout(_) | Self::Io { .. } => false,
        }
    }
}

/// Why a process was ended by Alch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// Somebody wanted it to end.
    Asked,
    /// It took too long.
    TimedOut,
    /// It wrote too much.
    WroteTooMuch,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// The exit status; none when a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Why Alch ended it; none when it ended by itself.
    pub stopped: Option<Stopped>,
}

impl End {
    /// Whether it ended by itself, and well.
    pub fn is_success(&self) -> bool {
        self.code == Some(0) && self.stopped.is_none()
    }
}

/// A process as it is now.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The latest lines that it wrote.
    pub lines: Vec<String>,
    /// How many it wrote in all.
    pub count: u64,
    /// For how long it runs, or ran.
    pub elapsed: Duration,
    /// How it ended; none while it runs.
    pub end: Option<End>,
}

/// The processes of this Alch. Cheap to clone; when the last clone is dropped, all of them are ended.
#[derive(Clone, Debug, Default)]
pub struct Jobs(Arc<Mutex<BTreeMap<Key, Job>>>);

#[derive(Debug)]
struct Job {
    started: Instant,
    /// How many lines were told as news.
    told: u64,
    state: Arc<Mutex<State>>,
    stop: CancellationToken,
    _stopped_with_the_registry: tokio_util::sync::DropGuard,
}

#[derive(Debug, Default)]
struct State {
    output: Output,
    end: Option<(End, Duration)>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is kept is whole after each statement: a panic elsewhere does not spoil it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Job {
    fn is_over(&self) -> bool {
        lock(&self.state).end.is_some()
    }
}

impl Jobs {
    /// Starts a process, unless the one of this key is running: then nothing is done.
    ///
    /// # Errors
    /// When the checkout is taken, or the machine refuses.
    pub fn start(&self, key: Key, task: &Task) -> Result<(), StartError> {
        let mut jobs = lock(&self.0);
        if jobs.get(&key).is_some_and(|job| !job.is_over()) {
            return Ok(());
        }
        if jobs.values().filter(|job| !job.is_over()).count() >= MAX_RUNNING {
            return Err(StartError::TooMany);
        }
        let (child, ends) = spawn(task)?;
        let state =
            Arc::new(Mutex::new(State { output: Output::hiding(Mask::of(task.secret.iter().cloned())), end: None }));
        let stop = CancellationToken::new();
        let job = Job {
            started: Instant::now(),
            told: 0,
            state: state.clone(),
            stop: stop.clone(),
            _stopped_with_the_registry: stop.clone().drop_guard(),
        };
        tracing::info!(run.id = %key.run, step = %key.step, program = task.command.first(), "a process was started");
        tokio::spawn(tend(key.clone(), child, ends, state, stop, task.limit));
        jobs.insert(key, job);
        while jobs.len() > MAX_REMEMBERED
            && let Some(oldest) = jobs.iter().filter(|(_, job)| job.is_over()).min_by_key(|(_, job)| job.started)
        {
            let oldest = oldest.0.clone();
            jobs.remove(&oldest);
        }
        Ok(())
    }

    /// The process of this key; none when this Alch has started none, such as after a restart.
    pub fn look(&self, key: &Key) -> Option<Seen> {
        let jobs = lock(&self.0);
        let job = jobs.get(key)?;
        let state = lock(&job.state);
        Some(Seen {
            lines: state.output.lines().map(str::to_owned).collect(),
            count: state.output.count(),
            elapsed: state.end.map_or_else(|| job.started.elapsed(), |(_, elapsed)| elapsed),
            end: state.end.map(|(end, _)| end),
        })
    }

    /// The lines that were written since this was last asked, as far as they are kept, and how many there were.
    pub fn news(&self, key: &Key) -> (Vec<String>, u64) {
        let mut jobs = lock(&self.0);
        let Some(job) = jobs.get_mut(key) else { return (Vec::new(), 0) };
        let state = lock(&job.state);
        let count = state.output.count();
        let new = count.saturating_sub(job.told);
        job.told = count;
        let kept = state.output.lines().count();
        let skip = kept.saturating_sub(usize::try_from(new).unwrap_or(usize::MAX));
        (state.output.lines().skip(skip).map(str::to_owned).collect(), new)
    }

    /// Asks the process to end, with all its children. Look again to see when it has.
    pub fn stop(&self, key: &Key) {
        if let Some(job) = lock(&self.0).get(key) {
            job.stop.cancel();
        }
    }

    /// Asks every process of a run to end.
    pub fn stop_all_of(&self, run: RunId) {
        for job in lock(&self.0).iter().filter(|(key, _)| key.run == run).map(|(_, job)| job) {
            job.stop.cancel();
        }
    }

    /// Forgets a process that has ended.
    pub fn forget(&self, key: &Key) {
        let mut jobs = lock(&self.0);
        if jobs.get(key).is_some_and(Job::is_over) {
            jobs.remove(key);
        }
    }
}

/// The ends of the pipes that are ours.
struct Ends {
    life: ChildStdin,
    output: ChildStdout,
}

fn spawn(task: &Task) -> Result<(Child, Ends), StartError> {
    let failed = |what: String| move |error| StartError::Io { what, error };
    let shown = task.lock.display();
    let locked = File::options().create(true).append(true).open(&task.lock);
    let locked = locked.map_err(failed(format!("{shown} cannot be opened")))?;
    match locked.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(StartError::Busy(task.folder.display().to_string())),
        Err(TryLockError::Error(error)) => return Err(failed(format!("{shown} cannot be locked"))(error)),
    }
    let mut command = Command::new("/bin/sh");
    command.args(["-c", GUARD, "alch", &GRACE.as_secs().to_string()]).args(&task.command).current_dir(&task.folder);
    command.env_clear().envs(task.variables.iter().map(|(name, value)| (name, value.expose_secret())));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::from(locked)).process_group(0);
    let folder = task.folder.display();
    let mut child = command.spawn().map_err(failed(format!("no process can be started in {folder}")))?;
    match (child.stdin.take(), child.stdout.take()) {
        (Some(life), Some(output)) => Ok((child, Ends { life, output })),
        _ => Err(failed("the process has no pipes".to_owned())(std::io::ErrorKind::BrokenPipe.into())),
    }
}

/// Reads what the process writes until it has ended, or ends it.
async fn tend(
    key: Key,
    mut child: Child,
    ends: Ends,
    state: Arc<Mutex<State>>,
    stop: CancellationToken,
    limit: Duration,
) {
    let started = Instant::now();
    let Ends { mut life, mut output } = ends;
    let mut read = vec![0; READ_BYTES];
    let mut open = true;
    let out_of_time = tokio::time::sleep(limit);
    tokio::pin!(out_of_time);
    // A process that has ended while its output goes on has children that hold it: they end with it.
    let ended = loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break Err(Stopped::Asked),
            () = &mut out_of_time => break Err(Stopped::TimedOut),
            got = output.read(&mut read), if open => match got {
                Ok(0) | Err(_) => open = false,
                Ok(count) => {
                    if !lock(&state).output.take(read.get(..count).unwrap_or_default()) {
                        break Err(Stopped::WroteTooMuch);
                    }
                }
            },
            status = child.wait() => break Ok(status),
        }
    };
    let (status, stopped) = match ended {
        Ok(status) => {
            // The guard takes a line for: whatever is left of the group is to end at once.
            let _ = life.write_all(b"over\n").await;
            drop(life);
            (status, None)
        }
        Err(why) => {
            drop(life);
            let status = match tokio::time::timeout(
                GRACE + GUARD_TIME,
                ended_while_reading(&mut child, &mut output, &state),
            )
            .await
            {
                Ok(status) => status,
                Err(_) => {
                    tracing::error!(run.id = %key.run, step = %key.step, "the guard did not end a process; it is killed");
                    let _ = child.start_kill();
                    child.wait().await
                }
            };
            (status, Some(why))
        }
    };
    let rest = async {
        while let Ok(count @ 1..) = output.read(&mut read).await {
            if !lock(&state).output.take(read.get(..count).unwrap_or_default()) {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(LAST_OUTPUT, rest).await;
    let status = status.unwrap_or_else(|_| ExitStatus::from_raw(-1));
    let end = End { code: status.code(), signal: status.signal(), stopped };
    tracing::info!(run.id = %key.run, step = %key.step, ?end, "a process has ended");
    let mut state = lock(&state);
    state.output.end();
    state.end = Some((end, started.elapsed()));
}

/// Waits for the end of a process that was told to end, and reads on, so that it is not held up by a full pipe.
async fn ended_while_reading(
    child: &mut Child,
    output: &mut ChildStdout,
    state: &Mutex<State>,
) -> std::io::Result<ExitStatus> {
    let mut read = vec![0; READ_BYTES];
    let mut open = true;
    loop {
        tokio::select! {
            status = child.wait() => return status,
            got = output.read(&mut read), if open => match got {
                Ok(0) | Err(_) => open = false,
                Ok(count) => {
                    lock(state).output.take(read.get(..count).unwrap_or_default());
                }
            },
        }
    }
}
