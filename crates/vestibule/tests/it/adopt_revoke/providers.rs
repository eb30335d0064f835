//! Providers that answer as their documentation has it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::Tokens;
use crate::rig::foreign::Listener;

/// GitHub, GitLab and Slack on one address, each with its own paths.
pub(super) struct Providers {
    pub(super) url: String,
    pub(super) state: Arc<Mutex<State>>,
    pub(super) listener: Listener,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) valid: BTreeSet<String>,
    /// What came, without what is secret.
    pub(super) heard: Vec<String>,
    /// A file of the person, and what was in it whenever somebody asked.
    pub(super) watched: Option<PathBuf>,
    pub(super) seen: Vec<String>,
}

impl Providers {
    pub(super) async fn start(tokens: &Tokens) -> Self {
        let state = Arc::new(Mutex::new(State {
            valid: tokens.all().into_iter().cloned().collect(),
            ..State::default()
        }));
        let asked = Arc::clone(&state);
        let answers = move |request: &str| Some(asked.lock().unwrap().answer(request));
        let listener = Listener::start(Arc::new(answers)).await;
        let url = format!("http://{}", listener.address);
        Self { url, state, listener }
    }

    pub(super) fn valid(&self) -> BTreeSet<String> {
        self.state.lock().unwrap().valid.clone()
    }

    pub(super) fn heard(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().heard)
    }
}

impl State {
    fn answer(&mut self, request: &str) -> (u16, String) {
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        let line = head
            .lines()
            .next()
            .unwrap()
            .trim_end_matches(" HTTP/1.1")
            .to_owned();
        self.heard.push(line.clone());
        let watched = self.watched.iter();
        self.seen
            .extend(watched.map(|path| std::fs::read_to_string(path).unwrap()));
        let header = |name: &str| {
            head.lines().find_map(|line| {
                let (is, value) = line.split_once(": ")?;
                is.eq_ignore_ascii_case(name).then(|| value.to_owned())
            })
        };
        assert!(
            header("user-agent").is_some(),
            "GitHub refuses who says nothing of themselves"
        );
        let bearer = header("authorization").map(|value| value.strip_prefix("Bearer ").unwrap().to_owned());
        let credentials = || {
            let body: Value = serde_json::from_str(body).unwrap();
            let all = body["credentials"].as_array().unwrap().clone();
            all.iter()
                .map(|one| one.as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        match line.as_str() {
            // At GitHub itself, and at an Enterprise Server.
            "POST /credentials/revoke" if bearer.is_some() => (403, "{}".to_owned()),
            "POST /api/v3/credentials/revoke"
                if bearer.as_ref().is_none_or(|one| !self.valid.contains(one)) =>
            {
                (401, json!({ "message": "Bad credentials" }).to_string())
            }
            "POST /credentials/revoke" | "POST /api/v3/credentials/revoke" => {
                for one in credentials() {
                    self.valid.remove(&one);
                }
                (202, "{}".to_owned())
            }
            "DELETE /api/v4/personal_access_tokens/self" => {
                let token = header("private-token").unwrap();
                let is_valid = self.valid.remove(&token);
                // Somebody who says the token in their answer.
                if is_valid {
                    (204, String::new())
                } else {
                    (401, format!("{{\"message\": \"{token}\"}}"))
                }
            }
            "POST /api/auth.revoke" => {
                let is_valid = self.valid.remove(&bearer.unwrap());
                let bad = json!({ "ok": false, "error": "invalid_auth" });
                let good = json!({ "ok": true, "revoked": true });
                (200, if is_valid { good } else { bad }.to_string())
            }
            other => panic!("nobody asks for {other}"),
        }
    }
}
