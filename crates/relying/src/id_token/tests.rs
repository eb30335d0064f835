//! OS-46: every claim of an ID token that is not what it must be.

use super::*;
use keys::digest::at_hash;
use serde_json::json;

const ISSUER: &str = "https://login.example.com";
const NOW: Timestamp = Timestamp::from_seconds(1_000_000);

type Case = (BadIdToken, fn(&mut Value));

fn expected() -> Expected<'static> {
    Expected {
        issuer: ISSUER,
        client_id: "door",
        nonce: Some("n-1"),
        access_token: Some("access"),
        leeway: Duration::from_secs(30),
        max_age: None,
    }
}

fn good() -> Value {
    json!({ "iss": ISSUER, "aud": "door", "sub": "u-1", "nonce": "n-1", "exp": 1_000_300, "iat": 999_990 })
}

fn judged(change: impl FnOnce(&mut Value)) -> Result<Timestamp, BadIdToken> {
    let mut claims = good();
    change(&mut claims);
    check_claims(&claims, "ES256", &expected(), NOW)
}

#[test]
fn os_46_a_good_token_counts_and_nothing_else() {
    assert_eq!(judged(|_| ()), Ok(Timestamp::from_seconds(999_990)));
    let cases: [Case; 20] = [
        (BadIdToken::Issuer, |c| {
            c["iss"] = json!("https://login.example.com/");
        }),
        (BadIdToken::Issuer, |c| c["iss"] = Value::Null),
        (BadIdToken::Audience, |c| c["aud"] = json!("other")),
        (BadIdToken::Audience, |c| c["aud"] = json!([])),
        (BadIdToken::Audience, |c| c["aud"] = json!(["door", "other"])),
        (BadIdToken::Audience, |c| c["azp"] = json!("other")),
        (BadIdToken::Audience, |c| c["azp"] = json!(7)),
        (BadIdToken::Claims, |c| c["sub"] = json!("")),
        (BadIdToken::Claims, |c| c["sub"] = json!("a".repeat(256))),
        (BadIdToken::Claims, |c| c["exp"] = json!("1000300")),
        (BadIdToken::Claims, |c| c["iat"] = Value::Null),
        (BadIdToken::Expired, |c| c["exp"] = json!(999_970)),
        (BadIdToken::NotYet, |c| c["iat"] = json!(1_000_031)),
        (BadIdToken::Nonce, |c| c["nonce"] = json!("n-2")),
        (BadIdToken::Nonce, |c| c["nonce"] = Value::Null),
        (BadIdToken::Nonce, |c| c["nonce"] = json!(["n-1"])),
        (BadIdToken::AccessToken, |c| {
            c["at_hash"] = json!(at_hash("another"));
        }),
        (BadIdToken::AccessToken, |c| c["at_hash"] = json!(1)),
        (BadIdToken::Type, |c| c["events"] = json!({})),
        (BadIdToken::Claims, |c| c["exp"] = json!(-1)),
    ];
    for (why, change) in cases {
        assert_eq!(judged(change), Err(why));
    }
    assert!(judged(|c| c["aud"] = json!(["door"])).is_ok());
    assert!(
        judged(|c| {
            c["aud"] = json!(["door", "other"]);
            c["azp"] = json!("door");
        })
        .is_ok()
    );
    assert!(judged(|c| c["at_hash"] = json!(at_hash("access"))).is_ok());
    assert!(judged(|c| c["exp"] = json!(999_971)).is_ok(), "within the leeway");
}

/// OS-32: a program that wants a fresh proof gets one, or nothing.
#[test]
fn auth_time_is_as_late_as_it_was_asked_for() {
    let judge = |auth_time: Value, most: u64| {
        let mut claims = good();
        claims["auth_time"] = auth_time;
        let expected = Expected {
            max_age: Some((Duration::from_secs(most), NOW)),
            ..expected()
        };
        check_claims(&claims, "ES256", &expected, NOW).map(drop)
    };
    assert_eq!(judge(json!(1_000_005), 0), Ok(()));
    assert_eq!(judge(json!(999_970), 0), Ok(()), "clocks differ");
    assert_eq!(judge(json!(999_960), 0), Err(BadIdToken::AuthTime));
    assert_eq!(judge(json!(999_960), 60), Ok(()));
    assert_eq!(
        judge(Value::Null, 60),
        Err(BadIdToken::AuthTime),
        "nobody says when"
    );
}
