//! Arguments that a server of the stateless era wants to see in the head too (TP-66, TP-73).
//!
//! Which ones, its list of tools says. A client on a pipe knows nothing of heads, so the bridge reads the lists that pass,
//! and asks for one itself where a call is refused because it has not seen any.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use protocol::mcp::list::{self, Expected, List};
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
/// What a member of `_meta` is called that says of which revision and whose a request is.
const OF_THE_PROTOCOL: &str = "io.modelcontextprotocol/";

/// Where an argument is, and the header that repeats it.
type Place = (Vec<String>, HeaderName);

/// What is known of the tools of a server: what is repeated of each, or that what it wants cannot be done.
#[derive(Debug, Default)]
pub(crate) struct Mirrored(Mutex<HashMap<String, Option<Vec<Place>>>>);

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
            let places = places(&tool["inputSchema"]);
            if known.len() < MOST_TOOLS || known.contains_key(name) {
                known.insert(name.to_owned(), places);
            }
        }
        match answer["result"]["nextCursor"].take() {
            Value::String(cursor) => Some(cursor),
            _ => None,
        }
    }

    /// A list without the tools that want what cannot be done, and their names; none if it has no such tool (TP-73).
    pub(crate) fn without_unusable(&self, answer: &str) -> Option<(String, Vec<String>)> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut left_out = Vec::new();
        let mut is_usable = |list: List, text: &str| {
            let Some(entry) = list::entry(text, list) else {
                return true;
            };
            let is_usable = !matches!(known.get(&*entry.name), Some(None));
            if !is_usable {
                left_out.push(entry.name.into_owned());
            }
            is_usable
        };
        let text = list::filter(answer, &Expected::Form, &mut is_usable).ok()??;
        (!left_out.is_empty()).then_some((text, left_out))
    }

    /// The headers for a call.
    pub(crate) fn headers(&self, message: &Outgoing) -> Vec<(HeaderName, HeaderValue)> {
        let Some(tool) = message.target.as_deref().filter(|_| message.is("tools/call")) else {
            return Vec::new();
        };
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Some(places)) = known.get(tool) else {
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

/// Every argument that is repeated. None if the schema wants what cannot be done: the header's name is none or another
/// argument's too, or the argument is no plain one, or one that is not always at the same place (TP-73).
fn places(schema: &Value) -> Option<Vec<Place>> {
    let mut found = Vec::new();
    walk(schema, Some(&mut Vec::new()), &mut found)?;
    let mut names = HashSet::new();
    found.iter().all(|(_, name)| names.insert(name)).then_some(found)
}

/// Reads a schema, at a path through `properties` alone or anywhere else.
fn walk(schema: &Value, mut path: Option<&mut Vec<String>>, found: &mut Vec<Place>) -> Option<()> {
    if let Value::Array(schemas) = schema {
        return schemas.iter().try_for_each(|schema| walk(schema, None, found));
    }
    for (keyword, value) in schema.as_object().into_iter().flatten() {
        match keyword.as_str() {
            "x-mcp-header" => found.push((path.as_deref()?.clone(), header_of(schema, value)?)),
            "properties" => {
                for (name, property) in value.as_object().into_iter().flatten() {
                    if let Some(path) = path.as_deref_mut() {
                        path.push(name.clone());
                    }
                    walk(property, path.as_deref_mut(), found)?;
                    path.as_deref_mut().map(Vec::pop);
                }
            }
            // Names and schemas.
            "$defs" | "definitions" | "patternProperties" | "dependentSchemas" => {
                for schema in value.as_object().into_iter().flat_map(Map::values) {
                    walk(schema, None, found)?;
                }
            }
            // Values, of whatever form.
            "const" | "default" | "enum" | "examples" => {}
            _ => walk(value, None, found)?,
        }
    }
    Some(())
}

/// The header that repeats an argument of this schema, by what its annotation says.
fn header_of(schema: &Value, annotation: &Value) -> Option<HeaderName> {
    let is_plain = ["string", "integer", "boolean"]
        .iter()
        .any(|kind| schema["type"] == *kind);
    let name = annotation.as_str().filter(|name| is_plain && !name.is_empty())?;
    HeaderName::from_bytes(format!("mcp-param-{name}").as_bytes()).ok()
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
    fn tp_73_a_tool_that_wants_what_cannot_be_done_is_left_out() {
        let good = json!({ "type": "string", "x-mcp-header": "B" });
        for bad in [
            json!({ "type": "number", "x-mcp-header": "A" }),
            json!({ "type": "string", "x-mcp-header": "" }),
            json!({ "type": "string", "x-mcp-header": "a b" }),
            json!({ "type": "string", "x-mcp-header": 1 }),
            json!({ "type": "string", "x-mcp-header": "b" }),
            json!({ "type": "array", "items": { "type": "string", "x-mcp-header": "A" } }),
            json!({ "anyOf": [{ "type": "string", "x-mcp-header": "A" }] }),
            json!({ "$defs": { "x": { "properties": { "y": { "type": "string", "x-mcp-header": "A" } } } } }),
        ] {
            let mirrored = known(&json!({ "a": bad, "b": good }));
            assert!(mirrored.headers(&call(&json!({ "a": "1", "b": "2" }))).is_empty());
            let list = r#"{"id":1,"result":{"tools":[ {"name":"s"}, {"name":"t","x":1.0} ],"z":1e3}}"#;
            let (text, names) = mirrored.without_unusable(list).expect("it is left out");
            assert_eq!(names, ["t"], "{bad}");
            let rest: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(rest["result"]["tools"], json!([{ "name": "s" }]), "{bad}");
        }
        // What only looks like one.
        for plain in [
            json!({ "type": "object", "properties": { "x-mcp-header": { "type": "string" } } }),
            json!({ "type": "object", "default": { "x-mcp-header": "A" } }),
        ] {
            let mirrored = known(&json!({ "a": plain, "b": good }));
            assert_eq!(mirrored.headers(&call(&json!({ "b": "2" }))).len(), 1);
            assert!(
                mirrored
                    .without_unusable(r#"{"id":1,"result":{"tools":[{"name":"t"}]}}"#)
                    .is_none()
            );
        }
    }
}
