//! `vestibule key`: signing keys.

use std::path::{Path, PathBuf};

use audit::{Person, What};
use clap::Subcommand;
use issuer::key_ring::KeyRingError;
use keys::{Algorithm, Sealed};
use model::id::Id as _;
use model::{ExposeSecret as _, SecretString, Timestamp};
use relying::ClientKey;
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::Store;

use super::{Answer, Failure, Operator};

/// The subcommands.
#[derive(Clone, Debug, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyCommand {
    /// All signing keys
    List,
    /// Make new signing keys; they sign in ten minutes, when everybody can know them
    Rotate {
        /// Only of this algorithm: ES256, RS256 or `EdDSA`
        #[arg(long)]
        algorithm: Option<Algorithm>,
    },
    /// Delete a signing key at once; what it signed counts no longer
    Remove {
        /// The key
        kid: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Print the public half of a client's private key, for a provider at which this door is a client
    Public {
        /// Its PEM file, as in `client_key_file` of a connector
        file: PathBuf,
    },
    /// Print a new master key, to be put into a file; changes nothing
    Master,
    /// Delete all signing keys without opening them, for when the master key is lost; new ones are made at the
    /// next start and nothing that was issued counts any more
    Reset {
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

impl From<KeyRingError> for Failure {
    fn from(error: KeyRingError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl KeyCommand {
    pub(super) async fn run(self, operator: &Operator<'_>) -> Result<Answer, Failure> {
        match self {
            Self::List => list(operator).await,
            Self::Rotate { algorithm } => rotate(operator, algorithm).await,
            Self::Remove { kid, .. } => remove(operator, &kid).await,
            // The server opens no file that somebody names to it.
            Self::Public { .. } => Err(Failure::Usage(
                "`vestibule key public` reads the file itself, where it is run".to_owned(),
            )),
            Self::Master => Ok(master(&operator.foundation.world)),
            Self::Reset { .. } => Err(Failure::Conflict(
                "the server runs, so it has its master key; `vestibule key rotate` makes new signing keys"
                    .to_owned(),
            )),
        }
    }
}

/// A new master key.
pub fn master(world: &model::World) -> Answer {
    let text = crate::master_key::generate(world).to_text();
    let item = json!({ "master_key": text });
    Answer::done(text, item)
}

/// The public half of a client's key, as a JWK set (RFC 7517 section 5).
pub fn public(file: &Path) -> Result<Answer, Failure> {
    let wrong = |why: &dyn std::fmt::Display| Failure::Usage(format!("{}: {why}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| wrong(&error))?;
    let text = SecretString::from(text);
    let key = ClientKey::from_pem(text.expose_secret()).map_err(|error| wrong(&error))?;
    let set = key.public();
    Ok(Answer::done(format!("{set:#}"), set))
}

/// Deletes all signing keys. Nothing but the database is opened, since the master key may be gone.
pub async fn reset(store: &dyn Store, now: Timestamp) -> Result<Answer, Failure> {
    let keys = store.signing_keys().await?;
    for key in &keys {
        store.remove_signing_key(&key.kid, now).await?;
    }
    // Blocks that it signed stay as they are; whoever verifies them needs its public half.
    store.remove_audit_key().await?;
    // Nobody can open these any more, and whoever needs one to sign in could not.
    let apps = store.totp_secrets().await?;
    for app in &apps {
        let nobody = model::SessionId::from_uuid(uuid::Uuid::nil());
        store.remove_totp(app.account, nobody, now).await?;
    }
    let (count, apps) = (keys.len(), apps.len());
    Ok(Answer::done(
        format!(
            "{count} signing keys are gone; the next start makes new ones; access tokens count no longer, and clients refresh; {apps} authenticator apps have to be set up again, and connections made again"
        ),
        json!({ "removed": count, "authenticator_apps": apps }),
    ))
}

async fn list(operator: &Operator<'_>) -> Result<Answer, Failure> {
    let keys = operator.foundation.key_ring.list().await?;
    let rows = keys.iter().map(|key| {
        let sealed = Sealed::from_bytes(key.record.private.clone());
        json!({
            "kid": key.record.kid,
            "algorithm": key.record.algorithm,
            "signs": key.signs,
            "created_at": key.record.created_at.to_string(),
            "signs_from": key.record.signs_from.to_string(),
            "published_until": key.record.published_until.map(|at| at.to_string()),
            "master_key": sealed.master().map(|id| id.to_string()),
        })
    });
    Ok(Answer::list(
        [
            "kid",
            "algorithm",
            "signs",
            "signs_from",
            "published_until",
            "master_key",
        ],
        rows.collect(),
        "there are no signing keys",
    ))
}

async fn rotate(operator: &Operator<'_>, only: Option<Algorithm>) -> Result<Answer, Failure> {
    let ring = &operator.foundation.key_ring;
    let mut made = Vec::new();
    for algorithm in Algorithm::ALL {
        if only.is_none_or(|only| only == algorithm)
            && let Some(kid) = ring.rotate(algorithm).await?
        {
            record(operator, &kid, algorithm.as_str(), "rotated");
            made.push(kid);
        }
    }
    operator.record("key rotate", &made.join(" "));
    Ok(Answer::done(
        format!(
            "new signing keys: {}; they sign in ten minutes, and the ones before stay in the key set until the last token they signed has run out",
            made.join(", ")
        ),
        json!({ "kids": made }),
    ))
}

async fn remove(operator: &Operator<'_>, kid: &str) -> Result<Answer, Failure> {
    let ring = &operator.foundation.key_ring;
    let keys = ring.list().await?;
    let algorithm = keys
        .iter()
        .find(|key| key.record.kid == kid)
        .map(|key| key.record.algorithm.clone());
    if !ring.remove(kid).await? {
        return Err(Failure::NotFound(format!("there is no signing key {kid}")));
    }
    record(operator, kid, &algorithm.unwrap_or_default(), "removed");
    operator.record("key remove", &kid);
    Ok(Answer::done(
        format!("{kid} is gone; what it signed counts no longer"),
        json!({ "kid": kid }),
    ))
}

fn record(operator: &Operator<'_>, kid: &str, algorithm: &str, action: &str) {
    let what = What::SigningKey {
        kid: kid.to_owned(),
        algorithm: algorithm.to_owned(),
        action: action.to_owned(),
    };
    operator.foundation.recorder.record(what, Person::default());
}
