//! Whose a task is. Its id is a handle and no proof (TP-115): whoever knows it is asked who they are like everybody
//! else, and what they may do is what they may do with the tool whose call began it (TP-113, TP-114).
//!
//! An answer that begins a task is passed on once it is written down whose the task is. What was not written down is
//! nobody's, so nothing here has to find every task; it must only never take one for another person's.

use std::collections::{HashMap, HashSet};
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
use crate::message::{AskedTask, Element, MayBegin, Read};
use crate::refusal::{Absent, Refusal, UpstreamTrouble};
use crate::route::Route;

/// Tasks that are remembered, so that asking for one again and again costs no query.
const CAPACITY: usize = 10_000;
/// So long a request is believed what is remembered: another instance may have learned otherwise.
const FRESH: Duration = Duration::from_secs(30);
/// Tasks that one message may name.
const MOST_NAMED: usize = 100;
/// Tasks of one person at one server that a list can show.
const MOST: u16 = 10_000;
/// So long it is known whose a task is after its server may have forgotten it: it may keep it for longer than it said.
const AFTERWARDS: Duration = Duration::from_hours(7 * 24);
/// The same for one of which the server does not say how long it keeps it, and the longest it can say.
const WITHOUT_END: Duration = Duration::from_hours(90 * 24);

/// Who began a task.
#[derive(Debug)]
pub(crate) struct Owner {
    /// None if two people were answered with the same id: it is nobody's.
    account: Option<AccountId>,
    /// With which tool; none if nobody can tell.
    tool: Option<Box<str>>,
    /// With which arguments, as far as the rules read them; none if nobody can tell.
    arguments: Option<Box<str>>,
    expires_at: Timestamp,
    /// When the store said so.
    known_at: Timestamp,
}

/// Tasks of one person at one server that an answer may show, by the digests of their ids.
#[derive(Debug, Default)]
pub(crate) struct Own(HashMap<[u8; 32], Arc<Owner>>);

/// A task that an answer begins.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Begun {
    pub(crate) id: String,
    /// The call that it answers; none if nobody can tell.
    pub(crate) call: Option<MayBegin>,
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
        let known = self.remembered(server, id, now);
        if let Some(known) = known.filter(|known| now.since(known.known_at) < FRESH) {
            return Ok(Some(known));
        }
        let task = self.store.task(server, &sha256(id.as_bytes()), now).await?;
        Ok(task.map(|task| self.remember(task, now)))
    }

    /// All of one person's.
    async fn of(&self, server: &ServerName, account: AccountId, now: Timestamp) -> Result<Own, StoreError> {
        let tasks = self.store.tasks_of(server, account, MOST, now).await?;
        let own = tasks
            .into_iter()
            .map(|task| (task.digest, Arc::new(Owner::of(task, now))));
        Ok(Own(own.collect()))
    }

    /// Writes down who began a task. `false` if it is another person's, and so nobody's from now on.
    async fn bind(
        &self,
        server: &ServerName,
        account: AccountId,
        begun: Begun,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let kept = begun.ttl.map_or(WITHOUT_END, |ttl| ttl.min(WITHOUT_END));
        // A name that no database takes is nobody's.
        let call = begun.call.filter(|call| !call.tool.contains('\0'));
        let task = Task {
            server: server.clone(),
            digest: sha256(begun.id.as_bytes()),
            account: Some(account),
            tool: call.as_ref().map(|call| call.tool.to_string()),
            arguments: call.and_then(|call| call.arguments).map(String::from),
            created_at: now,
            expires_at: now + kept + AFTERWARDS,
        };
        let bound = self.store.bind_task(&task).await?;
        Ok(self.remember(bound, now).account == Some(account))
    }

    fn remember(&self, task: Task, now: Timestamp) -> Arc<Owner> {
        let key = (task.server.clone(), task.digest);
        let owner = Arc::new(Owner::of(task, now));
        self.known.insert(key, Arc::clone(&owner));
        owner
    }
}

impl Own {
    pub(crate) fn get(&self, id: &str) -> Option<&Arc<Owner>> {
        self.0.get(&sha256(id.as_bytes()))
    }
}

/// Whether a message asks for all of the caller's tasks.
fn asks_for_all(element: &Element) -> bool {
    let list = element.waiting.as_ref().and_then(|waiting| waiting.list);
    list == Some(protocol::mcp::list::List::Tasks)
}

impl Gateway {
    /// Finds out whose the tasks are that a message names, before it is decided about. Gives those of the caller's
    /// that the answer may show.
    pub(crate) async fn know_tasks(
        &self,
        route: &Route,
        caller: &Caller,
        read: &mut Read,
    ) -> Result<Option<Arc<Own>>, Refusal> {
        let concerns_tasks = |element: &Element| element.tasks().next().is_some() || asks_for_all(element);
        if !read.elements.iter().any(concerns_tasks) {
            return Ok(None);
        }
        let (server, account, now) = (route.name(), caller.account.id, self.now());
        let unavailable = |error: StoreError| {
            warn!(%error, %server, "nobody can say whose a task is");
            Refusal::Unavailable
        };
        let named = |element: &Element| element.watched.len() + usize::from(element.task.is_some());
        let all = read.elements.iter().flat_map(Element::tasks);
        // What names no task names nobody's.
        let ids: HashSet<_> = all
            .map(|asked| asked.id.clone())
            .filter(|id| !id.is_empty())
            .collect();
        if ids.len() > MOST_NAMED || read.elements.iter().any(|element| named(element) > MOST_NAMED) {
            return Err(Refusal::TooManyTasks(MOST_NAMED));
        }
        let mut found = HashMap::new();
        for id in ids {
            let owner = self.owners.find(server, &id, now).await;
            let owner = owner.map_err(unavailable)?;
            found.extend(
                owner
                    .filter(|owner| owner.account == Some(account))
                    .map(|owner| (id, owner)),
            );
        }
        let mut own = None;
        if read.elements.iter().any(asks_for_all) {
            let all = self.owners.of(server, account, now).await;
            own = Some(all.map_err(unavailable)?);
        }
        for element in &mut read.elements {
            for asked in element.task.iter_mut().chain(&mut element.watched) {
                asked.owner = found.get(&asked.id).cloned();
            }
            for asked in &element.watched {
                let owner = asked.owner.clone();
                let entry = owner.map(|owner| (sha256(asked.id.as_bytes()), owner));
                own.get_or_insert_with(Own::default).0.extend(entry);
            }
        }
        Ok(own.map(Arc::new))
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
    /// The refusal of what names a task. Whoever began it may do with it what they want while they may make the call
    /// that began it; to everybody else it is not there.
    pub(crate) fn judge_task(&self, asked: &AskedTask, modern: bool, ruling: &mut Ruling) -> Option<Refusal> {
        let absent = || {
            // The stateless era has no `tasks/result`, whatever the task.
            if modern && asked.method == "tasks/result" {
                return Refusal::Absent(Absent::Method, asked.method.clone());
            }
            // TP-55: whose task it is is no question of a client that does not know tasks.
            let of_extension = ["tasks/get", "tasks/update", "tasks/cancel"].contains(&asked.method.as_str());
            if modern && of_extension && !asked.is_declared {
                return Refusal::Undeclared;
            }
            Refusal::Absent(Absent::Task, asked.id.clone())
        };
        let Some(owner) = &asked.owner else {
            return Some(absent());
        };
        let act = owner.act(&asked.method);
        let decision = self.decide_again(act, owner.arguments.as_deref());
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
        let own = owner
            .filter(|owner| owner.account == Some(self.caller.account.id) && owner.expires_at > self.now);
        own.is_some_and(|owner| {
            let act = owner.act("tasks/list");
            self.could_be_shown(act) && !self.is_held(act)
        })
    }
}

impl Owner {
    fn of(task: Task, known_at: Timestamp) -> Self {
        Self {
            account: task.account,
            tool: task.tool.map(Into::into),
            arguments: task.arguments.map(Into::into),
            expires_at: task.expires_at,
            known_at,
        }
    }

    /// Whether it is another person's, or nobody's.
    pub(crate) fn is_not(&self, account: AccountId) -> bool {
        self.account != Some(account)
    }

    /// What the policy is asked about what is done with a task. Where nobody knows its tool, only those may do it
    /// who may do everything.
    fn act<'a>(&'a self, method: &'a str) -> Act<'a> {
        self.tool.as_deref().map_or(Act::Other(method), Act::CallTool)
    }
}
