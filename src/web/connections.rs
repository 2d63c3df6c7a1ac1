//! Takes connections and serves them: how many at once, and how long one may take to say what it wants. Knows nothing of
//! what is asked for.
//!
//! Not by `axum::serve`, which has neither limit: whoever opens connections and says nothing would take them all.

use std::collections::BTreeMap;
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Before another connection is taken after one could not be: there are no more of them to be had, for a moment.
const ACCEPT_RETRY: Duration = Duration::from_secs(1);
/// The longest head of a request, bytes.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// What strangers may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once. One more, and that is closed which has gone longest without an answer: a request of Slack's is
    /// answered within a second, so it is never among those.
    pub connections: usize,
    /// How long a head may take to arrive, and how long a connection may stay silent between two requests.
    pub head: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        // Below the 1024 files that a process usually may open. A load balancer keeps a silent connection for 60 s; closed
        // here before that, it would send a request into nothing.
        Self { connections: 512, head: Duration::from_secs(75) }
    }
}

/// Serves until `stop`; requests that are under way are answered.
pub async fn serve(listener: TcpListener, routes: Router, limits: Limits, stop: CancellationToken) {
    let tasks = TaskTracker::new();
    let open = Open::default();
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, _)) => {
                let place = open.admit(limits.connections);
                tasks.spawn(serve_one(stream, routes.clone(), limits.head, place, stop.clone()));
            }
            // Closed by the other side before we came to it.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::error!(%error, "cannot take a connection");
                let _ = stop.run_until_cancelled(tokio::time::sleep(ACCEPT_RETRY)).await;
            }
        }
    }
    drop(listener);
    tasks.close();
    tasks.wait().await;
}

async fn serve_one(stream: TcpStream, routes: Router, head: Duration, place: Place, stop: CancellationToken) {
    let routes = TowerToHyperService::new(routes);
    let place = Arc::new(place);
    let answering = place.clone();
    let answer = service_fn(move |request: http::Request<Incoming>| {
        let (answer, place) = (routes.call(request), answering.clone());
        async move {
            let answer = answer.await;
            place.renew();
            answer
        }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(head)
            .max_buf_size(MAX_HEAD_BYTES)
            .serve_connection(TokioIo::new(stream), answer)
    );
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = place.evicted.cancelled() => {
            tracing::debug!("closed a connection to make room for another");
            return;
        }
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// The open connections, the one that has gone longest without an answer first.
#[derive(Clone, Debug, Default)]
struct Open(Arc<Mutex<Queue>>);

#[derive(Debug, Default)]
struct Queue {
    next: u64,
    waiting: BTreeMap<u64, CancellationToken>,
}

impl Queue {
    fn join(&mut self, evicted: CancellationToken) -> u64 {
        self.next += 1;
        self.waiting.insert(self.next, evicted);
        self.next
    }
}

/// A connection's place among the others; given up when it is dropped.
#[derive(Debug)]
struct Place {
    open: Open,
    number: Mutex<u64>,
    evicted: CancellationToken,
}

impl Open {
    /// Makes a place, of somebody else's where there is none.
    fn admit(&self, most: usize) -> Place {
        let evicted = CancellationToken::new();
        let mut queue = self.lock();
        while queue.waiting.len() >= most.max(1) {
            let Some((_, longest)) = queue.waiting.pop_first() else { break };
            longest.cancel();
        }
        let number = Mutex::new(queue.join(evicted.clone()));
        Place { open: self.clone(), number, evicted }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Goes to the end: a request was answered.
    fn renew(&self) {
        let mut number = self.number.lock().unwrap_or_else(PoisonError::into_inner);
        let mut queue = self.open.lock();
        if queue.waiting.remove(&number).is_some() {
            *number = queue.join(self.evicted.clone());
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let number = *self.number.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.open.lock().waiting.remove(&number);
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::task::JoinHandle;

    use super::*;

    const ASKED: &[u8] = b"GET / HTTP/1.1\r\nhost: alch\r\n\r\n";

    async fn started(limits: Limits) -> (std::net::SocketAddr, CancellationToken, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let routes = Router::new().route("/", get(|| async { "here" }));
        (address, stop.clone(), tokio::spawn(serve(listener, routes, limits, stop)))
    }

    async fn asks(stream: &mut TcpStream) -> String {
        stream.write_all(ASKED).await.unwrap();
        let mut read = Vec::new();
        while !read.ends_with(b"here") {
            let mut more = [0; 1024];
            let count = stream.read(&mut more).await.unwrap();
            assert_ne!(count, 0, "closed after {:?}", String::from_utf8_lossy(&read));
            read.extend_from_slice(&more[..count]);
        }
        String::from_utf8(read).unwrap()
    }

    /// Whether the other side closes without a word; it may have an error for what was unread.
    async fn is_closed(stream: &mut TcpStream) -> bool {
        let mut said = Vec::new();
        let _ = stream.read_to_end(&mut said).await;
        said.is_empty() || said.starts_with(b"HTTP/1.1 408")
    }

    #[tokio::test]
    async fn who_does_not_finish_a_head_is_not_waited_for() {
        let limits = Limits { head: Duration::from_millis(50), ..Limits::default() };
        let (address, stop, served) = started(limits).await;
        let mut slow = TcpStream::connect(address).await.unwrap();
        slow.write_all(b"GET / HTTP/1.1\r\nx-more: ").await.unwrap();
        assert!(is_closed(&mut slow).await);
        let mut silent = TcpStream::connect(address).await.unwrap();
        assert!(is_closed(&mut silent).await);
        stop.cancel();
        served.await.unwrap();
    }

    #[tokio::test]
    async fn one_too_many_takes_the_place_of_who_went_longest_without_an_answer() {
        let (address, stop, served) = started(Limits { connections: 3, ..Limits::default() }).await;
        let mut first = TcpStream::connect(address).await.unwrap();
        assert!(asks(&mut first).await.starts_with("HTTP/1.1 200"));
        let mut silent = TcpStream::connect(address).await.unwrap();
        silent.write_all(&ASKED[..10]).await.unwrap();
        let mut third = TcpStream::connect(address).await.unwrap();
        asks(&mut third).await;
        // Its answer was the first; this one puts it behind the silent one.
        asks(&mut first).await;
        let mut fourth = TcpStream::connect(address).await.unwrap();
        asks(&mut fourth).await;
        assert!(is_closed(&mut silent).await);
        asks(&mut first).await;
        asks(&mut third).await;
        stop.cancel();
        served.await.unwrap();
    }

    #[tokio::test]
    async fn a_stop_closes_what_waits() {
        let (address, stop, served) = started(Limits::default()).await;
        let mut idle = TcpStream::connect(address).await.unwrap();
        asks(&mut idle).await;
        stop.cancel();
        served.await.unwrap();
        assert!(is_closed(&mut idle).await);
    }
}
