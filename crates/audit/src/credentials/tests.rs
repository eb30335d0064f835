use data_encoding::{BASE32_NOPAD, BASE64, BASE64URL_NOPAD, HEXLOWER};
use keys::{Algorithm, SigningKey};
use model::{OpaqueToken, TokenKind};
use proptest::prelude::*;
use testkit::world;

use super::*;

#[test]
fn credentials_are_known_wherever_they_stand() {
    for text in [
        "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
        "use github_pat_11ABCDEFG0123456789_abcdefghijklmnop please",
        "xoxb-263594206564-2343594206574-FGqddMF8t08v8N7Oq4i57vs1",
        "AKIAIOSFODNN7EXAMPLE",
        "https://ana:hunter2@git.example.com/a.git",
        "postgres://ana:pw@db/name",
        "curl -H 'Authorization: Bearer abcd1234'",
        "Basic dXNlcjpwYXNz",
        "password=hunter2",
        "{\"api_key\": \"abc\"}",
        "export CLIENT_SECRET='x'",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk",
        "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.e30.c2ln",
        r#"curl -d "{\"password\":\"hunter2\"}""#,
        r#"{\\\"password\\\": \\\"hunter2\\\"}"#,
        "password\t: hunter2",
        "password\n=hunter2",
        "`password`: `hunter2`",
        "$_POST['password'] = 'hunter2'",
        "GITLAB_PRIVATE_TOKEN=abc",
        "db_pass: abc",
        "smtp --pass=abc",
        "AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "SOMETHING_ELSE_ALTOGETHER=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "something-else-altogether.wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "task-sk-4f9d0c2b7e6a",
        // As Gitea makes them; a commit's hash looks the same.
        "9bafa6b34c1e2f0d8a7b6c5d4e3f2a1b0c9d8e7f",
    ] {
        assert!(holds_credential(text), "{text}");
    }
}

#[test]
fn what_people_write_is_none() {
    for text in [
        "",
        "acme",
        "delete-old-branches-of-2024-10-12",
        "crates/store-sqlite/migrations/0005_audit_signatures.sql",
        "src/components/UserProfileHeader2.tsx",
        "https://git.example.com/acme/website/pulls?state=open&page=2",
        "mailto:ana@example.com",
        "0190b2f2-7e1c-7d7a-9c55-0d9d1b4f6a11",
        "2026-11-26T10:28:08.123456Z",
        "web-frontend-7d9f8b6c5d-x2k4z",
        "Deployment/web-frontend-7d9f8b6c5d-x2k4z",
        "the basic knowledge, and the bearer of it",
        "getUserByIdentifierAndTenant",
        "It is time: the secret garden was opened.",
        "task-list-of-the-whole-team-2026",
        "npm_config_registry",
        "feature/add-login-page",
        "feature/JIRA-1234-add-login-page-2",
        "/home/ana/projects/Website2/src/main/java/App.java",
        "id=0190b2f2-7e1c-7d7a-9c55-0d9d1b4f6a11&sort=createdAt",
        "/api/tokens/:id",
        "compass: north, bypass=1, max_tokens: 500, next_page_token=abc",
        "task-list-and-risk-list",
        "客戶名單與上週的會議紀錄",
    ] {
        assert!(!holds_credential(text), "{text}");
    }
}

#[test]
fn some_names_say_it() {
    for name in [
        "password",
        "auth.api_key",
        "clientSecret",
        "db-password",
        "tokens",
        "Authorization",
        "x.API-KEY",
        "auth_token",
        "api_token",
        "private_token",
        "bot_token",
        "secret_key",
        "access_key",
        "db_pass",
        "dbPass",
        "pass",
    ] {
        assert!(names_credential(name), "{name}");
    }
    for name in [
        "owner",
        "filter.state",
        "page_token_count",
        "secretary",
        "password.length",
        "key",
        "compass",
        "page_token",
    ] {
        assert!(!names_credential(name), "{name}");
    }
}

/// Of what is drawn by lot, hardly anything goes by; the dice are always the same.
#[test]
fn keys_that_are_drawn_by_lot_are_known() {
    let (world, _) = world();
    let (mut missed, mut count) = (0, 0);
    for _ in 0..2000 {
        let bytes = world.random::<32>();
        let texts = [
            BASE64URL_NOPAD.encode(&bytes),
            BASE64.encode(&bytes[..24]),
            HEXLOWER.encode(&bytes[..20]),
            BASE32_NOPAD.encode(&bytes),
        ];
        for text in texts {
            count += 1;
            missed += usize::from(!holds_credential(&text));
        }
    }
    // One of a hundred, and that is mostly base 32 without digits.
    assert!(missed * 100 < count, "{missed} of {count}");
}

#[test]
fn a_signed_token_is_known() {
    let (key, _) = SigningKey::generate(Algorithm::EdDsa).unwrap();
    let claims = BASE64URL_NOPAD.encode(b"{\"sub\":\"ana\"}");
    let head = format!("{}.{claims}", BASE64URL_NOPAD.encode(b"{\"alg\":\"EdDSA\"}"));
    let signature = BASE64URL_NOPAD.encode(&key.sign(head.as_bytes()).unwrap());
    assert!(holds_credential(&format!("token is {head}.{signature}")));
}

proptest! {
    #[test]
    fn no_token_of_ours_goes_by(random: [u8; 32], kind in 0..TokenKind::ALL.len(), before in "[ \"'(=:/]?", after in "[ \"').,/]?") {
        let token = OpaqueToken::from_random(TokenKind::ALL[kind], &random);
        let text = format!("see{before} {before}{}{after}", token.expose());
        prop_assert!(holds_credential(&text));
    }

    #[test]
    fn any_text_can_be_looked_at(text in any::<String>(), path in any::<String>()) {
        let _ = (holds_credential(&text), names_credential(&path));
    }

    #[test]
    fn words_of_small_letters_are_none(text in "[a-z]{1,12}([-_/ .][a-z]{1,12}){0,20}") {
        prop_assume!(!text.contains("bearer") && !text.contains("basic"));
        prop_assert!(!holds_credential(&text));
    }
}
