//! An MCP server with an authorization server of its own: the door finds the way from the server's address, as any client
//! does (MCP authorization, RFC 9728, RFC 8414), and asks for tokens for that server alone (RFC 8707).
//!
//! ```text
//! somebody leaves ─▶ the server is asked who guards it ─▶ what was found goes into the row of who is away,
//!                                                         and with what the guard gave into the envelope
//! ```
//!
//! What one guard gave goes to that guard and to no other, whatever the server says later: a code to the one that was left
//! for, a refresh token to the one that gave it (mix-up, MA-107, MA-108). A server that comes to name another is followed by
//! people who connect again, never by what is kept.

use std::sync::Arc;
use std::time::Duration;

use model::Timestamp;
use quick_cache::sync::Cache;
use relying::oauth_client::{ClientError, Endpoints, Place, Registration};
use relying::protected_resource::{Discovered, DiscoveryError, Found, discover};
use relying::{OAuthClient, Way};
use serde::{Deserialize, Serialize};
use url::Url;

/// How long finding the way may take: somebody waits for it.
const FINDING: Duration = Duration::from_secs(20);
/// Most guards whose metadata is remembered; one in all the time that a server does not change its mind.
const GUARDS: usize = 16;
/// The longest text of theirs that is kept.
const LONGEST: usize = 2048;

/// Who guards a server, and what for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Guard {
    /// Who issues its tokens.
    pub issuer: String,
    /// What tokens are for, as the server's metadata says it.
    pub resource: String,
    /// What is asked for.
    pub scope: String,
}

impl Guard {
    /// As it lies in a row; `None` if it is none.
    pub fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The same, written.
    pub fn write(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// A server, and how the door asks whoever guards it.
#[derive(Debug)]
pub struct GuardedServer {
    /// Its MCP endpoint.
    pub url: Url,
    /// Who has to guard it, if the operator says so.
    pub issuer: Option<String>,
    /// What the operator says of the asking; scopes only if they were written.
    pub registration: Registration,
    way: Way,
    clients: Cache<Guard, Arc<OAuthClient>>,
}

impl GuardedServer {
    /// Asks nobody yet.
    pub fn new(url: Url, issuer: Option<String>, registration: Registration, way: Way) -> Self {
        Self {
            url,
            issuer,
            registration,
            way,
            clients: Cache::new(GUARDS),
        }
    }

    /// Asks the server who guards it now.
    pub async fn find(&self, now: Timestamp) -> Result<(Guard, Arc<OAuthClient>), ClientError> {
        let found = discover(&self.way, &self.url, None, self.issuer.as_deref());
        let found = tokio::time::timeout(FINDING, found)
            .await
            .map_err(|_| unavailable(format!("{} was not found out in time", self.url)))?
            .map_err(unavailable)?;
        let Found::Guarded(found) = found else {
            return Err(unavailable(format!(
                "{} takes everybody: no account has to be connected for it",
                self.url
            )));
        };
        found.gives_codes().map_err(unavailable)?;
        let guard = self.guard(&found).ok_or_else(|| {
            unavailable(format!(
                "what {} says of its authorization server is too long",
                self.url
            ))
        })?;
        let endpoints = Endpoints::read(&found.metadata, &guard.issuer)?;
        let client = self.asking(&guard);
        client.knows(endpoints, now);
        Ok((guard, client))
    }

    /// Whether the server guards itself otherwise by now: it does not name that guard any more, or is another resource.
    pub async fn has_left(&self, guard: &Guard) -> Result<bool, ClientError> {
        let found = discover(&self.way, &self.url, None, Some(&guard.issuer));
        let late = || unavailable(format!("{} was not found out in time", self.url));
        match tokio::time::timeout(FINDING, found).await.map_err(|_| late())? {
            Ok(Found::Guarded(found)) => Ok(found.resource.as_ref() != Some(&guard.resource)),
            Ok(Found::Open) => Ok(false),
            Err(DiscoveryError::NotNamed { .. }) => Ok(true),
            Err(error) => Err(unavailable(error)),
        }
    }

    /// Whoever was found before; an error if the operator names another one by now.
    pub fn known(&self, guard: &Guard) -> Result<Arc<OAuthClient>, ClientError> {
        if self.issuer.as_ref().is_some_and(|issuer| *issuer != guard.issuer) {
            return Err(ClientError::Issuer);
        }
        Ok(self.asking(guard))
    }

    fn guard(&self, found: &Discovered) -> Option<Guard> {
        let scope = if self.registration.scope.is_empty() {
            wanted_scope(found)
        } else {
            self.registration.scope.clone()
        };
        let resource = found.resource.clone()?;
        let is_short = [&found.issuer, &resource, &scope]
            .iter()
            .all(|text| text.len() <= LONGEST);
        is_short.then(|| Guard {
            issuer: found.issuer.clone(),
            resource,
            scope,
        })
    }

    fn asking(&self, guard: &Guard) -> Arc<OAuthClient> {
        if let Some(client) = self.clients.get(guard) {
            return client;
        }
        let registration = Registration {
            scope: guard.scope.clone(),
            resource: Some(guard.resource.clone()),
            ..self.registration.clone()
        };
        let place = Place::Guards {
            server: self.url.clone(),
            issuer: guard.issuer.clone(),
        };
        let client = Arc::new(OAuthClient::new(registration, place, self.way.clone()));
        self.clients.insert(guard.clone(), Arc::clone(&client));
        client
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn unavailable(error: impl ToString) -> ClientError {
    ClientError::Unavailable(error.to_string())
}

/// What the server wants (MA-123), and to renew where that is offered (MA-132).
fn wanted_scope(found: &Discovered) -> String {
    let mut scopes: Vec<&str> = found.scope.as_deref().unwrap_or_default().split(' ').collect();
    let offered = found.metadata["scopes_supported"].as_array();
    let offered = offered.is_some_and(|scopes| scopes.iter().any(|scope| scope == "offline_access"));
    if offered && !scopes.contains(&"offline_access") {
        scopes.push("offline_access");
    }
    scopes.retain(|scope| !scope.is_empty());
    scopes.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ma_123_ma_132_what_the_server_wants_is_asked_for_and_to_renew_where_that_is_offered() {
        let of = |scope: Option<&str>, metadata| {
            wanted_scope(&Discovered {
                resource: None,
                issuer: String::new(),
                scope: scope.map(str::to_owned),
                metadata,
            })
        };
        let offering = json!({ "scopes_supported": ["read", "offline_access"] });
        assert_eq!(of(Some("mcp"), offering.clone()), "mcp offline_access");
        assert_eq!(of(None, offering), "offline_access");
        assert_eq!(of(Some("a b"), json!({})), "a b");
        assert_eq!(of(None, json!({})), "");
    }

    #[test]
    fn a_guard_is_what_was_written_of_it() {
        let guard = Guard {
            issuer: "https://id.example".to_owned(),
            resource: "https://mcp.example/mcp".to_owned(),
            scope: String::new(),
        };
        assert_eq!(Guard::read(&guard.write()), Some(guard));
        assert_eq!(Guard::read("{}"), None);
    }
}
