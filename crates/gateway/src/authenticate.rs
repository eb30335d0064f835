//! The step that says who is calling (MA-22 to MA-28, MA-47 to MA-54, CC-1).

use std::net::IpAddr;
use std::sync::Arc;

use audit::{Person, What};
use http::{HeaderMap, header};
use issuer::service_tokens::{NotFound, ServiceAccess};
use issuer::verify::Use;
use issuer::{InvalidToken, Resource, ServiceTokens};
use model::AccountId;
use net::address::network_of;
use people::Newcomer;
use relying::{BadForeignToken, ForeignAccess};
use store::{ForeignName, OldTokenUses, StoreError};

use crate::caller::{Caller, Proof};
use crate::exchange::user_agent;
use crate::gateway::Gateway;
use crate::old_tokens::{BadOldToken, OldTokens, Question};
use crate::refusal::Refusal;
use crate::route::{Kind, Route, Trusts};

const NOT_OURS: &str = "not an access token of this server";
const GONE: &str = "the account is gone";

impl Gateway {
    /// Checks the token of a request. It is tried by the kinds that the server accepts, in their order, and by those
    /// alone whose shape it has: what is none of ours is never looked up or sent on in vain.
    pub(crate) async fn authenticate(
        &self,
        route: &Route,
        headers: &HeaderMap,
        query: Option<&str>,
        address: IpAddr,
    ) -> Result<Caller, Refusal> {
        let (token, only_old) = presented(route, headers, query)?;
        let mut refusal = None;
        for kind in &route.accepts {
            let tried = match kind {
                Kind::Legacy => match &route.old_tokens {
                    Some(old) if only_old || old.fits(token) => {
                        Box::pin(self.by_old_token(route, old, token, headers, address)).await
                    }
                    _ => continue,
                },
                _ if only_old => continue,
                Kind::Jwt if is_jwt(token) => self.by_jwt(route, token, address).await,
                Kind::ServiceToken if ServiceTokens::fits(token) => {
                    self.by_service_token(route, token, address).await
                }
                Kind::Jwt | Kind::ServiceToken => continue,
            };
            match tried {
                Ok(caller) => return Ok(caller),
                // The first kind that knows the shape has the best reason.
                Err(why) => refusal = refusal.or(Some(why)),
            }
        }
        Err(refusal.unwrap_or(Refusal::BadToken(NOT_OURS)))
    }

    /// A signed token: ours, or of the issuer that the server trusts.
    async fn by_jwt(&self, route: &Route, token: &str, address: IpAddr) -> Result<Caller, Refusal> {
        let Some(trust) = &route.trust else {
            return self.by_access_token(route, token).await;
        };
        if !trust.alone && trust.issuer.remembered(token, self.now()).is_none() {
            match self.verifier.verify(token) {
                Ok(_) | Err(InvalidToken::Expired | InvalidToken::Revoked) => {
                    return self.by_access_token(route, token).await;
                }
                // None of ours.
                Err(_) => {}
            }
        }
        Box::pin(self.by_foreign_token(route, trust, token, address)).await
    }

    async fn by_foreign_token(
        &self,
        route: &Route,
        trust: &Trusts,
        token: &str,
        address: IpAddr,
    ) -> Result<Caller, Refusal> {
        let access = trust
            .issuer
            .verify(token, self.now())
            .await
            .map_err(|error| match error {
                BadForeignToken::Unavailable => Refusal::Unavailable,
                BadForeignToken::Malformed => Refusal::BadToken(NOT_OURS),
                BadForeignToken::Algorithm => Refusal::BadToken("the algorithm is not accepted"),
                BadForeignToken::Signature => Refusal::BadToken("the signature is wrong"),
                BadForeignToken::Type => Refusal::BadToken("this is not an access token"),
                BadForeignToken::Issuer => Refusal::BadToken("the token was issued by somebody else"),
                BadForeignToken::Expired => Refusal::BadToken("token expired"),
                BadForeignToken::NotYet => Refusal::BadToken("the token does not count yet"),
                BadForeignToken::Claims => Refusal::BadToken("the token lacks sub or exp or iat"),
            })?;
        // MA-50: a token for one server is worth nothing at its neighbour.
        if !trust.covers(&access.audiences) {
            return Err(Refusal::BadToken("the token is for another server"));
        }
        let name = ForeignName {
            issuer: access.issuer.clone(),
            subject: access.subject.clone(),
        };
        let proof = Proof::Foreign(Arc::clone(&access));
        if let Some(account) = self.identities().remembered(&name) {
            match self.person(account, proof.clone()).await {
                // It was removed; whoever comes next is looked up anew.
                Err(Refusal::BadToken(GONE)) => self.identities().forget(&name),
                outcome => return outcome,
            }
        }
        match self.look_up(trust, &name, &access, address).await {
            Ok(Some(account)) => self.person(account, proof).await,
            Ok(None) => {
                self.record_stranger(route, &name, address);
                Err(Refusal::BadToken("nobody here is linked to this identity"))
            }
            Err(error) => {
                tracing::warn!(%error, "an identity cannot be looked up");
                Err(Refusal::Unavailable)
            }
        }
    }

    async fn look_up(
        &self,
        trust: &Trusts,
        name: &ForeignName,
        access: &ForeignAccess,
        address: IpAddr,
    ) -> Result<Option<AccountId>, StoreError> {
        if !trust.issuer.trust.create_accounts {
            return self.identities().account(name).await;
        }
        let newcomer = Newcomer {
            email_verified: false,
            issuer: &trust.issuer.trust.name,
            username: access.username.as_deref(),
            name: access.name.as_deref(),
            email: access.email.as_deref(),
        };
        let person = Person {
            address: Some(address),
            ..Person::default()
        };
        self.identities().account_or_new(name, newcomer, person).await
    }

    /// Somebody whom the issuer knows and nobody here: the operator may want to link them.
    fn record_stranger(&self, route: &Route, name: &ForeignName, address: IpAddr) {
        if !self.identities().refusal_is_due(name) {
            return;
        }
        let what = What::IdentityRefused {
            issuer: name.issuer.clone(),
            server: route.name().clone(),
        };
        let person = Person {
            username: Some(name.subject.clone()),
            address: Some(address),
            ..Person::default()
        };
        self.recorder().record(what, person);
    }

    async fn by_access_token(&self, route: &Route, token: &str) -> Result<Caller, Refusal> {
        let access = self.verifier.verify(token).map_err(why)?;
        // MA-50: a token for one server is worth nothing at its neighbour.
        if access.audience != route.resource.uri {
            return Err(Refusal::BadToken("the token is for another server"));
        }
        self.verifier.learn_name(&access).await;
        let proof = Proof::Access(Arc::clone(&access));
        let caller = self.person(access.account, proof).await?;
        if !route.resource.programs.still_have(&access, &caller.account) {
            return Err(why(InvalidToken::Revoked));
        }
        self.verifier.note_use(&access);
        Ok(caller)
    }

    async fn by_service_token(&self, route: &Route, token: &str, address: IpAddr) -> Result<Caller, Refusal> {
        let token = self
            .service_tokens()
            .find(token, address)
            .await
            .map_err(|error| match error {
                NotFound::Malformed | NotFound::Unknown => Refusal::BadToken(NOT_OURS),
                NotFound::TooMany(wait) => Refusal::TooManyUnknown(wait),
                NotFound::Store(error) => {
                    tracing::warn!(%error, "a service token cannot be looked up");
                    Refusal::Unavailable
                }
            })?;
        let outcome = match self.service_tokens().counts(&token) {
            Err(invalid) => Err(why(invalid)),
            Ok(()) if !token.servers.contains(route.name()) => {
                Err(Refusal::BadToken("the token is for another server"))
            }
            Ok(()) => {
                self.person(token.account, Proof::Service(Arc::clone(&token)))
                    .await
            }
        };
        match &outcome {
            Ok(_) => self.service_tokens().note_use(&token),
            Err(refusal) => self.record_refusal(route, &token, refusal, address),
        }
        outcome
    }

    async fn by_old_token(
        &self,
        route: &Route,
        old: &OldTokens,
        token: &str,
        headers: &HeaderMap,
        address: IpAddr,
    ) -> Result<Caller, Refusal> {
        let now = self.now();
        let question = Question {
            token,
            server: route.name(),
            address,
            now,
            directory: &self.directory,
            guesses: &self.guesses,
        };
        let token = old.check(question).await.map_err(|error| match error {
            BadOldToken::Over => Refusal::BadToken("tokens of this kind are not accepted any more"),
            BadOldToken::Unknown => Refusal::BadToken(NOT_OURS),
            BadOldToken::TooMany(wait) => Refusal::TooManyUnknown(wait),
            BadOldToken::Unavailable => Refusal::Unavailable,
            BadOldToken::Store(error) => {
                tracing::warn!(%error, "the owner of an old token cannot be looked up");
                Refusal::Unavailable
            }
        })?;
        let caller = self
            .person(token.account, Proof::Legacy(Arc::clone(&token)))
            .await?;
        let _ = self.uses.send(Use::OldToken(OldTokenUses {
            server: route.name().clone(),
            account: token.account,
            token: token.name.clone(),
            place: place(address),
            user_agent: user_agent(headers).unwrap_or_default(),
            first_at: now,
            last_at: now,
            uses: 1,
        }));
        Ok(caller)
    }

    /// The account that a proof leads to, if it may still use it.
    async fn person(&self, account: AccountId, proof: Proof) -> Result<Caller, Refusal> {
        let account = match self.directory.remembered(account) {
            Some(account) => account,
            None => match self.directory.view(account).await {
                Ok(Some(account)) => account,
                Ok(None) => return Err(Refusal::BadToken(GONE)),
                Err(error) => {
                    tracing::warn!(%error, "an account cannot be looked up");
                    return Err(Refusal::Unavailable);
                }
            },
        };
        if !proof.is_current(&account) {
            return Err(Refusal::BadToken("the account is disabled"));
        }
        Ok(Caller::new(proof, account))
    }

    /// A service token that is known and does not count is somebody's forgotten job, or a thief.
    fn record_refusal(&self, route: &Route, token: &ServiceAccess, refusal: &Refusal, address: IpAddr) {
        if self.service_tokens().refusal_is_due(token) {
            let what = What::ServiceTokenRefused {
                service_token: token.id,
                account: token.account,
                server: route.name().clone(),
                reason: refusal.to_string(),
            };
            let person = Person {
                address: Some(address),
                ..Person::default()
            };
            self.recorder().record(what, person);
        }
    }

    /// Whether a caller who counted before still does; asked again while a stream is open.
    pub(crate) async fn still_counts(&self, caller: &Caller, resource: &Resource) -> bool {
        let routes = self.routes();
        let Some(route) = routes.servers.get(&resource.name) else {
            return false;
        };
        let counts = match &caller.proof {
            Proof::Access(access) => {
                route.accepts.contains(&Kind::Jwt)
                    && route.trust.as_ref().is_none_or(|trust| !trust.alone)
                    && self.verifier.still_counts(access).is_ok()
                    && route.resource.programs.still_have(access, &caller.account)
            }
            Proof::Foreign(access) => {
                let trusts = |trust: &Trusts| {
                    trust.issuer.trust.issuer == access.issuer && trust.covers(&access.audiences)
                };
                route.accepts.contains(&Kind::Jwt)
                    && route.trust.as_ref().is_some_and(trusts)
                    && access.expires_at > self.now()
                    && Box::pin(self.is_linked(access, caller.account.id)).await
            }
            Proof::Legacy(token) => match &route.old_tokens {
                Some(old) if route.accepts.contains(&Kind::Legacy) => {
                    let (now, name) = (self.now(), route.name());
                    Box::pin(old.check_again(token, name, now, &self.directory, &self.guesses)).await
                }
                _ => false,
            },
            Proof::Service(token) => {
                route.accepts.contains(&Kind::ServiceToken) && self.service_tokens().counts(token).is_ok()
            }
        };
        if !counts {
            return false;
        }
        match self.directory.view(caller.account.id).await {
            Ok(Some(account)) => {
                let caller = caller.with(account);
                caller.proof.is_current(&caller.account)
                    && route.resource.allows(&caller.account)
                    && caller.unmet(&route.resource, self.now()).is_none()
            }
            Ok(None) => false,
            Err(error) => {
                // A stream must not outlive the doubt.
                tracing::warn!(%error, "an account cannot be looked up; its stream ends");
                false
            }
        }
    }

    /// Whether somebody at another issuer is still this account.
    async fn is_linked(&self, access: &ForeignAccess, account: AccountId) -> bool {
        let name = ForeignName {
            issuer: access.issuer.clone(),
            subject: access.subject.clone(),
        };
        match self.identities().account(&name).await {
            Ok(linked) => linked == Some(account),
            Err(error) => {
                tracing::warn!(%error, "an identity cannot be looked up; its stream ends");
                false
            }
        }
    }
}

/// What the challenge says of a token that does not count.
fn why(invalid: InvalidToken) -> Refusal {
    Refusal::BadToken(match invalid {
        InvalidToken::Malformed => NOT_OURS,
        InvalidToken::Signature => "the signature is wrong",
        InvalidToken::Type => "this is not an access token",
        InvalidToken::Issuer => "the token was issued by somebody else",
        InvalidToken::Expired => "token expired",
        InvalidToken::Revoked => "token revoked",
    })
}

/// From where, as it is counted: an address, or the network of IPv6 that one household has, whose addresses change.
fn place(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(_) => network_of(address).to_string(),
    }
}

/// The one token of a request, and whether it came in a place where only tokens of the time before come.
fn presented<'a>(
    route: &Route,
    headers: &'a HeaderMap,
    query: Option<&str>,
) -> Result<(&'a str, bool), Refusal> {
    let elsewhere = match &route.old_tokens {
        Some(old) => old.elsewhere(headers),
        None => Vec::new(),
    };
    match (bearer(headers, query), elsewhere.as_slice()) {
        (bearer, []) => bearer.map(|token| (token, false)),
        (Err(Refusal::NoToken), [one]) => Ok((one, true)),
        _ => Err(Refusal::TwoTokens),
    }
}

/// Whether a text has the shape of a signed token: three parts.
fn is_jwt(token: &str) -> bool {
    memchr::memchr_iter(b'.', token.as_bytes()).count() == 2
}

/// The one bearer token of a request. One in the query is treated as absent (MA-27) and, beside another,
/// as one too many (MA-26).
fn bearer<'a>(headers: &'a HeaderMap, query: Option<&str>) -> Result<&'a str, Refusal> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let in_address =
        query.is_some_and(|query| query.split('&').any(|pair| pair.starts_with("access_token=")));
    let value = match (values.next(), values.next()) {
        (None, _) if in_address => return Err(Refusal::TokenInAddress),
        (None, _) => return Err(Refusal::NoToken),
        (Some(value), None) => value,
        (Some(_), Some(_)) => return Err(Refusal::TwoTokens),
    };
    let text = value.to_str().map_err(|_| Refusal::BadToken(NOT_OURS))?;
    let Some((scheme, token)) = text.split_once(' ') else {
        return Err(Refusal::NoToken);
    };
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Refusal::NoToken);
    }
    if in_address {
        return Err(Refusal::TwoTokens);
    }
    Ok(token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&'static str], query: Option<&str>) -> Result<String, &'static str> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, value.parse().unwrap());
        }
        bearer(&headers, query)
            .map(str::to_owned)
            .map_err(|refusal| refusal.slug())
    }

    #[test]
    fn ma_26_ma_27_ma_28_where_a_token_may_stand() {
        assert_eq!(read(&["Bearer abc"], None).unwrap(), "abc");
        assert_eq!(read(&["BEARER  abc"], Some("x=1")).unwrap(), "abc");
        assert_eq!(read(&[], None), Err("no_token"));
        assert_eq!(read(&[], Some("access_token=abc")), Err("token_in_address"));
        assert_eq!(read(&["Basic abc"], None), Err("no_token"));
        assert_eq!(read(&["Bearer"], None), Err("no_token"));
        assert_eq!(read(&["Bearer a", "Bearer b"], None), Err("two_tokens"));
        assert_eq!(read(&["Bearer a"], Some("access_token=abc")), Err("two_tokens"));
    }
}
