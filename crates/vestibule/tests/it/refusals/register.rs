//! Dynamic registration and its management.

use serde_json::{Value, json};

use super::{Want, check};
use crate::rig::{Ask, Door, Plan};

fn body(value: &Value) -> Ask {
    Ask::json("/register", value)
}

/// OS-99 to OS-105, OS-132, CC-29 to CC-33, CC-46, MA-122.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn registrations_that_are_not_made() {
    let door = Door::open().await;
    let one = |uri: &str| body(&json!({ "redirect_uris": [uri] }));
    let long = format!("https://app.example/{}", "a".repeat(2048));
    let many: Vec<String> = (0..51).map(|n| format!("https://app.example/{n}")).collect();
    let cases: [(&str, Ask, Want); 30] = [
        (
            "GET",
            Ask::get("/register"),
            Want::Json(405, "method_not_allowed"),
        ),
        (
            "no body",
            Ask::new("POST", "/register").with("content-type", "application/json"),
            Want::Json(400, "invalid_client_metadata"),
        ),
        (
            "no JSON",
            body(&json!({})).body("redirect_uris=x"),
            Want::Json(400, "invalid_client_metadata"),
        ),
        (
            "an array",
            body(&json!([])),
            Want::Json(400, "invalid_client_metadata"),
        ),
        (
            "a text",
            body(&json!("x")),
            Want::Json(400, "invalid_client_metadata"),
        ),
        (
            "no redirect URIs",
            body(&json!({ "client_name": "x" })),
            Want::Json(400, "invalid_redirect_uri"),
        ),
        (
            "an empty list",
            body(&json!({ "redirect_uris": [] })),
            Want::Json(400, "invalid_redirect_uri"),
        ),
        (
            "a text instead of a list",
            body(&json!({ "redirect_uris": "https://a.example/" })),
            Want::Json(400, "invalid_redirect_uri"),
        ),
        (
            "numbers",
            body(&json!({ "redirect_uris": [1, null, {}] })),
            Want::Json(400, "invalid_redirect_uri"),
        ),
        (
            "http off this machine",
            one("http://app.example/cb"),
            Want::Json(400, "invalid_redirect_uri"),
        ),
        (
            "http to a private network",
            one("http://192.168.1.2/cb"),
            Want::Json(400, "invalid_redirect_uri"),
        ),
        (
            "a fragment",
            one("https://app.example/cb#x"),
            Want::Json(400, "invalid_redirect_uri"),
        ),
        (
            "user info",
            one("https://a:b@app.example/cb"),
            Want::Json(400, "invalid_redirect_uri"),
        ),
        (
            "javascript",
            one("javascript:alert(1)"),
            Want::Json(400, "invalid_redirect_uri"),
        ),
        (
            "data",
            one("data:text/html,x"),
            Want::Json(400, "invalid_redirect_uri"),
        ),
        (
            "file",
            one("file:///etc/passwd"),
            Want::Json(400, "invalid_redirect_uri"),
        ),
        (
            "vbscript",
            one("vbscript:x"),
            Want::Json(400, "invalid_redirect_uri"),
        ),
        (
            "blob",
            one("blob:https://app.example/x"),
            Want::Json(400, "invalid_redirect_uri"),
        ),
        (
            "a scheme that nobody knows",
            one("myapp://cb"),
            Want::Json(400, "invalid_redirect_uri"),
        ),
        (
            "a wildcard",
            one("https://*.app.example/cb"),
            Want::Json(400, "invalid_redirect_uri"),
        ),
        ("relative", one("/cb"), Want::Json(400, "invalid_redirect_uri")),
        (
            "spaces",
            one("https://app.example/c b"),
            Want::Json(400, "invalid_redirect_uri"),
        ),
        (
            "a line break",
            one("https://app.example/cb\r\nX: y"),
            Want::Json(400, "invalid_redirect_uri"),
        ),
        ("too long", one(&long), Want::Json(400, "invalid_redirect_uri")),
        (
            "too many",
            body(&json!({ "redirect_uris": many })),
            Want::Json(400, "invalid_redirect_uri"),
        ),
        (
            "grants that are for nobody",
            body(&json!({ "redirect_uris": ["https://a.example/"], "grant_types": ["client_credentials"] })),
            Want::Json(400, "invalid_client_metadata"),
        ),
        (
            "an authentication that is not offered",
            body(
                &json!({ "redirect_uris": ["https://a.example/"], "token_endpoint_auth_method": "client_secret_jwt" }),
            ),
            Want::Json(400, "invalid_client_metadata"),
        ),
        (
            "keys that are missing",
            body(
                &json!({ "redirect_uris": ["https://a.example/"], "token_endpoint_auth_method": "private_key_jwt" }),
            ),
            Want::Json(400, "invalid_client_metadata"),
        ),
        (
            "keys at an address inside",
            body(
                &json!({ "redirect_uris": ["https://a.example/"], "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "http://10.0.0.1/" }),
            ),
            Want::Json(400, "invalid_client_metadata"),
        ),
        (
            "larger than a registration is",
            body(&json!({ "redirect_uris": ["https://a.example/"], "x": "y".repeat(70_000) })),
            Want::Status(413),
        ),
    ];
    for (name, ask, want) in cases {
        check(name, &door.ask(ask).await, want);
    }
    // CC-33: one that can be used is enough, and the reply holds that one alone; nothing in it is null or empty.
    let mixed = json!({ "redirect_uris": ["javascript:alert(1)", "http://localhost:1/cb", "http://10.0.0.1/x"],
        "client_name": "\u{202e}evil\u{0}\nname", "scope": "", "logo_uri": null });
    let reply = door.ask(body(&mixed)).await;
    assert_eq!(reply.status, 201);
    let registered = reply.json();
    assert_eq!(registered["redirect_uris"], json!(["http://localhost:1/cb"]));
    assert_eq!(registered["token_endpoint_auth_method"], "none");
    assert!(
        registered.get("client_secret").is_none() && registered.get("registration_access_token").is_none()
    );
    let name = registered["client_name"].as_str().unwrap();
    assert!(
        !name.chars().any(|c| c.is_control() || c == '\u{202e}'),
        "OS-103: {name:?}"
    );
    assert!(
        registered
            .as_object()
            .unwrap()
            .values()
            .all(|value| !value.is_null() && value != ""),
        "CC-31: {registered}"
    );
}

/// CC-30: where registration is closed, whoever tries is told whom to ask, and discovery does not offer it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_door_says_whom_to_ask() {
    let config = "registration: closed".to_owned();
    let door = Door::with(Plan {
        config,
        ..Plan::default()
    })
    .await;
    let reply = door
        .ask(body(&json!({ "redirect_uris": ["http://localhost/cb"] })))
        .await;
    check("closed", &reply, Want::Json(403, "access_denied"));
    assert!(reply.body.contains("platform@example.com"));
    let metadata = door.get("/.well-known/oauth-authorization-server").await.json();
    assert!(metadata.get("registration_endpoint").is_none());
    check(
        "GET",
        &door.get("/register").await,
        Want::Json(405, "method_not_allowed"),
    );
}

/// CC-36, MA-105: registering new things without end is slowed; registering the same again is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_registrations_are_limited_by_network() {
    let door = Door::open().await;
    let register = |n: u32| body(&json!({ "redirect_uris": [format!("http://localhost/{n}")] }));
    for n in 0..120 {
        assert_eq!(door.ask(register(n)).await.status, 201);
    }
    let reply = door.ask(register(121)).await;
    assert_eq!(reply.status, 429, "{reply:?}");
    assert!(reply.header("retry-after").is_some());
    assert_eq!(door.ask(register(7)).await.status, 201, "the same program again");
    door.advance(std::time::Duration::from_mins(11));
    assert_eq!(door.ask(register(121)).await.status, 201);
}

/// OS-107, DEC-7: management of a registration is for whoever holds its token.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registration_is_managed_with_its_token_alone() {
    let door = Door::open().await;
    let metadata = json!({ "redirect_uris": ["https://a.example/cb"], "token_endpoint_auth_method": "client_secret_post" });
    let first = door.ask(body(&metadata)).await.json();
    let second = door.ask(body(&metadata)).await.json();
    assert_ne!(
        first["client_id"], second["client_id"],
        "CC-34: a confidential registration is always new"
    );
    let path = |registered: &Value| {
        let uri = registered["registration_client_uri"].as_str().unwrap();
        uri.strip_prefix(&door.url).unwrap().to_owned()
    };
    let token = |registered: &Value| {
        registered["registration_access_token"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let put = |value: Value| {
        Ask::new("PUT", &path(&first))
            .with("content-type", "application/json")
            .body(value.to_string())
            .bearer(&token(&first))
    };
    let with = |changes: Value| {
        let mut all = json!({ "client_id": first["client_id"], "redirect_uris": ["https://a.example/new"], "token_endpoint_auth_method": "client_secret_post" });
        all.as_object_mut()
            .unwrap()
            .extend(changes.as_object().unwrap().clone());
        put(all)
    };
    let cases: [(&str, Ask, Want); 13] = [
        (
            "no token",
            Ask::get(&path(&first)),
            Want::Json(401, "invalid_token"),
        ),
        (
            "another registration's token",
            Ask::get(&path(&first)).bearer(&token(&second)),
            Want::Json(401, "invalid_token"),
        ),
        (
            "a made-up token",
            Ask::get(&path(&first)).bearer("x"),
            Want::Json(401, "invalid_token"),
        ),
        (
            "a client that is not there",
            Ask::get("/register/reg-none").bearer(&token(&first)),
            Want::Json(401, "invalid_token"),
        ),
        (
            "POST",
            Ask::new("POST", &path(&first)).bearer(&token(&first)),
            Want::Json(405, "method_not_allowed"),
        ),
        (
            "without client_id",
            put(metadata.clone()),
            Want::Json(400, "invalid_client_metadata"),
        ),
        (
            "another client_id",
            with(json!({ "client_id": "portal" })),
            Want::Json(400, "invalid_client_metadata"),
        ),
        (
            "with the token in it",
            with(json!({ "registration_access_token": "x" })),
            Want::Json(400, "invalid_client_metadata"),
        ),
        (
            "with its address in it",
            with(json!({ "registration_client_uri": "x" })),
            Want::Json(400, "invalid_client_metadata"),
        ),
        (
            "with its date in it",
            with(json!({ "client_id_issued_at": 1 })),
            Want::Json(400, "invalid_client_metadata"),
        ),
        (
            "a secret of its own choice",
            with(json!({ "client_secret": "mine" })),
            Want::Json(400, "invalid_client_metadata"),
        ),
        (
            "another way to authenticate",
            with(json!({ "token_endpoint_auth_method": "none" })),
            Want::Json(400, "invalid_client_metadata"),
        ),
        (
            "a redirect that may not be",
            with(json!({ "redirect_uris": ["http://a.example/"] })),
            Want::Json(400, "invalid_redirect_uri"),
        ),
    ];
    for (name, ask, want) in cases {
        check(name, &door.ask(ask).await, want);
    }
    let updated = door.ask(with(json!({}))).await;
    assert_eq!(updated.status, 200);
    assert_eq!(updated.json()["redirect_uris"], json!(["https://a.example/new"]));
    let delete = || Ask::new("DELETE", &path(&first)).bearer(&token(&first));
    assert_eq!(door.ask(delete()).await.status, 204);
    check(
        "after it was deleted",
        &door.ask(delete()).await,
        Want::Json(401, "invalid_token"),
    );
}
