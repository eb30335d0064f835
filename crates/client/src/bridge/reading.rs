//! The body of an answer, message by message: one JSON text, a stream of events, or JSON line by line.

use std::time::Duration;

use bytes::{Buf as _, Bytes};
use http::{Response, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming as Body;
use protocol::mcp::sse::{self, Events};

use super::MOST_BYTES;
use super::failure::Failure;

/// How often a server is asked again behind the same event, before it is given up.
const MOST_FRUITLESS: u32 = 8;
/// How long to wait before that, where the server says nothing.
const PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// One piece of a body.
#[derive(Debug, Default)]
pub(crate) struct Piece {
    /// A message; empty where an event has none.
    pub(crate) text: String,
    /// By which event the stream is taken up again.
    pub(crate) id: Option<String>,
    /// After how long.
    pub(crate) retry: Option<Duration>,
    /// Where messages go, as streams of 2024-11-05 say first.
    pub(crate) endpoint: Option<String>,
}

/// A body that is read.
#[derive(Debug)]
pub(crate) struct Reading {
    body: Body,
    form: Form,
}

#[derive(Debug)]
enum Form {
    /// Server-sent events.
    Events(Events),
    /// JSON; each line by itself if it is one that has no end.
    Json { text: Vec<u8>, by_line: bool },
}

impl Reading {
    /// Of an answer; `is_endless` if messages are to be given out before it ends.
    pub(crate) fn new(response: Response<Body>, is_endless: bool) -> Self {
        let form = if is_events(&response) {
            Form::Events(Events::new(MOST_BYTES))
        } else {
            Form::Json {
                text: Vec::new(),
                by_line: is_endless,
            }
        };
        Self {
            body: response.into_body(),
            form,
        }
    }

    /// Whether the rest can be asked for again.
    pub(crate) fn is_events(&self) -> bool {
        matches!(self.form, Form::Events(_))
    }

    /// The next piece; none at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Piece>, Failure> {
        loop {
            if let Some(piece) = self.form.next_piece()? {
                return Ok(Some(piece));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.form.push(data)?;
                    }
                }
                Some(Err(_)) => return Err(Failure::Ended),
                None => return Ok(self.form.last_piece()),
            }
        }
    }
}

impl Form {
    fn push(&mut self, mut data: Bytes) -> Result<(), Failure> {
        match self {
            Self::Events(events) => events.push(&data),
            Self::Json { text, .. } if text.len() + data.len() > MOST_BYTES => {
                return Err(Failure::TooLarge(MOST_BYTES));
            }
            Self::Json { text, .. } => {
                text.extend_from_slice(&data);
                data.advance(data.len());
            }
        }
        Ok(())
    }

    fn next_piece(&mut self) -> Result<Option<Piece>, Failure> {
        match self {
            Self::Events(events) => {
                let event = events.next_event().map_err(|error| Failure::TooLarge(error.0))?;
                Ok(event.map(|(event, _)| of_event(event)))
            }
            Self::Json { text, by_line: true } => {
                let Some(end) = memchr::memchr(b'\n', text) else {
                    return Ok(None);
                };
                let line: Vec<u8> = text.drain(..=end).collect();
                Ok(Some(of_text(&line)))
            }
            Self::Json { .. } => Ok(None),
        }
    }

    /// What is left when the body has ended. An event that has not ended does not count.
    fn last_piece(&mut self) -> Option<Piece> {
        match self {
            Self::Json { text, .. } if !text.trim_ascii().is_empty() => Some(of_text(&std::mem::take(text))),
            Self::Events(_) | Self::Json { .. } => None,
        }
    }
}

/// Whether an answer is a stream of events.
pub(crate) fn is_events(response: &Response<Body>) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("text/event-stream")
}

fn of_event(event: sse::Event) -> Piece {
    // Events of other kinds are not messages.
    let (text, endpoint) = match event.kind.as_str() {
        "" | "message" => (event.data, None),
        "endpoint" => (String::new(), Some(event.data)),
        _ => (String::new(), None),
    };
    Piece {
        text,
        id: event.id,
        retry: event.retry.map(Duration::from_millis),
        endpoint,
    }
}

fn of_text(text: &[u8]) -> Piece {
    Piece {
        text: String::from_utf8_lossy(text).into_owned(),
        ..Piece::default()
    }
}

/// Where in a stream one is, to come back to it.
#[derive(Debug, Default)]
pub(crate) struct Place {
    /// Behind which event.
    pub(crate) id: Option<String>,
    retry: Option<Duration>,
    fruitless: u32,
}

impl Place {
    /// Takes note of a piece.
    pub(crate) fn note(&mut self, piece: &Piece) {
        if let Some(id) = &piece.id {
            // An empty one takes back what was said.
            self.id = Some(id.clone()).filter(|id| !id.is_empty());
        }
        self.retry = piece.retry.or(self.retry);
        self.fruitless = 0;
    }

    /// How long to wait before the next try, as the server says and longer each time nothing came of it; none after too
    /// many.
    pub(crate) fn pause(&mut self) -> Option<Duration> {
        let pause = self.retry.unwrap_or(PAUSE);
        // A server may name any time.
        let pause = pause.saturating_mul(2_u32.saturating_pow(self.fruitless.min(10)));
        self.fruitless += 1;
        (self.fruitless <= MOST_FRUITLESS).then(|| pause.min(LONGEST_PAUSE))
    }

    /// The same for a stream that is not given up.
    pub(crate) fn patient_pause(&mut self) -> Duration {
        self.pause().unwrap_or(LONGEST_PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_taken_up_where_the_server_says_and_not_for_ever() {
        let mut place = Place::default();
        place.note(&Piece {
            id: Some("7".to_owned()),
            retry: Some(Duration::from_millis(100)),
            ..Piece::default()
        });
        assert_eq!(place.pause(), Some(Duration::from_millis(100)));
        assert_eq!(place.pause(), Some(Duration::from_millis(200)));
        place.note(&Piece::default());
        assert_eq!(place.pause(), Some(Duration::from_millis(100)));
        assert_eq!(place.id.as_deref(), Some("7"));
        while place.pause().is_some() {}
        assert_eq!(place.patient_pause(), LONGEST_PAUSE);
        place.note(&of_event(sse::read(b"retry: 18446744073709551615\n\n")));
        assert_eq!(
            (place.pause(), place.pause()),
            (Some(LONGEST_PAUSE), Some(LONGEST_PAUSE))
        );
        place.note(&of_event(sse::read(b"id:\n\n")));
        assert_eq!(place.id, None);
    }

    #[test]
    fn json_comes_whole_or_by_line() {
        let pieces = |by_line: bool| {
            let mut form = Form::Json {
                text: Vec::new(),
                by_line,
            };
            let mut found = Vec::new();
            for chunk in ["{\"a\":\n1}\n{", "}"] {
                form.push(Bytes::from(chunk)).unwrap();
                while let Some(piece) = form.next_piece().unwrap() {
                    found.push(piece.text);
                }
            }
            found.extend(form.last_piece().map(|piece| piece.text));
            found
        };
        assert_eq!(pieces(false), ["{\"a\":\n1}\n{}"]);
        assert_eq!(pieces(true), ["{\"a\":\n", "1}\n", "{}"]);
    }
}
