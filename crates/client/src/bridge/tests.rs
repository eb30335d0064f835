//! What a server that keeps silent does to a bridge. Its time is paused: it goes on where everybody waits.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::World;
use net::{Egress, Operators};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use url::Url;

use super::{Bridge, Line, QUEUE, Settings};
use crate::home::Home;
use crate::login::{Login, Screen, Surroundings};

/// Longer than anything may take.
const LONG: Duration = Duration::from_hours(1);

/// A server that answers some messages and never the others, and what happened there: each message that came, and
/// `gone` with it when its connection went before an answer.
struct Server {
    url: Url,
    events: watch::Receiver<Vec<String>>,
    _tasks: JoinSet<()>,
}

impl Server {
    /// `answers` gives the status and the body for a message; none if it is kept waiting.
    async fn start(answers: fn(&Value) -> Option<(u16, Value)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let (sender, events) = watch::channel(Vec::new());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, answers, sender.clone()));
            }
        });
        Self {
            url: url.parse().unwrap(),
            events,
            _tasks: tasks,
        }
    }

    /// Waits until so many things have happened, and gives them.
    async fn events(&self, count: usize) -> Vec<String> {
        let mut events = self.events.clone();
        let enough = events.wait_for(|events| events.len() >= count);
        let enough = tokio::time::timeout(LONG, enough).await;
        enough
            .unwrap_or_else(|_| panic!("{:?}", self.events.borrow()))
            .unwrap()
            .clone()
    }
}

/// Reads one message after the other; each is one whole read's worth of body behind a head.
async fn serve(
    mut stream: TcpStream,
    answers: fn(&Value) -> Option<(u16, Value)>,
    events: watch::Sender<Vec<String>>,
) {
    let (mut read, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let message = loop {
            let text = String::from_utf8_lossy(&read).into_owned();
            let body = text.split_once("\r\n\r\n").map(|(_, body)| body);
            if let Some(message) = body.and_then(|body| serde_json::from_str::<Value>(body).ok()) {
                break message;
            }
            match stream.read(&mut buffer).await {
                Ok(count) if count > 0 => read.extend_from_slice(&buffer[..count]),
                _ => return,
            }
        };
        read.clear();
        let name = message["method"].as_str().unwrap().to_owned();
        events.send_modify(|events| events.push(name.clone()));
        let Some((status, body)) = answers(&message) else {
            while stream.read(&mut buffer).await.is_ok_and(|count| count > 0) {}
            events.send_modify(|events| events.push(format!("gone {name}")));
            return;
        };
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Takes note of what the person is told.
#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

impl Screen for Notes {
    fn open(&self, _: &Url) -> bool {
        false
    }
    fn shows_code(&self, _: &str, _: &Url, _: &Url) {}
    fn waits(&self) {}
    fn is_no_answer(&self) {}
    fn note(&self, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
    async fn pasted(&self) -> String {
        std::future::pending().await
    }
}

struct Open {
    bridge: Bridge,
    answers: mpsc::Receiver<String>,
    notes: Arc<Notes>,
    home: TempDir,
}

impl Open {
    fn to(url: &Url, connecting: Duration) -> Self {
        let (world, _): (World, _) = testkit::world();
        let home = tempfile::tempdir().unwrap();
        let egress = Egress {
            connect_time: Duration::from_secs(10),
            idle_connections: 4,
            ..Egress::default()
        };
        let around = Surroundings {
            variables: crate::Variables::new(|_| None),
            home: Home::open(Some(home.path().to_owned()), "default").unwrap(),
            world,
            http: Operators::new(&egress).unwrap(),
        };
        let settings = Settings {
            login: Login {
                patience: LONG,
                ..Login::default()
            },
            waiting: Duration::from_secs(50),
            connecting,
            egress,
        };
        let notes = Arc::new(Notes::default());
        let (bridge, answers) = Bridge::open(url.clone(), around, settings, Arc::clone(&notes));
        Self {
            bridge,
            answers,
            notes,
            home,
        }
    }

    async fn says(&mut self, message: &Value) {
        let line = Line::Text(message.to_string().into_bytes());
        let taken = tokio::time::timeout(LONG, self.bridge.take(line)).await;
        taken.expect("a line is taken");
    }

    async fn answer(&mut self) -> Value {
        let line = tokio::time::timeout(LONG, self.answers.recv()).await;
        serde_json::from_str(&line.expect("an answer comes").unwrap()).unwrap()
    }
}

fn note(method: &str) -> Value {
    json!({ "jsonrpc": "2.0", "method": method })
}

fn request(id: u64, method: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": method })
}

/// Silent to whatever is called so; other notifications are taken, and requests answered.
fn silent_to_some(message: &Value) -> Option<(u16, Value)> {
    if message["method"].as_str()?.contains("silent") {
        return None;
    }
    Some(match message["id"].clone() {
        Value::Null => (202, Value::Null),
        id => (200, json!({ "jsonrpc": "2.0", "id": id, "result": {} })),
    })
}

#[tokio::test(start_paused = true)]
async fn what_is_said_after_a_message_that_is_never_acknowledged_arrives_in_its_order() {
    let server = Server::start(silent_to_some).await;
    let mut open = Open::to(&server.url, Duration::ZERO);
    open.says(&note("notifications/silent")).await;
    open.says(&note("notifications/b")).await;
    open.says(&request(1, "ping")).await;
    assert_eq!(open.answer().await["id"], 1);
    let arrived: Vec<_> = server.events(3).await;
    let arrived: Vec<_> = arrived
        .iter()
        .filter(|event| !event.starts_with("gone"))
        .collect();
    assert_eq!(arrived, ["notifications/silent", "notifications/b", "ping"]);
    let said = open.notes.0.lock().unwrap().join("\n");
    assert!(said.contains("not delivered"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn a_request_is_cancelled_here_before_the_server_is_told() {
    let server = Server::start(silent_to_some).await;
    let mut open = Open::to(&server.url, Duration::ZERO);
    open.says(&request(1, "silent")).await;
    server.events(1).await;
    open.says(&note("notifications/silent")).await;
    server.events(2).await;
    let mut cancelling = note("notifications/cancelled");
    cancelling["params"] = json!({ "requestId": 1 });
    open.says(&cancelling).await;
    let events = server.events(5).await;
    let at = |name: &str| events.iter().position(|event| event == name).unwrap();
    assert!(at("gone silent") < at("gone notifications/silent"), "{events:?}");
    assert!(at("gone silent") < at("notifications/cancelled"), "{events:?}");
}

/// Whoever waits on a queue that does not move hears nothing of signals and requests.
#[tokio::test(start_paused = true)]
async fn a_queue_that_does_not_move_keeps_nobody() {
    let server = Server::start(|_| Some((401, Value::Null))).await;
    let mut open = Open::to(&server.url, Duration::ZERO);
    // Somebody is signing in, and does not come to an end.
    let home = Home::open(Some(open.home.path().to_owned()), "default").unwrap();
    let what = format!("sign-in {}", server.url);
    let _turn = home.turn(&what, Duration::ZERO).await.unwrap();
    for _ in 0..QUEUE + 10 {
        open.says(&note("notifications/a")).await;
    }
    let said = open.notes.0.lock().unwrap().clone();
    let lost = said.iter().filter(|text| text.contains("more are not passed on"));
    assert_eq!(lost.count(), 1, "{said:?}");
}

/// A machine that is gone refuses nothing: each attempt takes as long as it may, and there are no more than fit.
#[cfg(target_os = "linux")]
#[tokio::test(start_paused = true)]
async fn a_server_that_refuses_nothing_is_not_tried_for_ever() {
    // Nobody takes connections, and there is room for one that waits.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let _first = TcpStream::connect(address).await.unwrap();
    let url = format!("http://{address}/mcp");
    let mut open = Open::to(&url.parse().unwrap(), Duration::from_secs(15));
    let begun = tokio::time::Instant::now();
    open.says(&request(1, "ping")).await;
    let answer = open.answer().await;
    let said = answer["error"]["message"].as_str().unwrap();
    assert!(said.contains("cannot be reached"), "{said}");
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}

/// A server that wants to see arguments in the head, and does not say which.
#[tokio::test(start_paused = true)]
async fn tp_73_a_list_of_tools_that_never_comes_ends_the_call() {
    let server = Server::start(|message| {
        let error = json!({ "code": protocol::mcp::answer::HEADER_MISMATCH, "message": "no" });
        (message["method"] == "tools/call").then(|| {
            let id = message["id"].clone();
            (400, json!({ "jsonrpc": "2.0", "id": id, "error": error }))
        })
    })
    .await;
    let mut open = Open::to(&server.url, Duration::ZERO);
    let mut call = request(1, "tools/call");
    call["params"] = json!({
        "name": "t", "arguments": {},
        "_meta": { "io.modelcontextprotocol/protocolVersion": "2026-07-28" },
    });
    open.says(&call).await;
    assert_eq!(open.answer().await["error"]["message"], "no");
    let events = server.events(4).await;
    assert_eq!(
        events,
        ["tools/call", "tools/list", "gone tools/list", "tools/call"]
    );
}
