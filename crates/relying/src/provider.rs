//! An OpenID provider at which this door is a client: the way there and the way back (OpenID Connect Core section 3.1).
//!
//! The configuration fixes the issuer before anybody goes anywhere. What comes back is checked against it and against
//! what this browser began: `iss` (RFC 9207), the code with its verifier (RFC 7636), the ID token in full (OS-46).
//! Where the browser began is remembered by others.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use model::{ExposeSecret, SecretString, Timestamp, World};
use net::operators::CallError;
use net::{Egress, Operators};
use serde_json::{Value, json};
use thiserror::Error;
use tokio::sync::Mutex;
use tracing::warn;
use url::Url;

use crate::discovery;
use crate::id_token::{BadIdToken, Expected, IdToken};
use crate::kept::{Came, Kept, Renewed};
use crate::key_set::{KeySet, Source};
use crate::logout_token::{self, BadLogoutToken, LoggedOut};
use crate::metadata::{MetadataError, OFFLINE, ProviderMetadata};
use crate::profile::Profile;
use crate::relation::{Arrival, Departure, Relation};
use crate::token_request::{self, TokenError};

/// So long metadata is taken without asking again.
const FRESH: Duration = Duration::from_hours(1);
/// So long it counts while it cannot be had again.
const KEEP: Duration = Duration::from_hours(24);
/// A provider that did not answer is not asked again sooner; longer than asking can take, so that those who waited do not
/// ask one after the other.
const AGAIN: Duration = Duration::from_secs(20);
/// How long anybody waits for somebody else's question.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a provider gave as a proof of who somebody is.
struct Proof<'a> {
    nonce: Option<&'a str>,
    max_age: Option<(Duration, Timestamp)>,
    id_token: Option<&'a SecretString>,
    access_token: Option<&'a SecretString>,
}

/// Why nobody is let in.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum ProviderError {
    /// The provider cannot be asked at this moment, whomever it is about.
    #[error("the provider cannot be asked: {0}")]
    Unavailable(String),
    /// It does not say who one person is, which is neither their end nor anybody else's trouble.
    #[error("the provider cannot be asked about this person: {0}")]
    Person(String),
    /// It was asked with what it gave, and the answer was lost or cannot be read: whether that still counts nobody knows.
    #[error("the answer of the provider was lost: {why}")]
    Lost {
        /// What happened.
        why: String,
        /// Whether it is the provider's trouble and not about one person.
        is_down: bool,
    },
    /// The answer names another issuer, or none where it must: a mix-up (RFC 9207 section 2.4).
    #[error("the answer is of another issuer")]
    Issuer,
    /// The code was not taken.
    #[error("the provider did not take the code: {0}")]
    Code(String),
    /// The ID token does not count.
    #[error("{0}")]
    IdToken(#[from] BadIdToken),
    /// Userinfo is about somebody else (OpenID Connect Core section 5.3.2).
    #[error("the userinfo endpoint answered about somebody else")]
    Userinfo,
    /// The account is of another organization, or of none.
    #[error("the account is none of the organization's: `hd` is not {0}")]
    HostedDomain(String),
    /// The groups do not fit into a token, and nobody knows them.
    #[error(
        "the groups are left out of the token, as there are too many (_claim_names); let the provider send only groups that are assigned to the application"
    )]
    GroupsElsewhere,
}

/// Whether it is about whoever it was asked for, or about the provider.
fn trouble(error: &TokenError) -> ProviderError {
    let why = error.to_string();
    match error {
        TokenError::Refused(_) => ProviderError::Person(why),
        TokenError::Answer(status) if !status.is_server_error() => ProviderError::Person(why),
        TokenError::Call(_) | TokenError::Slow | TokenError::Client(_) | TokenError::Answer(_) => {
            ProviderError::Unavailable(why)
        }
    }
}

/// Whether the provider may have done what it was asked for although nobody knows what it said.
fn may_have_counted(error: &TokenError) -> bool {
    match error {
        TokenError::Slow | TokenError::Call(CallError::Broken(_)) => true,
        TokenError::Answer(status) => status.is_server_error() || status.is_success(),
        TokenError::Call(_) | TokenError::Refused(_) | TokenError::Client(_) => false,
    }
}

/// A provider with what is known of it.
#[derive(Debug)]
pub struct OpenIdProvider {
    /// What the operator says.
    pub relation: Relation,
    /// What the way to it was made from, so that a new configuration can take it over.
    pub egress: Egress,
    client: Operators,
    keys: KeySet,
    metadata: ArcSwapOption<Known>,
    /// Held by whoever asks: when it was last in vain, and why.
    asking: Mutex<Option<(Timestamp, MetadataError)>>,
}

/// Metadata, and when it was fetched.
type Known = (Arc<ProviderMetadata>, Timestamp);

impl OpenIdProvider {
    /// Asks nobody yet.
    pub fn new(relation: Relation, egress: Egress, client: Operators) -> Self {
        Self {
            keys: KeySet::new(Source::Of(relation.issuer.clone()), client.clone(), KEEP),
            metadata: ArcSwapOption::empty(),
            asking: Mutex::default(),
            relation,
            egress,
            client,
        }
    }

    /// Its metadata: lately fetched, or an older one while it cannot be had. One asks at a time; whoever knows an older
    /// one does not wait for that.
    pub async fn metadata(&self, now: Timestamp) -> Result<Arc<ProviderMetadata>, ProviderError> {
        if let Some(fresh) = self.known(FRESH, now) {
            return Ok(fresh);
        }
        let older = self.known(KEEP, now);
        let mut failed = match (self.asking.try_lock(), &older) {
            (Ok(failed), _) => failed,
            (Err(_), Some(older)) => return Ok(Arc::clone(older)),
            (Err(_), None) => {
                let turn = tokio::time::timeout(PATIENCE, self.asking.lock()).await;
                turn.map_err(|_| ProviderError::Unavailable("it does not answer".to_owned()))?
            }
        };
        if let Some(fresh) = self.known(FRESH, now) {
            return Ok(fresh);
        }
        let error = match &*failed {
            Some((at, error)) if now.since(*at) < AGAIN => error.clone(),
            _ => match self.fetch().await {
                Ok(metadata) => {
                    let metadata = Arc::new(metadata);
                    self.metadata.store(Some(Arc::new((Arc::clone(&metadata), now))));
                    *failed = None;
                    return Ok(metadata);
                }
                Err(error) => {
                    warn!(%error, issuer = self.relation.issuer, "a provider's metadata cannot be had");
                    *failed = Some((now, error.clone()));
                    error
                }
            },
        };
        older.ok_or_else(|| ProviderError::Unavailable(error.to_string()))
    }

    /// What is known and not older than this.
    fn known(&self, age: Duration, now: Timestamp) -> Option<Arc<ProviderMetadata>> {
        let known = self.metadata.load();
        let (metadata, at) = &**known.as_ref()?;
        (now.since(*at) < age).then(|| Arc::clone(metadata))
    }

    async fn fetch(&self) -> Result<ProviderMetadata, MetadataError> {
        let issuer = &self.relation.issuer;
        let document = discovery::document(&self.client, issuer).await?;
        ProviderMetadata::read(&document, issuer)
    }

    /// Where the browser goes.
    pub async fn authorization_url(
        &self,
        departure: &Departure<'_>,
        now: Timestamp,
    ) -> Result<Url, ProviderError> {
        let metadata = self.metadata(now).await?;
        let mut url = metadata.authorization_endpoint.clone();
        let max_age = departure.max_age.map(|age| age.as_secs().to_string());
        let mut scope = self.relation.scope.clone();
        let is_asked = scope.split(' ').any(|word| word == OFFLINE);
        if self.relation.refresh && metadata.offers_offline_access && !is_asked {
            scope = format!("{scope} {OFFLINE}");
        }
        let always = [
            ("response_type", "code"),
            ("client_id", &self.relation.client_id),
            ("redirect_uri", departure.redirect_uri),
            ("scope", scope.as_str()),
            ("state", departure.state),
            ("nonce", departure.nonce),
            ("code_challenge", departure.code_challenge),
            ("code_challenge_method", "S256"),
            ("ui_locales", departure.language),
        ];
        let sometimes = [
            ("prompt", departure.again.then_some("login")),
            ("max_age", max_age.as_deref()),
            ("acr_values", departure.acr_values),
            ("login_hint", departure.login_hint),
            // A hint alone: whoever is back has to have the claim.
            ("hd", self.relation.hosted_domain.as_deref()),
        ];
        url.query_pairs_mut().extend_pairs(always).extend_pairs(
            sometimes
                .into_iter()
                .filter_map(|(name, value)| value.map(|value| (name, value))),
        );
        // A proof anew is asked for by a `prompt` of its own.
        let is_given = |(name, _): &&(String, String)| !(departure.again && name == "prompt");
        let parameters = self.relation.parameters.iter().filter(is_given);
        url.query_pairs_mut().extend_pairs(parameters);
        Ok(url)
    }

    /// Checks whose answer it is, before anything else of it is looked at.
    pub async fn check_issuer(&self, iss: Option<&str>, now: Timestamp) -> Result<(), ProviderError> {
        match iss {
            Some(iss) if iss == self.relation.issuer => Ok(()),
            Some(_) => Err(ProviderError::Issuer),
            None if self.metadata(now).await?.names_issuer => Err(ProviderError::Issuer),
            None => Ok(()),
        }
    }

    /// Whose session at the provider has ended, by a token that the provider sends.
    pub async fn logged_out(&self, token: &str, now: Timestamp) -> Result<LoggedOut, BadLogoutToken> {
        let relation = &self.relation;
        let ours = (relation.issuer.as_str(), relation.client_id.as_str());
        logout_token::check(token, ours, &self.keys, relation.leeway, now).await
    }

    /// Where a browser signs out there, if the provider has such a page. Nothing is asked to come back: not every provider
    /// knows the address.
    pub async fn sign_out_url(&self, now: Timestamp) -> Option<Url> {
        // Whoever signs out does not wait for it.
        let asked = tokio::time::timeout(Duration::from_secs(1), self.metadata(now)).await;
        let metadata = asked.ok()?.ok()?;
        let mut url = metadata.end_session_endpoint.clone()?;
        url.query_pairs_mut()
            .append_pair("client_id", &self.relation.client_id);
        Some(url)
    }

    /// Redeems the code and says who came.
    pub async fn redeem(&self, arrival: &Arrival<'_>, world: &World) -> Result<Came, ProviderError> {
        let now = world.now();
        let metadata = self.metadata(now).await?;
        let tokens = token_request::redeem(&self.client, &metadata, &self.relation, arrival, world)
            .await
            .map_err(|error| match error {
                TokenError::Refused(why) => ProviderError::Code(why),
                other => ProviderError::Unavailable(other.to_string()),
            })?;
        let proof = Proof {
            nonce: Some(arrival.nonce),
            max_age: arrival.max_age,
            id_token: tokens.id_token.as_ref(),
            access_token: tokens.access_token.as_ref(),
        };
        let profile = self.who(&metadata, &proof, None, now).await?;
        let refresh_token = tokens.refresh_token.filter(|_| self.relation.refresh);
        Ok(Came {
            profile,
            kept: refresh_token.map(Kept::Refresh),
        })
    }

    /// Asks for tokens again (OpenID Connect Core section 12). Only a refusal of the grant itself is its end.
    pub async fn renew(&self, refresh_token: &SecretString, world: &World) -> Result<Renewed, ProviderError> {
        let metadata = self.metadata(world.now()).await?;
        let asked = token_request::refresh(&self.client, &metadata, &self.relation, refresh_token, world);
        let tokens = asked.await.map_err(|error| match error {
            TokenError::Refused(why) if why == "invalid_grant" => ProviderError::Code(why),
            error if may_have_counted(&error) => ProviderError::Lost {
                is_down: matches!(trouble(&error), ProviderError::Unavailable(_)),
                why: error.to_string(),
            },
            other => trouble(&other),
        })?;
        Ok(Renewed {
            kept: tokens.refresh_token.map(Kept::Refresh),
            access_token: tokens.access_token,
            id_token: tokens.id_token,
        })
    }

    /// Who that is now, of whom it is known who they are.
    pub async fn look(
        &self,
        renewed: &Renewed,
        subject: &str,
        now: Timestamp,
    ) -> Result<Profile, ProviderError> {
        let metadata = self.metadata(now).await?;
        let proof = Proof {
            nonce: None,
            max_age: None,
            id_token: renewed.id_token.as_ref(),
            access_token: renewed.access_token.as_ref(),
        };
        self.who(&metadata, &proof, Some(subject), now).await
    }

    async fn who(
        &self,
        metadata: &ProviderMetadata,
        proof: &Proof<'_>,
        known: Option<&str>,
        now: Timestamp,
    ) -> Result<Profile, ProviderError> {
        let mut claims = match (proof.id_token, known) {
            (Some(token), _) => self.claims(token, proof, now).await?,
            (None, Some(subject)) => json!({ "sub": subject }),
            (None, None) => return Err(BadIdToken::Malformed.into()),
        };
        if known.is_some_and(|subject| claims["sub"] != subject) {
            return Err(ProviderError::Userinfo);
        }
        let lacks = proof.id_token.is_none() || Profile::lacks(&claims, &self.relation.claims);
        match (&metadata.userinfo_endpoint, proof.access_token) {
            // What a scope asks for is said at the userinfo endpoint, unless the provider says it at once (section 5.4).
            (Some(url), Some(access)) if lacks => {
                let more = token_request::userinfo(&self.client, url, access)
                    .await
                    .map_err(|error| trouble(&error))?;
                if more["sub"] != claims["sub"] {
                    return Err(ProviderError::Userinfo);
                }
                Profile::add(&mut claims, more);
            }
            _ if proof.id_token.is_none() => {
                let why = "it gives neither an ID token nor userinfo when it is asked again";
                return Err(ProviderError::Person(why.to_owned()));
            }
            _ => {}
        }
        self.check_claims(&claims)?;
        Ok(Profile::read(&claims, &self.relation.claims))
    }

    async fn claims(
        &self,
        token: &SecretString,
        proof: &Proof<'_>,
        now: Timestamp,
    ) -> Result<Value, ProviderError> {
        let expected = Expected {
            issuer: &self.relation.issuer,
            client_id: &self.relation.client_id,
            nonce: proof.nonce,
            access_token: proof.access_token.map(ExposeSecret::expose_secret),
            leeway: self.relation.leeway,
            max_age: proof.max_age,
        };
        let checked = IdToken::check(token.expose_secret(), &expected, &self.keys, now).await;
        checked.map(|token| token.claims).map_err(|error| match error {
            BadIdToken::Unavailable => ProviderError::Unavailable(error.to_string()),
            bad => ProviderError::IdToken(bad),
        })
    }

    /// What has to be true of whoever came, beside the token.
    fn check_claims(&self, claims: &Value) -> Result<(), ProviderError> {
        if let Some(domain) = &self.relation.hosted_domain
            && !claims["hd"]
                .as_str()
                .is_some_and(|said| said.eq_ignore_ascii_case(domain))
        {
            return Err(ProviderError::HostedDomain(domain.clone()));
        }
        // Taken for no groups at all, it would look as if everything had been taken away.
        let groups = self.relation.claims.groups.as_ref();
        if groups.is_some_and(|groups| groups.is_elsewhere(claims)) {
            return Err(ProviderError::GroupsElsewhere);
        }
        Ok(())
    }
}
