//! An OpenID provider that a test owns: it vouches for whomever the test says, honestly or not.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use aws_lc_rs::hmac;
use data_encoding::{BASE64, BASE64URL_NOPAD};
use keys::{Algorithm, SigningKey, jws, sha256};
use serde_json::{Value, json};

use super::clients_there::ClientKeys;
use super::foreign::Listener;
use super::{Browser, Door, Plan, Reply, app};

/// The secret of the door at the provider.
pub(crate) const SECRET: &str = "the secret of the door: at the provider";

/// How an ID token is signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Sign {
    #[default]
    Well,
    /// With a key that is not published.
    Strangely,
    /// `alg: none`.
    Not,
    /// HS256 with the client's secret.
    WithSecret,
    /// As an access token.
    AsAccess,
}

/// A provider.
pub(crate) struct Provider {
    /// Its identifier.
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
    _listener: Listener,
}

/// What comes of a request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Network {
    /// An answer.
    Whole,
    /// Nothing.
    Down,
    /// An answer, but for what the token endpoint gave.
    LosesTokens,
}

struct State {
    url: String,
    key: SigningKey,
    stranger: SigningKey,
    sign: Sign,
    network: Network,
    names_issuer: bool,
    has_sign_out: bool,
    codes: HashMap<String, Issued>,
    count: usize,
    userinfo: Value,
    /// Whom the last access token is for.
    last: Value,
    token_requests: Vec<String>,
    /// With which keys the door has to prove itself, if it has no secret.
    client_keys: Option<ClientKeys>,
    /// The one refresh token that counts for each person, by its number: each is replaced by the next one. Nothing if it
    /// gives none.
    grants: Option<HashMap<String, usize>>,
    /// What an ID token says that comes with a refresh, if one does.
    renewed: Option<Value>,
}

/// What a code was given out for.
struct Issued {
    challenge: String,
    redirect_uri: String,
    claims: Value,
}

impl Provider {
    pub(crate) async fn start() -> Self {
        let key = || SigningKey::generate(Algorithm::Es256).unwrap().0;
        let state = Arc::new(Mutex::new(State {
            url: String::new(),
            key: key(),
            stranger: key(),
            sign: Sign::Well,
            network: Network::Whole,
            names_issuer: true,
            has_sign_out: false,
            codes: HashMap::new(),
            count: 0,
            userinfo: Value::Null,
            last: Value::Null,
            token_requests: Vec::new(),
            client_keys: None,
            grants: None,
            renewed: None,
        }));
        let seen = Arc::clone(&state);
        let listener = Listener::start(Arc::new(move |request: &str| {
            let mut state = seen.lock().unwrap();
            if state.network == Network::Down {
                return None;
            }
            state.answer(request)
        }))
        .await;
        let url = format!("http://{}/realm", listener.address);
        state.lock().unwrap().url.clone_from(&url);
        Self {
            url,
            state,
            _listener: listener,
        }
    }

    /// Its section of the configuration, with these lines more.
    pub(crate) fn section(&self, name: &str, more: &str) -> String {
        format!(
            "
    {name}:
      name: Example {name}
      issuer: {}
      client_id: door
      client_secret_file: client-secret
      {}",
            self.url,
            more.replace('\n', "\n      ")
        )
    }

    /// A door at which people sign in here, with these lines more of the provider `corp`.
    pub(crate) fn plan(&self, more: &str) -> Plan {
        plan(&[self.section("corp", more)], "")
    }

    pub(crate) fn is_down(&self, is_down: bool) {
        self.state.lock().unwrap().network = if is_down { Network::Down } else { Network::Whole };
    }

    /// From the next time that its metadata is asked for.
    pub(crate) fn names_issuer(&self, names_issuer: bool) {
        self.state.lock().unwrap().names_issuer = names_issuer;
    }

    /// From the next time that its metadata is asked for.
    pub(crate) fn has_sign_out(&self) {
        self.state.lock().unwrap().has_sign_out = true;
    }

    /// A logout token with these claims laid over those of a good one.
    pub(crate) fn logout_token(&self, door: &Door, claims: &Value) -> String {
        let now = door.world.now().as_seconds();
        let mut all = json!({
            "iss": self.url, "aud": "door", "iat": now, "exp": now + 120, "jti": "a-logout",
            "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
        });
        for (name, value) in claims.as_object().unwrap() {
            all[name] = value.clone();
        }
        self.state.lock().unwrap().signed("logout+jwt", &all)
    }

    pub(crate) fn sign(&self, sign: Sign) {
        self.state.lock().unwrap().sign = sign;
    }

    pub(crate) fn userinfo(&self, userinfo: Value) {
        self.state.lock().unwrap().userinfo = userinfo;
    }

    /// From now on it gives refresh tokens, each good once.
    pub(crate) fn gives_refresh(&self) {
        self.state.lock().unwrap().grants.get_or_insert_default();
    }

    /// Whether what it gives at its token endpoint is lost on the way.
    pub(crate) fn loses_answers(&self, loses: bool) {
        self.state.lock().unwrap().network = if loses {
            Network::LosesTokens
        } else {
            Network::Whole
        };
    }

    /// Takes back what it gave to everybody.
    pub(crate) fn end_grants(&self) {
        self.state.lock().unwrap().grants = Some(HashMap::new());
    }

    /// What an ID token says that comes with a refresh, laid over those of a good one.
    pub(crate) fn renews(&self, door: &Door, claims: &Value) {
        let now = door.world.now().as_seconds();
        let mut all = json!({ "iss": self.url, "aud": "door", "iat": now, "exp": now + 300 });
        for (name, value) in claims.as_object().unwrap() {
            all[name] = value.clone();
        }
        self.state.lock().unwrap().renewed = Some(all);
    }

    /// From now on the door has to prove itself with these keys.
    pub(crate) fn knows_client_keys(&self, jwks: &Value) {
        self.state.lock().unwrap().client_keys = Some(ClientKeys::new(jwks, &self.url));
    }

    /// From now on no ID token comes with a refresh.
    pub(crate) fn renews_nothing(&self) {
        self.state.lock().unwrap().renewed = None;
    }

    /// How often it was asked with a refresh token.
    pub(crate) fn refreshes(&self) -> usize {
        let requests = self.token_requests();
        let is = |request: &&String| request.contains("grant_type=refresh_token");
        requests.iter().filter(is).count()
    }

    pub(crate) fn forget_requests(&self) {
        self.state.lock().unwrap().token_requests.clear();
    }

    /// What came to its token endpoint.
    pub(crate) fn token_requests(&self) -> Vec<String> {
        self.state.lock().unwrap().token_requests.clone()
    }

    /// Lets somebody sign in who was sent here; gives where the browser goes back to. `claims` are laid over those of a
    /// good ID token; `null` takes one away.
    pub(crate) fn approve(&self, door: &Door, location: &str, claims: &Value) -> String {
        let there = format!("{}/authorize?", self.url);
        assert!(location.starts_with(&there), "{location} is not {there}");
        let asked = app::query_of(location);
        assert_eq!(
            (
                &asked["response_type"],
                &asked["code_challenge_method"],
                &asked["client_id"]
            ),
            (&json!("code"), &json!("S256"), &json!("door"))
        );
        let text = |name: &str| asked[name].as_str().unwrap().to_owned();
        let now = door.world.now().as_seconds();
        let mut all = json!({
            "iss": self.url, "aud": "door", "nonce": text("nonce"), "iat": now, "exp": now + 300, "auth_time": now,
        });
        for (name, value) in claims.as_object().unwrap() {
            all[name] = value.clone();
        }
        all.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let mut state = self.state.lock().unwrap();
        state.count += 1;
        let code = format!("code-{}", state.count);
        let issued = Issued {
            challenge: text("code_challenge"),
            redirect_uri: text("redirect_uri"),
            claims: all,
        };
        state.codes.insert(code.clone(), issued);
        let back = [
            ("code", code.as_str()),
            ("state", &text("state")),
            ("iss", &self.url),
        ];
        let back = protocol::params::encode(back);
        let target = text("redirect_uri");
        format!("{}?{back}", target.strip_prefix(&door.url).unwrap())
    }
}

impl State {
    fn answer(&mut self, request: &str) -> Option<(u16, String)> {
        let url = self.url.clone();
        let target = request.split(' ').nth(1)?;
        match target.strip_prefix("/realm")? {
            "/.well-known/openid-configuration" => {
                let document = json!({
                    "issuer": url,
                    "authorization_endpoint": format!("{url}/authorize"),
                    "token_endpoint": format!("{url}/token"),
                    "userinfo_endpoint": format!("{url}/userinfo"),
                    "jwks_uri": format!("{url}/keys"),
                    "authorization_response_iss_parameter_supported": self.names_issuer,
                    "scopes_supported": ["openid", "profile", "email", "offline_access"],
                    "end_session_endpoint": self.has_sign_out.then(|| format!("{url}/sign-out")),
                });
                Some((200, document.to_string()))
            }
            "/keys" => Some((200, json!({ "keys": [self.key.public_jwk()] }).to_string())),
            "/token" => {
                let answer = self.token(request);
                (self.network != Network::LosesTokens).then_some(answer)
            }
            "/userinfo" if self.userinfo.is_null() => Some((200, json!({ "sub": self.last }).to_string())),
            "/userinfo" => Some((200, self.userinfo.to_string())),
            _ => Some((404, "{}".to_owned())),
        }
    }

    fn token(&mut self, request: &str) -> (u16, String) {
        self.token_requests.push(request.to_owned());
        let refused = |error: &str| (400, json!({ "error": error }).to_string());
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        let form = protocol::Params::parse(body.as_bytes()).unwrap();
        let one = |name: &str| form.one(name).unwrap().unwrap_or_default().to_owned();
        let encoded = protocol::params::encode([("", SECRET)]);
        let basic = format!("door:{}", encoded.trim_start_matches('='));
        let basic = format!("authorization: Basic {}", BASE64.encode(basic.as_bytes()));
        let is_client = match &mut self.client_keys {
            Some(keys) => keys.is_client(&form, request),
            None => head.contains(&basic) || one("client_secret") == SECRET,
        };
        if !is_client {
            return refused("invalid_client");
        }
        if one("grant_type") == "refresh_token" {
            let token = one("refresh_token");
            let subject = token.split('/').next().unwrap_or_default().to_owned();
            let known = self
                .grants
                .as_ref()
                .and_then(|grants| grants.get(&subject))
                .copied();
            if known.is_none() || token != format!("{subject}/{}", known.unwrap_or_default()) {
                return refused("invalid_grant");
            }
            let renewed = self.renewed.as_ref().map(|claims| self.id_token(claims));
            let tokens = json!({
                "access_token": "access-again", "token_type": "Bearer", "id_token": renewed,
                "refresh_token": self.grant(&subject),
            });
            return (200, tokens.to_string());
        }
        // A code is redeemed once, by whoever has the verifier, for where it was sent.
        let Some(issued) = self.codes.remove(&one("code")) else {
            return refused("invalid_grant");
        };
        let challenge = BASE64URL_NOPAD.encode(&sha256(one("code_verifier").as_bytes()));
        if challenge != issued.challenge || one("redirect_uri") != issued.redirect_uri {
            return refused("invalid_grant");
        }
        self.last = issued.claims["sub"].clone();
        let subject = issued.claims["sub"].as_str().unwrap_or_default().to_owned();
        let refresh_token = self.grant(&subject);
        let tokens = json!({
            "access_token": "access-at-the-provider", "token_type": "Bearer", "id_token": self.id_token(&issued.claims),
            "refresh_token": refresh_token,
        });
        (200, tokens.to_string())
    }

    fn grant(&mut self, subject: &str) -> Option<String> {
        let number = self.grants.as_mut()?.entry(subject.to_owned()).or_default();
        *number += 1;
        Some(format!("{subject}/{number}"))
    }

    fn id_token(&self, claims: &Value) -> String {
        self.signed("JWT", claims)
    }

    fn signed(&self, typ: &str, claims: &Value) -> String {
        let headed = |header: Value| {
            let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
            format!("{}.{}", part(&header), part(claims))
        };
        match self.sign {
            Sign::Well => jws::sign(&self.key, typ, claims).unwrap(),
            Sign::Strangely => jws::sign(&self.stranger, typ, claims).unwrap(),
            Sign::AsAccess => jws::sign(&self.key, "at+jwt", claims).unwrap(),
            Sign::Not => format!("{}.AAAA", headed(json!({ "alg": "none" }))),
            Sign::WithSecret => {
                let text = headed(json!({ "alg": "HS256", "typ": "JWT" }));
                let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
                let tag = hmac::sign(&key, text.as_bytes());
                format!("{text}.{}", BASE64URL_NOPAD.encode(tag.as_ref()))
            }
        }
    }
}

/// A door at which people sign in at these providers; `more` are more lines of `sign_in`.
pub(crate) fn plan(sections: &[String], more: &str) -> Plan {
    Plan {
        config: format!("sign_in:\n  {more}\n  providers:{}", sections.concat()),
        files: vec![("client-secret", format!("{SECRET}\n"))],
        ..Plan::default()
    }
}

impl Browser<'_> {
    /// Presses the button of a provider on the sign-in page of this address; gives where it leads.
    pub(crate) async fn leave(&mut self, page: &str, provider: &str) -> String {
        self.get(page).await;
        let form = self.form("/sign-in").set("provider", provider);
        let reply = self.submit(&form).await;
        assert_eq!(reply.status, 303, "{}", self.page);
        reply.location().to_owned()
    }

    /// Signs in at the provider `corp` from the front page.
    pub(crate) async fn sign_in_at(&mut self, door: &Door, provider: &Provider, claims: &Value) -> Reply {
        let away = self.leave("/sign-in", "corp").await;
        let back = provider.approve(door, &away, claims);
        self.get(&back).await
    }
}
