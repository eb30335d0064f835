//! The step that says who is calling (MA-22 to MA-28, MA-47 to MA-54, CC-1).

use std::sync::Arc;

use http::{HeaderMap, header};
use issuer::verify::is_current;
use issuer::{Access, InvalidToken, Resource};
use store::AccountView;

use crate::gateway::Gateway;
use crate::refusal::Refusal;

/// A caller whose token counts for the server that was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) access: Arc<Access>,
    pub(crate) account: Arc<AccountView>,
}

impl Gateway {
    /// Checks the token of a request.
    pub(crate) async fn authenticate(
        &self,
        resource: &Resource,
        headers: &HeaderMap,
        query: Option<&str>,
    ) -> Result<Caller, Refusal> {
        let token = bearer(headers, query)?;
        let access = self.verifier.verify(token).map_err(|why| {
            Refusal::BadToken(match why {
                InvalidToken::Malformed => "not an access token of this server",
                InvalidToken::Signature => "the signature is wrong",
                InvalidToken::Type => "this is not an access token",
                InvalidToken::Issuer => "the token was issued by somebody else",
                InvalidToken::Expired => "token expired",
                InvalidToken::Revoked => "token revoked",
            })
        })?;
        // MA-50: a token for one server is worth nothing at its neighbour.
        if access.audience != resource.uri {
            return Err(Refusal::BadToken("the token is for another server"));
        }
        let account = match self.directory.remembered(access.account) {
            Some(account) => account,
            None => match self.directory.view(access.account).await {
                Ok(Some(account)) => account,
                Ok(None) => return Err(Refusal::BadToken("the account is gone")),
                Err(error) => {
                    tracing::warn!(%error, "an account cannot be looked up");
                    return Err(Refusal::Unavailable);
                }
            },
        };
        if !is_current(&account, &access) {
            return Err(Refusal::BadToken("the account is disabled"));
        }
        self.verifier.note_use(&access);
        Ok(Caller { access, account })
    }

    /// Whether a caller who counted before still does; asked again while a stream is open.
    pub(crate) async fn still_counts(&self, caller: &Caller, resource: &Resource) -> bool {
        if self.verifier.still_counts(&caller.access).is_err() {
            return false;
        }
        let routes = self.routes();
        let Some(route) = routes.servers.get(&resource.name) else {
            return false;
        };
        match self.directory.view(caller.access.account).await {
            Ok(Some(account)) => is_current(&account, &caller.access) && route.resource.allows(&account),
            Ok(None) => false,
            Err(error) => {
                // A stream must not outlive the doubt.
                tracing::warn!(%error, "an account cannot be looked up; its stream ends");
                false
            }
        }
    }
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
    let text = value
        .to_str()
        .map_err(|_| Refusal::BadToken("not an access token of this server"))?;
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
