//! RP-initiated logout (OpenID Connect RP-Initiated Logout 1.0, OS-125 to OS-129).

use audit::Person;
use keys::jws;
use model::{ClientId, SessionId};
use people::SignedIn;
use protocol::jwt::{Compact, ID_TOKEN, IdClaims};
use protocol::{Params, RedirectUri, scope};
use store::{EndReason, StoreError};

use crate::clients::Resolution;
use crate::server::AuthorizationServer;

/// A request to sign out, judged.
#[derive(Debug)]
pub struct SignOut {
    /// Who asks, if it is known.
    pub client: Option<ClientId>,
    /// What that client calls itself.
    pub client_name: Option<String>,
    /// Where to go afterwards; only ever a registered URI of that client.
    pub back: Option<String>,
    /// The session that the hint is about.
    session: Option<SessionId>,
}

impl AuthorizationServer {
    /// Judges a request. The person is always asked before anything ends: an image on a page must not be
    /// able to sign anybody out (OS-127).
    pub async fn judge_sign_out(&self, params: &Params) -> Result<SignOut, StoreError> {
        let one = |name: &str| params.one(name).ok().flatten();
        let hint = one("id_token_hint").and_then(|token| self.read_id_token(token));
        let named = one("client_id").and_then(|id| id.parse::<ClientId>().ok());
        let client = match (&hint, named) {
            // OS-126: both given must agree; a foreign hint counts for nothing.
            (Some(hint), Some(named)) if hint.aud != named => None,
            (Some(hint), _) => Some(hint.aud.clone()),
            (None, named) => named,
        };
        let known = match &client {
            Some(id) => match self.resolve_client(id.as_str(), None).await? {
                Resolution::Known(client) => Some(*client),
                _ => None,
            },
            None => None,
        };
        // OS-128: without a hint nobody has confirmed that the client is the one it says.
        let back = hint
            .as_ref()
            .zip(known.as_ref())
            .zip(one("post_logout_redirect_uri"))
            .and_then(|((_, client), wanted)| {
                let registered = client
                    .metadata
                    .post_logout_redirect_uris
                    .iter()
                    .find(|uri| uri.as_str() == wanted)?;
                Some(with_state(registered, one("state")))
            });
        let session = hint
            .as_ref()
            .and_then(|hint| hint.sid.as_deref())
            .and_then(|sid| sid.parse().ok());
        let client_name = known.and_then(|client| client.metadata.client_name);
        Ok(SignOut {
            client,
            client_name,
            back,
            session,
        })
    }

    /// What a sign-out by a client ends besides the session: its grants of this session that were for
    /// signing in alone and not for offline use.
    pub async fn end_grants_of_session(
        &self,
        request: &SignOut,
        signed_in: &SignedIn,
        person: &Person,
    ) -> Result<(), StoreError> {
        let Some(client) = request
            .client
            .as_ref()
            .filter(|_| request.session == Some(signed_in.session.id))
        else {
            return Ok(());
        };
        for grant in self
            .store
            .grants_of(signed_in.account.id, self.world.now())
            .await?
        {
            let of_this_session = grant.client == *client && grant.session == signed_in.session.id;
            if of_this_session && grant.server.is_none() && !grant.scopes.contains(scope::OFFLINE_ACCESS) {
                self.end_grant(&grant, EndReason::SignedOut, person).await?;
            }
        }
        Ok(())
    }

    /// An ID token that we signed, run out or not (OS-126).
    fn read_id_token(&self, token: &str) -> Option<IdClaims> {
        let compact = Compact::parse(token).ok()?;
        if !compact.header.media_type().eq_ignore_ascii_case(ID_TOKEN) {
            return None;
        }
        self.key_ring.public().verify(&compact, &["RS256"]).ok()?;
        jws::claims::<IdClaims>(&compact).filter(|claims| claims.iss == self.settings().issuer)
    }
}

fn with_state(uri: &RedirectUri, state: Option<&str>) -> String {
    match state {
        Some(state) => uri.with_params([("state", state)]),
        None => uri.to_string(),
    }
}
