//! Which ids of a session are asked at this moment, where two requests under one id would be answered as one another.
//!
//! An upstream sends its answers by id, and within a session on whichever stream it likes. If a list and something
//! else were asked under the same id, the list could come where nobody looks for one and would pass as it is. The
//! protocol forbids to use an id again; here it is refused only where it matters.

use std::borrow::Cow;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use model::ServerName;
use papaya::HashMap;

use crate::message::Waiting;

/// The ids of all sessions.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    asked: HashMap<u128, Arc<AtomicU64>>,
    seeds: [RandomState; 2],
}

/// Nobody may join a number that was forgotten.
const GONE: u64 = u64::MAX;
/// Lists are counted in the upper half, everything else in the lower one.
const LIST: u64 = 1 << 32;

/// An id that is asked until this is dropped.
#[derive(Debug)]
pub(crate) struct InFlight {
    ids: Arc<Ids>,
    key: u128,
    number: Arc<AtomicU64>,
    one: u64,
}

impl Ids {
    /// Takes the ids of requests in a session. `None` if one of them is asked there already, as something else.
    pub(crate) fn enter<'a>(
        self: &Arc<Self>,
        session: (&ServerName, &str),
        waiting: impl IntoIterator<Item = &'a Waiting>,
    ) -> Option<Vec<InFlight>> {
        let entered = waiting.into_iter().map(|waiting| {
            let spelled = &(session, canonical(&waiting.id));
            let halves = self
                .seeds
                .each_ref()
                .map(|seed| u128::from(seed.hash_one(spelled)));
            self.take(halves[0] << 64 | halves[1], waiting.list.is_some())
        });
        entered.collect()
    }

    fn take(self: &Arc<Self>, key: u128, is_list: bool) -> Option<InFlight> {
        let one = if is_list { LIST } else { 1 };
        loop {
            let number = Arc::clone(self.asked.pin().get_or_insert_with(key, Arc::default));
            let before = number.load(Ordering::Acquire);
            if before == GONE {
                self.forget(key, &number);
                continue;
            }
            let others = if is_list { before % LIST } else { before / LIST };
            if others > 0 {
                return None;
            }
            let taken = number.compare_exchange(before, before + one, Ordering::AcqRel, Ordering::Acquire);
            if taken.is_ok() {
                let ids = Arc::clone(self);
                return Some(InFlight {
                    ids,
                    key,
                    number,
                    one,
                });
            }
        }
    }

    fn forget(&self, key: u128, number: &Arc<AtomicU64>) {
        let _ = self
            .asked
            .pin()
            .remove_if(&key, |_, known| Arc::ptr_eq(known, number));
    }
}

/// An id as an upstream may take it: `"1"` and `1` are one where ids are kept as texts, and a text may be written in
/// many ways.
fn canonical(id: &str) -> Cow<'_, str> {
    match serde_json::from_str::<String>(id) {
        Ok(text) => Cow::Owned(text),
        Err(_) if id.trim() == "-0" => Cow::Borrowed("0"),
        Err(_) => Cow::Borrowed(id.trim()),
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.number.fetch_sub(self.one, Ordering::AcqRel);
        let is_last = self
            .number
            .compare_exchange(0, GONE, Ordering::AcqRel, Ordering::Acquire);
        if is_last.is_ok() {
            self.ids.forget(self.key, &self.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(ids: &Arc<Ids>, session: &str, asked: &[(&str, &str)]) -> Option<Vec<InFlight>> {
        let server: ServerName = "wiki".parse().unwrap();
        let waiting: Vec<_> = asked
            .iter()
            .map(|(id, method)| Waiting::new(id, Some(method)))
            .collect();
        ids.enter((&server, session), &waiting)
    }

    #[test]
    fn a_list_and_a_call_cannot_be_asked_under_one_id() {
        let ids = Arc::new(Ids::default());
        let call = enter(&ids, "s", &[("1", "tools/call")]).unwrap();
        assert!(enter(&ids, "s", &[("2", "ping"), ("\"\\u0031\"", "tools/list")]).is_none());
        let again = enter(&ids, "s", &[("1", "tools/call")]);
        assert!(again.is_some(), "a client that tries again is not stopped");
        assert!(enter(&ids, "other", &[("1", "tools/list")]).is_some());
        drop((call, again));
        let list = enter(&ids, "s", &[("1", "tools/list")]).unwrap();
        assert!(enter(&ids, "s", &[("1", "tools/call")]).is_none());
        drop(list);
        assert!(ids.asked.pin().is_empty());
    }
}
