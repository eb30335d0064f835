//! Bodies: one boxed type at the edges, and ways to read one whole within limits.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use thiserror::Error;

/// What went wrong inside a body; ends the connection it was to be sent on.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// The body of an answer, whatever it is made of.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;

/// A body that is known whole.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// How much of a refused body is read on, and for how long.
const MOST_THROWN_AWAY: usize = 64 << 20;
const THROWING_AWAY: Duration = Duration::from_secs(2);
/// A body that is waited for although nobody wants it.
const SHORT: usize = 64 << 10;

/// No body.
pub fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// Why a body was not read whole.
#[derive(Debug, Error, PartialEq, Eq, Clone, Copy)]
pub enum ReadError {
    /// Longer than allowed.
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    /// It did not end in time.
    #[error("the body did not arrive in time")]
    TooSlow,
    /// The connection broke.
    #[error("the connection ended inside the body")]
    Broken,
}

/// Reads a body whole: at most `limit` bytes, within `time`.
pub async fn read<B>(mut body: B, limit: usize, time: Duration) -> Result<Bytes, ReadError>
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    let outcome = tokio::time::timeout(time, within(&mut body, limit)).await;
    let outcome = outcome.unwrap_or(Err(ReadError::TooSlow));
    if outcome == Err(ReadError::TooLarge(limit)) {
        throw_away(body).await;
    }
    outcome
}

/// Reads a short body that nobody wants, before its request is answered. Many clients send head and body apart; who
/// answers in between ends the connection without a word (hyper gives up reading), and the next request on it is lost.
pub async fn pass_over<B>(mut body: B)
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    if !body.is_end_stream() && body.size_hint().lower() <= SHORT as u64 {
        let _ = tokio::time::timeout(THROWING_AWAY, within(&mut body, SHORT)).await;
    }
}

/// A refused body is read on for a moment: a client that is still sending when the connection closes never sees
/// why.
pub async fn throw_away<B: http_body::Body<Data = Bytes> + Unpin>(mut body: B) {
    let rest = async {
        let mut thrown = 0;
        while let Some(Ok(frame)) = body.frame().await {
            thrown += frame.data_ref().map_or(0, Bytes::len);
            if thrown > MOST_THROWN_AWAY {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(THROWING_AWAY, rest).await;
}

async fn within<B>(body: &mut B, limit: usize) -> Result<Bytes, ReadError>
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    if body.size_hint().lower() > limit as u64 {
        return Err(ReadError::TooLarge(limit));
    }
    // Most bodies come in one piece, which is then not copied.
    let mut first = Bytes::new();
    let mut rest: Option<BytesMut> = None;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| ReadError::Broken)?.into_data() else {
            continue;
        };
        let length = rest.as_ref().map_or(first.len(), BytesMut::len);
        if length + data.len() > limit {
            return Err(ReadError::TooLarge(limit));
        }
        match &mut rest {
            Some(rest) => rest.extend_from_slice(&data),
            None if first.is_empty() => first = data,
            None => {
                let mut joined = BytesMut::with_capacity((length + data.len()) * 2);
                joined.extend_from_slice(&first);
                joined.extend_from_slice(&data);
                rest = Some(joined);
            }
        }
    }
    Ok(rest.map_or(first, BytesMut::freeze))
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;
    use http_body::Frame;
    use http_body_util::StreamBody;

    fn chunks(chunks: &[&'static str]) -> impl http_body::Body<Data = Bytes, Error = std::io::Error> + Unpin {
        let frames: Vec<_> = chunks
            .iter()
            .map(|chunk| Ok(Frame::data(Bytes::from_static(chunk.as_bytes()))))
            .collect();
        StreamBody::new(stream::iter(frames))
    }

    #[tokio::test]
    async fn joins_chunks_and_stops_at_the_limit() {
        let time = Duration::from_secs(1);
        assert_eq!(
            read(chunks(&["ab", "c", "def"]), 6, time).await.unwrap(),
            "abcdef"
        );
        assert_eq!(
            read(chunks(&["ab", "c", "def"]), 5, time).await,
            Err(ReadError::TooLarge(5))
        );
        assert_eq!(read(chunks(&[]), 0, time).await.unwrap(), "");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_ends_is_given_up() {
        let endless = StreamBody::new(stream::pending::<Result<Frame<Bytes>, std::io::Error>>());
        assert_eq!(
            read(endless, 10, Duration::from_secs(5)).await,
            Err(ReadError::TooSlow)
        );
    }
}
