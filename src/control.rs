//! The way from a terminal into the process that has the database: a socket beside the SQLite file, for `alch run`.
//!
//! Whoever may write to the socket may act as somebody with a shell on this machine: it is made for its owner alone.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::Response as HttpResponse;
use axum::routing::post;
use axum::{Json, Router};
use futures_util::stream::{self, StreamExt};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

use crate::domain::{Outcome, Recorded, Run, RunId};
use crate::engine::Engine;
use crate::requests::{Requests, Response};
use crate::slack::view;
use crate::store::StoreError;

/// A command from a terminal.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ask {
    /// As typed after `/alch`.
    pub text: String,
    /// The operating system's user.
    pub user: String,
    /// Whether to wait for the environment when another run holds it.
    #[serde(default)]
    pub queue: bool,
}

/// What is told of it, one line of JSON each.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "tell", rename_all = "snake_case")]
pub enum Tell {
    /// An event of the run, and how it reads.
    Event {
        /// The event.
        event: Box<Recorded>,
        /// For people.
        line: String,
    },
    /// Words, the answer to a command that is no run.
    Say {
        /// For people.
        text: String,
    },
    /// The end.
    End {
        /// How the run ended; none for a command that is no run and was answered.
        outcome: Option<Outcome>,
        /// Whether the command did what was asked.
        succeeded: bool,
    },
}

/// The socket's path for a database file.
pub fn path_beside(database: &Path) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(".sock");
    PathBuf::from(path)
}

/// Listens at `path`. The database's lock says that no other process does, so a file that is there is a dead one's.
///
/// # Errors
/// When the socket cannot be made.
pub fn serve(
    path: PathBuf,
    requests: Requests,
    engine: Engine,
    stop: CancellationToken,
) -> anyhow::Result<impl Future<Output = ()> + Send + 'static> {
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).with_context(|| format!("cannot listen at {}", path.display()))?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    let routes = Router::new().route("/ask", post(answer)).with_state((requests, engine, stop.clone()));
    Ok(async move {
        let served = axum::serve(listener, routes).with_graceful_shutdown(stop.cancelled_owned());
        if let Err(error) = served.await {
            tracing::error!(%error, "the control socket failed");
        }
        let _ = std::fs::remove_file(&path);
    })
}

type Asked = (Requests, Engine, CancellationToken);

async fn answer(State((requests, engine, stop)): State<Asked>, Json(ask): Json<Ask>) -> HttpResponse {
    // A stop does not wait for those who only follow: what was asked for goes on without them.
    let lines = ask_here(requests, engine, ask).take_until(stop.cancelled_owned()).map(|told| {
        let mut line = serde_json::to_vec(&told).unwrap_or_default();
        line.push(b'\n');
        Ok::<_, std::convert::Infallible>(Bytes::from(line))
    });
    HttpResponse::new(Body::from_stream(lines))
}

/// Asks in this process, and tells until the end.
pub fn ask_here(requests: Requests, engine: Engine, ask: Ask) -> impl stream::Stream<Item = Tell> + Send + 'static {
    let first = async move {
        let told = match requests.ask_from_terminal(&ask.text, &ask.user, ask.queue).await {
            Ok(Response::Run(run)) => {
                let waits = waits_for_slack(&engine, run).await;
                return stream::iter(waits).chain(follow(engine, run)).boxed();
            }
            Ok(Response::RolledBack { run: Some(run), .. }) => {
                return stream::iter([]).chain(follow(engine, run)).boxed();
            }
            Ok(Response::RolledBack { run: None, said, succeeded, .. }) => (said.text, succeeded),
            Ok(Response::Say(said)) => (said.text, true),
            Ok(Response::Refuse(said)) => (said.text, false),
            Err(error) => (format!("{error}"), false),
        };
        let end = Tell::End { outcome: None, succeeded: told.1 };
        stream::iter([Tell::Say { text: view::plain(&told.0) }, end]).boxed()
    };
    stream::once(first).flatten()
}

/// What is said first of a run that people in Slack approve.
async fn waits_for_slack(engine: &Engine, run: RunId) -> Option<Tell> {
    let run = engine.store().run(run).await.ok().flatten()?;
    let place = engine.place(&run.environment)?;
    place.environment.needs_approval(&run.command).then(|| Tell::Say {
        text: format!(
            "{} acts in {}, so its plan is approved in Slack first, in its thread. It goes on without this terminal.",
            run.id, run.environment
        ),
    })
}

/// The journal of a run as it grows.
fn follow(engine: Engine, run: RunId) -> impl stream::Stream<Item = Tell> + Send + 'static {
    struct Following {
        engine: Engine,
        run: RunId,
        folded: Option<Run>,
        over: bool,
    }
    let start = Following { engine, run, folded: None, over: false };
    stream::unfold(start, |mut following| async move {
        if following.over {
            return None;
        }
        let mut changes = following.engine.store().changes();
        loop {
            changes.mark_unchanged();
            let told = match following.engine.store().journal(following.run).await {
                Ok(journal) => news(&mut following.folded, journal),
                Err(error) => vec![Tell::Say { text: told_error(&error) }],
            };
            following.over = told.iter().any(|told| matches!(told, Tell::End { .. }));
            if !told.is_empty() {
                return Some((stream::iter(told), following));
            }
            // Another process may drive the run: then only looking again tells.
            let _ = tokio::time::timeout(LOOK_AGAIN, changes.changed()).await;
        }
    })
    .flatten()
}

/// How often the journal is read when nothing in this process says that it grew.
const LOOK_AGAIN: std::time::Duration = std::time::Duration::from_secs(1);

fn news(folded: &mut Option<Run>, journal: Vec<Recorded>) -> Vec<Tell> {
    let known = folded.as_ref().map_or(0, |run| run.last_seq);
    let mut told = Vec::new();
    for recorded in journal.into_iter().filter(|recorded| recorded.seq > known) {
        match folded {
            Some(run) => run.apply(&recorded),
            None => *folded = Run::from_journal(std::slice::from_ref(&recorded)),
        }
        let Some(run) = folded.as_ref() else { continue };
        let line = view::terminal(&recorded, run);
        let ended = run.ended.as_ref().map(|ended| ended.outcome);
        told.push(Tell::Event { event: Box::new(recorded), line });
        if let Some(outcome) = ended {
            told.push(Tell::End { outcome: Some(outcome), succeeded: outcome == Outcome::Succeeded });
            break;
        }
    }
    told
}

fn told_error(error: &StoreError) -> String {
    format!("the journal cannot be read, trying again: {error}")
}

/// What is told when the process that was asked ends before the answer does.
const LEFT_ALONE: &str = "alch stopped before this was over; what was recorded goes on when it is started again";

/// Asks the process that listens at `path`.
///
/// # Errors
/// When nobody listens there or the connection breaks.
pub async fn ask_there(path: &Path, ask: &Ask, mut tell: impl FnMut(Tell)) -> anyhow::Result<()> {
    let stream = UnixStream::connect(path).await.with_context(|| {
        format!(
            "another alch has the database, and takes no commands at {}: an `alch run` that is under way, for example. Ask \
             again when it has ended, or let `alch serve` have the database",
            path.display()
        )
    })?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let request = http::Request::post("/ask")
        .header(http::header::HOST, "alch")
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(serde_json::to_vec(ask)?)))?;
    let mut body = sender.send_request(request).await?.into_body();
    let mut buffer = Vec::new();
    let mut over = false;
    while let Some(frame) = body.frame().await {
        buffer.extend_from_slice(frame.context(LEFT_ALONE)?.data_ref().map_or(&[][..], |data| data));
        while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = buffer.drain(..=end).collect();
            let told = serde_json::from_slice(&line)?;
            over = matches!(told, Tell::End { .. });
            tell(told);
        }
    }
    drop(sender);
    connection.abort();
    anyhow::ensure!(over, LEFT_ALONE);
    Ok(())
}
