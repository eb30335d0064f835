//! The authorization request and its answer (OAuth 2.1 section 4.1, RFC 7636, RFC 9207).

use data_encoding::BASE64URL_NOPAD;
use keys::sha256;
use model::World;
use relying::oauth_client::{ClientError, Endpoints, Tokens};
use serde_json::Value;
use url::Url;

use super::{Login, LoginError, Screen, Surroundings};
use crate::callback::{Arrival, Callback};
use crate::discovery::Discovered;
use crate::registration::{self, printable};
use crate::session::{self, Client, Session};
use crate::token_store::TokenStore;

/// Sends the person to the authorization server and redeems what they come back with.
pub(super) async fn authorize(
    login: &Login,
    found: &Discovered,
    store: &TokenStore,
    Surroundings { world, http, .. }: &Surroundings,
    screen: &impl Screen,
) -> Result<Session, LoginError> {
    let failed = |error| LoginError::Tokens {
        issuer: found.issuer.clone(),
        error,
    };
    let state = BASE64URL_NOPAD.encode(&world.random::<24>());
    let verifier = BASE64URL_NOPAD.encode(&world.random::<32>());
    let before = registration::kept(store, &found.issuer)?;
    let mut callback = listen(before.as_ref(), &state)
        .await
        .map_err(LoginError::Listen)?;
    let redirect_uri = callback.redirect_uri().to_owned();
    let endpoints = Endpoints::read(&found.metadata, &found.issuer).map_err(failed)?;
    let scope = wanted_scope(login.scope.as_deref().or(found.scope.as_deref()), &found.metadata);
    let mut parameters = Vec::new();
    if login.as_other_user {
        parameters.push(("prompt".to_owned(), "login".to_owned()));
    }
    if let Some(values) = &login.acr_values {
        parameters.push(("acr_values".to_owned(), values.clone()));
    }
    if let Some(seconds) = login.max_age {
        parameters.push(("max_age".to_owned(), seconds.to_string()));
    }
    let oauth = session::oauth(
        endpoints.clone(),
        found.resource.as_deref(),
        &scope,
        parameters,
        http,
    );
    let beside = (store, &oauth, &endpoints);
    let client = registration::client(&login.client, before, &redirect_uri, beside, world).await?;
    let identity = client.identity.clone();
    let challenge = BASE64URL_NOPAD.encode(&sha256(verifier.as_bytes()));
    let url = oauth
        .authorization_url(&identity, &redirect_uri, &state, &challenge, world.now())
        .await;
    screen.open(&url.map_err(failed)?);

    let answered = async {
        tokio::select! {
            arrival = callback.arrival() => arrival,
            arrival = pasted(screen, &state) => arrival,
        }
    };
    let arrival = tokio::time::timeout(login.patience, answered).await;
    let Ok(arrival) = arrival else {
        // A server that does not know this client any more shows a page that says so, and nobody comes back.
        registration::forget(store, &found.issuer)?;
        return Err(LoginError::Late(login.patience.as_secs()));
    };
    let code = code_of(arrival, found, &state, endpoints.names_issuer);
    callback.close().await;
    let redeemed = oauth
        .redeem(&identity, &code?, &redirect_uri, &verifier, world)
        .await;
    if matches!(&redeemed, Err(ClientError::Client(_))) {
        // It was registered here before, and is not known there any more.
        registration::forget(store, &found.issuer)?;
    }
    let tokens = redeemed.map_err(failed)?;
    Ok(session_of(found, client, endpoints, scope, tokens, world))
}

/// What is kept of a sign-in, whichever way it went.
pub(super) fn session_of(
    found: &Discovered,
    client: Client,
    endpoints: Endpoints,
    scope: String,
    tokens: Tokens,
    world: &World,
) -> Session {
    let mut session = Session {
        resource: found.resource.clone(),
        issuer: found.issuer.clone(),
        client,
        token_endpoint: endpoints.token,
        revocation_endpoint: endpoints.revocation,
        scope: Some(scope).filter(|scope| !scope.is_empty()),
        access_token: tokens.access_token.clone(),
        expires_at: None,
        refresh_token: None,
        id_token: None,
        person: Value::Null,
    };
    session.renewed(tokens, world);
    session
}

/// What somebody pastes that answers this request; what answers nothing or another one ends nothing (MA-115).
async fn pasted(screen: &impl Screen, state: &str) -> Arrival {
    loop {
        let arrival = Arrival::pasted(&screen.pasted().await);
        if let Some(arrival) = arrival.filter(|arrival| arrival.state.as_deref() == Some(state)) {
            return arrival;
        }
        screen.is_no_answer();
    }
}

/// Where the client that is registered already listens, if that is free.
async fn listen(before: Option<&Client>, state: &str) -> std::io::Result<Callback> {
    let port = before
        .and_then(|before| before.redirect_uri.as_deref())
        .and_then(|uri| Url::parse(uri).ok()?.port());
    match Callback::listen(port, state).await {
        Err(_) if port.is_some() => Callback::listen(None, state).await,
        outcome => outcome,
    }
}

/// What the server wants, and what the authorization server offers beside it: to renew (MA-132), and to say who it is.
pub(super) fn wanted_scope(wanted: Option<&str>, metadata: &Value) -> String {
    let mut scopes: Vec<&str> = wanted.unwrap_or_default().split_whitespace().collect();
    if let Some(offered) = metadata["scopes_supported"].as_array() {
        for name in ["offline_access", "openid", "profile"] {
            if offered.iter().any(|scope| scope == name) && !scopes.contains(&name) {
                scopes.push(name);
            }
        }
    }
    scopes.join(" ")
}

/// The code of the answer, once it is known whose answer it is (MA-115, MA-118, MA-119).
fn code_of(
    arrival: Arrival,
    found: &Discovered,
    state: &str,
    names_issuer: bool,
) -> Result<String, LoginError> {
    if arrival.state.as_deref() != Some(state) {
        return Err(LoginError::NotAnswer);
    }
    match &arrival.iss {
        Some(iss) if *iss == found.issuer => {}
        None if !names_issuer => {}
        _ => return Err(LoginError::MixUp),
    }
    match (arrival.code, arrival.error) {
        (_, Some(error)) if error == "access_denied" => {
            Err(LoginError::Refused("the sign-in was declined".to_owned()))
        }
        (_, Some(error)) => {
            let word = printable(&error);
            Err(LoginError::Refused(format!("{} answered {word}", found.issuer)))
        }
        (Some(code), None) => Ok(code),
        (None, None) => Err(LoginError::NotAnswer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn found() -> Discovered {
        Discovered {
            resource: Some("https://gw.test/mcp/a".to_owned()),
            issuer: "https://gw.test".to_owned(),
            scope: None,
            metadata: Value::Null,
        }
    }

    fn arrival(iss: Option<&str>, code: Option<&str>, error: Option<&str>) -> Arrival {
        Arrival {
            state: Some("s".to_owned()),
            iss: iss.map(str::to_owned),
            code: code.map(str::to_owned),
            error: error.map(str::to_owned),
        }
    }

    #[test]
    fn ma_115_ma_118_ma_119_an_answer_is_of_whoever_was_asked() {
        let code = |arrival, names| code_of(arrival, &found(), "s", names);
        assert_eq!(
            code(arrival(Some("https://gw.test"), Some("c"), None), true).unwrap(),
            "c"
        );
        assert_eq!(code(arrival(None, Some("c"), None), false).unwrap(), "c");
        assert!(matches!(
            code(arrival(None, Some("c"), None), true),
            Err(LoginError::MixUp)
        ));
        for iss in ["https://gw.test/", "https://GW.test", "https://evil.test"] {
            for names in [true, false] {
                let error = code(arrival(Some(iss), None, Some("evil words")), names).unwrap_err();
                assert!(matches!(error, LoginError::MixUp), "{iss}");
                assert!(!error.to_string().contains("evil"));
            }
        }
        let other = Arrival {
            state: Some("t".to_owned()),
            ..arrival(Some("https://gw.test"), Some("c"), None)
        };
        assert!(matches!(code(other, true), Err(LoginError::NotAnswer)));
        let denied = code(
            arrival(Some("https://gw.test"), None, Some("access_denied")),
            true,
        );
        assert!(matches!(denied, Err(LoginError::Refused(_))));
    }

    #[test]
    fn ma_132_to_renew_is_asked_for_where_it_is_offered() {
        let offered = json!({ "scopes_supported": ["mcp", "offline_access", "openid"] });
        assert_eq!(wanted_scope(Some("mcp"), &offered), "mcp offline_access openid");
        assert_eq!(
            wanted_scope(Some("mcp"), &json!({ "scopes_supported": ["mcp"] })),
            "mcp"
        );
        assert_eq!(wanted_scope(None, &json!({})), "");
    }
}
