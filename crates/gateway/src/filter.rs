//! Lists on their way to the caller: what the policy hides from them is taken out, wherever a list can appear
//! (TP-101 to TP-104).

use std::net::IpAddr;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use protocol::mcp::list::{self, Expected, Unreadable};
use protocol::mcp::sse::{self, Events};
use tracing::warn;

use crate::authorize::About;
use crate::caller::Caller;
use crate::exchange::Exchange;
use crate::gateway::Gateway;
use crate::route::Route;

/// The largest answer that is held back to be filtered, whole or as one event.
pub(crate) const LARGEST: usize = 16 << 20;

/// Filters the answers to one exchange.
#[derive(Debug)]
pub(crate) struct Filter {
    gateway: Arc<Gateway>,
    route: Arc<Route>,
    caller: Caller,
    address: IpAddr,
    expected: Expected,
}

/// An answer that must not be passed on: it is too large to be read, or has not one reading.
#[derive(Debug)]
pub(crate) struct Unfit;

impl Filter {
    /// For an exchange that may be answered with a list; none for any other.
    pub(crate) fn of(gateway: &Arc<Gateway>, exchange: &Exchange) -> Option<Self> {
        let lists = exchange
            .waiting
            .iter()
            .filter_map(|waiting| Some((waiting.id.clone(), waiting.list?)));
        let ids: Vec<_> = lists.collect();
        let expected = match exchange.method.as_deref() {
            // A listening or resumed stream carries answers to requests of other connections.
            Some("GET") => Expected::Form,
            _ if ids.is_empty() => return None,
            _ => Expected::Ids(ids),
        };
        Some(Self {
            gateway: Arc::clone(gateway),
            route: Arc::clone(&exchange.route),
            caller: exchange.caller.clone(),
            address: exchange.address,
            expected,
        })
    }

    /// What a message becomes; `None` if it stays as it is.
    fn message(&self, text: &str) -> Result<Option<String>, Unreadable> {
        // A stream may outlive the rules that it began under.
        let routes = self.gateway.routes();
        let route = routes.servers.get(self.route.name()).unwrap_or(&self.route);
        let caller = self.caller.as_now(&self.gateway);
        let about = About {
            catalogue: self.gateway.catalogue(),
            route,
            issuer: &routes.issuer,
            caller: &caller,
            address: self.address,
            now: self.gateway.now(),
        };
        list::filter(text, &self.expected, &mut |list, entry| about.shows(list, entry))
    }

    /// A whole body, which is one document or one in each line.
    pub(crate) fn whole(&self, body: Bytes) -> Result<Bytes, Unfit> {
        let text = std::str::from_utf8(&body).map_err(|_| Unfit)?;
        if text.trim().is_empty() {
            return Ok(body);
        }
        match self.message(text) {
            Ok(None) => return Ok(body),
            Ok(Some(text)) => return Ok(text.into()),
            Err(Unreadable) if !text.trim_end().contains('\n') => return Err(Unfit),
            Err(Unreadable) => {}
        }
        let lines = text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .map(|line| self.line(line));
        let lines: Vec<_> = lines.collect::<Result<_, _>>()?;
        Ok(lines.concat().into())
    }

    fn line(&self, line: &str) -> Result<String, Unfit> {
        let filtered = self.message(line).map_err(|Unreadable| Unfit)?;
        Ok(format!("{}\n", filtered.as_deref().unwrap_or(line)))
    }

    /// An event; nothing of one that cannot be read.
    fn event(&self, data: &str, raw: Bytes) -> Bytes {
        if data.trim().is_empty() {
            return raw;
        }
        match self.message(data) {
            Ok(None) => raw,
            Ok(Some(data)) => sse::with_data(&raw, &data),
            Err(Unreadable) => {
                warn!(server = %self.route.name(), "an event that cannot be read was not passed on");
                Bytes::new()
            }
        }
    }
}

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
        let pieces = if is_sse {
            Pieces::Events(Events::new(LARGEST))
        } else {
            Pieces::Lines(BytesMut::new(), 0)
        };
        Self { filter, pieces }
    }

    /// What goes out when this has come: whole events or lines.
    pub(crate) fn push(&mut self, chunk: &[u8]) -> Result<Bytes, Unfit> {
        let mut out = BytesMut::new();
        match &mut self.pieces {
            Pieces::Events(events) => {
                events.push(chunk);
                while let Some((event, raw)) = events.next_event().map_err(|_| Unfit)? {
                    out.extend_from_slice(&self.filter.event(&event.data, raw));
                }
            }
            Pieces::Lines(buffer, looked) => {
                buffer.extend_from_slice(chunk);
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

    /// What goes out when nothing more comes: the last line. An event that was not finished is none.
    pub(crate) fn finish(&mut self) -> Result<Bytes, Unfit> {
        match &mut self.pieces {
            Pieces::Events(_) => Ok(Bytes::new()),
            Pieces::Lines(buffer, _) => self.filter.whole(buffer.split().freeze()),
        }
    }
}
