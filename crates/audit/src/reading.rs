//! Reading the record back.

use model::{EventId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::time::Duration;
use store::{AuditBlock, AuditCursor, Store, StoreError};

use crate::block;
use crate::event::{Person, What};
use crate::line::{Line, PersonalLine};

/// Blocks that are read at once.
const PAGE: i64 = 32;
/// Events of a block lie this close together.
const SPREAD: Duration = Duration::from_mins(10);

/// An event as it is shown.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// Its id.
    pub id: EventId,
    /// When.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub what: What,
    /// Who and from where; empty if erased.
    #[serde(flatten)]
    pub person: Person,
    /// Whether the block it stands in is what its hash says.
    pub sound: bool,
}

/// Which events are looked for. All that is said must fit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// At this time or later.
    #[serde(default)]
    pub from: Option<Timestamp>,
    /// Before this time.
    #[serde(default)]
    pub to: Option<Timestamp>,
    /// Members that must have one of these values, as `server` or `event`.
    #[serde(default)]
    pub members: Vec<(String, Vec<String>)>,
    /// The client: an event is its own if one of its ids is in it, or its name of that time.
    #[serde(default)]
    pub client: Option<WhichClient>,
    /// The person: an event is theirs if their account is in it, or their name.
    #[serde(default)]
    pub person: Option<Whom>,
    /// Chosen arguments that must be there, by path, with this value.
    #[serde(default)]
    pub arguments: Vec<(String, String)>,
    /// Kinds of events that are left out.
    #[serde(default)]
    pub without: Vec<String>,
}

/// A person who is looked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Whom {
    /// The account, if there is one.
    pub account: Option<String>,
    /// The name.
    pub username: String,
}

/// A client that is looked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhichClient {
    /// The ids that are called so now, and what was typed, if it is an id.
    pub ids: Vec<String>,
    /// The name.
    pub name: String,
}

impl Filter {
    /// Whether a block may hold something that fits.
    fn may_fit(&self, block: &AuditBlock) -> bool {
        if self.from.is_some_and(|from| block.last_at < from) {
            return false;
        }
        let holds = |text: &str, value: &str| text.contains(Value::from(value).to_string().as_str());
        let members = self
            .members
            .iter()
            .all(|(_, values)| values.iter().any(|value| holds(&block.body, value)));
        let person = self.person.as_ref().is_none_or(|whom| {
            let account = whom.account.as_ref();
            account.is_some_and(|account| holds(&block.body, account))
                || holds(&block.personal, &whom.username)
        });
        let mut arguments = self.arguments.iter();
        let arguments = arguments.all(|(_, value)| holds(&block.personal, value));
        let client = self.client.as_ref().is_none_or(|which| {
            let mut wanted = which.ids.iter().chain([&which.name]);
            wanted.any(|value| holds(&block.body, value))
        });
        members && person && client && arguments
    }

    fn fits(&self, entry: &Entry) -> bool {
        if self.from.is_some_and(|from| entry.at < from) || self.to.is_some_and(|to| entry.at >= to) {
            return false;
        }
        let row = row(entry);
        let is = |member: &str, value: &str| row.get(member).and_then(Value::as_str) == Some(value);
        let members = self
            .members
            .iter()
            .all(|(member, values)| values.iter().any(|value| is(member, value)));
        let person = self.person.as_ref().is_none_or(|whom| {
            let account = whom.account.as_ref();
            account.is_some_and(|account| is("account", account)) || is("username", &whom.username)
        });
        let mut arguments = self.arguments.iter();
        let arguments = arguments.all(|(path, value)| entry.person.chosen_arguments.has(path, value));
        let client = self.client.as_ref().is_none_or(|which| {
            which.ids.iter().any(|id| is("client", id)) || is("client_name", &which.name)
        });
        members && person && client && arguments && !self.without.iter().any(|event| is("event", event))
    }
}

/// An event as an object.
pub fn row(entry: &Entry) -> Map<String, Value> {
    match serde_json::to_value(entry) {
        Ok(Value::Object(row)) => row,
        _ => Map::new(),
    }
}

/// Reads back in time, page by page.
#[derive(Debug)]
pub struct Search {
    filter: Filter,
    cursor: AuditCursor,
    is_over: bool,
}

impl Search {
    /// For what this filter says.
    pub fn new(filter: Filter) -> Self {
        let end = filter.to.map_or(Timestamp::NEVER, |to| to + SPREAD);
        Self {
            filter,
            cursor: AuditCursor::before(end),
            is_over: false,
        }
    }

    /// The next events that fit, latest first, some of them; `None` when there are no more.
    pub async fn next(&mut self, store: &dyn Store) -> Result<Option<Vec<Entry>>, StoreError> {
        if self.is_over {
            return Ok(None);
        }
        let blocks = store.audit_blocks(self.cursor, PAGE).await?;
        let Some(last) = blocks.last() else {
            return Ok(None);
        };
        self.cursor = AuditCursor {
            last_at: last.last_at,
            chain: last.chain,
            number: last.number,
        };
        self.is_over = self.filter.from.is_some_and(|from| last.last_at < from);
        let fitting = blocks.iter().filter(|block| self.filter.may_fit(block));
        let mut entries: Vec<_> = fitting
            .flat_map(entries_of)
            .filter(|entry| self.filter.fits(entry))
            .collect();
        entries.sort_by_key(|entry| std::cmp::Reverse((entry.at, entry.id)));
        Ok(Some(entries))
    }
}

/// The latest events that fit, latest first, at most `limit`.
pub async fn latest(store: &dyn Store, filter: Filter, limit: usize) -> Result<Vec<Entry>, StoreError> {
    let (mut search, mut found) = (Search::new(filter), Vec::new());
    while found.len() < limit
        && let Some(mut entries) = search.next(store).await?
    {
        found.append(&mut entries);
    }
    found.sort_by_key(|entry| std::cmp::Reverse((entry.at, entry.id)));
    found.truncate(limit);
    Ok(found)
}

/// The events of one block.
pub fn entries_of(block: &AuditBlock) -> Vec<Entry> {
    let sound = block::is_sound(block);
    let lines = block
        .body
        .lines()
        .zip(block.personal.lines().chain(std::iter::repeat("")));
    lines
        .filter_map(|(line, personal)| {
            let line: Line = serde_json::from_str(line).ok()?;
            let person = serde_json::from_str::<PersonalLine>(personal)
                .map(|line| line.person)
                .unwrap_or_default();
            Some(Entry {
                id: line.id,
                at: Timestamp::from_millis(line.at),
                what: line.what,
                person,
                sound,
            })
        })
        .collect()
}
