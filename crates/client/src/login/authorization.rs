//! The authorization request and its answer (OAuth 2.1 section 4.1, RFC 7636, RFC 9207).

use data_encoding::BASE64URL_NOPAD;
use keys::sha256;
use relying::oauth_client::ClientError;
use url::Url;

use super::asking::Asking;
use super::{LoginError, Screen};
use crate::callback::{Arrival, Callback};
use crate::discovery::Discovered;
use crate::registration::printable;
use crate::session::{Client, Session};

/// Sends the person to the authorization server and redeems what they come back with.
pub(super) async fn authorize(asking: &Asking<'_>, screen: &impl Screen) -> Result<Session, LoginError> {
    let (login, found, world) = (asking.login, asking.found, &asking.around.world);
    let state = BASE64URL_NOPAD.encode(&world.random::<24>());
    let verifier = BASE64URL_NOPAD.encode(&world.random::<32>());
    let before = asking.client_before()?;
    let mut callback = listen(before.as_ref(), &state)
        .await
        .map_err(LoginError::Listen)?;
    let redirect_uri = callback.redirect_uri().to_owned();
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
    let oauth = asking.oauth(parameters);
    let client = asking.client(before, &redirect_uri, &oauth).await?;
    let challenge = BASE64URL_NOPAD.encode(&sha256(verifier.as_bytes()));
    let url = oauth
        .authorization_url(&client.identity, &redirect_uri, &state, &challenge, world.now())
        .await;
    let url = url.map_err(|error| asking.failed(error))?;
    asking.counts()?;
    screen.open(&url);

    let answered = async {
        tokio::select! {
            arrival = callback.arrival() => arrival,
            arrival = pasted(screen, &state) => arrival,
        }
    };
    let arrival = tokio::time::timeout(login.patience, answered).await;
    let Ok(arrival) = arrival else {
        // A server that does not know this client any more shows a page that says so, and nobody comes back.
        asking.forget_client()?;
        return Err(LoginError::Late(login.patience.as_secs()));
    };
    let code = code_of(arrival, found, &state, asking.endpoints.names_issuer);
    callback.close().await;
    let redeemed = oauth
        .redeem(&client.identity, &code?, &redirect_uri, &verifier, world)
        .await;
    if matches!(&redeemed, Err(ClientError::Client(_))) {
        // It was registered here before, and is not known there any more.
        asking.forget_client()?;
    }
    let tokens = redeemed.map_err(|error| asking.failed(error))?;
    Ok(asking.session(client, tokens))
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
    use serde_json::Value;

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
}
