//! The accept loop: HTTP/1.1 and HTTP/2, TLS or plain, with limits, draining when told.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::{debug, info, warn};

use crate::body::Body;
use crate::tasks::Tasks;
use crate::tls::Certificates;

/// What one connection may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Open connections at once; more wait to be accepted.
    pub connections: usize,
    /// How long a client may take to send a request's head, and to stay idle between two.
    pub head_time: Duration,
    /// Bytes of a request's head.
    pub head_bytes: usize,
    /// How long a TLS handshake may take.
    pub handshake_time: Duration,
    /// Streams at once on an HTTP/2 connection.
    pub streams: u32,
    /// How long a drain waits for answers that are under way.
    pub drain_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 20_000,
            head_time: Duration::from_secs(30),
            head_bytes: 64 * 1024,
            handshake_time: Duration::from_secs(10),
            streams: 256,
            drain_time: Duration::from_secs(25),
        }
    }
}

/// The connection a request came on.
#[derive(Clone, Copy, Debug)]
pub struct Connection {
    /// The other end.
    pub peer: SocketAddr,
    /// Whether we ended TLS.
    pub tls: bool,
}

/// Answers one request.
pub trait Answer: Clone + Send + Sync + 'static {
    /// The answer; every failure is an answer too.
    fn answer(
        self,
        request: Request<Incoming>,
        connection: Connection,
    ) -> impl Future<Output = Response<Body>> + Send + 'static;
}

/// Listens and answers until told to stop.
#[derive(Debug)]
pub struct Server {
    limits: Limits,
    tasks: Tasks,
}

impl Server {
    /// With these limits; stops when `tasks` shuts down.
    pub fn new(limits: Limits, tasks: Tasks) -> Self {
        Self { limits, tasks }
    }

    /// Takes connections from `listener` in a task of its own.
    pub fn serve(&self, listener: TcpListener, certificates: Option<Certificates>, answer: impl Answer) {
        let (limits, tasks) = (self.limits, self.tasks.clone());
        self.tasks
            .spawn("listener", accept(listener, certificates, answer, limits, tasks));
    }
}

async fn accept(
    listener: TcpListener,
    certificates: Option<Certificates>,
    answer: impl Answer,
    limits: Limits,
    tasks: Tasks,
) {
    let places = Arc::new(Semaphore::new(limits.connections));
    let graceful = GracefulShutdown::new();
    let builder = Arc::new(builder(limits));
    let shutting_down = tasks.shutting_down();
    tokio::pin!(shutting_down);
    loop {
        let accepted = tokio::select! {
            () = &mut shutting_down => break,
            accepted = async {
                let place = Arc::clone(&places).acquire_owned().await;
                (listener.accept().await, place)
            } => accepted,
        };
        let (stream, peer, place) = match accepted {
            (Ok((stream, peer)), Ok(place)) => (stream, peer, place),
            (Err(error), _) => {
                // Out of file descriptors, most likely: give others time to close theirs.
                warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
            (_, Err(_)) => break,
        };
        let connection = Connection {
            peer,
            tls: certificates.is_some(),
        };
        let _ = stream.set_nodelay(true);
        let conversation = Conversation {
            builder: Arc::clone(&builder),
            connection,
            answer: answer.clone(),
            watcher: graceful.watcher(),
            head_time: limits.head_time,
            _place: place,
        };
        match certificates.as_ref().map(Certificates::acceptor) {
            None => tasks.spawn_bare("connection", conversation.hold(stream)),
            Some(acceptor) => tasks.spawn_bare("connection", async move {
                match tokio::time::timeout(limits.handshake_time, acceptor.accept(stream)).await {
                    Ok(Ok(stream)) => conversation.hold(stream).await,
                    Ok(Err(error)) => debug!(%peer, %error, "TLS handshake failed"),
                    Err(_) => debug!(%peer, "TLS handshake took too long"),
                }
            }),
        }
    }
    drop(listener);
    if tokio::time::timeout(limits.drain_time, graceful.shutdown())
        .await
        .is_err()
    {
        info!(
            "drained for {} s; closing what is left",
            limits.drain_time.as_secs()
        );
    }
}

/// All that a connection needs beside its stream.
struct Conversation<A> {
    builder: Arc<Builder<TokioExecutor>>,
    connection: Connection,
    answer: A,
    watcher: Watcher,
    head_time: Duration,
    _place: OwnedSemaphorePermit,
}

impl<A: Answer> Conversation<A> {
    /// Answers whatever is asked, to the end of the connection.
    async fn hold<S>(self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Self {
            builder,
            connection,
            answer,
            watcher,
            head_time,
            _place,
        } = self;
        let begun = Arc::new(AtomicBool::new(false));
        let first = Arc::clone(&begun);
        let service = service_fn(move |request: Request<Incoming>| {
            first.store(true, Ordering::Relaxed);
            // Boxed, so that a connection has no room for it while nothing is asked, nor while an answer goes out.
            Box::pin(answer.clone().answer(request, connection).map(infallible))
        });
        let conversation = builder
            .serve_connection(TokioIo::new(stream), service)
            .into_owned();
        // Until the protocol is known nobody else looks at the clock: a connection that says nothing, or half of a
        // word, would stay for ever.
        let conversation = watcher.watch(conversation);
        tokio::pin!(conversation);
        let ended = match tokio::time::timeout(head_time, &mut conversation).await {
            Ok(ended) => ended,
            Err(_) if begun.load(Ordering::Relaxed) => conversation.await,
            Err(_) => {
                debug!(peer = %connection.peer, "connection closed: no request came");
                return;
            }
        };
        if let Err(error) = ended {
            debug!(peer = %connection.peer, %error, "connection ended");
        }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "hyper's services may fail")]
fn infallible(answer: Response<Body>) -> Result<Response<Body>, Infallible> {
    Ok(answer)
}

fn builder(limits: Limits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_time)
        .max_buf_size(limits.head_bytes.max(8192))
        .max_headers(100);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20));
    builder
}

/// Opens a listening socket whose address can be taken again at once after a restart.
pub async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone)]
    struct Nothing;

    impl Answer for Nothing {
        async fn answer(self, _: Request<Incoming>, _: Connection) -> Response<Body> {
            Response::new(crate::body::empty())
        }
    }

    /// There are thousands, most of which only wait. See docs/performance.md.
    #[tokio::test]
    async fn a_connection_that_waits_is_no_larger_than_it_must_be() {
        let listener = bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let peer = listener.local_addr().unwrap();
        let stream = tokio::net::TcpStream::connect(peer).await.unwrap();
        let place = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let conversation = Conversation {
            builder: Arc::new(builder(Limits::default())),
            connection: Connection { peer, tls: false },
            answer: Nothing,
            watcher: GracefulShutdown::new().watcher(),
            head_time: Duration::from_secs(1),
            _place: place,
        };
        let work = crate::tasks::supervised("connection", conversation.hold(stream));
        let size = size_of_val(&work);
        assert!(size <= 2304, "{size} bytes");
    }
}
