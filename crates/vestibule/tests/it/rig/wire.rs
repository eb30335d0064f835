//! Requests as a test writes them, one connection each: any header can be left out, repeated or wrong.
//!
//! The connection is closed when its answer is dropped; that is how a client goes away.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

const PATIENCE: Duration = Duration::from_secs(20);

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    method: String,
    target: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Bytes,
}

impl Ask {
    pub(crate) fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: Vec::new(),
            body: Bytes::new(),
        }
    }

    pub(crate) fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// A form.
    pub(crate) fn form(target: &str, fields: &[(&str, &str)]) -> Self {
        let body = protocol::params::encode(fields.iter().copied());
        Self::new("POST", target)
            .with("content-type", "application/x-www-form-urlencoded")
            .body(body)
    }

    /// A JSON body.
    pub(crate) fn json(target: &str, body: &Value) -> Self {
        Self::new("POST", target)
            .with("content-type", "application/json")
            .body(body.to_string())
    }

    /// One more header.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Without a header.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers
            .retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.with("authorization", format!("Bearer {token}"))
    }

    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    fn into_request(self, host: &str) -> Request<Full<Bytes>> {
        let mut request = Request::builder().method(self.method.as_str()).uri(&self.target);
        if !self.headers.iter().any(|(name, _)| name == "host") {
            request = request.header("host", host);
        }
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        request.body(Full::new(self.body)).unwrap()
    }

    /// Sends it and reads the whole answer.
    pub(crate) async fn to(self, address: SocketAddr) -> Reply {
        self.open(address).await.whole().await
    }

    /// Sends it and gives the answer as soon as its head is there.
    pub(crate) async fn open(self, address: SocketAddr) -> Stream {
        self.try_open(address).await.unwrap()
    }

    /// The same where the other side may hang up.
    pub(crate) async fn try_open(self, address: SocketAddr) -> Result<Stream, String> {
        let stream = TcpStream::connect(address)
            .await
            .map_err(|error| error.to_string())?;
        stream.set_nodelay(true).unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| error.to_string())?;
        let connection = tokio::task::spawn(async move {
            let _ = connection.await;
        });
        let request = self.into_request(&address.to_string());
        match tokio::time::timeout(PATIENCE, sender.send_request(request)).await {
            Ok(Ok(response)) => Ok(Stream {
                response,
                text: String::new(),
                connection,
            }),
            Ok(Err(error)) => Err(error.to_string()),
            Err(late) => panic!("no answer within {PATIENCE:?}: {late}"),
        }
    }
}

/// An answer whose body is still coming. Dropped, it closes the connection.
pub(crate) struct Stream {
    response: Response<Incoming>,
    text: String,
    connection: JoinHandle<()>,
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Stream {
    pub(crate) fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// Reads it to its end.
    pub(crate) async fn whole(mut self) -> Reply {
        while self.chunk().await.is_some() {}
        Reply {
            status: self.status(),
            headers: self.response.headers().clone(),
            body: std::mem::take(&mut self.text),
        }
    }

    /// The same where the other side may go away in the middle.
    pub(crate) async fn try_whole(mut self) -> Option<Reply> {
        let (status, headers) = (self.status(), self.response.headers().clone());
        let mut body = Vec::new();
        while let Some(frame) = self.response.body_mut().frame().await {
            body.extend_from_slice(&frame.ok()?.into_data().ok()?);
        }
        let body = String::from_utf8_lossy(&body).into_owned();
        Some(Reply {
            status,
            headers,
            body,
        })
    }

    /// Whether the stream ends within this time, whatever comes until then.
    pub(crate) async fn ends_within(&mut self, span: Duration) -> bool {
        tokio::time::timeout(span, async { while self.chunk().await.is_some() {} })
            .await
            .is_ok()
    }

    /// What has come and was not read yet.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    async fn chunk(&mut self) -> Option<()> {
        let frame = tokio::time::timeout(PATIENCE, self.response.body_mut().frame()).await;
        let frame = frame.expect("the body stopped coming")?;
        if let Ok(data) = frame.ok()?.into_data() {
            self.text.push_str(&String::from_utf8_lossy(&data));
        }
        Some(())
    }

    /// The next line of a stream of messages, one a line.
    pub(crate) async fn line(&mut self) -> Option<String> {
        loop {
            if let Some((line, rest)) = self.text.split_once('\n') {
                let (line, rest) = (line.to_owned(), rest.to_owned());
                self.text = rest;
                if !line.trim().is_empty() {
                    return Some(line);
                }
                continue;
            }
            self.chunk().await?;
        }
    }

    /// The next event of an event stream: its lines.
    pub(crate) async fn event(&mut self) -> Option<String> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(event);
            }
            self.chunk().await?;
        }
    }

    /// The next message of an event stream; comments and empty events are skipped.
    pub(crate) async fn message(&mut self) -> Option<Value> {
        loop {
            let event = self.event().await?;
            let data = event.lines().find_map(|line| line.strip_prefix("data: "));
            if let Some(data) = data.filter(|data| !data.is_empty()) {
                return Some(serde_json::from_str(data).unwrap());
            }
        }
    }
}

/// A whole answer.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Its body, which must be JSON and say so.
    pub(crate) fn json(&self) -> Value {
        let kind = self.header("content-type").unwrap_or_default();
        assert!(kind.starts_with("application/json"), "{self:?}");
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Its `error` member; empty if there is none.
    pub(crate) fn error(&self) -> String {
        self.json()["error"].as_str().unwrap_or_default().to_owned()
    }

    /// Where it sends the browser.
    pub(crate) fn location(&self) -> &str {
        self.header("location")
            .unwrap_or_else(|| panic!("no redirect: {self:?}"))
    }
}
