//! What is known of one server.

use std::hash::BuildHasher as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use foldhash::fast::RandomState;
use papaya::HashMap;
use policy::Annotations;
use protocol::mcp::list::List;

/// How many bytes all texts may have.
const BUDGET: usize = 32 << 20;

/// An entry as it was last listed.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// What calls name it by.
    pub(crate) name: Box<str>,
    pub(super) text: Box<str>,
    pub(super) fingerprint: [u8; 32],
    pub(super) accepted: [u8; 32],
    pub(crate) annotations: Annotations,
}

impl Item {
    /// One of which nothing is known but that it is not what was accepted.
    pub(super) fn unknown(name: &str, accepted: [u8; 32]) -> Self {
        Self {
            name: name.into(),
            text: "".into(),
            fingerprint: [0; 32],
            accepted,
            annotations: Annotations::default(),
        }
    }

    pub(super) fn is_unknown(&self) -> bool {
        self.fingerprint == [0; 32]
    }

    /// Whether it is not what was accepted.
    pub(crate) fn is_changed(&self) -> bool {
        self.fingerprint != self.accepted
    }
}

/// The entries of one list.
#[derive(Debug, Default)]
pub(super) struct Items {
    by_name: HashMap<Box<str>, Arc<Item>, RandomState>,
    /// By a hash of the text, which may be of one that is not there any more.
    by_text: HashMap<u64, Arc<Item>, RandomState>,
    hasher: RandomState,
}

impl Items {
    pub(super) fn len(&self) -> usize {
        self.by_name.len()
    }

    pub(super) fn find(&self, name: &str) -> Option<Arc<Item>> {
        self.by_name.pin().get(name).cloned()
    }

    /// The entry of which this is the text. Saves reading what was read before.
    pub(super) fn recognise(&self, text: &str) -> Option<Arc<Item>> {
        let by_text = self.by_text.pin();
        let item = by_text.get(&self.hasher.hash_one(text))?;
        let is_current = *item.text == *text
            && self
                .by_name
                .pin()
                .get(&item.name)
                .is_some_and(|current| Arc::ptr_eq(current, item));
        is_current.then(|| Arc::clone(item))
    }

    /// Puts an entry in its place, and gives the one that was there.
    pub(super) fn put(&self, item: Item) -> (Arc<Item>, Option<Arc<Item>>) {
        let item = Arc::new(item);
        let replaced = self
            .by_name
            .pin()
            .insert(item.name.clone(), Arc::clone(&item))
            .cloned();
        let by_text = self.by_text.pin();
        if let Some(replaced) = &replaced {
            let key = self.hasher.hash_one(&*replaced.text);
            let _ = by_text.remove_if(&key, |_, found| Arc::ptr_eq(found, replaced));
        }
        if !item.is_unknown() {
            let key = self.hasher.hash_one(&*item.text);
            by_text.insert(key, Arc::clone(&item));
            // Somebody may have replaced it before its text was there to be removed.
            let current = self.find(&item.name);
            if current.is_none_or(|current| !Arc::ptr_eq(&current, &item)) {
                let _ = by_text.remove_if(&key, |_, found| Arc::ptr_eq(found, &item));
            }
        }
        (item, replaced)
    }
}

/// What is known of one server.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    tools: Items,
    prompts: Items,
    resources: Items,
    templates: Items,
    /// Bytes of all texts.
    bytes: AtomicUsize,
    edition: AtomicU64,
}

impl Shelf {
    pub(super) fn list(&self, list: List) -> Option<&Items> {
        match list {
            List::Tools => Some(&self.tools),
            List::Prompts => Some(&self.prompts),
            List::Resources => Some(&self.resources),
            List::Templates => Some(&self.templates),
            // They are somebody's, and not the server's.
            List::Tasks => None,
        }
    }

    /// The number of what is known now.
    pub(super) fn edition(&self) -> u64 {
        self.edition.load(Ordering::Acquire)
    }

    pub(super) fn begin_edition(&self, number: u64) {
        self.edition.store(number, Ordering::Release);
    }

    /// Everything of a list.
    pub(super) fn copy(&self, list: List) -> Vec<Arc<Item>> {
        let Some(items) = self.list(list) else {
            return Vec::new();
        };
        items.by_name.pin().values().cloned().collect()
    }

    /// Puts an entry in its place; of one for which there is no room nothing is known but that it was accepted.
    pub(super) fn put(&self, list: List, item: Item) {
        let Some(items) = self.list(list) else {
            return;
        };
        let item = if self.takes(item.text.len()) {
            item
        } else {
            Item::unknown(&item.name, item.accepted)
        };
        let (_, replaced) = items.put(item);
        self.gives_back(replaced.map_or(0, |replaced| replaced.text.len()));
    }

    /// Whether there is room for so many bytes more.
    pub(super) fn takes(&self, bytes: usize) -> bool {
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        if before + bytes <= BUDGET {
            return true;
        }
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        false
    }

    /// Makes the room of a text that is gone.
    pub(super) fn gives_back(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(name: &str, text: &str) -> Item {
        Item {
            text: text.into(),
            fingerprint: [1; 32],
            ..Item::unknown(name, [1; 32])
        }
    }

    #[test]
    fn only_what_is_there_now_is_recognised() {
        let items = Items::default();
        assert!(items.recognise("one").is_none());
        items.put(item("a", "one"));
        items.put(item("b", "other"));
        assert_eq!(&*items.recognise("one").unwrap().name, "a");
        items.put(item("a", "two"));
        assert!(items.recognise("one").is_none());
        assert_eq!(&*items.recognise("two").unwrap().name, "a");
        assert_eq!(&*items.recognise("other").unwrap().name, "b");
        items.put(Item::unknown("a", [1; 32]));
        assert!(items.recognise("two").is_none() && items.recognise("").is_none());
        assert_eq!(items.by_text.len(), 1);
    }
}
