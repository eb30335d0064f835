//! An MCP server that knows its answers before it is asked. What it is asked it tells from a few bytes, so that
//! it costs as little as an upstream can.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use serde_json::{Value, json};

use crate::calls::Call;
use crate::listener;

/// Bytes of a short answer.
const SHORT: usize = 300;
/// Tools of the list.
const TOOLS: usize = 200;

type Body = UnsyncBoxBody<Bytes, std::convert::Infallible>;

/// Answers with these.
#[derive(Debug)]
struct Answers {
    short: Bytes,
    event: Bytes,
    page: Bytes,
    list: Bytes,
}

/// Serves for ever.
///
/// # Errors
/// If it cannot listen.
pub async fn serve(address: SocketAddr) -> anyhow::Result<()> {
    let answers = Arc::new(Answers::new());
    listener::serve(address, move |request| answer(Arc::clone(&answers), request)).await
}

impl Answers {
    fn new() -> Self {
        let short = text_of_length(SHORT);
        let list = result(&json!({ "tools": tools() })).to_string();
        Self {
            event: format!("event: message\ndata: {short}\n\n").into(),
            page: text_of_length(list.len()).into(),
            short: short.into(),
            list: list.into(),
        }
    }
}

async fn answer(answers: Arc<Answers>, request: Request<Incoming>) -> Response<Body> {
    let Ok(body) = request.into_body().collect().await else {
        return bare(StatusCode::BAD_REQUEST);
    };
    let body = body.to_bytes();
    let asks = |call: Call| holds(&body, call.name().as_bytes());
    if asks(Call::Echo) {
        return full(&answers.short, "application/json");
    }
    if asks(Call::Event) {
        return events(stream::iter([answers.event.clone()]));
    }
    if asks(Call::Hold) {
        let event = stream::iter([answers.event.clone()]);
        return events(event.chain(stream::pending()));
    }
    if asks(Call::Page) {
        return full(&answers.page, "application/json");
    }
    seldom(&answers, &body)
}

/// What is asked only now and then, or by the door itself.
fn seldom(answers: &Answers, body: &[u8]) -> Response<Body> {
    let Ok(message) = serde_json::from_slice::<Value>(body) else {
        return bare(StatusCode::METHOD_NOT_ALLOWED);
    };
    let id = &message["id"];
    let answer = match message["method"].as_str() {
        _ if id.is_null() => return bare(StatusCode::ACCEPTED),
        Some("tools/list") if *id == 1 => return full(&answers.list, "application/json"),
        Some("tools/list") => json!({ "tools": tools() }),
        Some("initialize") => json!({
            "protocolVersion": "2025-06-18",
            "capabilities": { "tools": {} },
            "serverInfo": { "name": "bench", "version": "1" },
        }),
        _ => json!({}),
    };
    let mut answer = result(&answer);
    answer["id"] = id.clone();
    full(&answer.to_string().into(), "application/json")
}

/// 200 tools as real servers describe them; of those in the second hundred a caller sees nothing.
fn tools() -> Vec<Value> {
    let tool = |n: usize| {
        json!({
            "name": format!("list-{n:03}"),
            "description": "Looks something up in a repository and says what it found, in a few words for a model.",
            "inputSchema": {
                "type": "object",
                "properties": { "owner": { "type": "string" }, "repository": { "type": "string" } },
                "required": ["owner"],
            },
            "annotations": { "readOnlyHint": true },
        })
    };
    (0..TOOLS).map(tool).collect()
}

fn result(value: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "result": value })
}

fn text_of_length(length: usize) -> String {
    let with = |text: &str| result(&json!({ "content": [{ "type": "text", "text": text }] })).to_string();
    let text = "y".repeat(length.saturating_sub(with("").len()));
    with(&text)
}

fn holds(body: &[u8], name: &[u8]) -> bool {
    // The name stands at the same place in each body that the benchmark sends.
    body.get(..100).is_some_and(|head| {
        head.windows(name.len() + 2).any(|part| {
            part.first() == Some(&b'"')
                && part.last() == Some(&b'"')
                && part.get(1..=name.len()) == Some(name)
        })
    })
}

fn full(bytes: &Bytes, media_type: &'static str) -> Response<Body> {
    let mut response = Response::new(Full::new(bytes.clone()).boxed_unsync());
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

fn events(events: impl stream::Stream<Item = Bytes> + Send + 'static) -> Response<Body> {
    let frames = events.map(|event| Ok(Frame::data(event)));
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    );
    response
}

fn bare(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Full::default().boxed_unsync());
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_as_long_as_they_are_said_to_be() {
        let answers = Answers::new();
        assert_eq!(answers.short.len(), SHORT);
        assert_eq!(answers.page.len(), answers.list.len());
        assert!(holds(Call::Echo.body().as_bytes(), b"echo"));
        assert!(!holds(Call::Event.body().as_bytes(), b"echo"));
    }
}
