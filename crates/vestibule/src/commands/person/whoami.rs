//! `vestibule whoami`: as whom one is signed in, and how.

use clap::Args;
use client::{Standing, Surroundings};
use model::{Timestamp, World};
use serde_json::{Value, json};

use super::{Whose, failure, meant};
use crate::operator::Answer;
use crate::output::Output;

/// `vestibule whoami [SERVER]`.
#[derive(Debug, Args)]
pub struct WhoAmI {
    /// A server that you are signed in to: its URL, or the last word of it. All of them if not given
    server: Option<String>,
    #[command(flatten)]
    whose: Whose,
}

impl WhoAmI {
    /// Says what the issuer said at the sign-in, once it is known that the sign-in still counts.
    ///
    /// # Errors
    /// Nobody is signed in there.
    pub(super) async fn run(self, world: World, output: Output) -> anyhow::Result<()> {
        let around = self.whose.around(world)?;
        let Some(server) = &self.server else {
            let standings = client::standings(&around).map_err(failure)?;
            let rows = standings
                .iter()
                .filter(|standing| standing.is_kept)
                .map(described);
            output.answer(&Answer::list(
                ["server", "username", "issuer", "signed_in_with", "signed_in_at"],
                rows.collect(),
                "you are signed in to nothing; `vestibule login URL`",
            ));
            return Ok(());
        };
        let server = meant(server, &around)?;
        client::access(&server, &around, None).await.map_err(failure)?;
        output.answer(&Answer::Item(of(&server, &around)?));
        Ok(())
    }
}

fn of(server: &url::Url, around: &Surroundings) -> anyhow::Result<Value> {
    let mut standings = client::standings(around).map_err(failure)?.into_iter();
    let standing = standings.find(|standing| standing.known.url == *server);
    let signed_out = || failure(client::TokenError::SignedOut(server.clone()));
    Ok(described(&standing.ok_or_else(signed_out)?))
}

fn described(standing: &Standing) -> Value {
    let Standing { known, person, .. } = standing;
    let signed_in_at = person["auth_time"]
        .as_i64()
        .map_or(known.signed_in_at, |seconds| {
            Timestamp::from_millis(seconds.saturating_mul(1000))
        });
    json!({
        "server": known.url, "username": known.username, "name": person["name"], "email": person["email"],
        "subject": person["sub"], "issuer": known.issuer, "scope": standing.scope,
        "signed_in_with": person["amr"], "assurance": person["acr"], "signed_in_at": signed_in_at.to_string(),
        "token_expires_at": standing.expires_at.map(|at| at.to_string()), "renewable": standing.is_renewable,
    })
}
