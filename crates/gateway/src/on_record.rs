//! With `audit.durability: strict`, nobody has the whole of an answer before it is on record that they were answered.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use audit::{Full, Recorder};
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;
use net::{Body, BodyError};

/// Keeps the last of a body back until everything that its end has put on record is durable. If that cannot be, the
/// answer breaks off. Of what is said as it happens (events, what listens) only the end is kept back.
pub(crate) fn then_the_last(body: Body, recorder: Recorder, is_live: bool) -> Body {
    let size = body.size_hint();
    OnRecord {
        step: Step::Passing(body, None),
        recorder,
        is_live,
        size,
    }
    .boxed_unsync()
}

struct OnRecord {
    step: Step,
    recorder: Recorder,
    is_live: bool,
    /// What is still to come.
    size: SizeHint,
}

enum Step {
    /// It is passed on, each frame once there is another: it may be the last. Whoever drops the body puts its outcome on
    /// record.
    Passing(Body, Option<Frame<Bytes>>),
    /// It has ended; its last frame waits.
    Recording(Flush, Option<Frame<Bytes>>),
    Ended,
}

type Flush = Pin<Box<dyn Future<Output = Result<(), Full>> + Send>>;

impl HttpBody for OnRecord {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        loop {
            match &mut this.step {
                Step::Passing(body, waiting) => {
                    let frame = ready!(Pin::new(&mut *body).poll_frame(context)).transpose()?;
                    let Some(frame) = frame else {
                        // The body is dropped before the first look at what waits for its record.
                        let (recorder, last) = (this.recorder.clone(), waiting.take());
                        this.step = Step::Recording(Box::pin(async move { recorder.flush().await }), last);
                        continue;
                    };
                    let passes = if this.is_live {
                        Some(frame)
                    } else {
                        waiting.replace(frame)
                    };
                    if let Some(frame) = passes {
                        let passed = frame.data_ref().map_or(0, |data| data.len() as u64);
                        this.size = less(&this.size, passed);
                        return Poll::Ready(Some(Ok(frame)));
                    }
                }
                Step::Recording(flush, frame) => {
                    let flushed = ready!(flush.as_mut().poll(context));
                    let last = frame.take();
                    this.step = Step::Ended;
                    this.size = SizeHint::with_exact(0);
                    return Poll::Ready(match flushed {
                        Ok(()) => last.map(Ok),
                        Err(full) => Some(Err(full.into())),
                    });
                }
                Step::Ended => return Poll::Ready(None),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.step, Step::Ended)
    }

    fn size_hint(&self) -> SizeHint {
        self.size
    }
}

/// What is still to come of a body when so much of it has gone out.
fn less(size: &SizeHint, passed: u64) -> SizeHint {
    let mut left = SizeHint::new();
    left.set_lower(size.lower().saturating_sub(passed));
    if let Some(upper) = size.upper() {
        left.set_upper(upper.saturating_sub(passed));
    }
    left
}
