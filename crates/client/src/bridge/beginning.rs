//! A session in the place of one that the server has forgotten (TP-40).

use std::time::Duration;

use net::body;
use serde_json::Value;

use super::Pipe;
use super::exchange::Shown;
use super::failure::Failure;
use super::incoming::Incoming;
use super::reading::Reading;
use super::session::Session;
use super::wire::{self, Sending};

/// How long a server may take to begin a session anew: every request waits for it.
const PATIENCE: Duration = Duration::from_secs(30);

impl Pipe {
    /// Begins a session in the place of one that the server has forgotten, unless somebody else has done so meanwhile
    /// (TP-40).
    pub(crate) async fn begin_again(&self, number: u64) -> Result<(), Failure> {
        let begun = tokio::time::timeout(PATIENCE, self.begun_again(number)).await;
        begun.unwrap_or(Err(Failure::SessionEnded))
    }

    async fn begun_again(&self, number: u64) -> Result<(), Failure> {
        let _turn = self.sessions.renewing.lock().await;
        if self.sessions.current().number != number {
            return Ok(());
        }
        let (initialize, initialized, wishes) = self.sessions.to_begin().ok_or(Failure::SessionEnded)?;
        let token = self.gate.token().await?;
        let shown = Shown {
            session: Session::default(),
            token,
            endpoint: self.wire.endpoint(),
            stream: None,
        };
        let response = self.post(&initialize, &shown).await?;
        if !response.status().is_success() {
            return Err(Failure::SessionEnded);
        }
        let id = response.headers().get(wire::SESSION).cloned();
        let mut reading = Reading::new(response, false);
        let version = loop {
            let piece = reading.next().await?.ok_or(Failure::SessionEnded)?;
            // The client has had its answer to this long ago.
            match Incoming::read(&piece.text) {
                Some(found) if !found.answers.is_empty() => {
                    let result: Value = serde_json::from_str(&found.text).unwrap_or_default();
                    let version = result["result"]["protocolVersion"].as_str();
                    break version.ok_or(Failure::SessionEnded)?.to_owned();
                }
                _ => {}
            }
        };
        let session = Session {
            id: id.clone(),
            version: Some(version.clone()),
            ..Session::default()
        };
        let headers = wire::of_session(&session, shown.token.as_ref());
        let said = initialized.iter().chain(wishes.iter().map(|wish| &wish.text));
        for text in said {
            let to = &shown.endpoint;
            let response = self.wire.post(to, &headers, text, Sending::AGAIN).await?;
            body::pass_over(response.into_body()).await;
        }
        self.sessions.begun(&initialize, id, Some(version));
        if let Some(text) = initialized {
            self.sessions.is_ready(text);
        }
        self.note("the server had forgotten the session; a new one was begun");
        Ok(())
    }
}
