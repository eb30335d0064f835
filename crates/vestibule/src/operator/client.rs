//! `vestibule client`: OAuth clients.

use clap::Subcommand;
use keys::digest_of;
use model::id::Id as _;
use model::{ClientId, EventId, TokenKind};
use protocol::client_metadata::AuthMethod;
use protocol::{ClientMetadata, RedirectUri, Scopes};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{Client, ClientSource, NewClient};

use super::{Answer, Failure, Operator};

/// The subcommands.
#[derive(Clone, Debug, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientCommand {
    /// All clients, latest used first
    List,
    /// One client with its redirect addresses
    Show {
        /// The client
        client_id: ClientId,
    },
    /// Make a client; prints its secret, once, if it is confidential
    Add {
        /// What consent pages call it
        #[arg(long)]
        name: String,
        /// Where it may be sent back to; may be given several times
        #[arg(long = "redirect-uri", value_name = "URI", required_unless_present = "device")]
        redirect_uris: Vec<String>,
        /// It may ask without a browser (RFC 8628)
        #[arg(long)]
        #[serde(default)]
        device: bool,
        /// Where it may send a browser after sign-out; may be given several times
        #[arg(long = "post-logout-redirect-uri", value_name = "URI")]
        post_logout_redirect_uris: Vec<String>,
        /// The most it may be granted, separated by spaces
        #[arg(long)]
        scope: Option<String>,
        /// It runs where it can keep a secret
        #[arg(long)]
        confidential: bool,
        /// Its id, if it must be a certain one
        #[arg(long)]
        id: Option<ClientId>,
    },
    /// End all its grants, at once, and let it be used no more
    Disable {
        /// The client
        client_id: ClientId,
    },
    /// Let a disabled client be used again
    Enable {
        /// The client
        client_id: ClientId,
    },
    /// Delete the client and end all its grants
    Remove {
        /// The client
        client_id: ClientId,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Print a new secret; the one before stays good until the next time
    Rotate {
        /// The client
        client_id: ClientId,
        /// The secrets before it end now: one of them has leaked
        #[arg(long)]
        at_once: bool,
    },
}

impl ClientCommand {
    pub(super) async fn run(self, operator: &Operator<'_>) -> Result<Answer, Failure> {
        match self {
            Self::List => list(operator).await,
            Self::Show { client_id } => show(operator, &client_id).await,
            Self::Add {
                name,
                redirect_uris,
                device,
                post_logout_redirect_uris,
                scope,
                confidential,
                id,
            } => {
                let metadata = ClientMetadata {
                    client_name: Some(name),
                    redirect_uris: uris(&redirect_uris)?,
                    auth_method: if confidential {
                        AuthMethod::ClientSecretBasic
                    } else {
                        AuthMethod::None
                    },
                    keys: None,
                    refresh: true,
                    device,
                    scope: scope.as_deref().map(Scopes::parse),
                    post_logout_redirect_uris: uris(&post_logout_redirect_uris)?,
                };
                add(operator, metadata, id).await
            }
            Self::Disable { client_id } => set_disabled(operator, &client_id, true).await,
            Self::Enable { client_id } => set_disabled(operator, &client_id, false).await,
            Self::Remove { client_id, .. } => remove(operator, &client_id).await,
            Self::Rotate { client_id, at_once } => rotate(operator, &client_id, at_once).await,
        }
    }
}

fn uris(texts: &[String]) -> Result<Vec<RedirectUri>, Failure> {
    let parse = |text: &String| {
        // The operator vouches for every scheme.
        RedirectUri::parse(text, |_| true).map_err(|error| Failure::Usage(format!("{text}: {error}")))
    };
    texts.iter().map(parse).collect()
}

fn facts(client: &Client) -> Value {
    json!({
        "client_id": client.id,
        "name": client.metadata.client_name,
        "source": client.source.as_str(),
        "authentication": client.metadata.auth_method.as_str(),
        "device": client.metadata.device,
        "redirect_uris": client.metadata.redirect_uris.iter().map(RedirectUri::as_str).collect::<Vec<_>>(),
        "created_at": client.created_at.to_string(),
        "completed_at": client.completed_at.map(|at| at.to_string()),
        "last_used_at": client.last_used_at.to_string(),
        "disabled_at": client.disabled_at.map(|at| at.to_string()),
    })
}

fn unknown(id: &ClientId) -> Failure {
    Failure::NotFound(format!("there is no client {id}"))
}

async fn list(operator: &Operator<'_>) -> Result<Answer, Failure> {
    let clients = operator.foundation.store.clients().await?;
    Ok(Answer::list(
        [
            "client_id",
            "name",
            "source",
            "authentication",
            "last_used_at",
            "disabled_at",
        ],
        clients.iter().map(facts).collect(),
        "there are no clients yet; most register themselves when they are first used",
    ))
}

async fn show(operator: &Operator<'_>, id: &ClientId) -> Result<Answer, Failure> {
    let client = operator
        .foundation
        .store
        .client(id)
        .await?
        .ok_or_else(|| unknown(id))?;
    let mut item = facts(&client);
    item["scope"] = json!(client.metadata.scope.as_ref().map(ToString::to_string));
    item["secrets"] = json!(client.secrets.len());
    Ok(Answer::Item(item))
}

async fn add(
    operator: &Operator<'_>,
    metadata: ClientMetadata,
    id: Option<ClientId>,
) -> Result<Answer, Failure> {
    let world = &operator.foundation.world;
    let id = match id {
        Some(id) if issuer::service_tokens::is_reserved(id.as_str()) => {
            let text = "this id stands for callers without a client; take another";
            return Err(Failure::Usage(text.to_owned()));
        }
        Some(id) if id.as_str().contains("://") => {
            let text = "an id that is a URL belongs to a metadata document";
            return Err(Failure::Usage(text.to_owned()));
        }
        Some(id) => id,
        None => world
            .new_id::<EventId>()
            .uuid()
            .to_string()
            .parse()
            .map_err(|error| Failure::Unavailable(format!("{error}")))?,
    };
    let secret = metadata
        .auth_method
        .is_shared_secret()
        .then(|| world.new_token(TokenKind::ClientSecret));
    let client = NewClient {
        id: id.clone(),
        source: ClientSource::Command,
        metadata,
        registration: None,
        secrets: secret.iter().map(digest_of).collect(),
    };
    if !operator.foundation.store.add_client(&client, world.now()).await? {
        return Err(Failure::Conflict(format!("there is already a client {id}")));
    }
    operator.record("client add", &id);
    let mut text = format!("client_id: {id}");
    let mut item = json!({ "client_id": id });
    if let Some(secret) = secret {
        text = format!("{text}\nclient_secret: {}  (shown this once)", secret.expose());
        item["client_secret"] = json!(secret.expose());
    }
    Ok(Answer::done(text, item))
}

async fn set_disabled(operator: &Operator<'_>, id: &ClientId, disabled: bool) -> Result<Answer, Failure> {
    let (store, now) = (&operator.foundation.store, operator.foundation.world.now());
    let (word, command) = if disabled {
        ("disabled; its grants have ended", "client disable")
    } else {
        ("enabled; what it had stays ended", "client enable")
    };
    if !store.set_client_disabled(id, disabled, now).await? {
        store.client(id).await?.ok_or_else(|| unknown(id))?;
        return Err(Failure::Conflict(format!("nothing to do: {id} is so already")));
    }
    operator.record(command, id);
    Ok(Answer::done(
        format!("{id} is {word}"),
        json!({ "client_id": id, "disabled": disabled }),
    ))
}

async fn remove(operator: &Operator<'_>, id: &ClientId) -> Result<Answer, Failure> {
    let now = operator.foundation.world.now();
    if operator.loaded.config.clients.contains_key(id) {
        let text = format!("{id} is in the configuration file; take it out there");
        return Err(Failure::Conflict(text));
    }
    if !operator.foundation.store.remove_client(id, now).await? {
        return Err(unknown(id));
    }
    operator.record("client remove", id);
    Ok(Answer::done(
        format!("{id} is deleted; its grants have ended"),
        json!({ "client_id": id }),
    ))
}

async fn rotate(operator: &Operator<'_>, id: &ClientId, at_once: bool) -> Result<Answer, Failure> {
    let (store, world) = (&operator.foundation.store, &operator.foundation.world);
    let client = store.client(id).await?.ok_or_else(|| unknown(id))?;
    if !client.metadata.auth_method.is_shared_secret() {
        return Err(Failure::Conflict(format!("{id} has no secret")));
    }
    if client.source == ClientSource::Configuration {
        let text = format!("the secret of {id} is in the file that the configuration names; change it there");
        return Err(Failure::Conflict(text));
    }
    let secret = world.new_token(TokenKind::ClientSecret);
    let digest = digest_of(&secret);
    if !store.rotate_secret(id, &digest, !at_once, world.now()).await? {
        return Err(unknown(id));
    }
    operator.record("client rotate", id);
    let before = if at_once {
        "those before it have ended"
    } else {
        "the one before stays good until the next rotation"
    };
    Ok(Answer::done(
        format!("client_secret: {}  (shown this once; {before})", secret.expose()),
        json!({ "client_id": id, "client_secret": secret.expose() }),
    ))
}
