//! A provider at which people have accounts and tokens of their own: it says whose a token is, and gives tokens out by
//! OAuth, in the ways that real providers have.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use data_encoding::BASE64URL_NOPAD;
use protocol::Params;
use serde_json::{Value, json};

use super::Plan;
use super::app::query_of;
use super::clients_there::{ClientKeys, Registering};
use super::foreign::Listener;

/// What the provider does with a refresh token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Refreshing {
    /// A new one each time; the old one, and the access token of it, end.
    #[default]
    Rotates,
    /// The same one is good for ever.
    Keeps,
    /// A new one each time, and the answer is lost once; the old one is good a little longer.
    LosesWithLeeway,
    /// The same, and the old one is worth nothing.
    Loses,
    /// It gives none.
    None,
}

/// Whose ways it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Those of the standards.
    #[default]
    Standard,
    /// Slack's: refuses with 200 and `ok: false`, gives a person's token below that of a bot, and a renewed one by itself,
    /// and knows no PKCE.
    Slack,
    /// An OAuth app's at GitHub: tokens without an end, nothing to renew them with; refuses with 200 and `error`.
    GitHub,
}

/// The provider.
pub(crate) struct Accounts {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
    _listener: Listener,
}

#[derive(Default)]
struct State {
    url: String,
    /// Who has which token.
    tokens: HashMap<String, Value>,
    /// What is answered to everybody, if it is out of order.
    says: Option<(u16, String)>,
    /// How often it was asked whose a token is.
    asked: usize,
    refreshing: Refreshing,
    manner: Manner,
    /// With which keys its client has to prove itself.
    client_keys: Option<ClientKeys>,
    /// How clients make themselves known, if they do.
    registering: Option<Registering>,
    /// Challenge, redirect URI and owner of each code.
    codes: HashMap<String, (String, String, String)>,
    /// Owner and access token of each refresh token.
    refresh_tokens: HashMap<String, (String, String)>,
    /// Bodies of requests to the token endpoint.
    token_requests: Vec<String>,
    revoked: Vec<String>,
    count: usize,
    lost: bool,
}

fn person(login: &str) -> Value {
    let id = login.bytes().map(u64::from).sum::<u64>();
    json!({ "id": id, "login": login, "email": format!("{login}@example.com") })
}

impl Accounts {
    pub(crate) async fn start() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let seen = Arc::clone(&state);
        let listener = Listener::start(Arc::new(move |request: &str| {
            answer(&mut seen.lock().unwrap(), request)
        }))
        .await;
        let url = format!("http://{}", listener.address);
        state.lock().unwrap().url.clone_from(&url);
        Self {
            url,
            state,
            _listener: listener,
        }
    }

    /// Gives somebody a token.
    pub(crate) fn give(&self, token: &str, login: &str) {
        self.state
            .lock()
            .unwrap()
            .tokens
            .insert(token.to_owned(), person(login));
    }

    /// Takes it back.
    pub(crate) fn take_back(&self, token: &str) {
        self.state.lock().unwrap().tokens.remove(token);
    }

    /// Ends all refresh tokens.
    pub(crate) fn end_refresh_tokens(&self) {
        self.state.lock().unwrap().refresh_tokens.clear();
    }

    /// From now on it answers this; nothing: as it should.
    pub(crate) fn says(&self, says: Option<(u16, &str)>) {
        self.state.lock().unwrap().says = says.map(|(status, text)| (status, text.to_owned()));
    }

    pub(crate) fn refreshes(&self, how: Refreshing) {
        let mut state = self.state.lock().unwrap();
        (state.refreshing, state.lost) = (how, false);
    }

    /// From now on its client has to prove itself with one of these keys, for this audience.
    pub(crate) fn knows_client_keys(&self, jwks: &Value, audience: &str) {
        let mut state = self.state.lock().unwrap();
        state.client_keys = Some(ClientKeys::new(jwks, audience));
    }

    /// Changes how clients make themselves known, or looks at it.
    pub(crate) fn registering<T>(&self, look: impl FnOnce(&mut Registering) -> T) -> T {
        let mut state = self.state.lock().unwrap();
        look(state.registering.get_or_insert_default())
    }

    /// Knows no client any more.
    pub(crate) fn forgets_its_clients(&self) {
        self.registering(|registering| registering.clients.clear());
    }

    pub(crate) fn has_the_ways_of(&self, manner: Manner) {
        self.state.lock().unwrap().manner = manner;
    }

    /// How often it was asked whose a token is.
    pub(crate) fn asked(&self) -> usize {
        self.state.lock().unwrap().asked
    }

    /// Bodies of requests to the token endpoint since the last time.
    pub(crate) fn token_requests(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().token_requests)
    }

    /// What was revoked.
    pub(crate) fn revoked(&self) -> Vec<String> {
        self.state.lock().unwrap().revoked.clone()
    }

    /// What somebody allows whom the door sent there; gives where the browser goes then.
    pub(crate) fn approve(&self, away: &str, door: &str, login: &str) -> String {
        assert!(away.starts_with(&format!("{}/authorize?", self.url)), "{away}");
        let query = query_of(away);
        let text = |name: &str| query[name].as_str().unwrap_or_default().to_owned();
        let mut state = self.state.lock().unwrap();
        state.count += 1;
        let code = format!("code-{}", state.count);
        let kept = (text("code_challenge"), text("redirect_uri"), login.to_owned());
        state.codes.insert(code.clone(), kept);
        let back = protocol::params::encode([("code", code.as_str()), ("state", &text("state"))]);
        let redirect_uri = text("redirect_uri");
        format!("{}?{back}", redirect_uri.strip_prefix(door).unwrap())
    }

    /// A door with the server `own`, to which everybody's own credential is shown.
    pub(crate) fn plan(&self) -> Plan {
        self.plan_with("")
    }

    /// The same, where people connect in the browser too.
    pub(crate) fn oauth_plan(&self) -> Plan {
        let Self { url, .. } = self;
        let plan = self.plan_with(&format!(
            "oauth: {{ client_id: door, client_secret_file: forge-secret, scopes: [read, write], authorization_endpoint: \"{url}/authorize\", token_endpoint: \"{url}/token\", revocation_endpoint: \"{url}/revoke\" }}"
        ));
        let files = vec![("forge-secret", "the secret of the door".to_owned())];
        Plan { files, ..plan }
    }

    /// The same, with the endpoints from the provider's metadata.
    pub(crate) fn discovered_plan(&self) -> Plan {
        self.plan_with(&format!("oauth: {{ client_id: door, issuer: \"{}\" }}", self.url))
    }

    /// The same, where the door makes itself known.
    pub(crate) fn registering_plan(&self) -> Plan {
        self.registering(|registering| {
            registering.methods = vec!["none", "client_secret_post", "client_secret_basic"];
        });
        self.plan_with(&format!(
            "oauth: {{ register: true, issuer: \"{}\", scopes: [read] }}",
            self.url
        ))
    }

    /// The same, described by a preset, with this provider's addresses in place of the real one's.
    pub(crate) fn preset_plan(&self, preset: &str, more: &str) -> Plan {
        let Self { url, .. } = self;
        let config = format!(
            "
connectors:
  forge:
    preset: {preset}
    personal_token: {{}}
    oauth: {{ client_id: door, client_secret_file: forge-secret, authorization_endpoint: \"{url}/authorize\", token_endpoint: \"{url}/token\"{more} }}
    who_am_i: {{ url: \"{url}/api/user\" }}
    identity: {{ match: username }}
"
        );
        let files = vec![("forge-secret", "the secret of the door".to_owned())];
        Plan {
            config,
            files,
            ..self.plan()
        }
    }

    fn plan_with(&self, oauth: &str) -> Plan {
        Plan {
            config: format!(
                "
connectors:
  forge:
    name: Forge
    personal_token: {{ hint: the right to read repositories, help_url: \"https://forge.example/tokens\" }}
    who_am_i: {{ url: \"{}/api/user\", id: /id, name: /login, email: /email }}
    identity: {{ match: username }}
    {oauth}
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

fn answer(state: &mut State, request: &str) -> Option<(u16, String)> {
    let body = request.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    if request.starts_with("GET /api/user ") {
        state.asked += 1;
    }
    if request.starts_with("POST /token ") {
        state.token_requests.push(body.to_owned());
    }
    if let Some(says) = &state.says {
        return Some(says.clone());
    }
    if request.starts_with("GET /.well-known/openid-configuration ") {
        let url = &state.url;
        let mut document = json!({
            "issuer": url, "authorization_endpoint": format!("{url}/authorize"), "token_endpoint": format!("{url}/token"),
            "authorization_response_iss_parameter_supported": true,
        });
        if let Some(registering) = &state.registering {
            document["registration_endpoint"] = json!(format!("{url}/register"));
            document["token_endpoint_auth_methods_supported"] = json!(registering.methods);
            document["client_id_metadata_document_supported"] = json!(registering.documents.is_some());
        }
        return Some((200, document.to_string()));
    }
    if let Some(registering) = &mut state.registering {
        if request.starts_with("POST /register ") {
            return Some(registering.register(body));
        }
        let is_client = |body: &str| registering.knows(&Params::parse(body.as_bytes()).unwrap(), request);
        if request.starts_with("POST /token ") && !is_client(body) {
            return Some((401, json!({ "error": "invalid_client" }).to_string()));
        }
    }
    let proves_itself = |state: &mut State| {
        let params = Params::parse(body.as_bytes()).unwrap();
        state
            .client_keys
            .as_mut()
            .is_none_or(|keys| keys.is_client(&params, request))
    };
    if request.starts_with("POST /token ") {
        if !proves_itself(state) {
            return Some((401, json!({ "error": "invalid_client" }).to_string()));
        }
        return token(state, body);
    }
    if request.starts_with("POST /revoke ") {
        if !proves_itself(state) {
            return Some((401, json!({ "error": "invalid_client" }).to_string()));
        }
        let params = Params::parse(body.as_bytes()).unwrap();
        state
            .revoked
            .push(params.one("token").unwrap().unwrap().to_owned());
        return Some((200, String::new()));
    }
    if !request.starts_with("GET /api/user ") {
        return Some((404, "{}".to_owned()));
    }
    let bearer = request.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("authorization")
            .then(|| value.trim().strip_prefix("Bearer "))?
    });
    let who = bearer.and_then(|token| state.tokens.get(token));
    Some(match (state.manner, who) {
        (Manner::Slack, Some(who)) => {
            let answer = json!({ "ok": true, "user_id": who["id"], "user": who["login"], "team": "Forge" });
            (200, answer.to_string())
        }
        (Manner::Slack, None) => (200, json!({ "ok": false, "error": "invalid_auth" }).to_string()),
        (_, Some(who)) => (200, who.to_string()),
        (_, None) => (401, "{}".to_owned()),
    })
}

/// Said of a code or a refresh token that does not count.
fn refusal(manner: Manner, grant_type: &str) -> (u16, String) {
    let is_code = grant_type == "authorization_code";
    let (status, answer) = match manner {
        Manner::Standard => (400, json!({ "error": "invalid_grant" })),
        Manner::Slack if is_code => (200, json!({ "ok": false, "error": "invalid_code" })),
        Manner::Slack => (200, json!({ "ok": false, "error": "invalid_refresh_token" })),
        Manner::GitHub => (200, json!({ "error": "bad_verification_code" })),
    };
    (status, answer.to_string())
}

fn token(state: &mut State, body: &str) -> Option<(u16, String)> {
    let params = Params::parse(body.as_bytes()).unwrap();
    let one = |name: &str| params.one(name).unwrap().unwrap_or_default();
    let refused = Some(refusal(state.manner, one("grant_type")));
    let login = match one("grant_type") {
        "authorization_code" => {
            let Some((challenge, redirect_uri, login)) = state.codes.remove(one("code")) else {
                return refused;
            };
            let made = BASE64URL_NOPAD.encode(&keys::sha256(one("code_verifier").as_bytes()));
            let is_proven = challenge == made || state.manner == Manner::Slack && challenge.is_empty();
            if !is_proven || redirect_uri != one("redirect_uri") {
                return refused;
            }
            login
        }
        "refresh_token" => {
            let Some((login, access)) = state.refresh_tokens.get(one("refresh_token")).cloned() else {
                return refused;
            };
            match state.refreshing {
                Refreshing::Rotates | Refreshing::Loses => {
                    state.refresh_tokens.remove(one("refresh_token"));
                    state.tokens.remove(&access);
                }
                Refreshing::Keeps | Refreshing::LosesWithLeeway | Refreshing::None => {}
            }
            let loses = [Refreshing::Loses, Refreshing::LosesWithLeeway].contains(&state.refreshing);
            if loses && !std::mem::replace(&mut state.lost, true) {
                return None;
            }
            login
        }
        _ => return Some((400, json!({ "error": "unsupported_grant_type" }).to_string())),
    };
    state.count += 1;
    let access = format!("access-s3cret-{}", state.count);
    state.tokens.insert(access.clone(), person(&login));
    let mut answer = json!({ "access_token": access, "token_type": "bearer", "expires_in": 3600 });
    if state.manner == Manner::GitHub {
        let answer = json!({ "access_token": access, "token_type": "bearer", "scope": "repo" });
        return Some((200, answer.to_string()));
    }
    let is_kept = state.refreshing == Refreshing::Keeps && one("grant_type") == "refresh_token";
    if state.refreshing != Refreshing::None && !is_kept {
        let refresh = format!("refresh-s3cret-{}", state.count);
        state.refresh_tokens.insert(refresh.clone(), (login, access));
        answer["refresh_token"] = json!(refresh);
    }
    if state.manner == Manner::Slack {
        answer["ok"] = json!(true);
        if one("grant_type") == "authorization_code" {
            answer =
                json!({ "ok": true, "access_token": "the-b0t", "token_type": "bot", "authed_user": answer });
        }
    }
    Some((200, answer.to_string()))
}
