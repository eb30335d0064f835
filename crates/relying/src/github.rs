//! GitHub as a place where people prove who they are: OAuth 2.0 without OpenID, and its REST API instead of an ID token.
//!
//! ```text
//! code + verifier ─▶ token ─▶ GET /user          who: the id that never changes
//!                          ├▶ GET /user/emails   the primary address, if it is verified
//!                          └▶ GET /user/orgs, /user/teams   the groups: ORG and ORG/TEAM
//! ```
//!
//! Nothing in its answers says whose they are, so the redirect URI of its own is what stands against a mix-up (RFC 9700
//! section 4.4.2.2). The token was redeemed with our secret, so it was made for us and nobody can bring one of another app.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use model::{ExposeSecret, SecretString, Timestamp, World};
use net::{Body, Egress, Operators, body};
use serde_json::Value;
use url::Url;

use crate::address::is_address;
use crate::claims::MOST_GROUPS;
use crate::id_token::BadIdToken;
use crate::kept::{Came, Kept, Renewed};
use crate::oauth_client::{
    Authentication, ClientError, Endpoints, Identity, OAuthClient, Place, Registration,
};
use crate::profile::Profile;
use crate::provider::ProviderError;
use crate::relation::{Arrival, Departure};

/// Most bytes of an answer: a hundred teams with their organizations and descriptions.
const LARGEST: usize = 2 << 20;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Entries of a page, the most that there may be.
const PER_PAGE: usize = 100;
/// The version of the API that this speaks.
const API_VERSION: &str = "2022-11-28";

/// What the operator says of GitHub.
#[derive(Clone, Debug)]
pub struct GitHubRelation {
    /// Where it is: `https://github.com`, or a server of one's own.
    pub issuer: String,
    /// Where its API is.
    pub api: Url,
    /// What it calls us.
    pub client_id: String,
    /// What we prove ourselves with.
    pub secret: SecretString,
    /// What is asked for, separated by spaces.
    pub scope: String,
    /// Whether anybody wants to know the groups.
    pub groups: bool,
    /// Whether it is asked again about people later.
    pub refresh: bool,
}

impl GitHubRelation {
    /// Whether nothing differs.
    pub fn is_same(&self, other: &Self) -> bool {
        self.issuer == other.issuer
            && self.api == other.api
            && self.client_id == other.client_id
            && self.secret.expose_secret() == other.secret.expose_secret()
            && self.scope == other.scope
            && self.groups == other.groups
            && self.refresh == other.refresh
    }

    /// Where browsers go and where codes are redeemed.
    fn endpoints(&self) -> Option<Endpoints> {
        let at = |path: &str| Url::parse(&format!("{}{path}", self.issuer.trim_end_matches('/'))).ok();
        let (authorization, token) = (at("/login/oauth/authorize")?, at("/login/oauth/access_token")?);
        Some(Endpoints::named(authorization, token, None))
    }
}

/// GitHub, or a server of one's own.
#[derive(Debug)]
pub struct GitHub {
    /// What the operator says.
    pub relation: GitHubRelation,
    /// What the way to it was made from, so that a new configuration can take it over.
    pub egress: Egress,
    client: Operators,
    oauth: OAuthClient,
    identity: Identity,
}

/// What the API answered: its status, its headers, and JSON.
type Answer = (StatusCode, HeaderMap, Value);

impl GitHub {
    /// Asks nobody yet. `None` if its address is none.
    pub fn new(relation: GitHubRelation, egress: Egress, client: Operators) -> Option<Self> {
        let registration = Registration {
            scope: relation.scope.clone(),
            pkce: true,
            parameters: Vec::new(),
            resource: None,
            tokens_at: String::new(),
        };
        let place = Place::Named(Box::new(relation.endpoints()?));
        Some(Self {
            oauth: OAuthClient::new(registration, place, client.clone()),
            identity: Identity {
                client_id: relation.client_id.clone(),
                authentication: Authentication::Post(relation.secret.clone()),
            },
            relation,
            egress,
            client,
        })
    }

    /// Where the browser goes.
    pub(crate) async fn authorization_url(
        &self,
        departure: &Departure<'_>,
        now: Timestamp,
    ) -> Result<Url, ProviderError> {
        // It never says when somebody proved who they are: whoever has to know that is told before anybody goes.
        if departure.max_age.is_some() {
            return Err(BadIdToken::AuthTime.into());
        }
        let mut url = self
            .oauth
            .authorization_url(
                &self.identity,
                departure.redirect_uri,
                departure.state,
                departure.code_challenge,
                now,
            )
            .await
            .map_err(of_client)?;
        let sometimes = [
            // The most that it can be asked for.
            ("prompt", departure.again.then_some("select_account")),
            ("login", departure.login_hint),
        ];
        let given = |(name, value): (&'static str, Option<_>)| value.map(|value| (name, value));
        url.query_pairs_mut()
            .extend_pairs(sometimes.into_iter().filter_map(given));
        Ok(url)
    }

    /// It names nobody in its answers; an answer that names somebody is of that one.
    pub(crate) fn check_issuer(&self, iss: Option<&str>) -> Result<(), ProviderError> {
        let ours = self.relation.issuer.trim_end_matches('/');
        match iss.map(|iss| iss.strip_prefix(ours)) {
            None | Some(Some("" | "/" | "/login/oauth")) => Ok(()),
            Some(_) => Err(ProviderError::Issuer),
        }
    }

    /// Redeems the code and says who came.
    pub(crate) async fn redeem(&self, arrival: &Arrival<'_>, world: &World) -> Result<Came, ProviderError> {
        let tokens = self
            .oauth
            .redeem(
                &self.identity,
                arrival.code,
                arrival.redirect_uri,
                arrival.code_verifier,
                world,
            )
            .await
            .map_err(of_client)?;
        let profile = self.who(&tokens.access_token).await?;
        // An OAuth app's token does not run out; a GitHub App's does, and has a refresh token beside it.
        let kept = match tokens.refresh_token {
            Some(token) => Some(Kept::Refresh(token)),
            None if tokens.lives.is_none() => Some(Kept::Access(tokens.access_token)),
            None => None,
        };
        Ok(Came {
            profile,
            kept: kept.filter(|_| self.relation.refresh),
        })
    }

    /// Asks for a token again, where the one that is kept is for that.
    pub(crate) async fn renew(&self, kept: &Kept, world: &World) -> Result<Renewed, ProviderError> {
        let (kept, access_token) = match kept {
            Kept::Access(token) => (None, token.clone()),
            Kept::Refresh(token) => {
                let refreshed = self
                    .oauth
                    .refresh(&self.identity, token.expose_secret(), world)
                    .await;
                let tokens = refreshed.map_err(|error| match error {
                    // It may have given another one, which nobody has.
                    ClientError::Unavailable(why) => ProviderError::Lost { why, is_down: true },
                    error => of_client(error),
                })?;
                (tokens.refresh_token.map(Kept::Refresh), tokens.access_token)
            }
        };
        Ok(Renewed {
            kept,
            access_token: Some(access_token),
            id_token: None,
        })
    }

    /// Who that is now, of whom it is known who they are.
    pub(crate) async fn look(&self, renewed: &Renewed, subject: &str) -> Result<Profile, ProviderError> {
        let token = renewed.access_token.as_ref();
        let token = token.ok_or_else(|| ProviderError::Person("it gave no token".to_owned()))?;
        let profile = self.who(token).await?;
        if profile.subject == subject {
            Ok(profile)
        } else {
            Err(ProviderError::Userinfo)
        }
    }

    /// Whether the API can be reached.
    pub(crate) async fn examine(&self) -> Result<(), ProviderError> {
        match self.ask("/meta", None).await? {
            (status, ..) if status.is_server_error() => Err(unexpected("/meta", status)),
            _ => Ok(()),
        }
    }

    /// Who has this token.
    async fn who(&self, token: &SecretString) -> Result<Profile, ProviderError> {
        let user = match self.ask("/user", Some(token)).await? {
            (StatusCode::OK, _, user) => user,
            (status, _, answer) if is_end(status, &answer) => {
                return Err(ProviderError::Code(format!("/user answered {status}")));
            }
            (status, ..) => return Err(unexpected("/user", status)),
        };
        let id = user["id"]
            .as_u64()
            .filter(|_| user["type"].as_str().is_none_or(|kind| kind == "User"))
            .ok_or_else(|| ProviderError::Person("/user names no person".to_owned()))?;
        let text = |member: &str| {
            let text = user[member].as_str().map(str::trim);
            text.filter(|text| !text.is_empty())
                .map(|text| text.chars().take(300).collect())
        };
        let email = self.address(token).await?;
        Ok(Profile {
            subject: id.to_string(),
            username: text("login"),
            name: text("name"),
            email_verified: email.is_some(),
            email,
            groups: self.groups(token).await?,
            ..Profile::default()
        })
    }

    /// The primary address, if it is verified; what stands in the profile is whatever its owner wrote there.
    async fn address(&self, token: &SecretString) -> Result<Option<String>, ProviderError> {
        let listed = match self.ask("/user/emails", Some(token)).await? {
            (StatusCode::OK, _, listed) => listed,
            // The app may not ask.
            (status @ (StatusCode::FORBIDDEN | StatusCode::NOT_FOUND), headers, answer)
                if !is_slowed(status, &headers, &answer) =>
            {
                return Ok(None);
            }
            (status, ..) => return Err(unexpected("/user/emails", status)),
        };
        let is = |entry: &Value, member: &str| entry[member] == Value::Bool(true);
        let listed = listed.as_array().map(Vec::as_slice).unwrap_or_default();
        let mut primary = listed
            .iter()
            .filter(|entry| is(entry, "primary") && is(entry, "verified"));
        let address = primary.next().and_then(|entry| entry["email"].as_str());
        Ok(address.filter(|text| is_address(text)).map(str::to_owned))
    }

    /// Organizations, as `ORG`, and teams, as `ORG/TEAM`; in the words of their addresses.
    async fn groups(&self, token: &SecretString) -> Result<Vec<String>, ProviderError> {
        if !self.relation.groups {
            return Ok(Vec::new());
        }
        let organization = |entry: &Value| entry["login"].as_str().map(str::to_owned);
        let team = |entry: &Value| {
            let organization = entry["organization"]["login"].as_str()?;
            Some(format!("{organization}/{}", entry["slug"].as_str()?))
        };
        let mut groups = Vec::new();
        self.list("/user/orgs", token, organization, &mut groups).await?;
        self.list("/user/teams", token, team, &mut groups).await?;
        groups.sort();
        groups.dedup();
        Ok(groups)
    }

    /// All pages of a list, up to a bound. They are counted here: no address of an answer is shown the token.
    async fn list(
        &self,
        path: &str,
        token: &SecretString,
        name: impl Fn(&Value) -> Option<String>,
        into: &mut Vec<String>,
    ) -> Result<(), ProviderError> {
        for page in 1..=MOST_GROUPS / PER_PAGE {
            let place = format!("{path}?per_page={PER_PAGE}&page={page}");
            let (status, headers, answer) = self.ask(&place, Some(token)).await?;
            let Value::Array(entries) = answer else {
                return Err(unexpected(path, status));
            };
            if status != StatusCode::OK {
                return Err(unexpected(path, status));
            }
            into.extend(entries.iter().filter_map(&name));
            if !has_next(&headers) {
                return Ok(());
            }
        }
        tracing::warn!(path, "somebody is in more groups than are looked at");
        Ok(())
    }

    async fn ask(&self, path: &str, token: Option<&SecretString>) -> Result<Answer, ProviderError> {
        let trouble = |why: &dyn std::fmt::Display| ProviderError::Unavailable(format!("{path}: {why}"));
        let mut request: Request<Body> = Request::new(body::empty());
        let url = format!("{}{path}", self.relation.api.as_str().trim_end_matches('/'));
        *request.uri_mut() = url.parse().unwrap_or_default();
        let headers = request.headers_mut();
        headers.insert(
            header::ACCEPT,
            HeaderValue::from_static("application/vnd.github+json"),
        );
        headers.insert("x-github-api-version", HeaderValue::from_static(API_VERSION));
        // Without one, nobody is answered.
        headers.insert(header::USER_AGENT, HeaderValue::from_static("vestibule"));
        if let Some(token) = token {
            let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()))
                .map_err(|_| ProviderError::Code("the access token is not one".to_owned()))?;
            bearer.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, bearer);
        }
        let answered = async {
            let response = self.client.call(request).await.map_err(|error| trouble(&error))?;
            let (parts, content) = response.into_parts();
            let bytes = body::read(content, LARGEST, PATIENCE)
                .await
                .map_err(|error| trouble(&error))?;
            let answer = serde_json::from_slice(&bytes).unwrap_or_default();
            Ok((parts.status, parts.headers, answer))
        };
        let timed = tokio::time::timeout(PATIENCE, answered).await;
        timed.unwrap_or_else(|_| Err(trouble(&"no answer in time")))
    }
}

/// What it says of a refusal.
fn message(answer: &Value) -> String {
    answer["message"]
        .as_str()
        .unwrap_or_default()
        .to_ascii_lowercase()
}

/// Whether somebody is not there any more: their token was taken back, or their account is suspended. Everything else passes.
fn is_end(status: StatusCode, answer: &Value) -> bool {
    status == StatusCode::UNAUTHORIZED
        || status == StatusCode::FORBIDDEN && message(answer).contains("suspended")
}

/// Whether it refuses because of too many questions, which passes.
fn is_slowed(status: StatusCode, headers: &HeaderMap, answer: &Value) -> bool {
    let is_spent = headers
        .get("x-ratelimit-remaining")
        .is_some_and(|left| left == "0");
    status == StatusCode::TOO_MANY_REQUESTS
        || is_spent
        || headers.contains_key(header::RETRY_AFTER)
        || message(answer).contains("rate limit")
}

/// Whether `Link` names a further page (RFC 8288).
fn has_next(headers: &HeaderMap) -> bool {
    let links = headers.get_all(header::LINK).iter();
    links
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|link| link.split(';').skip(1).any(|word| word.trim() == "rel=\"next\""))
}

fn unexpected(path: &str, status: StatusCode) -> ProviderError {
    let hint = match status {
        StatusCode::FORBIDDEN | StatusCode::NOT_FOUND if path != "/user" => {
            ": the app may not ask this; it needs the scope read:org, or as a GitHub App the permission to read members"
        }
        _ => "",
    };
    let why = format!("{path} answered {status}{hint}");
    if status.is_server_error() {
        ProviderError::Unavailable(why)
    } else {
        ProviderError::Person(why)
    }
}

fn of_client(error: ClientError) -> ProviderError {
    match error {
        ClientError::Refused(why) => ProviderError::Code(why),
        ClientError::Client(why) | ClientError::Unavailable(why) => ProviderError::Unavailable(why),
        ClientError::Issuer => ProviderError::Issuer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_further_page_is_what_link_says() {
        let next = |value: &'static str| {
            has_next(&HeaderMap::from_iter([(
                header::LINK,
                HeaderValue::from_static(value),
            )]))
        };
        assert!(next(
            "<https://api.github.com/user/teams?page=2>; rel=\"next\", <https://api.github.com/user/teams?page=5>; rel=\"last\""
        ));
        assert!(!next("<https://api.github.com/user/teams?page=1>; rel=\"prev\""));
        assert!(!has_next(&HeaderMap::new()));
    }

    #[test]
    fn too_many_questions_are_nobodys_end() {
        let of = |name: &'static str, value: &'static str| {
            let headers = HeaderMap::from_iter([(name.parse().unwrap(), HeaderValue::from_static(value))]);
            is_slowed(StatusCode::FORBIDDEN, &headers, &Value::Null)
        };
        assert!(of("x-ratelimit-remaining", "0") && of("retry-after", "60"));
        assert!(!of("x-ratelimit-remaining", "4999"));
        let none = HeaderMap::new();
        assert!(is_slowed(StatusCode::TOO_MANY_REQUESTS, &none, &Value::Null));
        let secondary = serde_json::json!({ "message": "You have exceeded a secondary rate limit." });
        assert!(is_slowed(StatusCode::FORBIDDEN, &none, &secondary));
        assert!(!is_end(StatusCode::FORBIDDEN, &secondary));
    }

    #[test]
    fn only_a_token_taken_back_or_a_suspended_account_is_somebodys_end() {
        let says = |message: &str| serde_json::json!({ "message": message });
        assert!(is_end(StatusCode::UNAUTHORIZED, &says("Bad credentials")));
        assert!(is_end(
            StatusCode::FORBIDDEN,
            &says("Sorry. Your account was suspended.")
        ));
        for status in [
            StatusCode::FORBIDDEN,
            StatusCode::NOT_FOUND,
            StatusCode::TOO_MANY_REQUESTS,
        ] {
            let error = unexpected("/user", status);
            assert!(
                !is_end(status, &says("no")) && matches!(error, ProviderError::Person(_)),
                "{status}"
            );
        }
        let down = unexpected("/user", StatusCode::BAD_GATEWAY);
        assert!(matches!(down, ProviderError::Unavailable(_)));
    }
}
