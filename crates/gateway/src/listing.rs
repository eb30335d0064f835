//! Asking servers what they have, without anybody waiting for it: so that rules that go by what a server says of its
//! tools, and definitions that change, do not depend on somebody listing them first.
//!
//! Only with the credential that all share; what a person's own credential shows is learned from their own lists.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use model::World;
use net::body;
use protocol::mcp::list::{self, Expected, List};
use protocol::mcp::revision::Revision;
use protocol::mcp::sse::Events;
use serde::Deserialize;
use serde_json::{Value, json};
use thiserror::Error;
use tracing::debug;

use crate::answer::is_event_stream;
use crate::filter::LARGEST;
use crate::gateway::Gateway;
use crate::route::{Route, Transport};
use crate::{credential, forward, names};

/// How long a server may take for one answer, and how many pages a list may have.
const PATIENCE: Duration = Duration::from_secs(30);
const PAGES: usize = 100;
/// Ids of requests in a conversation; each answers the one before.
const ID: &str = "1";

/// Why a server did not say what it has.
#[derive(Debug, Error)]
enum Silence {
    #[error("{0}")]
    Trouble(crate::refusal::UpstreamTrouble),
    #[error("it answers with status {0}")]
    Status(u16),
    #[error("it answers with an error: {0}")]
    Error(Value),
    #[error("its answer cannot be read")]
    Unreadable,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    error: Option<Value>,
    #[serde(default)]
    result: Option<Found>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    #[serde(default)]
    next_cursor: Option<String>,
    #[serde(default)]
    protocol_version: Option<String>,
}

impl Gateway {
    /// Asks every server for its lists, one after the other. What they say is learned; one that does not answer is
    /// asked again the next time.
    pub async fn ask_for_lists(&self) {
        for (name, route) in &self.routes().servers {
            if route.api.is_some() {
                // It has none.
                continue;
            }
            if route.transport != Transport::Streamable {
                // Its answers come on a stream of their own; it is learned from when somebody listens.
                continue;
            }
            if let Err(silence) = self.ask_one(route).await {
                debug!(server = %name, %silence, "a server did not say what it has");
            }
        }
    }

    async fn ask_one(&self, route: &Route) -> Result<(), Silence> {
        let mut conversation = Conversation::new(self.world(), route);
        match self.learn_list(&conversation, List::Tools).await {
            Ok(()) => {}
            Err(Silence::Status(400..=499) | Silence::Error(_)) => {
                conversation.begin_session().await?;
                // A server may have no tools, and say so with an error.
                if let Err(Silence::Trouble(trouble)) = self.learn_list(&conversation, List::Tools).await {
                    return Err(Silence::Trouble(trouble));
                }
            }
            Err(silence) => return Err(silence),
        }
        for list in [List::Prompts, List::Resources, List::Templates] {
            if let Err(Silence::Trouble(trouble)) = self.learn_list(&conversation, list).await {
                return Err(Silence::Trouble(trouble));
            }
        }
        conversation.end_session().await;
        Ok(())
    }

    async fn learn_list(&self, conversation: &Conversation<'_>, list: List) -> Result<(), Silence> {
        let mut cursor: Option<String> = None;
        for _ in 0..PAGES {
            let params = cursor.map_or_else(|| json!({}), |cursor| json!({ "cursor": cursor }));
            let text = conversation.ask(list.method(), params).await?;
            let expected = Expected::Ids(vec![(ID.to_owned(), list)]);
            let learned = list::filter(&text, &expected, &mut |list, text| {
                let route = conversation.route;
                if let Some(entry) = list::entry(text, list) {
                    self.catalogue().learn(route.shelf(), route.pinning, list, &entry);
                }
                true
            });
            learned.map_err(|_| Silence::Unreadable)?;
            cursor = read(&text)?.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        Ok(())
    }
}

fn read(text: &str) -> Result<Found, Silence> {
    let answer: Answer = serde_json::from_str(text).map_err(|_| Silence::Unreadable)?;
    match answer.error {
        Some(error) => Err(Silence::Error(error)),
        None => Ok(answer.result.unwrap_or_default()),
    }
}

/// The answer in a body, which may be one event among others.
fn answer(headers: &HeaderMap, body: &Bytes) -> Result<String, Silence> {
    if !is_event_stream(headers) {
        return String::from_utf8(body.to_vec()).map_err(|_| Silence::Unreadable);
    }
    let mut events = Events::new(LARGEST);
    events.push(body);
    while let Ok(Some((event, _))) = events.next_event() {
        let message: Option<Value> = serde_json::from_str(&event.data).ok();
        if message.is_some_and(|message| message["id"] == 1) {
            return Ok(event.data);
        }
    }
    Err(Silence::Unreadable)
}

/// A conversation with a server, in the stateless era until a session is begun.
struct Conversation<'a> {
    world: &'a World,
    route: &'a Route,
    session: Option<HeaderValue>,
    /// The revision of the session; none in the stateless era.
    version: Option<String>,
}

impl<'a> Conversation<'a> {
    fn new(world: &'a World, route: &'a Route) -> Self {
        Self {
            world,
            route,
            session: None,
            version: None,
        }
    }

    /// Asks for something, and gives the answer as text.
    async fn ask(&self, method: &str, mut params: Value) -> Result<String, Silence> {
        if self.version.is_none() {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": Revision::V2026_07_28.as_str(),
                "io.modelcontextprotocol/clientCapabilities": {},
                "io.modelcontextprotocol/clientInfo": client_info(),
            });
        }
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let (headers, body) = self.send(method, &message).await?;
        let text = answer(&headers, &body)?;
        read(&text)?;
        Ok(text)
    }

    async fn send(&self, method: &str, message: &Value) -> Result<(HeaderMap, Bytes), Silence> {
        let mut headers = credential::outgoing(&HeaderMap::new(), self.route);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let accept = HeaderValue::from_static("application/json, text/event-stream");
        headers.insert(header::ACCEPT, accept);
        let version = self.version.as_deref().unwrap_or(Revision::V2026_07_28.as_str());
        let mirrored = [("mcp-protocol-version", version), ("mcp-method", method)];
        let begins = method == "initialize";
        for (name, value) in mirrored.into_iter().filter(|_| !begins) {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        if let Some(session) = &self.session {
            headers.insert(names::SESSION.clone(), session.clone());
        }
        let uri = self.route.uri.clone();
        let request = forward::request(Method::POST, uri, headers, body::full(message.to_string()));
        let response = forward::forward(self.world, self.route, self.route.client.call(request))
            .await
            .map_err(Silence::Trouble)?;
        let (parts, incoming) = response.into_parts();
        if !parts.status.is_success() {
            return Err(Silence::Status(parts.status.as_u16()));
        }
        let body = body::read(incoming, LARGEST, PATIENCE).await;
        Ok((parts.headers, body.map_err(|_| Silence::Unreadable)?))
    }

    /// For servers of the era that has sessions.
    async fn begin_session(&mut self) -> Result<(), Silence> {
        let params = json!({
            "protocolVersion": Revision::V2025_11_25.as_str(),
            "capabilities": {},
            "clientInfo": client_info(),
        });
        self.version = Some(Revision::V2025_11_25.as_str().to_owned());
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params });
        let (headers, body) = self.send("initialize", &message).await?;
        self.session = headers.get(&names::SESSION).cloned();
        let found = read(&answer(&headers, &body)?)?;
        self.version = found.protocol_version.or_else(|| self.version.take());
        let method = "notifications/initialized";
        self.send(method, &json!({ "jsonrpc": "2.0", "method": method }))
            .await?;
        Ok(())
    }

    async fn end_session(&self) {
        let Some(session) = &self.session else {
            return;
        };
        let mut headers = credential::outgoing(&HeaderMap::new(), self.route);
        headers.insert(names::SESSION.clone(), session.clone());
        let request = forward::request(Method::DELETE, self.route.uri.clone(), headers, body::empty());
        let _ = forward::forward(self.world, self.route, self.route.client.call(request)).await;
    }
}

fn client_info() -> Value {
    json!({ "name": "vestibule", "version": env!("CARGO_PKG_VERSION") })
}
