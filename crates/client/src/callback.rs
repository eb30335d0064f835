//! Where the browser comes back to: an address of this machine that listens for one answer (RFC 8252 section 7.3).

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use net::listener::{Answer, Connection};
use net::{Body, Limits, Server, Tasks, body};
use protocol::Params;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use url::Url;

/// The path of every address of ours.
const PATH: &str = "/callback";
/// Browsers open connections in advance; nobody waits for those.
const DRAIN: Duration = Duration::from_millis(500);

/// The parameters of an answer that count (RFC 6749 section 4.1.2, RFC 9207).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arrival {
    /// Which request it answers.
    pub state: Option<String>,
    /// Whose answer it is.
    pub iss: Option<String>,
    /// The code.
    pub code: Option<String>,
    /// Or why there is none.
    pub error: Option<String>,
}

impl Arrival {
    /// From the query of an address. None if it cannot be read.
    pub fn read(query: &str) -> Option<Self> {
        let params = Params::parse(query.as_bytes()).ok()?;
        let text = |name: &str| params.one(name).ok().flatten().map(str::to_owned);
        Some(Self {
            state: text("state"),
            iss: text("iss"),
            code: text("code"),
            error: text("error"),
        })
    }

    /// From an address that somebody copied out of a browser.
    pub fn pasted(text: &str) -> Option<Self> {
        Self::read(Url::parse(text.trim()).ok()?.query()?)
    }
}

/// Listens for the answer to one request.
#[derive(Debug)]
pub struct Callback {
    redirect_uri: String,
    arrival: oneshot::Receiver<Arrival>,
    tasks: Tasks,
}

#[derive(Clone)]
struct Waiting {
    state: Arc<str>,
    sender: Arc<Mutex<Option<oneshot::Sender<Arrival>>>>,
}

impl Callback {
    /// Begins to listen for the answer to the request with this `state`; on this port if it is given and free.
    pub async fn listen(port: Option<u16>, state: &str) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port.unwrap_or(0))).await?;
        let redirect_uri = format!("http://127.0.0.1:{}{PATH}", listener.local_addr()?.port());
        let (sender, arrival) = oneshot::channel();
        let tasks = Tasks::new();
        let limits = Limits {
            connections: 20,
            drain_time: DRAIN,
            ..Limits::default()
        };
        let waiting = Waiting {
            state: state.into(),
            sender: Arc::new(Mutex::new(Some(sender))),
        };
        Server::new(limits, tasks.clone()).serve(listener, None, waiting);
        Ok(Self {
            redirect_uri,
            arrival,
            tasks,
        })
    }

    /// An address at which an answer may come another time: a port that is free now.
    pub async fn another_time() -> std::io::Result<String> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        Ok(format!(
            "http://127.0.0.1:{}{PATH}",
            listener.local_addr()?.port()
        ))
    }

    /// Its address.
    pub fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// Waits for the answer. What answers no request of ours is not listened to (MA-115).
    pub async fn arrival(&mut self) -> Arrival {
        match (&mut self.arrival).await {
            Ok(arrival) => arrival,
            Err(_) => std::future::pending().await,
        }
    }

    /// Stops listening, once the page that says so has gone out.
    pub async fn close(self) {
        self.tasks.shut_down(DRAIN * 2).await;
    }
}

impl Answer for Waiting {
    async fn answer(self, request: Request<Incoming>, _: Connection) -> Response<Body> {
        if request.method() != Method::GET || request.uri().path() != PATH {
            return page(StatusCode::NOT_FOUND, "Nothing is here.", "這裡沒有東西。");
        }
        let arrival = Arrival::read(request.uri().query().unwrap_or_default());
        let Some(arrival) = arrival.filter(|arrival| arrival.state.as_deref() == Some(&*self.state)) else {
            let text = "This is not the answer that the command line waits for. Run the command again.";
            return page(
                StatusCode::BAD_REQUEST,
                text,
                "這不是命令列在等的回應。請重新執行命令。",
            );
        };
        let sender = self.sender.lock().ok().and_then(|mut sender| sender.take());
        if let Some(sender) = sender {
            let _ = sender.send(arrival);
        }
        page(
            StatusCode::OK,
            "Go back to the terminal; this page can be closed.",
            "請回到終端機；這個頁面可以關閉了。",
        )
    }
}

/// A page without anything that could be run, in both languages: nobody knows who looks.
fn page(status: StatusCode, english: &str, chinese: &str) -> Response<Body> {
    let text = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Vestibule</title><style>:root{{color-scheme:light dark}}body{{font:1.1rem/1.6 system-ui,sans-serif;\
         max-width:32rem;margin:20vh auto 0;padding:0 1.5rem}}</style><main><h1>Vestibule</h1><p>{english}</p>\
         <p lang=\"zh-Hant\">{chinese}</p></main></html>"
    );
    let mut response = Response::new(body::full(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
