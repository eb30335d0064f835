//! Who everybody is, in memory: the views that token checks read, loaded on first use and dropped when the
//! change log says that they are old.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use model::{AccountId, Change, Username};
use quick_cache::sync::Cache;
use store::{AccountView, Store, StoreError};

/// Most views that are kept; the least used go first.
const CAPACITY: usize = 100_000;

/// Account views.
#[derive(Debug)]
pub struct Directory {
    store: Arc<dyn Store>,
    views: Cache<AccountId, Arc<AccountView>>,
    /// Counts changes, so that a view that was read before a change is not kept after it.
    epoch: AtomicU64,
}

impl Directory {
    /// An empty one that follows the change log.
    pub fn new(store: &Arc<dyn Store>) -> Arc<Self> {
        let directory = Arc::new(Self {
            store: Arc::clone(store),
            views: Cache::new(CAPACITY),
            epoch: AtomicU64::new(0),
        });
        let follower = Arc::downgrade(&directory);
        store.listen(Arc::new(move |change| {
            if let (Change::AccountChanged { account }, Some(directory)) = (change, follower.upgrade()) {
                directory.forget(*account);
            }
        }));
        directory
    }

    /// The view of an account if it is in memory; never waits.
    pub fn remembered(&self, account: AccountId) -> Option<Arc<AccountView>> {
        self.views.get(&account)
    }

    /// The view of an account, from memory or the database. `None` if there is no such account.
    pub async fn view(&self, account: AccountId) -> Result<Option<Arc<AccountView>>, StoreError> {
        if let Some(view) = self.remembered(account) {
            return Ok(Some(view));
        }
        let before = self.epoch.load(Ordering::SeqCst);
        let Some(view) = self.store.account_view(account).await?.map(Arc::new) else {
            return Ok(None);
        };
        self.views.insert(account, Arc::clone(&view));
        // A change since we began to read either sees our entry and removes it, or is seen here.
        if self.epoch.load(Ordering::SeqCst) != before {
            self.views.remove(&account);
        }
        Ok(Some(view))
    }

    /// The account of this name, from the database.
    pub async fn named(&self, username: &Username) -> Result<Option<AccountId>, StoreError> {
        let account = self.store.account_by_username(username).await?;
        Ok(account.map(|account| account.id))
    }

    fn forget(&self, account: AccountId) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
        self.views.remove(&account);
    }
}
