use super::*;
use serde_json::json;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

fn trust() -> Trust {
    Trust {
        name: "corp".to_owned(),
        issuer: "https://login.example.com".to_owned(),
        keys: Source::Of("https://login.example.com".to_owned()),
        algorithms: vec!["ES256".to_owned()],
        types: vec!["at+jwt".to_owned()],
        leeway: Duration::from_secs(30),
        id_tokens: false,
        claims: ClaimNames::default(),
        mcp_scope: "tools".to_owned(),
        keep_keys: Duration::from_hours(24),
        assurance: [("mfa".to_owned(), model::Assurance::TwoFactors)].into(),
        create_accounts: false,
    }
}

fn issuer(trust: Trust) -> TrustedIssuer {
    let egress = net::Egress::default();
    let client = Operators::new(&egress).unwrap();
    TrustedIssuer::new(trust, egress, client)
}

fn claims() -> Value {
    json!({
        "iss": "https://login.example.com", "sub": "u1", "aud": ["x"], "client_id": "agent",
        "iat": 1_800_000_000_i64 - 60, "exp": 1_800_000_000_i64 + 600, "jti": "t1",
        "scope": "tools write", "groups": ["b", "a"],
    })
}

fn read(trust: Trust, change: impl FnOnce(&mut Value)) -> Result<ForeignAccess, BadForeignToken> {
    let mut claims = claims();
    change(&mut claims);
    issuer(trust).read(&claims, NOW)
}

#[test]
fn ma_54_what_the_claims_of_a_foreign_token_must_be() {
    let access = read(trust(), |_| {}).unwrap();
    assert_eq!(
        (access.client.as_str(), access.scope.as_str()),
        ("issuer:corp:agent", "mcp")
    );
    assert_eq!(access.expires_at, NOW + Duration::from_secs(630), "with leeway");
    let wrong = |change: fn(&mut Value)| read(trust(), change).unwrap_err();
    assert_eq!(
        wrong(|c| c["iss"] = json!("https://login.example.com/")),
        BadForeignToken::Issuer
    );
    assert_eq!(
        wrong(|c| c["iss"] = json!(["https://login.example.com"])),
        BadForeignToken::Issuer
    );
    assert_eq!(
        wrong(|c| c["exp"] = json!(1_800_000_000 - 30)),
        BadForeignToken::Expired
    );
    assert_eq!(wrong(|c| c["exp"] = json!("1900000000")), BadForeignToken::Claims);
    assert_eq!(
        wrong(|c| c["iat"] = json!(1_800_000_000 + 31)),
        BadForeignToken::NotYet
    );
    assert_eq!(
        wrong(|c| c["nbf"] = json!(1_800_000_000 + 31)),
        BadForeignToken::NotYet
    );
    assert_eq!(wrong(|c| c["nbf"] = json!("soon")), BadForeignToken::Claims);
    assert_eq!(wrong(|c| c["sub"] = json!("")), BadForeignToken::Claims);
    assert_eq!(
        wrong(|c| c["sub"] = json!("x".repeat(256))),
        BadForeignToken::Claims
    );
    assert!(
        read(trust(), |c| c["nbf"] = json!(1_800_000_000 + 30)).is_ok(),
        "within leeway"
    );
}

#[test]
fn os_122_an_id_token_is_no_access_token() {
    let marks: [(&str, Value); 7] = [
        ("nonce", json!("n")),
        ("at_hash", json!("h")),
        ("typ", json!("ID")),
        ("token_use", json!("id")),
        ("typ", json!("Refresh")),
        ("typ", json!("Offline")),
        ("events", json!({})),
    ];
    for (at, (name, value)) in marks.into_iter().enumerate() {
        let verdict = |id_tokens| read(Trust { id_tokens, ..trust() }, |c| c[name] = value.clone()).map(drop);
        assert_eq!(verdict(false), Err(BadForeignToken::Type), "{name}");
        assert_eq!(
            verdict(true).is_ok(),
            at < 4,
            "{name} {value}: only ID tokens are ever let in"
        );
    }
}

#[test]
fn a_scope_is_needed_where_scopes_are_read() {
    let with_scopes = || Trust {
        claims: ClaimNames {
            scopes: Some("scope".parse().unwrap()),
            groups: Some("groups".parse().unwrap()),
            ..ClaimNames::default()
        },
        ..trust()
    };
    let access = read(with_scopes(), |_| {}).unwrap();
    assert!(access.reaches);
    assert_eq!(access.scope, "mcp tools write");
    assert_eq!(access.groups.len(), 2);
    // The issuer's own word `mcp` means what that issuer says, which is not what it stands for here.
    let access = read(with_scopes(), |c| c["scope"] = json!("mcp write")).unwrap();
    assert!(!access.reaches);
    assert_eq!(access.scope, "write");
}

/// What is not of this issuer asks nobody for keys: nobody listens there.
#[tokio::test]
async fn the_shape_comes_before_the_keys() {
    let (key, _) = keys::SigningKey::generate(keys::Algorithm::Es256).unwrap();
    let token = |typ: &str, claims: &Value| keys::jws::sign(&key, typ, claims).unwrap();
    let issuer = issuer(Trust {
        keys: Source::At("http://127.0.0.1:9/jwks".parse().unwrap()),
        ..trust()
    });
    let mut other = claims();
    other["iss"] = json!("https://evil.example");
    for (token, verdict) in [
        ("abc".to_owned(), BadForeignToken::Malformed),
        (token("JWT", &claims()), BadForeignToken::Type),
        (token("at+jwt", &other), BadForeignToken::Issuer),
        (token("at+jwt", &claims()), BadForeignToken::Unavailable),
    ] {
        assert_eq!(issuer.verify(&token, NOW).await.unwrap_err(), verdict);
    }
}
