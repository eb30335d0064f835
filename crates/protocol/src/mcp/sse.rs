//! Server-sent events (WHATWG HTML section 9.2), as far as a gateway needs them.
//!
//! [`Lines`] knows only where lines begin, which is where a keep-alive comment may be put into a stream
//! that is otherwise copied byte for byte. [`Events`] reads whole events, for the legacy transport's first
//! one, which must be rewritten.

use bytes::{Bytes, BytesMut};
use thiserror::Error;

/// A comment that keeps idle connections open (CC-96).
pub const KEEP_ALIVE: &[u8] = b":\n\n";

/// Where in a stream of lines we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Lines {
    /// Nothing has come yet, or an event has just ended: a comment with its blank line changes nothing.
    #[default]
    BetweenEvents,
    /// At the start of a line inside an event.
    InEvent,
    /// Inside a line, or behind a carriage return whose line feed may follow.
    InLine,
}

impl Lines {
    /// Follows the stream over one more chunk.
    #[must_use]
    pub fn after(self, chunk: &[u8]) -> Self {
        match chunk {
            [] => self,
            [.., b'\n', b'\n'] | [.., b'\r', b'\n', b'\r', b'\n'] => Self::BetweenEvents,
            [b'\n'] if self == Self::InEvent => Self::BetweenEvents,
            [.., b'\n'] => Self::InEvent,
            _ => Self::InLine,
        }
    }
}

/// One event, as it came.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Event {
    /// The `event` field; empty means `message`.
    pub kind: String,
    /// The `data` lines, joined by line feeds.
    pub data: String,
    /// The `id` field, by which a stream is taken up again behind this event.
    pub id: Option<String>,
    /// The `retry` field: after how many milliseconds to come back.
    pub retry: Option<u64>,
}

/// An event grew past the limit.
#[derive(Debug, Error, PartialEq, Eq, Clone, Copy)]
#[error("a server-sent event is larger than {0} bytes")]
pub struct TooLarge(pub usize);

/// Cuts a stream into events.
#[derive(Debug)]
pub struct Events {
    buffer: BytesMut,
    limit: usize,
    seen: Seen,
}

/// How far the buffer was read, so that no byte is looked at twice however it is cut.
#[derive(Clone, Copy, Debug)]
struct Seen {
    at: usize,
    line_is_empty: bool,
    any: bool,
}

impl Seen {
    const NOTHING: Self = Self {
        at: 0,
        line_is_empty: true,
        any: false,
    };
}

impl Events {
    /// A reader that holds at most `limit` bytes of an unfinished event.
    pub fn new(limit: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            limit,
            seen: Seen::NOTHING,
        }
    }

    /// Adds what has come.
    pub fn push(&mut self, chunk: &[u8]) {
        self.buffer.extend_from_slice(chunk);
    }

    /// The next whole event with the bytes it came in; `None` if more is needed. An event without data, a
    /// lone comment for instance, is given too.
    pub fn next_event(&mut self) -> Result<Option<(Event, Bytes)>, TooLarge> {
        Ok(self.next_raw()?.map(|raw| (read(&raw), raw)))
    }

    /// The bytes of the next whole event, unread; `None` if more is needed.
    pub fn next_raw(&mut self) -> Result<Option<Bytes>, TooLarge> {
        let Some(end) = end_of_event(&self.buffer, &mut self.seen) else {
            return if self.buffer.len() > self.limit {
                Err(TooLarge(self.limit))
            } else {
                Ok(None)
            };
        };
        if end > self.limit {
            self.seen = Seen {
                at: end,
                ..Seen::NOTHING
            };
            return Err(TooLarge(self.limit));
        }
        self.seen = Seen::NOTHING;
        Ok(Some(self.buffer.split_to(end).freeze()))
    }

    /// Whether everything that has come was given out, and it ended with an event.
    pub fn is_between(&self) -> bool {
        self.buffer.is_empty() && !self.seen.any
    }

    /// Gives out what has come of an unfinished event. What is given next is the rest of it.
    pub fn take_unfinished(&mut self) -> Bytes {
        let raw = self.buffer.split_to(self.seen.at).freeze();
        self.seen.at = 0;
        raw
    }

    /// What is left unread.
    pub fn into_rest(self) -> Bytes {
        self.buffer.freeze()
    }
}

/// The offset behind the blank line that ends the first event.
fn end_of_event(buffer: &[u8], seen: &mut Seen) -> Option<usize> {
    while let Some(byte) = buffer.get(seen.at) {
        if !matches!(byte, b'\n' | b'\r') {
            *seen = Seen {
                at: seen.at + 1,
                line_is_empty: false,
                any: true,
            };
            continue;
        }
        // A carriage return at the very end may be half of a line end: wait for the rest.
        if *byte == b'\r' && seen.at + 1 == buffer.len() {
            return None;
        }
        let length = if buffer[seen.at..].starts_with(b"\r\n") {
            2
        } else {
            1
        };
        let ends = seen.line_is_empty && seen.any;
        *seen = Seen {
            at: seen.at + length,
            line_is_empty: true,
            any: true,
        };
        if ends {
            return Some(seen.at);
        }
    }
    None
}

/// Reads an event from its bytes.
pub fn read(raw: &[u8]) -> Event {
    let text = normal(raw);
    let mut event = Event::default();
    let mut data = Vec::new();
    for line in text.trim_start_matches('\u{feff}').lines() {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut event.kind),
            "data" => data.push(value),
            // An id with a zero byte in it, and a time that is none, are ignored (section 9.2.6).
            "id" if !value.contains('\0') => event.id = Some(value.to_owned()),
            "retry" if value.bytes().all(|byte| byte.is_ascii_digit()) => event.retry = value.parse().ok(),
            _ => {}
        }
    }
    event.data = data.join("\n");
    event
}

/// The same event with other data: its id and everything else stay as they came.
pub fn with_data(raw: &[u8], data: &str) -> Bytes {
    let text = normal(raw);
    let mut out = String::with_capacity(raw.len());
    let mut written = false;
    for line in text.lines() {
        let field = line.split_once(':').map_or(line, |(field, _)| field);
        if field.trim_start_matches('\u{feff}') != "data" {
            out.push_str(line);
            out.push('\n');
        } else if !written {
            written = true;
            push_data(&mut out, data);
        }
    }
    out.into()
}

fn push_data(out: &mut String, data: &str) {
    for line in data.split('\n') {
        out.push_str("data: ");
        out.push_str(line);
        out.push('\n');
    }
}

/// As text in which every line ends with a line feed.
fn normal(raw: &[u8]) -> String {
    String::from_utf8_lossy(raw)
        .replace("\r\n", "\n")
        .replace('\r', "\n")
}

/// Writes one event.
pub fn encode(kind: &str, data: &str) -> String {
    let mut text = format!("event: {kind}\n");
    push_data(&mut text, data);
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn knows_where_a_comment_may_stand() {
        let after = |chunks: &[&str]| {
            chunks
                .iter()
                .fold(Lines::default(), |at, chunk| at.after(chunk.as_bytes()))
        };
        assert_eq!(after(&[]), Lines::BetweenEvents);
        assert_eq!(after(&["data: x\n\n"]), Lines::BetweenEvents);
        assert_eq!(after(&["data: x\r\n\r\n"]), Lines::BetweenEvents);
        assert_eq!(after(&["data: x\n", "\n"]), Lines::BetweenEvents);
        assert_eq!(after(&["data: x\n"]), Lines::InEvent);
        assert_eq!(after(&["data: x"]), Lines::InLine);
        assert_eq!(after(&["data: x\r"]), Lines::InLine);
    }

    #[test]
    fn reads_events_across_chunks_and_line_ends() {
        let mut events = Events::new(1000);
        events.push(b": hi\n\nevent: endpo");
        assert_eq!(events.next_event().unwrap().unwrap().0, Event::default());
        assert_eq!(events.next_event().unwrap(), None);
        events.push(b"int\r\ndata:/m?s=1\r\ndata: two\r\n\r");
        assert_eq!(events.next_event().unwrap(), None, "the line feed may still come");
        events.push(b"\nid: 7\n");
        let (event, raw) = events.next_event().unwrap().unwrap();
        assert_eq!(
            event,
            Event {
                kind: "endpoint".into(),
                data: "/m?s=1\ntwo".into(),
                ..Event::default()
            }
        );
        assert!(raw.ends_with(b"\r\n\r\n"));
        assert_eq!(events.into_rest(), "id: 7\n");
    }

    #[test]
    fn an_event_says_where_a_stream_is_taken_up_again() {
        let event = read(b"id: 7/2\nretry: 250\ndata:\n\n");
        assert_eq!(event.id.as_deref(), Some("7/2"));
        assert_eq!((event.retry, event.data.as_str()), (Some(250), ""));
        let event = read(b"id: a\0b\nretry: soon\ndata: x\n\n");
        assert_eq!((event.id, event.retry), (None, None));
    }

    #[test]
    fn an_endless_event_is_an_error() {
        let mut events = Events::new(10);
        events.push(b"data: 01234567890123456789");
        assert_eq!(events.next_event(), Err(TooLarge(10)));
    }

    proptest! {
        #[test]
        fn reads_back_what_it_wrote(data in "[^\r\u{feff}]{0,50}") {
            let mut events = Events::new(1000);
            events.push(encode("message", &data).as_bytes());
            let (event, _) = events.next_event().unwrap().unwrap();
            prop_assert_eq!(event, Event { kind: "message".into(), data, ..Event::default() });
        }

        #[test]
        fn chunking_makes_no_difference(stream in "(data: [a-z]{0,5}(\r\n|\n|\r)|:\n|\n){0,12}", cut in 0_usize..60) {
            let cut = cut.min(stream.len());
            let collect = |chunks: [&str; 2]| {
                let mut events = Events::new(1000);
                let mut out = Vec::new();
                for chunk in chunks {
                    events.push(chunk.as_bytes());
                    while let Some((event, _)) = events.next_event().unwrap() { out.push(event); }
                }
                out
            };
            prop_assert_eq!(collect([&stream, ""]), collect([&stream[..cut], &stream[cut..]]));
        }

        #[test]
        fn parts_make_the_whole_and_end_where_events_end(stream in "(data: [a-z]{0,9}(\r\n|\n|\r)|:\n|\n){0,12}", cut in 0_usize..90) {
            let cut = cut.min(stream.len());
            let (mut whole, mut parts) = (Events::new(1000), Events::new(4));
            whole.push(stream.as_bytes());
            let mut ends = vec![0];
            while let Some(raw) = whole.next_raw().unwrap() {
                ends.push(ends.last().unwrap() + raw.len());
            }
            let mut given = 0;
            for chunk in [&stream[..cut], &stream[cut..]] {
                parts.push(chunk.as_bytes());
                loop {
                    match parts.next_raw() {
                        Ok(Some(raw)) => {
                            given += raw.len();
                            prop_assert!(ends.contains(&given));
                        }
                        Ok(None) => break,
                        Err(_) => given += parts.take_unfinished().len(),
                    }
                }
            }
            prop_assert_eq!(given + parts.into_rest().len(), stream.len());
        }
    }

    #[test]
    fn an_event_may_be_given_out_in_parts() {
        let mut events = Events::new(12);
        assert!(events.is_between());
        events.push(b"data: 0123456789\r");
        assert_eq!(events.next_raw(), Err(TooLarge(12)));
        assert_eq!(
            events.take_unfinished(),
            "data: 0123456789",
            "the carriage return may be half of a line end"
        );
        assert!(!events.is_between());
        events.push(b"\ndata: x\n\ndata: y\n\n");
        assert_eq!(events.next_raw().unwrap().unwrap(), "\r\ndata: x\n\n");
        assert_eq!(events.next_raw().unwrap().unwrap(), "data: y\n\n");
        assert_eq!(events.next_raw().unwrap(), None);
        assert!(events.is_between());
    }

    #[test]
    fn an_event_keeps_everything_but_its_data() {
        let raw = b"id: 7\r\nevent: message\r\ndata: {\r\ndata:}\r\n: note\r\nretry: 1\r\n\r\n";
        assert_eq!(
            with_data(raw, "[1,\n2]"),
            "id: 7\nevent: message\ndata: [1,\ndata: 2]\n: note\nretry: 1\n\n"
        );
        assert_eq!(with_data(b"datax: 1\ndata\n\n", "x"), "datax: 1\ndata: x\n\n");
    }
}
