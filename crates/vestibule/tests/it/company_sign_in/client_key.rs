//! The door as a client of a sign-in provider that proves itself with a key (`private_key_jwt`, RFC 7523).

use data_encoding::{BASE64, BASE64URL_NOPAD};
use keys::{Algorithm, SigningKey};
use serde_json::{Value, json};

use super::{MINUTE, ana, approve};
use crate::rig::provider::Provider;
use crate::rig::{Door, Plan, Tokens, app};

/// A key's file, and the set that the provider knows.
fn key(algorithm: Algorithm) -> (String, Value) {
    let (key, pkcs8) = SigningKey::generate(algorithm).unwrap();
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        BASE64.encode(&pkcs8)
    );
    (pem, json!({ "keys": [key.public_jwk()] }))
}

fn with_key(provider: &Provider, pem: &str) -> Plan {
    let rules = "accounts: create\ngroups: { dev: developers }\nrefresh: true";
    let plan = provider.plan(rules);
    let config = plan
        .config
        .replace("client_secret_file: client-secret", "client_key_file: client-key");
    Plan {
        config,
        files: vec![("client-key", pem.to_owned())],
        ..plan
    }
}

/// OS-121: code and refresh are asked for with an assertion each, for this provider alone and never twice, and with no secret.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_in_place_of_a_secret() {
    for algorithm in [Algorithm::Es256, Algorithm::Rs256, Algorithm::EdDsa] {
        let provider = Provider::start().await;
        let (pem, jwks) = key(algorithm);
        provider.knows_client_keys(&jwks);
        provider.gives_refresh();
        provider.userinfo(ana());
        let door = Door::with(with_key(&provider, &pem)).await;
        let app = door.app().await;
        let back = approve(&mut door.browser(), &door, &provider, &app, &ana()).await;
        let tokens = Tokens::of(&app.redeem(&app::code_of(&back)).await);
        door.advance(MINUTE);
        let reply = app.refresh(&tokens.refresh).await;
        assert_eq!(
            (reply.status, provider.refreshes()),
            (200, 1),
            "{algorithm:?}: {reply:?}"
        );
    }
}

/// A key that a provider knows by a certificate, as Entra ID does; one of another key is refused when the configuration is read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_known_by_its_certificate() {
    let provider = Provider::start().await;
    let made = || rcgen::generate_simple_self_signed(["door.example".to_owned()]).unwrap();
    let (ours, theirs) = (made(), made());
    let known = SigningKey::from_pkcs8(Algorithm::Es256, &ours.signing_key.serialize_der()).unwrap();
    provider.knows_client_keys(&json!({ "keys": [known.public_jwk()] }));
    let plan = with_key(&provider, &ours.signing_key.serialize_pem());
    let config = plan.config.replace(
        "client_key_file: client-key",
        "client_key_file: client-key\n      client_certificate_file: our-certificate",
    );
    let mut files = plan.files.clone();
    files.push(("our-certificate", ours.cert.pem()));
    files.push(("other-certificate", theirs.cert.pem()));
    let mut door = Door::with(Plan {
        config,
        files,
        ..plan
    })
    .await;
    let mut browser = door.browser();
    let reply = browser.sign_in_at(&door, &provider, &ana()).await;
    assert_eq!(reply.status, 303, "{}", browser.page);
    let request = provider.token_requests().pop().unwrap();
    let assertion = request.split("client_assertion=").nth(1).unwrap();
    let header = assertion.split('.').next().unwrap().as_bytes();
    let header: Value = serde_json::from_slice(&BASE64URL_NOPAD.decode(header).unwrap()).unwrap();
    let thumbprint = BASE64URL_NOPAD.encode(&keys::sha256(ours.cert.der()));
    assert_eq!(
        header,
        json!({ "alg": "ES256", "typ": "JWT", "x5t#S256": thumbprint })
    );
    drop(browser);
    for (from, to, what) in [
        ("our-certificate", "other-certificate", "of another key"),
        (
            "client_key_file: client-key",
            "client_secret: s3cret",
            "give `client_key_file` too",
        ),
    ] {
        let error = door
            .try_reconfigure(|text| text.replace(from, to))
            .await
            .unwrap_err();
        assert!(error.contains(what), "{error}");
    }
}

/// A key that the provider does not know is for the operator to mend, and is nobody's end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_the_provider_does_not_know_ends_nothing() {
    let provider = Provider::start().await;
    let (pem, jwks) = key(Algorithm::Es256);
    provider.knows_client_keys(&jwks);
    provider.gives_refresh();
    let door = Door::with(with_key(&provider, &pem)).await;
    let app = door.app().await;
    let back = approve(&mut door.browser(), &door, &provider, &app, &ana()).await;
    let tokens = Tokens::of(&app.redeem(&app::code_of(&back)).await);
    provider.knows_client_keys(&key(Algorithm::Es256).1);
    let mut browser = door.browser();
    let reply = browser.sign_in_at(&door, &provider, &ana()).await;
    assert_eq!(reply.status, 503, "{}", browser.page);
    assert!(browser.page.contains("provider_unavailable"), "{}", browser.page);
    door.advance(MINUTE);
    assert_eq!(app.refresh(&tokens.refresh).await.status, 200, "for an hour");
}
