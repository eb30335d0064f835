//! Calls of the session era outlive their caller's connection: a disconnect is not a cancellation there
//! (TP-31). In the stateless era it is one, and dropping the call closes the upstream (TP-59).

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body::Body as _;
use hyper::body::Incoming;
use net::Tasks;

use crate::record::UnderWay;

/// How long a call goes on without its caller.
const LONGEST: Duration = Duration::from_mins(5);

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A future that, dropped before it is done, goes on in a task of its own.
pub(crate) struct Linger<T: Send + 'static> {
    work: Option<Boxed<T>>,
    tasks: Tasks,
    afterwards: fn(T) -> Boxed<()>,
}

impl<T: Send + 'static> Linger<T> {
    /// `afterwards` takes what comes when nobody waits for it any more.
    pub(crate) fn new(
        tasks: Tasks,
        work: impl Future<Output = T> + Send + 'static,
        afterwards: fn(T) -> Boxed<()>,
    ) -> Self {
        Self {
            work: Some(Box::pin(work)),
            tasks,
            afterwards,
        }
    }
}

impl<T: Send + 'static> Future for Linger<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let Some(work) = self.work.as_mut() else {
            return Poll::Pending;
        };
        let polled = work.as_mut().poll(context);
        if polled.is_ready() {
            self.work = None;
        }
        polled
    }
}

impl<T: Send + 'static> Drop for Linger<T> {
    fn drop(&mut self) {
        let Some(work) = self.work.take() else { return };
        let (afterwards, shutdown) = (self.afterwards, self.tasks.shutting_down());
        self.tasks.spawn("abandoned call", async move {
            let whole = async { afterwards(work.await).await };
            tokio::select! {
                _ = tokio::time::timeout(LONGEST, whole) => {}
                () = shutdown => {}
            }
        });
    }
}

/// Reads an answer to its end and throws it away.
pub(crate) async fn drain(mut body: Incoming) {
    while let Some(Ok(_)) = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {}
}

/// Lets an answer that is being read be read on without its reader. It takes up as much as before.
pub(crate) fn drain_behind(tasks: &Tasks, body: Incoming, under_way: Option<Arc<UnderWay>>) {
    let shutdown = tasks.shutting_down();
    tasks.spawn("abandoned answer", async move {
        let _until_the_end = under_way;
        tokio::select! {
            _ = tokio::time::timeout(LONGEST, drain(body)) => {}
            () = shutdown => {}
        }
    });
}
