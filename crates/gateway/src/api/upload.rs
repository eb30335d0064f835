//! The body of a request on its way up: counted, limited, looked at where upstreams take parameters from it, never held. It
//! ends with its answer at the latest.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use model::World;
use net::{BodyError, Tasks, body};
use tokio::sync::Notify;

use super::form::Form;
use super::target::Unacceptable;

/// How far a body has come.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    bytes: AtomicU64,
    /// When something last went on, in milliseconds of [`World::elapsed`].
    moved: AtomicU64,
    /// Whether the upstream waits for more, and the client has not sent it.
    awaits_client: AtomicBool,
    has_ended: AtomicBool,
    /// Whoever waits for the end.
    end: Notify,
    trouble: OnceLock<Trouble>,
    /// Whoever sends the body.
    sender: AtomicWaker,
}

/// What is wrong with a body.
#[derive(Clone, Debug)]
pub(super) enum Trouble {
    TooLarge,
    Broken,
    Unacceptable(Unacceptable),
    /// Nobody waits for it any more.
    Stopped,
}

/// What a request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Awaits {
    /// The client, for more of the body.
    Client,
    /// The upstream, to take more of it.
    Room,
    /// The upstream, for its answer.
    Answer,
}

impl Progress {
    /// How much has come.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Notes a body that came as a whole, or none.
    pub(super) fn whole(&self, length: usize, now: Duration) {
        self.bytes.store(length as u64, Ordering::Relaxed);
        self.move_on(now);
        self.end();
    }

    /// Ends it if it has not ended: its answer has, or there is no right to it any more. An upstream that answers early would
    /// be sent the rest for as long as the client likes.
    pub(crate) fn stop(&self) {
        if !self.has_ended() {
            self.fail(Trouble::Stopped);
            self.sender.wake();
        }
    }

    /// Resolves when no more of it will come.
    pub(super) async fn ended(&self) {
        let mut end = std::pin::pin!(self.end.notified());
        end.as_mut().enable();
        if !self.has_ended() {
            end.await;
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Acquire)
    }

    fn end(&self) {
        self.has_ended.store(true, Ordering::Release);
        self.end.notify_waiters();
    }

    pub(super) fn move_on(&self, now: Duration) {
        let millis = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        self.moved.store(millis, Ordering::Relaxed);
    }

    /// What is waited for, and since when.
    pub(super) fn awaits(&self) -> (Awaits, Duration) {
        let since = Duration::from_millis(self.moved.load(Ordering::Relaxed));
        let awaits = match () {
            () if self.has_ended() => Awaits::Answer,
            () if self.awaits_client.load(Ordering::Relaxed) => Awaits::Client,
            () => Awaits::Room,
        };
        (awaits, since)
    }

    pub(super) fn trouble(&self) -> Option<&Trouble> {
        self.trouble.get()
    }

    fn fail(&self, trouble: Trouble) {
        // The first is what it ended for.
        let _ = self.trouble.set(trouble);
        self.end();
    }
}

/// A body that passes. Trailers do not: they are hop by hop to many servers, and headers to some.
pub(super) struct Upload {
    /// None once it is dropped.
    pub(super) incoming: Option<Incoming>,
    pub(super) limit: u64,
    pub(super) form: Option<Form>,
    pub(super) progress: Arc<Progress>,
    pub(super) world: World,
    pub(super) tasks: Tasks,
}

/// Whoever still sends sees the answer to it only if they are read on for a moment.
impl Drop for Upload {
    fn drop(&mut self) {
        self.progress.end();
        if let Some(incoming) = self.incoming.take().filter(|incoming| !incoming.is_end_stream()) {
            self.tasks.spawn("rest of an upload", body::throw_away(incoming));
        }
    }
}

impl HttpBody for Upload {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let Some(incoming) = this.incoming.as_mut() else {
            return Poll::Ready(None);
        };
        this.progress.sender.register(context.waker());
        loop {
            if let Some(trouble) = this.progress.trouble() {
                return Poll::Ready(Some(Err(format!("{trouble:?}").into())));
            }
            this.progress.awaits_client.store(true, Ordering::Relaxed);
            let polled = ready!(Pin::new(&mut *incoming).poll_frame(context));
            this.progress.awaits_client.store(false, Ordering::Relaxed);
            this.progress.move_on(this.world.elapsed());
            let frame = match polled {
                None => {
                    if let Some(wrong) = this.form.as_mut().and_then(Form::end) {
                        this.progress.fail(Trouble::Unacceptable(wrong));
                        continue;
                    }
                    this.progress.end();
                    return Poll::Ready(None);
                }
                Some(Ok(frame)) => frame,
                Some(Err(_)) => {
                    this.progress.fail(Trouble::Broken);
                    continue;
                }
            };
            let Ok(data) = frame.into_data() else { continue };
            let before = this
                .progress
                .bytes
                .fetch_add(data.len() as u64, Ordering::Relaxed);
            if before + data.len() as u64 > this.limit {
                this.progress.fail(Trouble::TooLarge);
                continue;
            }
            let is_last = incoming.is_end_stream();
            let look = |form: &mut Form| form.look(&data).or_else(|| is_last.then(|| form.end()).flatten());
            if let Some(wrong) = this.form.as_mut().and_then(look) {
                this.progress.fail(Trouble::Unacceptable(wrong));
                continue;
            }
            if is_last {
                this.progress.end();
            }
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
    }

    fn is_end_stream(&self) -> bool {
        let has_ended = self.incoming.as_ref().is_none_or(HttpBody::is_end_stream);
        has_ended && self.progress.trouble().is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming
            .as_ref()
            .map(HttpBody::size_hint)
            .unwrap_or_default()
    }
}
