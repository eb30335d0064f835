//! Other parties that a test owns: an OpenID issuer with keys that change and a network that fails, and a server that
//! says whose a token is.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use keys::{Algorithm, SigningKey};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What is answered to a request, its head and its body; nothing: the connection is closed.
pub(crate) type Answers = dyn Fn(&str) -> Option<(u16, String)> + Send + Sync;

/// The same with further lines of its head.
pub(super) type Headed = dyn Fn(&str) -> Option<(u16, String, String)> + Send + Sync;

/// A listener that answers each connection once.
pub(crate) struct Listener {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Listener {
    pub(crate) async fn start(answers: Arc<Answers>) -> Self {
        let headed = move |request: &str| {
            let (status, body) = answers(request)?;
            Some((status, String::new(), body))
        };
        Self::headed(Arc::new(headed)).await
    }

    pub(super) async fn headed(answers: Arc<Headed>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::task::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let answers = Arc::clone(&answers);
                tokio::task::spawn(async move { answer(stream, &*answers).await });
            }
        });
        Self { address, task }
    }
}

async fn answer(mut stream: TcpStream, answers: &Headed) {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !is_whole(&request) {
        match stream.read(&mut buffer).await {
            Ok(count) if count > 0 => request.extend_from_slice(&buffer[..count]),
            _ => return,
        }
    }
    if let Some((status, head, body)) = answers(&String::from_utf8_lossy(&request)) {
        let text = format!(
            "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n{head}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        let _ = stream.write_all(text.as_bytes()).await;
        let _ = stream.shutdown().await;
    }
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().ok())?
    });
    body.len() >= length.unwrap_or(0)
}

/// An OpenID issuer.
pub(crate) struct ForeignIssuer {
    pub(crate) url: String,
    state: Arc<Mutex<IssuerState>>,
    _listener: Listener,
}

#[derive(Default)]
struct IssuerState {
    jwks: Vec<Value>,
    down: bool,
    asked: usize,
}

impl ForeignIssuer {
    /// With one key.
    pub(crate) async fn start() -> (Self, SigningKey) {
        let state = Arc::new(Mutex::new(IssuerState::default()));
        let (seen, place) = (Arc::clone(&state), Arc::new(Mutex::new(String::new())));
        let url = Arc::clone(&place);
        let listener = Listener::start(Arc::new(move |head: &str| {
            let mut state = seen.lock().unwrap();
            if state.down {
                return None;
            }
            let url = url.lock().unwrap().clone();
            if head.starts_with("GET /realm/.well-known/openid-configuration ") {
                let document = json!({ "issuer": url, "jwks_uri": format!("{url}/keys") });
                return Some((200, document.to_string()));
            }
            if head.starts_with("GET /realm/keys ") {
                state.asked += 1;
                return Some((200, json!({ "keys": state.jwks }).to_string()));
            }
            Some((404, "{}".to_owned()))
        }))
        .await;
        let url = format!("http://{}/realm", listener.address);
        place.lock().unwrap().clone_from(&url);
        let issuer = Self {
            url,
            state,
            _listener: listener,
        };
        let key = issuer.new_key();
        (issuer, key)
    }

    /// Makes a key and publishes it beside those before.
    pub(crate) fn new_key(&self) -> SigningKey {
        let (key, _) = SigningKey::generate(Algorithm::Es256).unwrap();
        self.state.lock().unwrap().jwks.push(key.public_jwk());
        key
    }

    /// Publishes no key but the newest.
    pub(crate) fn withdraw_older_keys(&self) {
        let jwks = &mut self.state.lock().unwrap().jwks;
        let newest = jwks.pop().unwrap();
        *jwks = vec![newest];
    }

    /// From now on it hangs up on everybody, or answers again.
    pub(crate) fn is_down(&self, down: bool) {
        self.state.lock().unwrap().down = down;
    }

    /// How often its keys were fetched.
    pub(crate) fn asked(&self) -> usize {
        self.state.lock().unwrap().asked
    }
}

/// A server that says who a token's owner is.
pub(crate) struct WhoAmI {
    pub(crate) url: String,
    state: Arc<Mutex<WhoState>>,
    _listener: Listener,
}

#[derive(Default)]
struct WhoState {
    tokens: HashMap<String, String>,
    heads: Vec<String>,
    down: bool,
}

impl WhoAmI {
    /// Knows these tokens, each with the name of its owner.
    pub(crate) async fn start(tokens: &[(&str, &str)]) -> Self {
        let state = Arc::new(Mutex::new(WhoState::default()));
        for (token, owner) in tokens {
            let known = &mut state.lock().unwrap().tokens;
            known.insert((*token).to_owned(), (*owner).to_owned());
        }
        let seen = Arc::clone(&state);
        let listener = Listener::start(Arc::new(move |head: &str| {
            let mut state = seen.lock().unwrap();
            state.heads.push(head.to_owned());
            if state.down {
                return Some((503, "{}".to_owned()));
            }
            let token = head
                .lines()
                .find_map(|line| line.strip_prefix("authorization: token "));
            match token.and_then(|token| state.tokens.get(token.trim())) {
                Some(owner) => Some((200, json!({ "id": 1, "login": owner }).to_string())),
                None => Some((401, "{}".to_owned())),
            }
        }))
        .await;
        Self {
            url: format!("http://{}/api/v1/user", listener.address),
            state,
            _listener: listener,
        }
    }

    pub(crate) fn forget(&self, token: &str) {
        self.state.lock().unwrap().tokens.remove(token);
    }

    pub(crate) fn is_down(&self, down: bool) {
        self.state.lock().unwrap().down = down;
    }

    /// The heads of all requests.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.state.lock().unwrap().heads.clone()
    }
}
