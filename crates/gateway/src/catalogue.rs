//! What each server says it has: learned from the lists that pass, kept in the store, and compared with what was
//! accepted, because a tool that changes under its name may not be the tool that somebody allowed (TP-119).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use audit::{Person, Recorder, What};
use keys::sha256;
use model::{ServerName, World};
use papaya::HashMap;
use policy::Annotations;
use protocol::mcp::json::is_strict_object;
use protocol::mcp::list::{self, Entry, List};
use serde_json::Value;
use store::{CatalogueEntry, CatalogueKey, CredentialClass, Listed, Store, StoreError};
use tokio::sync::{Mutex, mpsc};
use tracing::{debug, warn};

pub(crate) use shelf::Item;
use shelf::Shelf;

mod shelf;

/// Entries that are kept of one list of one server; how large one may be, and how long its name.
const MOST: usize = 5000;
const LARGEST: usize = 256 * 1024;
const LONGEST_NAME: usize = 1024;
/// Entries that wait to be written, and how many are written at once.
const WAITING: usize = 4096;
const AT_ONCE: usize = 256;
/// A database that does not answer is asked again after this.
const AGAIN: Duration = Duration::from_secs(1);

/// What is done about a definition that is not the accepted one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pinning {
    /// Nothing.
    Off,
    /// It is said in the log and in the record.
    #[default]
    Warn,
    /// It is hidden too, until an operator accepts it.
    Hold,
}

/// The catalogues of all servers.
#[derive(Debug)]
pub struct Catalogue {
    world: World,
    store: Arc<dyn Store>,
    recorder: Recorder,
    /// Of lists that were seen with a credential for all, and of those that were seen with somebody's own.
    shared: HashMap<ServerName, Arc<Shelf>>,
    own: HashMap<ServerName, Arc<Shelf>>,
    /// How many editions there were, of all servers.
    editions: AtomicU64,
    /// What was learned and is not written yet, with the fingerprint that was seen last.
    unwritten: HashMap<CatalogueKey, [u8; 32]>,
    learned: mpsc::Sender<Listed>,
    /// Held by whoever reads the store again: what was read earlier must not take the place of what was read later.
    loading: Mutex<()>,
}

/// Where what a server lists is looked up: by its name, and with whose credential it is asked.
pub(crate) type Place<'a> = (&'a ServerName, CredentialClass);

/// Writes what was learned; runs beside the calls.
#[derive(Debug)]
pub struct Learning {
    catalogue: Arc<Catalogue>,
    learned: mpsc::Receiver<Listed>,
}

impl Catalogue {
    /// Of nothing yet.
    pub fn new(world: World, store: Arc<dyn Store>, recorder: Recorder) -> (Arc<Self>, Learning) {
        let (learned, receiver) = mpsc::channel(WAITING);
        let catalogue = Arc::new(Self {
            world,
            store,
            recorder,
            shared: HashMap::new(),
            own: HashMap::new(),
            editions: AtomicU64::new(1),
            unwritten: HashMap::new(),
            learned,
            loading: Mutex::default(),
        });
        let learning = Learning {
            catalogue: Arc::clone(&catalogue),
            learned: receiver,
        };
        (catalogue, learning)
    }

    /// Reads again what the store knows of a server: at the start, and when it was changed here or elsewhere. What was
    /// seen here later than that, or cannot be kept, stays as it was seen.
    ///
    /// # Errors
    /// If the store does not answer; what was known before stays.
    pub async fn load(&self, server: &ServerName, class: CredentialClass) -> Result<(), StoreError> {
        let _turn = self.loading.lock().await;
        let shelf = Shelf::default();
        self.begin_edition(&shelf);
        for entry in self.store.catalogue(server, class).await? {
            if let Some(list) = List::of_method(&entry.key.list) {
                shelf.put(list, item(entry, list));
            }
        }
        let before = self.shelf((server, class));
        for list in List::ALL {
            for seen in before.iter().flat_map(|before| before.copy(list)) {
                let known = shelf.list(list).and_then(|items| items.find(&seen.name));
                let is_later = self
                    .unwritten
                    .pin()
                    .contains_key(&key(server, class, list, &seen.name));
                let accepted = known.map(|known| known.accepted);
                if is_later || (seen.is_unknown() && accepted.is_some()) {
                    let accepted = accepted.unwrap_or(seen.accepted);
                    let item = Item {
                        accepted,
                        ..(*seen).clone()
                    };
                    shelf.put(list, item);
                }
            }
        }
        self.shelves(class).pin().insert(server.clone(), Arc::new(shelf));
        Ok(())
    }

    /// A number for what is known of a server, and of no other server or other time: while it is the same, entries are
    /// recognised and judged as they were. None if nothing is known yet.
    pub(crate) fn edition(&self, place: Place<'_>) -> Option<u64> {
        self.shelf(place).map(|shelf| shelf.edition())
    }

    fn shelves(&self, class: CredentialClass) -> &HashMap<ServerName, Arc<Shelf>> {
        match class {
            CredentialClass::Shared => &self.shared,
            CredentialClass::Own => &self.own,
        }
    }

    fn shelf(&self, (server, class): Place<'_>) -> Option<Arc<Shelf>> {
        self.shelves(class).pin().get(server).cloned()
    }

    fn begin_edition(&self, shelf: &Shelf) {
        shelf.begin_edition(self.editions.fetch_add(1, Ordering::Relaxed));
    }

    /// Whether anything is known of a list.
    pub(crate) fn has_seen(&self, place: Place<'_>, list: List) -> bool {
        let shelf = self.shelf(place);
        shelf.is_some_and(|shelf| shelf.list(list).is_some_and(|items| items.len() > 0))
    }

    /// What is known of an entry.
    pub(crate) fn find(&self, place: Place<'_>, list: List, name: &str) -> Option<Arc<Item>> {
        self.shelf(place)?.list(list)?.find(name)
    }

    /// The entry that a server listed in these very words the last time.
    pub(crate) fn recognise(&self, (server, class): Place<'_>, list: List, text: &str) -> Option<Arc<Item>> {
        self.shelves(class).pin().get(server)?.list(list)?.recognise(text)
    }

    /// Every entry of a list as the server wrote it, in the order of their names. None if nothing is known of it.
    pub(crate) fn copy(&self, place: Place<'_>, list: List) -> Option<Vec<String>> {
        let shelf = self.shelf(place)?;
        let mut items = shelf.copy(list);
        items.retain(|item| !item.is_unknown());
        items.sort_by(|one, other| one.name.cmp(&other.name));
        let texts: Vec<_> = items.iter().map(|item| item.text.to_string()).collect();
        (!texts.is_empty()).then_some(texts)
    }

    /// Takes note of an entry that a server lists. None if it cannot be kept, so that nobody can say later whether it
    /// has changed.
    pub(crate) fn learn(
        &self,
        (server, class): Place<'_>,
        pinning: Pinning,
        list: List,
        entry: &Entry<'_>,
    ) -> Option<Arc<Item>> {
        let shelf = Arc::clone(
            self.shelves(class)
                .pin()
                .get_or_insert_with(server.clone(), Arc::default),
        );
        let items = shelf.list(list)?;
        let before = items.find(&entry.name);
        if let Some(before) = &before
            && *before.text == *entry.text
        {
            return Some(Arc::clone(before));
        }
        let learned = self.learn_other(
            &shelf,
            before.as_deref(),
            ((server, class), pinning),
            (list, entry),
        );
        // Only now: who saw the edition before may have seen what is there since.
        self.begin_edition(&shelf);
        learned
    }

    fn learn_other(
        &self,
        shelf: &Shelf,
        before: Option<&Item>,
        ((server, class), pinning): (Place<'_>, Pinning),
        (list, entry): (List, &Entry<'_>),
    ) -> Option<Arc<Item>> {
        let items = shelf.list(list)?;
        let accepted = before.map(|before| before.accepted);
        let is_room = before.is_some() || items.len() < MOST;
        let Some(fingerprint) = fingerprint(entry).filter(|_| is_room && shelf.takes(entry.text.len()))
        else {
            debug!(%server, list = list.method(), "an entry is too large, or one too many, or not to be understood");
            // What was accepted under this name is not what is listed now.
            let accepted = accepted?;
            let (item, replaced) = items.put(Item::unknown(&entry.name, accepted));
            shelf.gives_back(replaced.map_or(0, |replaced| replaced.text.len()));
            return Some(item);
        };
        let item = Item {
            name: entry.name.as_ref().into(),
            text: entry.text.into(),
            fingerprint,
            accepted: accepted.unwrap_or(fingerprint),
            annotations: believed(entry.annotations),
        };
        let is_news = before.is_none_or(|before| before.fingerprint != fingerprint);
        if is_news {
            let listed = Listed {
                key: key(server, class, list, &entry.name),
                definition: entry.text.to_owned(),
                fingerprint,
            };
            let key = listed.key.clone();
            self.unwritten.pin().insert(key.clone(), fingerprint);
            if self.learned.try_send(listed).is_err() {
                self.unwritten.pin().remove(&key);
                shelf.gives_back(entry.text.len());
                // It is kept when it is listed the next time. Until then it is not the accepted one.
                return accepted.map(|_| Arc::new(item));
            }
        }
        let (item, replaced) = items.put(item);
        shelf.gives_back(replaced.map_or(0, |replaced| replaced.text.len()));
        if is_news
            && item.is_changed()
            && pinning != Pinning::Off
            && matches!(list, List::Tools | List::Prompts)
        {
            self.tell_of_change(server, list, entry);
        }
        Some(item)
    }

    fn tell_of_change(&self, server: &ServerName, list: List, entry: &Entry<'_>) {
        warn!(%server, list = list.method(), name = ?entry.name, "a definition is not the one that was accepted");
        let what = What::DefinitionChanged {
            server: server.clone(),
            list: list.method().to_owned(),
            name: entry.name.to_string(),
        };
        self.recorder.record(what, Person::default());
    }

    /// What was seen again with another definition meanwhile is still to be written.
    fn note_written(&self, batch: &[Listed]) {
        let unwritten = self.unwritten.pin();
        for Listed { key, fingerprint, .. } in batch {
            let _ = unwritten.remove_if(key, |_, last| last == fingerprint);
        }
    }

    /// Writes what was learned. What a database that answers does not take is left out, so that it does not keep
    /// the rest from being written; in memory it is known until the next start.
    async fn keep(&self, batch: &[Listed]) {
        while let Err(error) = self.store.keep_listed(batch, self.world.now()).await {
            if self.store.ping().await.is_err() {
                warn!(%error, "what was listed is not kept yet");
                tokio::time::sleep(AGAIN).await;
                continue;
            }
            for listed in batch {
                let alone = std::slice::from_ref(listed);
                if let Err(error) = self.store.keep_listed(alone, self.world.now()).await {
                    warn!(%error, server = %listed.key.server, name = ?listed.key.name, "an entry cannot be kept");
                }
            }
            return;
        }
    }
}

impl Learning {
    /// Writes until `stop`.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                biased;
                count = self.learned.recv_many(&mut batch, AT_ONCE) => if count == 0 { return },
                () = &mut stop => return,
            }
            tokio::select! {
                () = self.catalogue.keep(&batch) => self.catalogue.note_written(&batch),
                () = &mut stop => return,
            }
            batch.clear();
        }
    }
}

fn key(server: &ServerName, credential: CredentialClass, list: List, name: &str) -> CatalogueKey {
    CatalogueKey {
        server: server.clone(),
        credential,
        list: list.method().to_owned(),
        name: name.to_owned(),
    }
}

fn item(entry: CatalogueEntry, list: List) -> Item {
    let annotations = list::entry(&entry.definition, list).map(|entry| entry.annotations);
    Item {
        name: entry.key.name.into(),
        text: entry.definition.into(),
        fingerprint: entry.fingerprint,
        accepted: entry.accepted,
        annotations: believed(annotations.unwrap_or_default()),
    }
}

/// What a server says of a tool. What it does not say is the worst, as the protocol has it.
pub fn believed(said: list::Annotations) -> Annotations {
    let worst = Annotations::default();
    Annotations {
        read_only: said.read_only_hint.unwrap_or(worst.read_only),
        destructive: said.destructive_hint.unwrap_or(worst.destructive),
        idempotent: said.idempotent_hint.unwrap_or(worst.idempotent),
        open_world: said.open_world_hint.unwrap_or(worst.open_world),
    }
}

/// SHA-256 of what an entry says, however it is written. `_meta` is left out: no model reads it, and servers put
/// there what differs from time to time. None if it has more than one reading, or a name that no database takes.
fn fingerprint(entry: &Entry<'_>) -> Option<[u8; 32]> {
    let is_sound = entry.text.len() <= LARGEST
        && entry.name.len() <= LONGEST_NAME
        && !entry.name.contains('\0')
        && is_strict_object(entry.text.as_bytes());
    let mut value: Value = serde_json::from_str(entry.text).ok().filter(|_| is_sound)?;
    if let Some(members) = value.as_object_mut() {
        members.remove("_meta");
    }
    value.sort_all_objects();
    Some(sha256(value.to_string().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_of_what_is_said_and_not_of_how() {
        let fingerprint = |text: &str| fingerprint(&list::entry(text, List::Tools).unwrap());
        let one = fingerprint(r#"{"name":"a","inputSchema":{"x":1,"y":[1,2]},"_meta":{"at":1}}"#);
        assert_eq!(
            one,
            fingerprint(r#"{ "inputSchema" : {"y":[1, 2],"x":1}, "name":"\u0061" }"#)
        );
        assert_ne!(
            one,
            fingerprint(r#"{"name":"a","inputSchema":{"x":1,"y":[2,1]}}"#)
        );
        assert_ne!(
            one,
            fingerprint(r#"{"name":"a","inputSchema":{"x":1,"y":[1,2]},"description":""}"#)
        );
        assert_eq!(
            fingerprint(r#"{"name":"a","inputSchema":{},"title":"evil","title":"good"}"#),
            None
        );
        assert_eq!(fingerprint(r#"{"name":"a\u0000","inputSchema":{}}"#), None);
    }
}
