//! A row that verifies is reported only if it turns bad tokens away: a proxy that lets everything through is quick.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use clap::Args;
use data_encoding::{BASE64, BASE64URL_NOPAD};
use http::StatusCode;
use serde_json::Value;

use crate::calls::{Call, HEADERS};
use crate::http_client::Connection;

/// `bench turn-away`: a token can be wrong in six ways; each bad one is good in everything else.
#[derive(Debug, Args)]
pub struct TurnAway {
    /// Where to ask
    pub address: SocketAddr,
    /// The path to ask for
    pub path: String,
    /// A folder with files that `bench sign-in` wrote: `tokens`, `expired`, `audience` and `issuer`
    pub folder: PathBuf,
}

impl TurnAway {
    /// Asks with each.
    ///
    /// # Errors
    /// If a bad one gets through, or a good one does not.
    pub async fn run(self) -> anyhow::Result<()> {
        let issued = |name: &str| first_access_token(&self.folder.join(name));
        let good = issued("tokens")?;
        let bad = [
            ("missing", String::new()),
            ("garbage", "garbage".to_owned()),
            ("wrong signature", with_another_signature(&good)),
            ("expired", issued("expired")?),
            ("wrong audience", issued("audience")?),
            ("wrong issuer", issued("issuer")?),
        ];
        let status = ask(self.address, &self.path, &good).await?;
        ensure!(status == StatusCode::OK, "a good token is answered with {status}");
        for (kind, token) in bad {
            let status = ask(self.address, &self.path, &token).await?;
            ensure!(
                status == StatusCode::UNAUTHORIZED,
                "a bad token ({kind}) is answered with {status}"
            );
        }
        Ok(())
    }
}

/// Another character in the middle of the signature: the last one may hold bits that mean nothing.
fn with_another_signature(token: &str) -> String {
    let (head, tail) = token.split_at(token.len().saturating_sub(40));
    let (first, rest) = tail.split_at(tail.len().min(1));
    format!("{head}{}{rest}", if first == "A" { "B" } else { "A" })
}

/// The first access token of a file that `bench sign-in` wrote.
///
/// # Errors
/// If there is none.
pub fn first_access_token(path: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(path)?;
    let token = text.split_whitespace().next();
    Ok(token.context("no token in the file")?.to_owned())
}

/// Calls a tool with this token, or without one if it is empty.
async fn ask(address: SocketAddr, path: &str, token: &str) -> anyhow::Result<StatusCode> {
    let authorization = format!("Bearer {token}");
    let mut headers = HEADERS.to_vec();
    if !token.is_empty() {
        headers.push(("authorization", &authorization));
    }
    let mut connection = Connection::open(address, &address.to_string()).await?;
    let reply = connection.ask("POST", path, &headers, Call::Echo.body()).await?;
    Ok(reply.status)
}

/// What comes before the point of a P-256 key in its PEM form (RFC 5480).
const P256: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE";

/// The door's ES256 key in the form that HAProxy reads.
///
/// # Errors
/// If the door has none.
pub async fn public_key(address: SocketAddr) -> anyhow::Result<String> {
    let mut connection = Connection::open(address, &address.to_string()).await?;
    let reply = connection.ask("GET", "/.well-known/jwks.json", &[], "").await?;
    let set: Value = serde_json::from_str(&reply.body)?;
    let keys = set["keys"].as_array().context("no keys")?;
    let key = keys
        .iter()
        .find(|key| key["alg"] == "ES256")
        .context("no ES256 key")?;
    let coordinate = |name: &str| {
        let text = key[name].as_str().unwrap_or_default();
        BASE64URL_NOPAD.decode(text.as_bytes())
    };
    let point = BASE64.encode(&[coordinate("x")?, coordinate("y")?].concat());
    Ok(format!(
        "-----BEGIN PUBLIC KEY-----\n{P256}{point}\n-----END PUBLIC KEY-----"
    ))
}
