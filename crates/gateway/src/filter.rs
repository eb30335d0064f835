//! Answers on their way to the caller: lists lose what the policy hides, wherever a list can appear (TP-101 to
//! TP-104); what begins a task is noted before it is passed on (TP-113, TP-114); what a server says by itself and may
//! not say is dropped (TP-57).

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use memchr::memmem;
use protocol::mcp::list::{self, Expected, List, Unreadable};
use protocol::mcp::sse;
use protocol::mcp::task::{self, Created, Said};
use tracing::{debug, warn};

use crate::authorize::About;
use crate::caller::Caller;
use crate::exchange::Exchange;
use crate::gateway::Gateway;
use crate::message::MayBegin;
use crate::route::Route;
use crate::task::{Begun, Own};

pub(crate) use remembered::Remembered;
pub(crate) use sieve::Sieve;

mod remembered;
mod sieve;

/// The largest answer that is held back to be filtered, whole or as one event.
pub(crate) const LARGEST: usize = 16 << 20;
/// The largest message that is looked at where only a task or a request of the server's matters. Both are small; what
/// is larger is neither, and passes in pieces.
pub(crate) const LARGEST_GLANCE: usize = 64 << 10;

/// How closely the answer to an exchange is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Care {
    /// It is copied.
    None,
    /// Its events are looked at: in the stateless era a server may not ask anything by itself.
    Events,
    /// It may begin a task.
    Tasks,
    /// Every message is read: it may be a list, or about somebody's task.
    Messages,
}

impl Care {
    /// What an exchange needs.
    pub(crate) fn of(exchange: &Exchange) -> Self {
        let any = |fits: fn(&crate::message::Waiting) -> bool| exchange.waiting.iter().any(fits);
        let listens = exchange.modern && exchange.is_listening();
        if listens || exchange.method.as_deref() == Some("GET") || any(|waiting| waiting.list.is_some()) {
            Self::Messages
        } else if any(|waiting| waiting.may_begin.is_some()) {
            Self::Tasks
        } else if exchange.modern {
            Self::Events
        } else {
            Self::None
        }
    }
}

/// Looks at the answers to one exchange.
#[derive(Debug)]
pub(crate) struct Filter {
    gateway: Arc<Gateway>,
    route: Arc<Route>,
    caller: Caller,
    address: IpAddr,
    care: Care,
    modern: bool,
    expected: Expected,
    /// Requests of which the answer may be a task, with what they call.
    begins: Vec<(String, MayBegin)>,
    own: Option<Arc<Own>>,
    /// Tasks that began, until somebody has written them down.
    begun: Vec<Begun>,
    /// Whether it was said in the log that the server asks.
    told: bool,
}

/// An answer that must not be passed on: it is too large to be read, or has not one reading.
#[derive(Debug)]
pub(crate) struct Unfit;

/// What becomes of a message.
enum Passes {
    AsItIs,
    As(String),
    /// Not at all.
    Not,
}

impl Filter {
    /// For an exchange of which the answer is looked at; none for any other.
    pub(crate) fn of(gateway: &Arc<Gateway>, exchange: &Exchange) -> Option<Self> {
        let care = Care::of(exchange);
        if care == Care::None {
            return None;
        }
        let lists = exchange
            .waiting
            .iter()
            .filter_map(|waiting| Some((waiting.id.clone(), waiting.list?)));
        let begins = exchange
            .waiting
            .iter()
            .filter_map(|waiting| Some((waiting.id.clone(), waiting.may_begin.clone()?)));
        Some(Self {
            gateway: Arc::clone(gateway),
            route: Arc::clone(&exchange.route),
            caller: exchange.caller.clone(),
            address: exchange.address,
            care,
            modern: exchange.modern,
            expected: match exchange.method.as_deref() {
                // A listening or resumed stream carries answers to requests of other connections.
                Some("GET") => Expected::Form,
                _ => Expected::Ids(lists.collect()),
            },
            begins: begins.collect(),
            own: exchange.own.clone(),
            begun: Vec::new(),
            told: false,
        })
    }

    /// The tasks that have begun since this was asked last. Whoever passes the answer on writes them down first.
    pub(crate) fn begun(&mut self) -> Vec<Begun> {
        std::mem::take(&mut self.begun)
    }

    /// Whether bytes must be read. What stands between quotes can be written in many ways, but nobody escapes
    /// letters; who did would have begun a task that is nobody's.
    fn may_matter(&self, raw: &[u8]) -> bool {
        let holds = |word: &[u8]| memmem::find(raw, word).is_some();
        match self.care {
            Care::None => false,
            Care::Events => holds(b"\"method\""),
            Care::Tasks => holds(task::TRACE) || (self.modern && holds(b"\"method\"")),
            Care::Messages => true,
        }
    }

    /// What a message becomes.
    fn message(&mut self, text: &str) -> Result<Passes, Unreadable> {
        let may_be_list = match &self.expected {
            Expected::Form => true,
            Expected::Ids(ids) => !ids.is_empty(),
        };
        let remembered = &self.gateway.remembered;
        if may_be_list
            && let Some(passes) = self.with_about(|about| remembered.find(about, text, &self.expected))
        {
            return Ok(passes);
        }
        let said = self.said(text)?;
        if !self.may_be_said(&said) {
            return Ok(Passes::Not);
        }
        let created = created(text);
        self.note_tasks(&created);
        if !may_be_list {
            return Ok(Passes::AsItIs);
        }
        let mut is_about_tasks = !said.is_empty() || !created.is_empty();
        let remembered = &self.gateway.remembered;
        let filtered = self.with_about(|about| {
            let edition = about.catalogue.edition(about.route.shelf());
            let filtered = list::filter(text, &self.expected, &mut |list, text| match list {
                List::Tasks => {
                    is_about_tasks = true;
                    list::entry(text, list).is_some_and(|entry| self.shows_task(about, &entry.name))
                }
                list => about.shows(list, text),
            })?;
            // Whose a task is may change at any time.
            if !is_about_tasks {
                remembered.keep(about, (text, &self.expected), edition, filtered.as_deref());
            }
            Ok(filtered)
        })?;
        Ok(filtered.map_or(Passes::AsItIs, Passes::As))
    }

    /// What a message says by itself, as far as that matters. What is no message is nobody's question.
    fn said<'a>(&self, text: &'a str) -> Result<Vec<Said<'a>>, Unreadable> {
        if memmem::find(text.as_bytes(), b"\"method\"").is_none() {
            return Ok(Vec::new());
        }
        match task::said(text) {
            // Nobody knows what another reader would take it for.
            Err(Unreadable) if self.care == Care::Messages || self.modern => Err(Unreadable),
            said => Ok(said.unwrap_or_default()),
        }
    }

    /// Whether the server may say this by itself: nothing that asks, in the stateless era (TP-57), and nothing about
    /// tasks that are not the caller's.
    fn may_be_said(&mut self, said: &[Said<'_>]) -> bool {
        if self.modern
            && let Some(request) = said.iter().find(|said| said.is_request)
        {
            if !self.told {
                self.told = true;
                debug!(server = %self.route.name(), method = ?request.method, "the server asks by itself, which it may not in this revision; not passed on");
            }
            return false;
        }
        let about_tasks = self.care == Care::Messages;
        let mut tasks = said
            .iter()
            .filter(|_| about_tasks)
            .filter_map(|said| said.task.as_deref());
        tasks.all(|id| self.with_about(|about| self.shows_task(about, id)))
    }

    /// Takes note of the tasks that a message begins.
    fn note_tasks(&mut self, created: &[Created<'_>]) {
        for created in created {
            let calls = self.begins.iter().filter(|(id, _)| created.answers(id));
            let calls: Vec<_> = calls.map(|(_, call)| call).collect();
            // A stream of a session carries answers to calls of which nothing is known here.
            if calls.is_empty() && (self.expected != Expected::Form || created.is_output) {
                continue;
            }
            self.begun.push(Begun {
                id: created.task.clone().into_owned(),
                call: only(&calls),
                ttl: created.ttl,
            });
        }
    }

    fn shows_task(&self, about: &About<'_>, id: &str) -> bool {
        let own = self.own.as_ref().and_then(|own| own.get(id)).cloned();
        let remembered = self.gateway.owners.remembered(self.route.name(), id, about.now);
        // It may have become nobody's while the stream was open.
        if let Some(remembered) = &remembered
            && remembered.is_not(self.caller.account.id)
        {
            return false;
        }
        let owner = own.or(remembered);
        about.shows_task(owner.as_deref())
    }

    /// With the rules and the person as they are now: a stream may outlive those that it began under.
    fn with_about<T>(&self, then: impl FnOnce(&About<'_>) -> T) -> T {
        let routes = self.gateway.routes();
        let route = routes.servers.get(self.route.name()).unwrap_or(&self.route);
        let caller = self.caller.as_now(&self.gateway);
        then(&About {
            catalogue: self.gateway.catalogue(),
            route,
            issuer: &routes.issuer,
            caller: &caller,
            address: self.address,
            now: self.gateway.now(),
        })
    }

    /// A whole body, which is one document or one in each line.
    pub(crate) fn whole(&mut self, body: Bytes) -> Result<Bytes, Unfit> {
        let text = std::str::from_utf8(&body).map_err(|_| Unfit)?;
        if text.trim().is_empty() {
            return Ok(body);
        }
        match self.message(text) {
            Ok(Passes::AsItIs) => return Ok(body),
            Ok(Passes::As(text)) => return Ok(text.into()),
            Ok(Passes::Not) => return Ok(Bytes::new()),
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

    /// A short answer that may begin a task and otherwise is nobody's business.
    pub(crate) fn glance(&mut self, body: &Bytes) {
        if let Ok(text) = std::str::from_utf8(body) {
            self.note_tasks(&created(text));
        }
    }

    fn line(&mut self, line: &str) -> Result<String, Unfit> {
        Ok(match self.message(line).map_err(|Unreadable| Unfit)? {
            Passes::AsItIs => format!("{line}\n"),
            Passes::As(text) => format!("{text}\n"),
            Passes::Not => String::new(),
        })
    }

    /// An event; nothing of one that cannot be read or may not be said.
    fn event(&mut self, raw: Bytes) -> Bytes {
        if !self.may_matter(&raw) {
            return raw;
        }
        let data = sse::read(&raw).data;
        if data.trim().is_empty() {
            return raw;
        }
        match self.message(&data) {
            Ok(Passes::AsItIs) => raw,
            Ok(Passes::As(data)) => sse::with_data(&raw, &data),
            Ok(Passes::Not) => Bytes::new(),
            Err(Unreadable) => {
                warn!(server = %self.route.name(), "an event that cannot be read was not passed on");
                Bytes::new()
            }
        }
    }
}

/// The tasks that a message begins.
fn created(text: &str) -> Vec<Created<'_>> {
    if memmem::find(text.as_bytes(), task::TRACE).is_none() {
        return Vec::new();
    }
    task::created(text)
}

/// What several calls with the same id have in common: nobody knows which of them is answered.
fn only(calls: &[&MayBegin]) -> Option<MayBegin> {
    let (first, others) = calls.split_first()?;
    let same_tool = others.iter().all(|call| call.tool == first.tool);
    let same_arguments = others.iter().all(|call| call.arguments == first.arguments);
    same_tool.then(|| MayBegin {
        tool: first.tool.clone(),
        arguments: first.arguments.clone().filter(|_| same_arguments),
    })
}
