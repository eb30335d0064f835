//! OS-48 to OS-51, OS-130, CC-59, CC-60, DEC-6.

use crate::authorize::Outcome;
use crate::client_authentication::{ClientError, JWT_BEARER, Presented};
use crate::testing::*;
use audit::Person;
use data_encoding::BASE64;
use keys::{Algorithm, SigningKey, jws};
use protocol::{AuthMethod, basic};
use serde_json::{Value, json};
use testkit::databases;

async fn authenticate(house: &House, presented: &Presented) -> Result<AuthMethod, String> {
    match house
        .server
        .authenticate_client(presented, &Person::default())
        .await
    {
        Ok(authenticated) => Ok(authenticated.method),
        Err(ClientError::Invalid { error, basic }) => {
            Err(format!("{}{}", error, if basic { " (basic)" } else { "" }))
        }
        Err(other) => Err(other.to_string()),
    }
}

fn body(id: &str, secret: Option<&str>) -> Presented {
    Presented {
        client_id: Some(id.to_owned()),
        client_secret: secret.map(|secret| secret.to_owned().into()),
        ..Presented::default()
    }
}

fn basic_header(id: &str, secret: &str) -> Presented {
    let header = format!("Basic {}", BASE64.encode(format!("{id}:{secret}").as_bytes()));
    Presented {
        basic: basic::parse(header.as_bytes()).unwrap().unwrap(),
        ..Presented::default()
    }
}

#[tokio::test]
async fn cc_59_a_public_client_may_send_an_empty_secret_anywhere() {
    let house = house(&databases().await[0]).await;
    let id = house.loopback_client().await;
    for presented in [body(&id, None), body(&id, Some("")), basic_header(&id, "")] {
        assert_eq!(authenticate(&house, &presented).await, Ok(AuthMethod::None));
    }
    let mut both = basic_header(&id, "");
    both.client_id = Some(id.clone());
    assert_eq!(
        authenticate(&house, &both).await,
        Ok(AuthMethod::None),
        "both places, equal"
    );
    both.client_id = Some("other".to_owned());
    assert!(
        authenticate(&house, &both)
            .await
            .unwrap_err()
            .starts_with("invalid_request")
    );
    assert!(
        authenticate(&house, &body(&id, Some("secret")))
            .await
            .unwrap_err()
            .starts_with("invalid_client")
    );
}

#[tokio::test]
async fn cc_59_a_secret_counts_in_basic_or_body_whichever_was_registered() {
    for database in databases().await {
        let house = house(&database).await;
        for method in ["client_secret_basic", "client_secret_post"] {
            let body_ =
                json!({"redirect_uris": ["https://x.example/cb"], "token_endpoint_auth_method": method});
            let registered = house.register_whole(body_).await.unwrap();
            let (id, secret) = (
                registered["client_id"].as_str().unwrap(),
                registered["client_secret"].as_str().unwrap(),
            );
            for presented in [body(id, Some(secret)), basic_header(id, secret)] {
                assert!(authenticate(&house, &presented).await.is_ok(), "{method}");
            }
            for presented in [
                body(id, None),
                body(id, Some("")),
                body(id, Some("wrong")),
                basic_header(id, "wrong"),
            ] {
                let error = authenticate(&house, &presented).await.unwrap_err();
                assert!(error.starts_with("invalid_client"), "{error}");
            }
        }
    }
}

#[tokio::test]
async fn os_51_an_unknown_client_is_invalid_client_and_basic_is_named_if_used() {
    let house = house(&databases().await[0]).await;
    assert!(
        !authenticate(&house, &body("nobody", None))
            .await
            .unwrap_err()
            .ends_with("(basic)")
    );
    assert!(
        authenticate(&house, &basic_header("nobody", "x"))
            .await
            .unwrap_err()
            .ends_with("(basic)")
    );
    assert!(
        authenticate(&house, &Presented::default())
            .await
            .unwrap_err()
            .contains("client_id is missing")
    );
}

#[tokio::test]
async fn os_141_failures_from_one_network_are_limited() {
    let house = house(&databases().await[0]).await;
    let person = |address: &str| Person {
        address: address.parse().ok(),
        ..Person::default()
    };
    for _ in 0..100 {
        let error = house
            .server
            .authenticate_client(&body("nobody", None), &person("203.0.113.5"))
            .await
            .unwrap_err();
        assert!(matches!(error, ClientError::Invalid { .. }));
    }
    let error = house
        .server
        .authenticate_client(&body("nobody", None), &person("203.0.113.99"))
        .await
        .unwrap_err();
    assert!(matches!(error, ClientError::TooMany(_)));
    let id = house.loopback_client().await;
    assert!(
        house
            .server
            .authenticate_client(&body(&id, None), &person("203.0.113.5"))
            .await
            .is_ok(),
        "others go on"
    );
}

struct Keyed {
    house: House,
    key: SigningKey,
    id: String,
}

async fn keyed(metadata: Value) -> Keyed {
    let house = house(&databases().await[0]).await;
    let (key, _) = SigningKey::generate(Algorithm::Es256).unwrap();
    let mut body =
        json!({"redirect_uris": ["https://x.example/cb"], "token_endpoint_auth_method": "private_key_jwt"});
    body.as_object_mut()
        .unwrap()
        .extend(metadata.as_object().unwrap().clone());
    if body.get("jwks_uri").is_none() {
        body["jwks"] = json!({"keys": [key.public_jwk()]});
    }
    let id = house.register(body).await;
    Keyed { house, key, id }
}

impl Keyed {
    fn claims(&self) -> Value {
        let now = self.house.world.now().as_seconds();
        json!({"iss": self.id, "sub": self.id, "aud": "https://gw.test", "exp": now + 300, "iat": now, "jti": "j1"})
    }

    fn presented(&self, typ: &str, claims: &Value) -> Presented {
        Presented {
            assertion: Some(jws::sign(&self.key, typ, claims).unwrap()),
            assertion_type: Some(JWT_BEARER.to_owned()),
            ..Presented::default()
        }
    }

    async fn verdict(&self, typ: &str, change: &Value) -> Result<AuthMethod, String> {
        let mut claims = self.claims();
        for (name, value) in change.as_object().unwrap() {
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(name);
            } else {
                claims[name] = value.clone();
            }
        }
        authenticate(&self.house, &self.presented(typ, &claims)).await
    }
}

/// MA-44, MA-166.
#[tokio::test]
async fn dec_6_the_claims_of_an_assertion() {
    let keyed = keyed(json!({})).await;
    let now = keyed.house.world.now().as_seconds();
    for (change, part) in [
        (json!({"aud": "https://gw.test/token"}), "aud"),
        (json!({"aud": "https://gw.test/"}), "aud"),
        (json!({"aud": ["https://gw.test", "https://other.test"]}), "aud"),
        (json!({"exp": now}), "expired"),
        (json!({"exp": now + 3601}), "too long"),
        (json!({"exp": null}), "exp"),
        (json!({"nbf": now + 120}), "not valid yet"),
        (json!({"iat": now + 120}), "not valid yet"),
        (json!({"iss": "other"}), "differ"),
        (json!({"iss": "nobody", "sub": "nobody"}), "unknown client"),
    ] {
        let error = keyed.verdict("JWT", &change).await.unwrap_err();
        assert!(
            error.starts_with("invalid_client") && error.contains(part),
            "{change}: {error}"
        );
    }
    for typ in ["at+jwt", "oauth-id-jag+jwt", "dpop+jwt"] {
        assert!(
            keyed
                .verdict(typ, &json!({}))
                .await
                .unwrap_err()
                .contains("another type"),
            "{typ}"
        );
    }
    assert_eq!(
        keyed
            .verdict("client-authentication+jwt", &json!({"aud": ["https://gw.test"]}))
            .await,
        Ok(AuthMethod::PrivateKeyJwt)
    );
    assert!(
        keyed
            .verdict("JWT", &json!({}))
            .await
            .unwrap_err()
            .contains("used before"),
        "jti j1 was used"
    );
    assert_eq!(
        keyed.verdict("JWT", &json!({"jti": "j2"})).await,
        Ok(AuthMethod::PrivateKeyJwt)
    );
    assert_eq!(
        keyed.verdict("JWT", &json!({"jti": null})).await,
        Ok(AuthMethod::PrivateKeyJwt)
    );
    assert!(keyed.verdict("JWT", &json!({"jti": "j3"})).await.is_ok());
}

/// OS-131.
#[tokio::test]
async fn dec_6_a_client_with_keys_always_authenticates_and_only_with_its_own() {
    let keyed = keyed(json!({})).await;
    assert!(
        authenticate(&keyed.house, &body(&keyed.id, None))
            .await
            .unwrap_err()
            .contains("private_key_jwt")
    );
    let (other, _) = SigningKey::generate(Algorithm::Es256).unwrap();
    let forged = Presented {
        assertion: Some(jws::sign(&other, "JWT", &keyed.claims()).unwrap()),
        assertion_type: Some(JWT_BEARER.to_owned()),
        ..Presented::default()
    };
    assert!(
        authenticate(&keyed.house, &forged)
            .await
            .unwrap_err()
            .starts_with("invalid_client")
    );
    let mut wrong_type = keyed.presented("JWT", &keyed.claims());
    wrong_type.assertion_type = Some("urn:ietf:params:oauth:client-assertion-type:saml2-bearer".to_owned());
    assert!(
        authenticate(&keyed.house, &wrong_type)
            .await
            .unwrap_err()
            .starts_with("invalid_request")
    );
    let mut two_ways = keyed.presented("JWT", &keyed.claims());
    two_ways.client_secret = Some("secret".to_owned().into());
    assert!(
        authenticate(&keyed.house, &two_ways)
            .await
            .unwrap_err()
            .starts_with("invalid_request")
    );
    let mut other_id = keyed.presented("JWT", &keyed.claims());
    other_id.client_id = Some("other".to_owned());
    assert!(
        authenticate(&keyed.house, &other_id)
            .await
            .unwrap_err()
            .starts_with("invalid_client")
    );
}

#[tokio::test]
async fn keys_behind_a_jwks_uri_are_fetched_kept_and_fetched_again_for_a_new_kid() {
    let mut keyed = keyed(json!({"jwks_uri": "https://x.example/jwks.json"})).await;
    let unavailable = keyed.verdict("JWT", &json!({"jti": "a"})).await.unwrap_err();
    assert!(
        unavailable.starts_with("temporarily unavailable"),
        "our fault, not the client's: {unavailable}"
    );
    keyed.house.clock.advance(std::time::Duration::from_secs(31));
    keyed.house.web.put(
        "https://x.example/jwks.json",
        &json!({"keys": [keyed.key.public_jwk()]}),
    );
    assert!(keyed.verdict("JWT", &json!({"jti": "b"})).await.is_ok());
    let asked = keyed.house.web.asked();
    assert!(keyed.verdict("JWT", &json!({"jti": "c"})).await.is_ok());
    assert_eq!(keyed.house.web.asked(), asked, "kept");

    let (next, _) = SigningKey::generate(Algorithm::Es256).unwrap();
    keyed.house.web.put(
        "https://x.example/jwks.json",
        &json!({"keys": [next.public_jwk()]}),
    );
    keyed.key = next;
    assert!(
        keyed.verdict("JWT", &json!({"jti": "d"})).await.is_err(),
        "not more often than every half minute"
    );
    keyed.house.clock.advance(std::time::Duration::from_secs(31));
    assert!(keyed.verdict("JWT", &json!({"jti": "e"})).await.is_ok());
}

#[tokio::test]
async fn p_chatgpt_with_and_without_an_assertion() {
    const CHATGPT: &str = "https://chatgpt.com/oauth/client.json";
    const OTHER: &str = "https://app.example/client.json";
    let house = house(&databases().await[0]).await;
    let (key, _) = SigningKey::generate(Algorithm::Es256).unwrap();
    let browser = house.sign_in(house.ana, None).await;
    for (id, redirect) in [
        (CHATGPT, "https://chatgpt.com/connector_platform_oauth_redirect"),
        (OTHER, "https://app.example/cb"),
    ] {
        let document = json!({
            "client_id": id, "client_name": "App", "redirect_uris": [redirect],
            "token_endpoint_auth_method": "private_key_jwt",
            "token_endpoint_auth_methods_supported": ["none", "private_key_jwt"],
            "token_endpoint_auth_signing_alg": "RS256",
            "jwks_uri": format!("{}/jwks.json", id.trim_end_matches("/client.json")),
        });
        house.web.put(id, &document);
        let outcome = house
            .authorize(&query(id, &format!("redirect_uri={redirect}")), Some(&browser))
            .await;
        assert!(matches!(outcome, Outcome::Ask(_)), "{outcome:?}");
    }
    let verdict = async |id: &str, audience: &str, jti: &str| {
        let now = house.world.now().as_seconds();
        let claims = json!({"iss": id, "sub": id, "aud": audience, "exp": now + 300, "jti": jti});
        let presented = Presented {
            assertion: Some(jws::sign(&key, "JWT", &claims).unwrap()),
            assertion_type: Some(JWT_BEARER.to_owned()),
            ..Presented::default()
        };
        authenticate(&house, &presented).await
    };
    let (issuer, token) = ("https://gw.test", "https://gw.test/token");
    assert_eq!(
        authenticate(&house, &body(CHATGPT, None)).await,
        Ok(AuthMethod::None),
        "its document lists none"
    );
    assert_eq!(
        verdict(CHATGPT, issuer, "a").await,
        Ok(AuthMethod::None),
        "its keys cannot be fetched, and it could do without"
    );
    house.clock.advance(std::time::Duration::from_secs(31));
    let keys = json!({"keys": [key.public_jwk()]});
    house.web.put("https://chatgpt.com/oauth/jwks.json", &keys);
    house.web.put("https://app.example/jwks.json", &keys);
    for (audience, jti) in [(issuer, "b"), (token, "c")] {
        assert_eq!(
            verdict(CHATGPT, audience, jti).await,
            Ok(AuthMethod::PrivateKeyJwt)
        );
    }
    assert!(
        verdict(CHATGPT, token, "c")
            .await
            .unwrap_err()
            .contains("used before")
    );
    assert!(verdict(CHATGPT, "https://gw.test/revoke", "d").await.is_err());
    assert_eq!(verdict(OTHER, issuer, "e").await, Ok(AuthMethod::PrivateKeyJwt));
    let error = verdict(OTHER, token, "f").await.unwrap_err();
    assert!(error.contains("aud"), "OS-130 holds for all others: {error}");
}
