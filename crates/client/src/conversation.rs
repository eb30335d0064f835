//! Trying a server by hand: what it offers, and one call, over the same way as a [`Bridge`].
//!
//! It begins a session as most servers know it, and speaks the stateless era to those that know nothing else.

use std::sync::Arc;
use std::time::Duration;

use protocol::mcp::Revision;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use thiserror::Error;
use tokio::sync::mpsc;
use url::Url;

use crate::bridge::{Bridge, Line, Settings};
use crate::login::{Screen, Surroundings};

/// Pages of a list that are read.
const MOST_PAGES: usize = 1000;
/// What a server answers that knows the stateless era alone: no such method or revision, or what is missing of that era
/// (TP-50, TP-52 to TP-54).
const STATELESS_ALONE: [i64; 4] = [-32601, -32602, -32020, -32022];

/// Why there is no result.
#[derive(Debug, Error)]
pub enum AskError {
    /// The server, or the way to it, said no.
    #[error("{message}")]
    Refused {
        /// The JSON-RPC code.
        code: i64,
        /// In its words.
        message: String,
    },
    /// It said something that answers nothing.
    #[error("the server's answer cannot be read: {0}")]
    Unreadable(String),
}

/// A conversation with one server.
#[derive(Debug)]
pub struct Conversation {
    bridge: Bridge,
    lines: mpsc::Receiver<String>,
    last: u64,
    is_stateless: bool,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(default)]
    method: Option<String>,
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<Value>,
}

impl Conversation {
    /// Begins one.
    ///
    /// # Errors
    /// The server cannot be reached, nobody signed in, or it speaks nothing that is spoken here.
    pub async fn begin(
        server: Url,
        around: Surroundings,
        settings: Settings,
        screen: Arc<impl Screen + 'static>,
    ) -> Result<Self, AskError> {
        let (bridge, lines) = Bridge::open(server, around, settings, screen);
        let mut this = Self {
            bridge,
            lines,
            last: 0,
            is_stateless: false,
        };
        let hello = json!({
            "protocolVersion": Revision::V2025_11_25.as_str(), "capabilities": {}, "clientInfo": client_info(),
        });
        match this.ask("initialize", &hello).await {
            Ok(_) => {
                let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
                this.say(&ready.to_string()).await;
            }
            Err(AskError::Refused { code, .. }) if STATELESS_ALONE.contains(&code) => {
                this.is_stateless = true;
            }
            Err(error) => return Err(error),
        }
        Ok(this)
    }

    /// Every tool, as the server describes it.
    ///
    /// # Errors
    /// It does not say.
    pub async fn tools(&mut self) -> Result<Vec<Value>, AskError> {
        let (mut tools, mut params) = (Vec::new(), json!({}));
        for _ in 0..MOST_PAGES {
            let page = self.ask("tools/list", &params).await?;
            let mut page: Value = serde_json::from_str(page.get()).map_err(|error| unreadable(&error))?;
            if let Value::Array(found) = page["tools"].take() {
                tools.extend(found);
            }
            match page["nextCursor"].take() {
                Value::String(cursor) => params = json!({ "cursor": cursor }),
                _ => break,
            }
        }
        Ok(tools)
    }

    /// Calls a tool; gives its result as it came. The arguments are passed as they are written.
    ///
    /// # Errors
    /// There is no result. One that says that the tool failed is a result.
    pub async fn call(&mut self, tool: &str, arguments: &RawValue) -> Result<Box<RawValue>, AskError> {
        let params = format!(
            r#"{{"name":{},"arguments":{arguments}{}}}"#,
            json!(tool),
            self.meta()
        );
        self.ask_raw("tools/call", &params).await
    }

    /// Ends it.
    pub async fn close(self) {
        self.bridge.close(Duration::ZERO).await;
    }

    async fn ask(&mut self, method: &str, params: &Value) -> Result<Box<RawValue>, AskError> {
        let mut text = params.to_string();
        if self.is_stateless {
            text.truncate(text.len() - 1);
            let meta = self.meta();
            // Of an empty object nothing stands before it.
            text.push_str(if text.len() > 1 {
                &meta
            } else {
                meta.trim_start_matches(',')
            });
            text.push('}');
        }
        self.ask_raw(method, &text).await
    }

    /// What each request of the stateless era says of itself, as a further member of its parameters.
    fn meta(&self) -> String {
        if !self.is_stateless {
            return String::new();
        }
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": Revision::V2026_07_28.as_str(),
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": client_info(),
        });
        format!(r#","_meta":{meta}"#)
    }

    async fn ask_raw(&mut self, method: &str, params: &str) -> Result<Box<RawValue>, AskError> {
        self.last += 1;
        let id = self.last.to_string();
        self.say(&format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":{},"params":{params}}}"#,
            json!(method)
        ))
        .await;
        loop {
            let ended = || AskError::Unreadable("the connection ended".to_owned());
            let line = self.lines.recv().await.ok_or_else(ended)?;
            let message: Message<'_> = serde_json::from_str(&line).map_err(|error| unreadable(&error))?;
            let about = message.id.map(RawValue::get);
            if let Some(method) = &message.method {
                if let Some(about) = about {
                    let answer = answer(about, method);
                    self.say(&answer).await;
                }
                continue;
            }
            // An error that names no request is about the only one there is.
            if about.is_some_and(|about| about != id) {
                continue;
            }
            return match (message.result, message.error) {
                (Some(result), None) => Ok(result.to_owned()),
                (_, Some(error)) => Err(AskError::Refused {
                    code: error["code"].as_i64().unwrap_or_default(),
                    message: error["message"].as_str().unwrap_or("no reason given").to_owned(),
                }),
                (None, None) => Err(AskError::Unreadable("neither a result nor an error".to_owned())),
            };
        }
    }

    async fn say(&mut self, text: &str) {
        self.bridge.take(Line::Text(text.as_bytes().to_vec())).await;
    }
}

/// The server may ask whether anybody is there, and nothing else: no more was promised.
fn answer(id: &str, method: &str) -> String {
    if method == "ping" {
        format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#)
    } else {
        protocol::mcp::answer::error(Some(id), protocol::mcp::answer::METHOD_NOT_FOUND, "not offered")
    }
}

fn client_info() -> Value {
    json!({ "name": "vestibule", "version": env!("CARGO_PKG_VERSION") })
}

fn unreadable(error: &serde_json::Error) -> AskError {
    AskError::Unreadable(error.to_string())
}
