//! GitHub, as its documentation says that it answers: 200 with `error` from the token endpoint, `Link` between pages, 401 for
//! a token that was revoked, 403 with `x-ratelimit-remaining: 0` for too many questions. A stand-in: there is no GitHub to
//! be had for tests.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use data_encoding::BASE64URL_NOPAD;
use keys::sha256;
use serde_json::{Value, json};

use super::foreign::Listener;
use super::provider::{SECRET, plan};
use super::{Door, Plan, app};

/// A stand-in for GitHub.
pub(crate) struct GitHub {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
    _listener: Listener,
}

#[derive(Default)]
struct State {
    url: String,
    /// People by their id.
    people: HashMap<u64, Person>,
    /// What a code was given out for: the challenge, the redirect URI, whom.
    codes: HashMap<String, (String, String, u64)>,
    tokens: HashMap<String, u64>,
    count: usize,
    requests: Vec<String>,
    is_down: bool,
    is_slow_down: bool,
    hides_emails: bool,
}

/// Somebody there.
#[derive(Clone, Default)]
pub(crate) struct Person {
    pub(crate) login: String,
    pub(crate) emails: Vec<Value>,
    pub(crate) organizations: Vec<String>,
    /// Organization and slug.
    pub(crate) teams: Vec<(String, String)>,
}

impl GitHub {
    pub(crate) async fn start() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let seen = Arc::clone(&state);
        let listener = Listener::headed(Arc::new(move |request: &str| {
            let mut state = seen.lock().unwrap();
            (!state.is_down).then(|| state.answer(request))
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

    /// A door at which people sign in here, with these lines more.
    pub(crate) fn plan(&self, more: &str) -> Plan {
        let section = format!(
            "
    hub:
      preset: github
      issuer: {url}
      api: {url}/api
      client_id: door
      client_secret_file: client-secret
      {}",
            more.replace('\n', "\n      "),
            url = self.url,
        );
        plan(&[section], "")
    }

    pub(crate) fn person(&self, id: u64, person: Person) {
        self.state.lock().unwrap().people.insert(id, person);
    }

    pub(crate) fn is_down(&self, is_down: bool) {
        self.state.lock().unwrap().is_down = is_down;
    }

    /// Whether it has had too many questions.
    pub(crate) fn is_slow_down(&self, is: bool) {
        self.state.lock().unwrap().is_slow_down = is;
    }

    /// Takes back every token.
    pub(crate) fn revoke(&self) {
        self.state.lock().unwrap().tokens.clear();
    }

    /// Whether the app may not ask for addresses.
    pub(crate) fn hides_emails(&self, hides: bool) {
        self.state.lock().unwrap().hides_emails = hides;
    }

    /// The first lines of what came.
    pub(crate) fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().requests)
    }

    /// Lets somebody sign in who was sent here; gives where the browser goes back to.
    pub(crate) fn approve(&self, door: &Door, location: &str, id: u64) -> String {
        let there = format!("{}/login/oauth/authorize?", self.url);
        assert!(location.starts_with(&there), "{location} is not {there}");
        let asked = app::query_of(location);
        let text = |name: &str| asked[name].as_str().unwrap_or_default().to_owned();
        assert_eq!(
            (text("client_id").as_str(), text("code_challenge_method").as_str()),
            ("door", "S256")
        );
        let mut state = self.state.lock().unwrap();
        state.count += 1;
        let code = format!("code-{}", state.count);
        let issued = (text("code_challenge"), text("redirect_uri"), id);
        state.codes.insert(code.clone(), issued);
        let back = protocol::params::encode([("code", code.as_str()), ("state", &text("state"))]);
        let target = text("redirect_uri");
        format!("{}?{back}", target.strip_prefix(&door.url).unwrap())
    }
}

type Answer = (u16, String, String);

fn said(status: u16, body: &Value) -> Answer {
    (status, String::new(), body.to_string())
}

impl State {
    fn answer(&mut self, request: &str) -> Answer {
        let first = request.lines().next().unwrap().to_owned();
        self.requests.push(first.clone());
        let target = first.split(' ').nth(1).unwrap();
        if target == "/login/oauth/access_token" {
            return said(200, &self.token(request));
        }
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let has = |header: &str| request.lines().any(|line| line.starts_with(header));
        assert!(
            has("user-agent: vestibule") && has("x-github-api-version: 2022-11-28"),
            "{request}"
        );
        if path == "/api/meta" {
            return said(200, &json!({}));
        }
        if self.is_slow_down {
            let head = "x-ratelimit-remaining: 0\r\n".to_owned();
            let body = json!({ "message": "API rate limit exceeded" });
            return (403, head, body.to_string());
        }
        let bearer = request
            .lines()
            .find_map(|line| line.strip_prefix("authorization: Bearer "));
        let known = bearer.and_then(|token| self.tokens.get(token.trim()));
        let Some((id, person)) = known.and_then(|id| Some((*id, self.people.get(id)?))) else {
            return said(401, &json!({ "message": "Bad credentials" }));
        };
        match path {
            "/api/user" => {
                let user = json!({
                    "id": id, "login": person.login, "type": "User", "name": null,
                    // What anybody may write into their profile.
                    "email": "ceo@example.com",
                });
                said(200, &user)
            }
            "/api/user/emails" if self.hides_emails => said(
                403,
                &json!({ "message": "Resource not accessible by integration" }),
            ),
            "/api/user/emails" => said(200, &json!(person.emails)),
            "/api/user/orgs" => {
                let all = person.organizations.iter().map(|name| json!({ "login": name }));
                self.page(path, query, &all.collect::<Vec<_>>())
            }
            "/api/user/teams" => {
                let all = person.teams.iter().map(
                    |(organization, slug)| json!({ "slug": slug, "name": "T", "organization": { "login": organization } }),
                );
                self.page(path, query, &all.collect::<Vec<_>>())
            }
            _ => said(404, &json!({ "message": "Not Found" })),
        }
    }

    /// A page of a list, and in `Link` where the next one is.
    fn page(&self, path: &str, query: &str, all: &[Value]) -> Answer {
        let query = protocol::Params::parse(query.as_bytes()).unwrap();
        let number = |name: &str| query.one(name).unwrap().unwrap().parse::<usize>().unwrap();
        let (each, page) = (number("per_page"), number("page"));
        let body = json!(all.iter().skip(each * (page - 1)).take(each).collect::<Vec<_>>());
        let mut head = String::new();
        if all.len() > each * page {
            let next = page + 1;
            head = format!(
                "Link: <{}{path}?per_page={each}&page={next}>; rel=\"next\", <https://elsewhere.example/>; rel=\"last\"\r\n",
                self.url
            );
        }
        (200, head, body.to_string())
    }

    fn token(&mut self, request: &str) -> Value {
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("accept: application/json"), "{head}");
        let form = protocol::Params::parse(body.as_bytes()).unwrap();
        let one = |name: &str| form.one(name).unwrap().unwrap_or_default().to_owned();
        if (one("client_id").as_str(), one("client_secret").as_str()) != ("door", SECRET) {
            return json!({ "error": "incorrect_client_credentials" });
        }
        let Some((challenge, redirect_uri, id)) = self.codes.remove(&one("code")) else {
            return json!({ "error": "bad_verification_code", "error_description": "The code passed is incorrect or expired." });
        };
        if redirect_uri != one("redirect_uri") {
            return json!({ "error": "redirect_uri_mismatch" });
        }
        if challenge != BASE64URL_NOPAD.encode(&sha256(one("code_verifier").as_bytes())) {
            return json!({ "error": "bad_verification_code" });
        }
        let token = format!("gho_{}", self.count);
        self.tokens.insert(token.clone(), id);
        json!({ "access_token": token, "token_type": "bearer", "scope": "read:org,read:user,user:email" })
    }
}
