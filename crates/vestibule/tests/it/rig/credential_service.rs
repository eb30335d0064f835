//! A service of a company that says whether a name and a password are right, as docs/sign-in.md describes it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::Plan;
use super::foreign::Listener;
use super::slapd::THERE;
use super::tls::certificate;

/// What the door proves itself with.
pub(crate) const TOKEN: &str = "what the door shows the service";

/// A running service, in which everybody has the password [`THERE`].
pub(crate) struct CredentialService {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
    _listener: Listener,
}

#[derive(Default)]
struct State {
    /// What it says of people, by their names there; names are told apart byte for byte.
    people: BTreeMap<String, Value>,
    /// What it says instead.
    says: Option<(u16, String)>,
    is_down: bool,
    /// Paths and questions that came.
    heard: Vec<(String, Value)>,
}

impl CredentialService {
    /// One with Dora, who is in `dev` and `engineering`, and Emil, who is in nothing.
    pub(crate) async fn start() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let seen = Arc::clone(&state);
        let listener = Listener::start(Arc::new(move |request: &str| {
            let mut state = seen.lock().unwrap();
            if state.is_down {
                return None;
            }
            Some(state.answer(request))
        }))
        .await;
        let service = Self {
            url: format!("http://{}", listener.address),
            state,
            _listener: listener,
        };
        service.person("dora", "4711", &["dev", "engineering"]);
        service.person("emil", "4712", &[]);
        service
    }

    /// Somebody there, who has this id for good.
    pub(crate) fn person(&self, username: &str, subject: &str, groups: &[&str]) {
        let said = json!({
            "subject": subject,
            "username": username,
            "name": format!("{username} of the service"),
            "email": format!("{username}@example.com"),
            "email_verified": true,
            "groups": groups,
        });
        self.state
            .lock()
            .unwrap()
            .people
            .insert(username.to_owned(), said);
    }

    /// Takes somebody away.
    pub(crate) fn remove(&self, username: &str) {
        self.state.lock().unwrap().people.remove(username);
    }

    /// What it says to everything, whoever asks.
    pub(crate) fn says(&self, says: Option<(u16, &str)>) {
        self.state.lock().unwrap().says = says.map(|(status, text)| (status, text.to_owned()));
    }

    /// Whether nobody answers.
    pub(crate) fn is_down(&self, is_down: bool) {
        self.state.lock().unwrap().is_down = is_down;
    }

    /// What came since this was asked last.
    pub(crate) fn heard(&self) -> Vec<(String, Value)> {
        std::mem::take(&mut self.state.lock().unwrap().heard)
    }

    /// Its address over TLS, and the certificate to trust it by.
    pub(crate) async fn behind_tls(&self) -> (String, String) {
        let (acceptor, authority) = certificate(&["127.0.0.1"]);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let there = self.url.strip_prefix("http://").unwrap().to_owned();
        tokio::task::spawn(async move {
            let mut all = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, there) = (acceptor.clone(), there.clone());
                all.spawn(async move {
                    if let Ok(mut stream) = acceptor.accept(stream).await {
                        let mut onward = TcpStream::connect(there).await.unwrap();
                        let _ = tokio::io::copy_bidirectional(&mut stream, &mut onward).await;
                    }
                });
            }
        });
        (url, authority)
    }

    /// Its section of the configuration, with these lines more.
    pub(crate) fn section(&self, name: &str, more: &str) -> String {
        format!(
            "
    {name}:
      kind: http
      name: Example {name}
      url: {}/check
      token_file: service-token
      {}",
            self.url,
            more.replace('\n', "\n      ")
        )
    }

    /// The line that says where is asked about people who are known.
    pub(crate) fn lookup(&self) -> String {
        format!("lookup_url: {}/lookup", self.url)
    }

    /// A door at which people sign in with it, called `corp`; with these lines more.
    pub(crate) fn plan(&self, more: &str) -> Plan {
        Self::planned(&self.section("corp", more))
    }

    /// A door with these directories.
    pub(crate) fn planned(sections: &str) -> Plan {
        Plan {
            config: format!("sign_in:\n  directories:{sections}"),
            files: vec![("service-token", format!("{TOKEN}\n"))],
            ..Plan::default()
        }
    }
}

impl State {
    fn answer(&mut self, request: &str) -> (u16, String) {
        let (head, content) = request.split_once("\r\n\r\n").unwrap();
        let path = head.split(' ').nth(1).unwrap().to_owned();
        let question: Value = serde_json::from_str(content).unwrap();
        self.heard.push((path.clone(), question.clone()));
        if let Some(says) = &self.says {
            return says.clone();
        }
        let shown = format!("authorization: Bearer {TOKEN}");
        if !head.lines().any(|line| line == shown) || !head.starts_with("POST ") {
            return (500, "{}".to_owned());
        }
        match path.as_str() {
            "/check" => match self.people.get(question["username"].as_str().unwrap()) {
                Some(said) if question["password"] == json!(THERE) => (200, said.to_string()),
                Some(_) => (401, "{}".to_owned()),
                None => (404, "{}".to_owned()),
            },
            "/lookup" => {
                let known = self
                    .people
                    .values()
                    .find(|said| said["subject"] == question["subject"]);
                match known {
                    Some(said) => (200, said.to_string()),
                    None => (404, json!({ "subject": question["subject"] }).to_string()),
                }
            }
            _ => (500, "{}".to_owned()),
        }
    }
}
