//! UserInfo (OpenID Connect Core section 5.3): for tokens that were issued for it. A token for an MCP
//! server is not taken here (OS-118).

use protocol::jwt::PersonClaims;
use protocol::scope;
use serde::Serialize;
use store::StoreError;
use thiserror::Error;

use crate::issue::person_claims;
use crate::server::AuthorizationServer;
use crate::verify::{InvalidToken, is_current};

/// The answer; `sub` is the ID token's.
#[derive(Debug, Serialize)]
pub struct UserInfo {
    sub: String,
    #[serde(flatten)]
    person: PersonClaims,
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum UserInfoError {
    /// 401.
    #[error("{0}")]
    Invalid(&'static str),
    /// 403.
    #[error("the token lacks the scope openid")]
    Scope,
    /// 503.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AuthorizationServer {
    /// Who the token's person is, as far as its scope says.
    pub async fn user_info(&self, token: &str) -> Result<UserInfo, UserInfoError> {
        let access = self.verifier.verify(token).map_err(|why| {
            UserInfoError::Invalid(match why {
                InvalidToken::Expired => "token expired",
                InvalidToken::Revoked => "token revoked",
                _ => "not a token of this server",
            })
        })?;
        if access.audience != self.settings().user_info() {
            return Err(UserInfoError::Invalid("the token is for another resource"));
        }
        if !access.scopes.contains(scope::OPENID) {
            return Err(UserInfoError::Scope);
        }
        let account = self.directory.view(access.account).await?;
        let account = account.filter(|account| is_current(account, &access));
        let account = account.ok_or(UserInfoError::Invalid("the account is disabled"))?;
        self.verifier.note_use(&access);
        Ok(UserInfo {
            sub: account.id.to_string(),
            person: person_claims(&account, &access.scopes),
        })
    }
}
