//! A client that shows every header and every message, which a real one would hide.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use net::Tasks;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{PATH, serve};

pub(super) const CREDENTIAL: &str = "upstream-credential-of-the-sample";

/// The two eras.
pub(super) const ERAS: [&str; 2] = ["2025-11-25", "2026-07-28"];

/// A running sample server.
pub(super) struct Sample {
    pub(super) url: String,
    pub(super) tasks: Tasks,
    http: Client<HttpConnector, Full<Bytes>>,
}

/// An answer, read whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Sample {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}{}", listener.local_addr().unwrap(), PATH);
        let tasks = Tasks::new();
        serve(listener, CREDENTIAL.to_owned().into(), &tasks).unwrap();
        let http = Client::builder(TokioExecutor::new()).build_http();
        Self { url, tasks, http }
    }

    /// Sends a request as it is.
    pub(super) async fn send(&self, request: Request<Full<Bytes>>) -> http::Response<Incoming> {
        self.http.request(request).await.unwrap()
    }

    /// Sends a request and reads the answer whole.
    pub(super) async fn ask(&self, request: Request<Full<Bytes>>) -> Answer {
        let (head, body) = self.send(request).await.into_parts();
        let body = tokio::time::timeout(Duration::from_secs(20), body.collect())
            .await
            .expect("the answer ends");
        Answer {
            status: head.status,
            headers: head.headers,
            text: String::from_utf8(body.unwrap().to_bytes().to_vec()).unwrap(),
        }
    }

    /// A POST with what every client sends; `extra` comes on top.
    pub(super) fn post(&self, message: &Value, extra: &[(&str, &str)]) -> Request<Full<Bytes>> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(&self.url)
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream");
        for (name, value) in extra {
            request = request.header(*name, *value);
        }
        request.body(Full::new(Bytes::from(message.to_string()))).unwrap()
    }

    /// A client of one era, through `initialize` where there is one.
    pub(super) async fn client(&self, era: &'static str) -> Connected<'_> {
        let mut client = Connected {
            sample: self,
            era,
            session: None,
        };
        if era < "2026-07-28" {
            client.initialize().await;
        }
        client
    }

    /// Asks for a session.
    pub(super) async fn open(&self, era: &str) -> Answer {
        let params = json!({
            "protocolVersion": era,
            "capabilities": {},
            "clientInfo": { "name": "test", "version": "1" },
        });
        let message = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params });
        let bearer = format!("Bearer {CREDENTIAL}");
        self.ask(self.post(&message, &[("authorization", &bearer)])).await
    }
}

impl Answer {
    /// The JSON-RPC messages, from either form of an answer.
    pub(super) fn messages(&self) -> Vec<Value> {
        if self.headers["content-type"] == "application/json" {
            return vec![serde_json::from_str(&self.text).unwrap()];
        }
        assert_eq!(self.headers["content-type"], "text/event-stream");
        events(&self.text)
    }
}

/// The JSON-RPC messages of an event stream.
pub(super) fn events(text: &str) -> Vec<Value> {
    text.lines()
        .filter_map(|line| line.strip_prefix("data:"))
        .map(str::trim)
        .filter(|data| !data.is_empty())
        .map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

/// A client that the server knows.
pub(super) struct Connected<'a> {
    pub(super) sample: &'a Sample,
    pub(super) era: &'static str,
    pub(super) session: Option<String>,
}

impl Connected<'_> {
    async fn initialize(&mut self) {
        let answer = self.sample.open(self.era).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        let result = &answer.messages()[0]["result"];
        assert_eq!(result["protocolVersion"], self.era);
        assert_eq!(result["serverInfo"]["name"], "vestibule-sample");
        self.session = Some(answer.headers["mcp-session-id"].to_str().unwrap().to_owned());

        let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        let answer = self.sample.ask(self.request(&initialized, &[])).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
    }

    /// Ends the session.
    pub(super) async fn end(&self) -> StatusCode {
        let mut request = self.request(&json!(null), &[]);
        *request.method_mut() = Method::DELETE;
        self.sample.ask(request).await.status
    }

    /// A POST as this client makes it.
    pub(super) fn request(&self, message: &Value, extra: &[(&str, &str)]) -> Request<Full<Bytes>> {
        let bearer = format!("Bearer {CREDENTIAL}");
        let mut headers = vec![
            ("authorization", bearer.as_str()),
            ("mcp-protocol-version", self.era),
        ];
        headers.extend_from_slice(extra);
        if let Some(session) = &self.session {
            headers.push(("mcp-session-id", session));
            return self.sample.post(message, &headers);
        }
        let method = message["method"].as_str().unwrap();
        headers.push(("mcp-method", method));
        let params = &message["params"];
        if let Some(name) = params["name"].as_str().or(params["uri"].as_str()) {
            headers.push(("mcp-name", name));
        }
        self.sample.post(message, &headers)
    }

    /// A request's message, with the metadata that the era demands.
    pub(super) fn message(&self, method: &str, mut params: Value) -> Value {
        if self.session.is_none() {
            params["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!(self.era);
            params["_meta"]["io.modelcontextprotocol/clientInfo"] = json!({ "name": "test", "version": "1" });
            params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({});
        }
        json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params })
    }

    /// All messages of the answer to a request, which the answer itself ends.
    pub(super) async fn exchange(&self, method: &str, params: Value, extra: &[(&str, &str)]) -> Vec<Value> {
        let message = self.message(method, params);
        let answer = self.sample.ask(self.request(&message, extra)).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        let messages = answer.messages();
        assert_eq!(messages.last().unwrap()["id"], 7, "{messages:?}");
        messages
    }

    /// The answer to a request.
    pub(super) async fn answer(&self, method: &str, params: Value) -> Value {
        self.exchange(method, params, &[]).await.pop().unwrap()
    }

    /// The result of a tool, called with extra headers.
    pub(super) async fn call_with(&self, tool: &str, arguments: Value, extra: &[(&str, &str)]) -> Value {
        let params = json!({ "name": tool, "arguments": arguments });
        let mut messages = self.exchange("tools/call", params, extra).await;
        messages.pop().unwrap()["result"].take()
    }

    /// The result of a tool.
    pub(super) async fn call(&self, tool: &str, arguments: Value) -> Value {
        self.call_with(tool, arguments, &[]).await
    }
}
