//! A provider at which people have accounts and tokens of their own: it says whose a token is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::Plan;
use super::foreign::Listener;

/// The provider.
pub(crate) struct Accounts {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
    _listener: Listener,
}

#[derive(Default)]
struct State {
    /// Who has which token.
    tokens: HashMap<String, Value>,
    /// What is answered to everybody, if it is out of order.
    says: Option<(u16, String)>,
    /// How often it was asked whose a token is.
    asked: usize,
}

impl Accounts {
    pub(crate) async fn start() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let seen = Arc::clone(&state);
        let listener = Listener::start(Arc::new(move |request: &str| {
            Some(answer(&mut seen.lock().unwrap(), request))
        }));
        let listener = listener.await;
        Self {
            url: format!("http://{}", listener.address),
            state,
            _listener: listener,
        }
    }

    /// Gives somebody a token.
    pub(crate) fn give(&self, token: &str, login: &str) {
        let id = login.bytes().map(u64::from).sum::<u64>();
        let who = json!({ "id": id, "login": login, "email": format!("{login}@example.com") });
        self.state.lock().unwrap().tokens.insert(token.to_owned(), who);
    }

    /// Takes it back.
    pub(crate) fn take_back(&self, token: &str) {
        self.state.lock().unwrap().tokens.remove(token);
    }

    /// From now on it answers this; nothing: as it should.
    pub(crate) fn says(&self, says: Option<(u16, &str)>) {
        self.state.lock().unwrap().says = says.map(|(status, text)| (status, text.to_owned()));
    }

    /// How often it was asked whose a token is.
    pub(crate) fn asked(&self) -> usize {
        self.state.lock().unwrap().asked
    }

    /// A door with the server `own`, to which everybody's own credential is shown.
    pub(crate) fn plan(&self) -> Plan {
        Plan {
            config: format!(
                "
connectors:
  forge:
    name: Forge
    personal_token: {{ hint: the right to read repositories, help_url: \"https://forge.example/tokens\" }}
    who_am_i: {{ url: \"{}/api/user\", id: /id, name: /login, email: /email }}
    identity: {{ match: username }}
",
                self.url
            ),
            servers: "
  own:
    title: Own
    upstream: {upstream}
    allow: [{ groups: [developers], tools: all }]
    credential: { connector: forge, headers: { Authorization: \"token ${connection}\", X-Login: \"${connection.name}\" } }
"
            .to_owned(),
            upstream: fixture::Options::new().with_extra_tools().with_legacy_sse(),
            ..Plan::default()
        }
    }
}

fn answer(state: &mut State, request: &str) -> (u16, String) {
    if !request.starts_with("GET /api/user ") {
        return (404, "{}".to_owned());
    }
    state.asked += 1;
    if let Some(says) = &state.says {
        return says.clone();
    }
    let bearer = request.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("authorization")
            .then(|| value.trim().strip_prefix("Bearer "))?
    });
    match bearer.and_then(|token| state.tokens.get(token)) {
        Some(who) => (200, who.to_string()),
        None => (401, "{}".to_owned()),
    }
}
