//! An MCP server with authorization servers of its own, which says of them whatever a test wants: two of them, `/a` and `/b`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use data_encoding::BASE64URL_NOPAD;
use protocol::Params;
use serde_json::{Value, json};

use super::Plan;
use super::app::query_of;
use super::foreign::Listener;

/// The server.
pub(crate) struct Guarded {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
    _listener: Listener,
}

/// What it says and does.
#[derive(Default)]
pub(crate) struct State {
    url: String,
    /// The server's metadata (RFC 9728).
    pub(crate) resource: Value,
    /// What the authorization servers say beside the usual.
    pub(crate) metadata: HashMap<&'static str, Value>,
    /// It takes everybody.
    pub(crate) open: bool,
    /// It takes any token at `initialize`, and looks at it with the first call.
    pub(crate) greets: bool,
    /// What it gives cannot be renewed.
    pub(crate) gives_once: bool,
    /// What its authorization servers grant to programs.
    pub(crate) grants: &'static str,
    /// What it wants beside what a token is good for, if anything.
    pub(crate) wants: &'static str,
    /// Which authorization server's tokens it takes.
    pub(crate) takes: &'static str,
    /// Requests to `/a/token` and `/b/token`: who was asked, and for what.
    pub(crate) asked: Vec<(String, Params)>,
    /// What clients said of themselves, and to whom.
    pub(crate) registered: Vec<(String, Value)>,
    /// Challenges of codes.
    codes: HashMap<String, String>,
    count: usize,
}

impl Guarded {
    pub(crate) async fn start() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let seen = Arc::clone(&state);
        let listener = Listener::headed(Arc::new(move |request: &str| {
            Some(answer(&mut seen.lock().unwrap(), request))
        }))
        .await;
        let url = format!("http://{}", listener.address);
        let guarded = Self {
            url: url.clone(),
            state,
            _listener: listener,
        };
        guarded.says(|state| {
            state.takes = "a";
            state.resource = json!({
                "resource": format!("{url}/mcp"), "authorization_servers": [format!("{url}/a")],
                "scopes_supported": ["read", "write"],
            });
            state.url = url;
        });
        guarded
    }

    /// Changes what it says, or looks at what was said to it.
    pub(crate) fn says<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock().unwrap())
    }

    /// From now on it names this one, and takes its tokens alone.
    pub(crate) fn moves_to(&self, name: &'static str) {
        let issuer = format!("{}/{name}", self.url);
        self.says(|state| {
            state.takes = name;
            state.resource["authorization_servers"] = json!([issuer]);
        });
    }

    /// What somebody allows whom the door sent to the authorization server `name`; gives where the browser goes then.
    pub(crate) fn approve(&self, away: &str, door: &str, name: &str) -> String {
        let issuer = format!("{}/{name}", self.url);
        assert!(away.starts_with(&format!("{issuer}/authorize?")), "{away}");
        let query = query_of(away);
        let text = |name: &str| query[name].as_str().unwrap_or_default().to_owned();
        let code = self.says(|state| {
            state.count += 1;
            let code = format!("code-{}", state.count);
            state.codes.insert(code.clone(), text("code_challenge"));
            code
        });
        let back = protocol::params::encode([
            ("code", code.as_str()),
            ("state", &text("state")),
            ("iss", &issuer),
        ]);
        let redirect_uri = text("redirect_uri");
        format!("{}?{back}", redirect_uri.strip_prefix(door).unwrap())
    }

    /// A door with the server `own`, for which people connect at whoever guards it.
    pub(crate) fn plan(&self, oauth: &str) -> Plan {
        plan(&format!("{}/mcp", self.url), oauth)
    }
}

/// The same for a server at this address.
pub(crate) fn plan(server: &str, oauth: &str) -> Plan {
    Plan {
        config: format!(
            "
connectors:
  forge:
    name: Forge
    oauth: {{ discover: true{oauth} }}
"
        ),
        servers: format!(
            "
  own:
    title: Own
    upstream: {server}
    allow: [{{ groups: [developers], tools: all }}]
    credential: {{ connector: forge }}
"
        ),
        ..Plan::default()
    }
}

fn answer(state: &mut State, request: &str) -> (u16, String, String) {
    let (head, body) = request.split_once("\r\n\r\n").unwrap_or_default();
    let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let plain = |status: u16, body: Value| (status, String::new(), body.to_string());
    let name = target
        .trim_start_matches('/')
        .split('/')
        .next()
        .unwrap_or_default();
    match target.as_str() {
        "/.well-known/oauth-protected-resource/mcp" => plain(200, state.resource.clone()),
        "/.well-known/oauth-authorization-server/a" | "/.well-known/oauth-authorization-server/b" => {
            let issuer = format!("{}/{}", state.url, target.rsplit('/').next().unwrap());
            let mut document = json!({
                "issuer": issuer, "authorization_endpoint": format!("{issuer}/authorize"),
                "token_endpoint": format!("{issuer}/token"), "registration_endpoint": format!("{issuer}/register"),
                "token_endpoint_auth_methods_supported": ["none"], "scopes_supported": ["offline_access"],
                "code_challenge_methods_supported": ["S256"], "authorization_response_iss_parameter_supported": true,
            });
            for (member, value) in &state.metadata {
                document[*member] = value.clone();
            }
            plain(200, document)
        }
        "/a/register" | "/b/register" => {
            let mut answer: Value = serde_json::from_str(body).unwrap();
            state.registered.push((name.to_owned(), answer.clone()));
            answer["client_id"] = json!(format!("door-at-{name}"));
            plain(201, answer)
        }
        "/a/token" | "/b/token" => {
            let params = Params::parse(body.as_bytes()).unwrap();
            state.asked.push((name.to_owned(), params.clone()));
            token(state, name, &params)
        }
        "/mcp" => {
            let is_taken = head.lines().any(|line| {
                line.to_ascii_lowercase()
                    .starts_with(&format!("authorization: bearer access-of-{}-", state.takes))
            });
            let is_greeted = state.greets
                && head.to_ascii_lowercase().contains("\r\nauthorization: ")
                && body.contains("\"initialize\"");
            if is_taken && !state.wants.is_empty() {
                let scope = state.wants;
                let challenge =
                    format!("WWW-Authenticate: Bearer error=\"insufficient_scope\", scope=\"{scope}\"\r\n");
                return (403, challenge, "{}".to_owned());
            }
            if is_taken || is_greeted || state.open {
                let result =
                    json!({ "content": [{ "type": "text", "text": "hello" }], "resultType": "complete" });
                return plain(200, json!({ "jsonrpc": "2.0", "id": 7, "result": result }));
            }
            let place = format!("{}/.well-known/oauth-protected-resource/mcp", state.url);
            let challenge =
                format!("WWW-Authenticate: Bearer resource_metadata=\"{place}\", scope=\"read\"\r\n");
            (401, challenge, "{}".to_owned())
        }
        _ => plain(404, json!({})),
    }
}

fn token(state: &mut State, name: &str, params: &Params) -> (u16, String, String) {
    let one = |name: &str| params.one(name).unwrap().unwrap_or_default().to_owned();
    let is_good = one("client_id") == format!("door-at-{name}")
        && match one("grant_type").as_str() {
            "client_credentials" => true,
            "authorization_code" => {
                let made = BASE64URL_NOPAD.encode(&keys::sha256(one("code_verifier").as_bytes()));
                state.codes.remove(&one("code")) == Some(made)
            }
            _ => one("refresh_token").starts_with(&format!("refresh-of-{name}-")),
        };
    if !is_good {
        return (
            400,
            String::new(),
            json!({ "error": "invalid_grant" }).to_string(),
        );
    }
    state.count += 1;
    let mut answer = json!({
        "access_token": format!("access-of-{name}-{}", state.count), "token_type": "Bearer", "expires_in": 3600,
        "refresh_token": format!("refresh-of-{name}-{}", state.count),
    });
    if !state.grants.is_empty() {
        answer["scope"] = json!(state.grants);
    }
    if state.gives_once {
        answer["refresh_token"] = Value::Null;
    }
    (200, String::new(), answer.to_string())
}
