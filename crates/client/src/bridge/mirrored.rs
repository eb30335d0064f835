//! Arguments that a server of the stateless era wants to see in the head too (TP-66, TP-73).
//!
//! Which ones, its list of tools says. A client on a pipe knows nothing of heads, so the bridge reads the lists that pass,
//! and asks for one itself where a call is refused because it has not seen any.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use protocol::mcp::mirror;
use serde_json::{Map, Value, json};

use super::Pipe;
use super::exchange::Shown;
use super::failure::Failure;
use super::outgoing::Outgoing;
use super::reading::Reading;

/// Pages of a list that are read.
const MOST_PAGES: usize = 100;
/// How long reading them may take: a call waits for it.
const LEARNING: Duration = Duration::from_secs(20);
/// So many tools are remembered.
const MOST_TOOLS: usize = 10_000;
/// Schemas are read no deeper.
const DEPTH: usize = 32;
/// What a member of `_meta` is called that says of which revision and whose a request is.
const OF_THE_PROTOCOL: &str = "io.modelcontextprotocol/";

/// Where an argument is, and the header that repeats it.
type Place = (Vec<String>, HeaderName);

/// What is known of the tools of a server.
#[derive(Debug, Default)]
pub(crate) struct Mirrored(Mutex<HashMap<String, Vec<Place>>>);

impl Mirrored {
    /// Reads a list of tools; gives where the next page begins.
    pub(crate) fn learn(&self, answer: &str) -> Option<String> {
        let mut answer: Value = serde_json::from_str(answer).unwrap_or_default();
        let tools = answer["result"]["tools"].as_array().into_iter().flatten();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for tool in tools {
            let Some(name) = tool["name"].as_str() else {
                continue;
            };
            let places = places(&tool["inputSchema"]).unwrap_or_default();
            if known.len() < MOST_TOOLS || known.contains_key(name) {
                known.insert(name.to_owned(), places);
            }
        }
        match answer["result"]["nextCursor"].take() {
            Value::String(cursor) => Some(cursor),
            _ => None,
        }
    }

    /// The headers for a call.
    pub(crate) fn headers(&self, message: &Outgoing) -> Vec<(HeaderName, HeaderValue)> {
        let Some(tool) = message.target.as_deref().filter(|_| message.is("tools/call")) else {
            return Vec::new();
        };
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(places) = known.get(tool).filter(|places| !places.is_empty()) else {
            return Vec::new();
        };
        let message: Value = serde_json::from_slice(&message.text).unwrap_or_default();
        let arguments = &message["params"]["arguments"];
        let header = |(path, name): &Place| {
            let value = path
                .iter()
                .try_fold(arguments, |value, member| value.get(member))?;
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Number(_) | Value::Bool(_) => value.to_string(),
                Value::Null | Value::Array(_) | Value::Object(_) => return None,
            };
            Some((name.clone(), HeaderValue::from_str(&mirror::encode(&text)).ok()?))
        };
        places.iter().filter_map(header).collect()
    }
}

impl Pipe {
    /// Reads the list of tools, because a call was refused that did not say in its head what the list wants said there
    /// (TP-73).
    pub(super) async fn learn_tools(&self, message: &Outgoing, shown: &Shown) -> Result<(), Failure> {
        let learned = tokio::time::timeout(LEARNING, self.learn_pages(message, shown)).await;
        // What was read so far may be enough; if not, the server refuses the call once more, and says so.
        learned.unwrap_or(Ok(()))
    }

    async fn learn_pages(&self, message: &Outgoing, shown: &Shown) -> Result<(), Failure> {
        let mut cursor = None;
        for _ in 0..MOST_PAGES {
            let Some(asking) = asking(message, cursor.as_deref()) else {
                break;
            };
            let response = self.post(&asking, shown).await?;
            if !response.status().is_success() {
                break;
            }
            let mut reading = Reading::new(response, false);
            cursor = None;
            while let Some(piece) = reading.next().await? {
                cursor = cursor.or(self.mirrored.learn(&piece.text));
            }
            if cursor.is_none() {
                break;
            }
        }
        Ok(())
    }
}

/// Every argument that is repeated. None if a server that says so would be misunderstood: the call goes without.
fn places(schema: &Value) -> Option<Vec<Place>> {
    let mut found = Vec::new();
    walk(schema, &mut Vec::new(), &mut found)?;
    let mut names = HashSet::new();
    found.iter().all(|(_, name)| names.insert(name)).then_some(found)
}

fn walk(schema: &Value, path: &mut Vec<String>, found: &mut Vec<Place>) -> Option<()> {
    if path.len() > DEPTH {
        return None;
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        path.push(name.clone());
        if let Some(header) = property.get("x-mcp-header") {
            let is_simple = ["string", "integer", "boolean"]
                .iter()
                .any(|kind| property["type"] == *kind);
            let header = header.as_str().filter(|header| is_simple && !header.is_empty())?;
            let header = HeaderName::from_bytes(format!("mcp-param-{header}").as_bytes()).ok()?;
            found.push((path.clone(), header));
        }
        walk(property, path, found)?;
        path.pop();
    }
    Some(())
}

/// A request for the list of tools, of whoever sent this message.
fn asking(message: &Outgoing, cursor: Option<&str>) -> Option<Outgoing> {
    let message: Value = serde_json::from_slice(&message.text).ok()?;
    let meta = message["params"]["_meta"].as_object()?;
    let meta = meta.iter().filter(|(name, _)| name.starts_with(OF_THE_PROTOCOL));
    let meta: Map<_, _> = meta.map(|(name, value)| (name.clone(), value.clone())).collect();
    let mut params = json!({ "_meta": meta });
    if let Some(cursor) = cursor {
        params["cursor"] = Value::from(cursor);
    }
    let asking = json!({ "jsonrpc": "2.0", "id": "vestibule", "method": "tools/list", "params": params });
    Outgoing::read(asking.to_string().into_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(arguments: &Value) -> Outgoing {
        let call = json!({
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": { "name": "t", "arguments": arguments, "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28", "progressToken": 1,
            } },
        });
        Outgoing::read(call.to_string().into_bytes()).unwrap()
    }

    fn known(properties: &Value) -> Mirrored {
        let mirrored = Mirrored::default();
        let list = json!({ "result": { "tools": [{ "name": "t", "inputSchema": { "properties": properties } }], "nextCursor": "c" } });
        assert_eq!(mirrored.learn(&list.to_string()).as_deref(), Some("c"));
        mirrored
    }

    #[test]
    fn tp_66_arguments_are_repeated_where_the_list_says_so() {
        let mirrored = known(&json!({
            "region": { "type": "string", "x-mcp-header": "Region" },
            "count": { "type": "integer", "x-mcp-header": "Count" },
            "gone": { "type": "boolean", "x-mcp-header": "Gone" },
            "site": { "type": "object", "properties": { "zone": { "type": "string", "x-mcp-header": "Zone" } } },
            "other": { "type": "string" },
        }));
        let call = call(
            &json!({ "region": "Zürich", "count": 42, "gone": null, "site": { "zone": "a" }, "other": "x" }),
        );
        let headers = mirrored.headers(&call);
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        assert_eq!(
            headers,
            [
                ("mcp-param-region", "=?base64?WsO8cmljaA==?="),
                ("mcp-param-count", "42"),
                ("mcp-param-zone", "a"),
            ]
        );
        let asking = asking(&call, Some("c")).unwrap();
        assert!(asking.is_stateless() && asking.is("tools/list"));
        assert!(!String::from_utf8_lossy(&asking.text).contains("progressToken"));
    }

    #[test]
    fn tp_73_what_cannot_be_repeated_is_left_out() {
        for bad in [
            json!({ "type": "number", "x-mcp-header": "A" }),
            json!({ "type": "string", "x-mcp-header": "" }),
            json!({ "type": "string", "x-mcp-header": "a b" }),
            json!({ "type": "string", "x-mcp-header": 1 }),
        ] {
            let mirrored = known(&json!({ "a": bad, "b": { "type": "string", "x-mcp-header": "B" } }));
            assert!(mirrored.headers(&call(&json!({ "a": "1", "b": "2" }))).is_empty());
        }
        let twice = known(
            &json!({ "a": { "type": "string", "x-mcp-header": "X" }, "b": { "type": "string", "x-mcp-header": "x" } }),
        );
        assert!(twice.headers(&call(&json!({ "a": "1", "b": "2" }))).is_empty());
    }
}
