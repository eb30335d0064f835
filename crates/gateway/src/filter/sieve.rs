//! A stream through a filter, piece by piece.

use bytes::{Bytes, BytesMut};
use protocol::mcp::sse::{Events, Lines, TooLarge};

use super::{Care, Filter, LARGEST, LARGEST_GLANCE, Unfit};
use crate::task::Begun;

/// Filters a stream piece by piece.
#[derive(Debug)]
pub(crate) struct Sieve {
    filter: Filter,
    pieces: Pieces,
}

#[derive(Debug)]
enum Pieces {
    Events(Events),
    /// What of a line has come, and how much of it was looked through.
    Lines(BytesMut, usize),
}

impl Sieve {
    /// Of an event stream, or of a stream with a message in each line.
    pub(crate) fn new(filter: Filter, is_sse: bool) -> Self {
        let limit = match filter.care {
            Care::Messages => LARGEST,
            Care::None | Care::Events | Care::Tasks => LARGEST_GLANCE,
        };
        let pieces = if is_sse {
            Pieces::Events(Events::new(limit))
        } else {
            Pieces::Lines(BytesMut::new(), 0)
        };
        Self { filter, pieces }
    }

    /// The tasks that have begun with what went out since this was asked last.
    pub(crate) fn begun(&mut self) -> Vec<Begun> {
        self.filter.begun()
    }

    /// What goes out when this has come: whole events or lines.
    pub(crate) fn push(&mut self, chunk: Bytes) -> Result<Bytes, Unfit> {
        let mut out = BytesMut::new();
        match &mut self.pieces {
            Pieces::Events(events) => {
                // The usual way: whole events in which nothing matters go out as they came.
                if events.is_between()
                    && Lines::default().after(&chunk) == Lines::BetweenEvents
                    && !self.filter.may_matter(&chunk)
                {
                    return Ok(chunk);
                }
                events.push(&chunk);
                loop {
                    match events.next_raw() {
                        Ok(Some(raw)) => out.extend_from_slice(&self.filter.event(raw)),
                        Ok(None) => break,
                        Err(TooLarge(_)) if self.filter.care == Care::Messages => return Err(Unfit),
                        Err(TooLarge(_)) => out.extend_from_slice(&events.take_unfinished()),
                    }
                }
            }
            Pieces::Lines(buffer, looked) => {
                buffer.extend_from_slice(&chunk);
                while let Some(end) = memchr::memchr(b'\n', buffer.get(*looked..).unwrap_or_default()) {
                    let line = buffer.split_to(*looked + end + 1);
                    *looked = 0;
                    out.extend_from_slice(&self.filter.whole(line.freeze())?);
                }
                *looked = buffer.len();
                if buffer.len() > LARGEST {
                    return Err(Unfit);
                }
            }
        }
        Ok(out.freeze())
    }

    /// What goes out when nothing more comes: the last line. An event that was not finished is none, and goes out
    /// only where all that does not matter does.
    pub(crate) fn finish(&mut self) -> Result<Bytes, Unfit> {
        match &mut self.pieces {
            Pieces::Events(_) if self.filter.care == Care::Messages => Ok(Bytes::new()),
            Pieces::Events(events) => {
                let rest = std::mem::replace(events, Events::new(0)).into_rest();
                Ok(self.filter.event(rest))
            }
            Pieces::Lines(buffer, _) => {
                let last = buffer.split().freeze();
                self.filter.whole(last)
            }
        }
    }
}
