//! The step that finds what the caller linked at the provider of this server, and what is said if there is nothing:
//! connect first, at an address that is the caller's alone (CC-105, MA-61 to MA-63).

use std::fmt;
use std::sync::Arc;

use audit::Person;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use issuer::Resource;
use model::EventId;
use protocol::mcp::elicitation;
use tracing::warn;
use vault::{Checked, Held, Recipe, Renewal};

use crate::caller::Caller;
use crate::doubt::{Doubt, Failure};
use crate::exchange::Exchange;
use crate::gateway::Gateway;
use crate::journey::Journey;
use crate::message::Read;
use crate::record::Record;
use crate::refusal::{Refusal, UpstreamTrouble};
use crate::route::{Routes, Transport};
use crate::session::Session;

/// What the caller's request wears: their own credential, for this one request.
pub(crate) struct Worn {
    held: Arc<Held>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Worn {
    /// Puts it on.
    pub(crate) fn put_on(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.headers {
            headers.insert(name.clone(), value.clone());
        }
    }
}

/// Whether the client opens addresses for its person: said when the session began, or in each request.
pub(crate) enum Opens {
    /// In the session.
    Session(bool),
    /// In the request; looked for only if it matters.
    Request(Bytes),
}

impl Opens {
    /// Where it is said of this request.
    pub(crate) fn of(read: Option<&Read>, session: Option<&Session>) -> Self {
        match read.filter(|read| read.modern) {
            Some(read) => Self::Request(read.bytes.clone()),
            None => Self::Session(session.is_some_and(|session| session.opens)),
        }
    }

    fn addresses(&self) -> bool {
        match self {
            Self::Session(opens) => *opens,
            Self::Request(bytes) => elicitation::is_announced(bytes),
        }
    }
}

/// A person has to connect an account first.
#[derive(Debug)]
pub struct Connect {
    title: String,
    /// The address at which they do.
    pub(crate) url: String,
    /// Whether there was a connection that does not count any more.
    again: bool,
    /// Whether the client opens addresses.
    pub(crate) opens: bool,
    /// Names the question to such a client.
    pub(crate) id: EventId,
}

impl fmt::Display for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { title, url, .. } = self;
        if self.again {
            write!(
                f,
                "Your {title} account is not connected any more: {title} does not take the credential. Connect it again at {url} and then repeat this."
            )
        } else {
            write!(
                f,
                "Connect your {title} account first, at {url} and then repeat this."
            )
        }
    }
}

/// Methods that show what a server is and not what a person has there: they go through without a credential, so that a
/// client can begin before its person has connected. A server that wants one refuses them itself.
const WITHOUT: [&str; 6] = [
    "initialize",
    "server/discover",
    "ping",
    "logging/setLevel",
    "tools/list",
    "prompts/list",
];

pub(crate) fn goes_without(read: Option<&Read>) -> bool {
    // Listening, and the end of a session.
    let Some(read) = read.filter(|read| !read.is_batch) else {
        return read.is_none();
    };
    match read.method.as_deref() {
        // An answer of the client's.
        None => true,
        Some(method) if read.asks() => WITHOUT.contains(&method),
        Some(method) => method.starts_with("notifications/"),
    }
}

impl Gateway {
    /// Finds what the caller linked. None if the server is shown nothing of them, or it `goes_without` and there is nothing.
    pub(crate) async fn wear(
        &self,
        routes: &Routes,
        caller: &Caller,
        (goes_without, opens): (bool, &Opens),
        record: &mut Record,
    ) -> Result<Option<Worn>, Refusal> {
        let route = record.exchange().map(|exchange| &exchange.route);
        let Some(route) = route.filter(|route| route.recipe.is_some()).cloned() else {
            return Ok(None);
        };
        let Some(recipe) = &route.recipe else {
            return Ok(None);
        };
        let unusable = || Refusal::Upstream(UpstreamTrouble::Connection);
        let connections = &self.parts.connections;
        let found = connections.find(caller.account.id, &recipe.connector.name).await;
        let held = found.map_err(|error| {
            warn!(%error, server = %route.name(), "a connection cannot be looked up");
            unusable()
        })?;
        let held = match held {
            Some(held) if held.ended.is_none() => held,
            _ if goes_without => return Ok(None),
            held => {
                let again = held.is_some();
                return Err(self.connect_first(routes, caller, recipe, again, opens));
            }
        };
        let now = self.now();
        let held = if held.is_due(now) {
            match connections.renew(&recipe.connector, &held, &of(caller)).await {
                Renewal::Renewed(held) => {
                    self.counts_still(caller, &route.resource).await?;
                    held
                }
                Renewal::Ended | Renewal::Unavailable if held.is_over(now) && goes_without => {
                    return Ok(None);
                }
                Renewal::Ended => return Err(self.connect_first(routes, caller, recipe, true, opens)),
                // Nothing to renew it with: when it is over, its owner has to connect again.
                Renewal::Fixed if held.is_over(now) => {
                    return Err(self.connect_first(routes, caller, recipe, true, opens));
                }
                Renewal::Unavailable if held.is_over(now) => return Err(unusable()),
                Renewal::Fixed | Renewal::Unavailable => held,
            }
        } else {
            held
        };
        let Some(worn) = self.open(recipe, held)? else {
            if goes_without {
                return Ok(None);
            }
            return Err(self.connect_first(routes, caller, recipe, true, opens));
        };
        if let Some(exchange) = record.exchange_mut() {
            exchange.upstream_account.clone_from(&worn.held.upstream);
            if !goes_without {
                connections.used(&worn.held, program(exchange), route.name(), what(exchange));
            }
        }
        if !goes_without {
            record.doubt = Some(Doubt {
                connections: Arc::clone(connections),
                connector: Arc::clone(&recipe.connector),
                held: Arc::clone(&worn.held),
                person: of(caller),
                failure: Failure::default(),
            });
        }
        Ok(Some(worn))
    }

    /// A renewal may take long: what was taken back meanwhile is not sent.
    async fn counts_still(&self, caller: &Caller, resource: &Resource) -> Result<(), Refusal> {
        if self.still_counts(caller, resource).await {
            Ok(())
        } else {
            Err(Refusal::BadToken("the token does not count any more"))
        }
    }

    /// None if it does not open any more.
    fn open(&self, recipe: &Recipe, held: Arc<Held>) -> Result<Option<Worn>, Refusal> {
        let unusable = || Refusal::Upstream(UpstreamTrouble::Connection);
        let Some(credential) = self.parts.connections.open(&recipe.connector, &held) else {
            return Ok(None);
        };
        let headers = recipe.headers(&credential).map_err(|error| {
            warn!(%error, connector = %recipe.connector.name, "a person's credential cannot be shown");
            unusable()
        })?;
        Ok(Some(Worn { held, headers }))
    }

    /// An upstream refused a credential with 401: once more with the next one, if it can be renewed (CC-105).
    pub(crate) async fn wear_anew(&self, journey: &Journey<'_>) -> Result<Option<Worn>, Refusal> {
        let (Some(worn), Some(recipe)) = (&journey.worn, &journey.route.recipe) else {
            return Ok(None);
        };
        let person = of(journey.caller);
        let connections = &self.parts.connections;
        let renewal = connections.renew_refused(&recipe.connector, &worn.held, &person);
        match renewal.await {
            Renewal::Renewed(held) => {
                self.counts_still(journey.caller, &journey.route.resource).await?;
                self.open(recipe, held)
            }
            Renewal::Ended => {
                Err(self.connect_first(journey.routes, journey.caller, recipe, true, &journey.opens))
            }
            Renewal::Unavailable => Err(Refusal::Upstream(UpstreamTrouble::Connection)),
            Renewal::Fixed => Ok(None),
        }
    }

    fn connect_first(
        &self,
        routes: &Routes,
        caller: &Caller,
        recipe: &Recipe,
        again: bool,
        opens: &Opens,
    ) -> Refusal {
        let connector = &recipe.connector;
        let ticket = self.parts.connections.ticket(caller.account.id, &connector.name);
        let public = routes.origins.public();
        Refusal::Connect(Box::new(Connect {
            title: connector.title.clone(),
            url: format!("{public}/connect?to={}&for={ticket}", connector.name),
            again,
            opens: opens.addresses(),
            id: self.world().new_id(),
        }))
    }

    /// What it means that an answer's status is no good one (MA-63): of a person's own credential, it is the person who
    /// can do something.
    pub(crate) async fn troubled(
        &self,
        journey: &Journey<'_>,
        worn: Option<&Worn>,
        trouble: UpstreamTrouble,
        status: StatusCode,
    ) -> Refusal {
        match (trouble, &journey.route.recipe) {
            (UpstreamTrouble::Credential, Some(recipe)) => {
                self.turned_away(journey, recipe, worn, status).await
            }
            (trouble, _) => Refusal::Upstream(trouble),
        }
    }

    async fn turned_away(
        &self,
        journey: &Journey<'_>,
        recipe: &Recipe,
        worn: Option<&Worn>,
        status: StatusCode,
    ) -> Refusal {
        let connect =
            |again| self.connect_first(journey.routes, journey.caller, recipe, again, &journey.opens);
        let Some(worn) = worn else {
            return connect(false);
        };
        if status != StatusCode::UNAUTHORIZED {
            return Refusal::Upstream(UpstreamTrouble::Forbidden);
        }
        let person = of(journey.caller);
        // The legacy transport sends nothing twice: the next call goes with the new credential.
        if journey.route.transport == Transport::Sse {
            let renewed = self
                .parts
                .connections
                .renew_refused(&recipe.connector, &worn.held, &person);
            match renewed.await {
                Renewal::Renewed(_) | Renewal::Unavailable => {
                    return Refusal::Upstream(UpstreamTrouble::Connection);
                }
                Renewal::Ended => return connect(true),
                Renewal::Fixed => {}
            }
        }
        match self
            .parts
            .connections
            .doubt(&recipe.connector, &worn.held, &person)
            .await
        {
            Checked::Ended => connect(true),
            Checked::Good => Refusal::Upstream(UpstreamTrouble::Forbidden),
            Checked::Replaced | Checked::Refused | Checked::Unknown => {
                Refusal::Upstream(UpstreamTrouble::Connection)
            }
        }
    }
}

/// For the record.
fn of(caller: &Caller) -> Person {
    Person {
        username: Some(caller.account.username.to_string()),
        ..Person::default()
    }
}

/// What the program is called.
fn program(exchange: &Exchange) -> Option<String> {
    let proof = exchange.caller.proof.recorded();
    let name = proof.client_name.map(|name| name.to_string());
    let client = || Some(exchange.caller.proof.client().to_owned());
    name.or_else(|| exchange.agent.clone()).or_else(client)
}

/// What it does: the tool that it calls, or the method.
fn what(exchange: &Exchange) -> Option<String> {
    exchange.target.clone().or_else(|| exchange.method.clone())
}
