//! Whose a task is. Its id is a handle and no proof (TP-115): whoever knows it is asked who they are like everybody
//! else, and what they may do is what they may do with the tool whose call began it (TP-113, TP-114).
//!
//! An answer that begins a task is passed on once it is written down whose the task is. What was not written down is
//! nobody's, so nothing here has to find every task; it must only never take one for another person's.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use keys::sha256;
use model::{AccountId, ServerName, Timestamp};
use policy::{Act, Outcome};
use quick_cache::sync::Cache;
use store::{Store, StoreError, Task};
use tracing::warn;

use crate::authorize::{About, Ruling};
use crate::caller::Caller;
use crate::gateway::Gateway;
use crate::message::{AskedTask, Element, Read};
use crate::refusal::{Absent, Refusal, UpstreamTrouble};
use crate::route::Route;

/// Tasks that are remembered, so that asking for one again and again costs no query.
const CAPACITY: usize = 10_000;
/// Tasks of one person at one server that a list can show.
const MOST: u16 = 10_000;
/// So long it is known whose a task is after its server may have forgotten it: it may keep it for longer than it said.
const AFTERWARDS: Duration = Duration::from_hours(7 * 24);
/// The same for one of which the server does not say how long it keeps it, and the longest it can say.
const WITHOUT_END: Duration = Duration::from_hours(90 * 24);

/// Who began a task.
#[derive(Debug)]
pub(crate) struct Owner {
    account: AccountId,
    /// With which tool; none if the answer came where nobody could tell.
    tool: Option<Box<str>>,
    expires_at: Timestamp,
}

/// All tasks of one person at one server, by the digests of their ids.
#[derive(Debug, Default)]
pub(crate) struct Own(HashMap<[u8; 32], Arc<Owner>>);

/// A task that an answer begins.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Begun {
    pub(crate) id: String,
    pub(crate) tool: Option<Box<str>>,
    pub(crate) ttl: Option<Duration>,
}

/// Who began which task, on every server.
#[derive(Debug)]
pub(crate) struct Owners {
    store: Arc<dyn Store>,
    known: Cache<(ServerName, [u8; 32]), Arc<Owner>>,
}

impl Owners {
    /// As the store knows them.
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            known: Cache::new(CAPACITY),
        }
    }

    /// Who began a task, as far as it is remembered.
    pub(crate) fn remembered(&self, server: &ServerName, id: &str, now: Timestamp) -> Option<Arc<Owner>> {
        let known = self.known.get(&(server.clone(), sha256(id.as_bytes())))?;
        (known.expires_at > now).then_some(known)
    }

    /// Who began a task.
    async fn find(
        &self,
        server: &ServerName,
        id: &str,
        now: Timestamp,
    ) -> Result<Option<Arc<Owner>>, StoreError> {
        if let Some(known) = self.remembered(server, id, now) {
            return Ok(Some(known));
        }
        let task = self.store.task(server, &sha256(id.as_bytes()), now).await?;
        Ok(task.map(|task| self.remember(task)))
    }

    /// All of one person's.
    async fn of(&self, server: &ServerName, account: AccountId, now: Timestamp) -> Result<Own, StoreError> {
        let tasks = self.store.tasks_of(server, account, MOST, now).await?;
        let own = tasks
            .into_iter()
            .map(|task| (task.digest, Arc::new(Owner::from(task))));
        Ok(Own(own.collect()))
    }

    /// Writes down who began a task. `false` if it is another person's.
    async fn bind(
        &self,
        server: &ServerName,
        account: AccountId,
        begun: Begun,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let kept = begun.ttl.map_or(WITHOUT_END, |ttl| ttl.min(WITHOUT_END));
        let task = Task {
            server: server.clone(),
            digest: sha256(begun.id.as_bytes()),
            account,
            // A name that no database takes is nobody's.
            tool: begun.tool.map(String::from).filter(|tool| !tool.contains('\0')),
            created_at: now,
            expires_at: now + kept + AFTERWARDS,
        };
        let bound = self.store.bind_task(&task).await?;
        Ok(self.remember(bound).account == account)
    }

    fn remember(&self, task: Task) -> Arc<Owner> {
        let key = (task.server.clone(), task.digest);
        let owner = Arc::new(Owner::from(task));
        self.known.insert(key, Arc::clone(&owner));
        owner
    }
}

impl From<Task> for Owner {
    fn from(task: Task) -> Self {
        Self {
            account: task.account,
            tool: task.tool.map(Into::into),
            expires_at: task.expires_at,
        }
    }
}

impl Own {
    pub(crate) fn get(&self, id: &str) -> Option<&Arc<Owner>> {
        self.0.get(&sha256(id.as_bytes()))
    }
}

/// Whether a message asks for all of the caller's tasks, or to be told of several.
fn asks_for_all(element: &Element) -> bool {
    let list = element.waiting.as_ref().and_then(|waiting| waiting.list);
    list == Some(protocol::mcp::list::List::Tasks) || !element.watched.is_empty()
}

impl Gateway {
    /// Finds out whose the tasks are that a message names, before it is decided about. Gives all of the caller's
    /// if the answer may show them.
    pub(crate) async fn know_tasks(
        &self,
        route: &Route,
        caller: &Caller,
        read: &mut Read,
    ) -> Result<Option<Arc<Own>>, Refusal> {
        let (server, account, now) = (route.name(), caller.account.id, self.now());
        let unavailable = |error: StoreError| {
            warn!(%error, %server, "nobody can say whose a task is");
            Refusal::Unavailable
        };
        let mut own = None;
        if read.elements.iter().any(asks_for_all) {
            let all = self.owners.of(server, account, now).await;
            own = Some(Arc::new(all.map_err(unavailable)?));
        }
        for element in &mut read.elements {
            if let Some(asked) = &mut element.task {
                let owner = self.owners.find(server, &asked.id, now).await;
                let owner = owner.map_err(unavailable)?;
                asked.owner = owner.filter(|owner| owner.account == account);
            }
            for asked in &mut element.watched {
                asked.owner = own.as_ref().and_then(|own| own.get(&asked.id)).cloned();
            }
        }
        Ok(own)
    }

    /// Writes down whose the tasks are that an answer begins: before anybody sees them.
    pub(crate) async fn bind_tasks(
        &self,
        route: &Route,
        caller: &Caller,
        begun: Vec<Begun>,
    ) -> Result<(), Refusal> {
        for task in begun {
            let bound = self
                .owners
                .bind(route.name(), caller.account.id, task, self.now())
                .await;
            match bound {
                Ok(true) => {}
                Ok(false) => {
                    warn!(server = %route.name(), "the server gave a task the id of another person's; the answer is not passed on");
                    return Err(Refusal::Upstream(UpstreamTrouble::Broken));
                }
                Err(error) => {
                    warn!(%error, server = %route.name(), "a task cannot be written down; the answer is not passed on");
                    return Err(Refusal::Unavailable);
                }
            }
        }
        Ok(())
    }
}

impl About<'_> {
    /// The refusal of what names a task. Whoever began it may do with it what they may do with its tool now; to
    /// everybody else it is not there.
    pub(crate) fn judge_task(&self, asked: &AskedTask, modern: bool, ruling: &mut Ruling) -> Option<Refusal> {
        let absent = || {
            // The stateless era has no `tasks/result`, whatever the task.
            if modern && asked.method == "tasks/result" {
                return Refusal::Absent(Absent::Method, asked.method.clone());
            }
            Refusal::Absent(Absent::Task, asked.id.clone())
        };
        let Some(owner) = &asked.owner else {
            return Some(absent());
        };
        let act = owner.act(&asked.method);
        let decision = self.decide_again(act);
        ruling.note(&decision, act);
        match decision.outcome {
            Outcome::Allowed if self.is_held(act) => Some(absent()),
            Outcome::Allowed => None,
            Outcome::Hidden => Some(absent()),
            Outcome::Refused => Some(self.not_now(&decision)),
        }
    }

    /// Whether a list or a notification may show a task to this caller.
    pub(crate) fn shows_task(&self, owner: Option<&Owner>) -> bool {
        let own =
            owner.filter(|owner| owner.account == self.caller.account.id && owner.expires_at > self.now);
        own.is_some_and(|owner| {
            let act = owner.act("tasks/list");
            self.could_be_shown(act) && !self.is_held(act)
        })
    }
}

impl Owner {
    /// What the policy is asked about what is done with a task. Where nobody knows its tool, only those may do it
    /// who may do everything.
    fn act<'a>(&'a self, method: &'a str) -> Act<'a> {
        self.tool.as_deref().map_or(Act::Other(method), Act::CallTool)
    }
}
