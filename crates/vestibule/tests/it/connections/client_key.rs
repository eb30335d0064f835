//! This door as a client that proves itself with a key (`private_key_jwt`, RFC 7523).

use std::time::Duration;

use data_encoding::{BASE64, BASE64URL_NOPAD};
use keys::{Algorithm, SigningKey};
use serde_json::json;

use super::oauth::connect;
use super::{call_own, said};
use crate::rig::accounts::Accounts;
use crate::rig::{Door, Plan};

/// A key's file, and the set that the provider knows.
pub(crate) fn key(algorithm: Algorithm) -> (String, serde_json::Value) {
    let (key, pkcs8) = SigningKey::generate(algorithm).unwrap();
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        BASE64.encode(&pkcs8)
    );
    (pem, json!({ "keys": [key.public_jwk()] }))
}

/// CC-111: code, renewal and revocation are asked for with an assertion each, for this provider alone and never twice, and
/// with no secret.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_in_place_of_a_secret() {
    for (algorithm, is_discovered) in [
        (Algorithm::Es256, false),
        (Algorithm::Rs256, true),
        (Algorithm::EdDsa, false),
    ] {
        let accounts = Accounts::start().await;
        let (pem, jwks) = key(algorithm);
        let (plan, audience) = if is_discovered {
            let plan = accounts.discovered_plan();
            let config = plan
                .config
                .replace("client_id: door,", "client_id: door, client_key_file: forge-key,");
            (Plan { config, ..plan }, accounts.url.clone())
        } else {
            let plan = accounts.oauth_plan();
            let config = plan
                .config
                .replace("client_secret_file: forge-secret", "client_key_file: forge-key");
            (Plan { config, ..plan }, format!("{}/token", accounts.url))
        };
        let plan = Plan {
            files: vec![("forge-key", pem)],
            ..plan
        };
        let door = Door::with(plan).await;
        accounts.knows_client_keys(&jwks, &audience);
        let mut browser = door.browser();
        browser.sign_in("ana").await;
        let away = super::oauth::leave(&mut browser).await;
        let mut back = accounts.approve(&away, &door.url, "ana");
        if is_discovered {
            back = format!("{back}&iss={}", accounts.url);
        }
        let reply = browser.get(&back).await;
        assert!(
            reply.body.contains("You are connected as ana"),
            "{algorithm:?}: {}",
            reply.body
        );
        door.advance(Duration::from_secs(3570));
        let token = door.token_for("own").await;
        let (text, is_error) = said(&call_own(&door, &token).await);
        assert!(!is_error, "{algorithm:?}: {text}");
        assert_eq!(
            accounts.token_requests().len(),
            2,
            "{algorithm:?}: a code and a renewal"
        );
        if !is_discovered {
            let mut browser = door.browser();
            browser.sign_in("ana").await;
            browser.get("/connections").await;
            let form = browser.form("/connections/disconnect");
            browser.submit(&form).await;
            assert_eq!(accounts.revoked().len(), 1, "{algorithm:?}");
        }
    }
}

/// A provider that does not know the key is no end of a connection: that is for the operator to mend.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_the_provider_does_not_know_ends_nothing() {
    let accounts = Accounts::start().await;
    let (pem, jwks) = key(Algorithm::Es256);
    let plan = accounts.oauth_plan();
    let config = plan
        .config
        .replace("client_secret_file: forge-secret", "client_key_file: forge-key");
    let mut door = Door::with(Plan {
        config,
        files: vec![("forge-key", pem)],
        ..plan
    })
    .await;
    let audience = format!("{}/token", accounts.url);
    accounts.knows_client_keys(&jwks, &audience);
    connect(&door, &accounts, "ana").await;
    accounts.knows_client_keys(&key(Algorithm::Es256).1, &audience);
    door.advance(Duration::from_secs(3570));
    let token = door.token_for("own").await;
    assert!(
        !said(&call_own(&door, &token).await).1,
        "it lives half a minute more"
    );
    door.advance(Duration::from_mins(1));
    let (text, is_error) = said(&call_own(&door, &token).await);
    assert!(is_error && text.contains("try again later"), "{text}");
    assert!(door.audit("connection_ended").await.is_empty());
    accounts.knows_client_keys(&jwks, &audience);
    door.advance(Duration::from_secs(10));
    assert!(!said(&call_own(&door, &token).await).1);

    for (from, to, what) in [
        (
            "client_key_file: forge-key",
            "client_key_file: forge-key, authentication: post",
            "do not fit",
        ),
        (
            "client_key_file: forge-key",
            "client_key_file: credential",
            "openssl genpkey",
        ),
    ] {
        let error = door
            .try_reconfigure(|text| text.replace(from, to))
            .await
            .unwrap_err();
        assert!(error.contains(what), "{error}");
    }
}

/// A key that a provider knows by a certificate, as Entra ID does: the whole way with assertions that name it, and a
/// certificate of another key is refused when the configuration is read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_known_by_its_certificate() {
    let accounts = Accounts::start().await;
    let (ours, theirs) = (
        rcgen::generate_simple_self_signed(["door.example".to_owned()]).unwrap(),
        rcgen::generate_simple_self_signed(["door.example".to_owned()]).unwrap(),
    );
    let key = SigningKey::from_pkcs8(Algorithm::Es256, &ours.signing_key.serialize_der()).unwrap();
    let plan = accounts.oauth_plan();
    let config = plan.config.replace(
        "client_secret_file: forge-secret",
        "client_key_file: forge-key, client_certificate_file: forge-certificate",
    );
    let mut door = Door::with(Plan {
        config,
        files: vec![
            ("forge-key", ours.signing_key.serialize_pem()),
            ("forge-certificate", ours.cert.pem()),
            ("other-certificate", theirs.cert.pem()),
        ],
        ..plan
    })
    .await;
    let jwks = json!({ "keys": [key.public_jwk()] });
    accounts.knows_client_keys(&jwks, &format!("{}/token", accounts.url));
    connect(&door, &accounts, "ana").await;
    let request = accounts.token_requests().pop().unwrap();
    let assertion = request.split("client_assertion=").nth(1).unwrap();
    let header = BASE64URL_NOPAD
        .decode(assertion.split('.').next().unwrap().as_bytes())
        .unwrap();
    let header: serde_json::Value = serde_json::from_slice(&header).unwrap();
    let thumbprint = BASE64URL_NOPAD.encode(&keys::sha256(ours.cert.der()));
    assert_eq!(
        header,
        json!({ "alg": "ES256", "typ": "JWT", "x5t#S256": thumbprint })
    );
    for (from, to, what) in [
        ("forge-certificate", "other-certificate", "of another key"),
        ("forge-certificate", "credential", "holds no certificate"),
        ("client_key_file: forge-key, ", "", "give `client_key_file` too"),
    ] {
        let error = door
            .try_reconfigure(|text| text.replace(from, to))
            .await
            .unwrap_err();
        assert!(error.contains(what), "{error}");
    }
}
