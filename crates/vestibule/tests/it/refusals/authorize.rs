//! The authorization endpoint: what ends on a page, and what goes back to the client as an error.

use serde_json::{Value, json};

use super::{Want, check};
use crate::rig::{App, Ask, Door, app};

/// OS-18, OS-19, OS-20, CC-43 to CC-47, CC-54, MA-114, MA-138: without a client and a redirect URI that belong
/// together, there is a page and nothing goes anywhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_redirected_to_an_address_that_was_not_registered() {
    let door = Door::open().await;
    let web = App::register(
        &door,
        &json!({ "client_name": "Web", "redirect_uris": ["https://app.example/cb", "https://app.example/q?a=1"] }),
    )
    .await;
    let native = door.app().await;
    let mut browser = door.browser();
    browser.sign_in("ana").await;

    let to_web: [(&str, &str); 22] = [
        ("another host", "https://evil.example/cb"),
        ("a host that begins alike", "https://app.example.evil.test/cb"),
        ("a host that ends alike", "https://evilapp.example/cb"),
        ("a path below", "https://app.example/cb/more"),
        ("a path beside", "https://app.example/cbx"),
        ("a slash more", "https://app.example/cb/"),
        ("a path in other case", "https://app.example/CB"),
        ("a query more", "https://app.example/cb?next=https://evil.example"),
        ("a registered query left out", "https://app.example/q"),
        ("a registered query changed", "https://app.example/q?a=2"),
        ("a parent path", "https://app.example/cb/../cb"),
        ("an encoded letter", "https://app.example/%63b"),
        ("encoded dots", "https://app.example/x/%2e%2e/cb"),
        ("user info", "https://app.example@evil.example/cb"),
        ("user info before the host", "https://user@app.example/cb"),
        ("a port", "https://app.example:8443/cb"),
        ("http", "http://app.example/cb"),
        ("a fragment", "https://app.example/cb#x"),
        ("a backslash", "https://app.example\\@evil.example/cb"),
        (
            "a line break",
            "https://app.example/cb\r\nLocation: https://evil.example",
        ),
        ("javascript", "javascript:alert(1)//https://app.example/cb"),
        ("a relative address", "/cb"),
    ];
    for (name, uri) in to_web {
        let reply = browser.get(&web.authorize(&[("redirect_uri", uri)])).await;
        check(name, &reply, Want::Page(400, "redirect_mismatch"));
    }
    let to_native: [(&str, &str); 9] = [
        ("loopback with another path", "http://127.0.0.1:43117/other"),
        ("loopback by https", "https://127.0.0.1:43117/callback"),
        (
            "an address that only begins like loopback",
            "http://127.0.0.1.evil.example/callback",
        ),
        ("all addresses", "http://0.0.0.0:43117/callback"),
        ("localhost with a dot", "http://localhost.:43117/callback"),
        ("localhost as a label", "http://localhost.evil.example/callback"),
        ("a private address", "http://192.168.0.1:43117/callback"),
        ("mapped IPv6", "http://[::ffff:127.0.0.1]:43117/callback"),
        ("a short address", "http://127.1:43117/callback"),
    ];
    for (name, uri) in to_native {
        let reply = browser.get(&native.authorize(&[("redirect_uri", uri)])).await;
        check(name, &reply, Want::Page(400, "redirect_mismatch"));
    }
    for uri in [
        "http://127.0.0.1:1/callback",
        "http://localhost:65535/callback",
        "http://[::1]:8/callback",
    ] {
        let reply = browser.get(&native.authorize(&[("redirect_uri", uri)])).await;
        assert_eq!(
            reply.status, 200,
            "DEC-8: the port and the name of this machine do not matter: {uri}"
        );
    }

    let pages: [(&str, String, &str); 8] = [
        ("no client", native.authorize(&[("client_id", "")]), "no_client"),
        (
            "an unknown client",
            native.authorize(&[("client_id", "pub-nobody")]),
            "unknown_client",
        ),
        (
            "a client that is no id",
            native.authorize(&[("client_id", "'; DROP TABLE clients --")]),
            "unknown_client",
        ),
        (
            "two redirects registered, none named",
            web.authorize(&[("redirect_uri", "")]),
            "redirect_missing",
        ),
        (
            "two clients",
            format!("{}&client_id={}", native.authorize(&[]), web.id),
            "bad_parameters",
        ),
        (
            "two redirect URIs",
            format!(
                "{}&redirect_uri=https%3A%2F%2Fevil.example",
                native.authorize(&[])
            ),
            "bad_parameters",
        ),
        (
            "two states",
            format!("{}&state=other", native.authorize(&[])),
            "bad_parameters",
        ),
        (
            "parameters that are no text",
            "/authorize?client_id=%ff%fe".to_owned(),
            "bad_parameters",
        ),
    ];
    for (name, target, code) in pages {
        check(name, &browser.get(&target).await, Want::Page(400, code));
    }
}

/// MA-78, MA-149, CC-38: URLs that cannot be a client id cause no fetch and no redirect.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_client_url_is_refused_before_anything_is_fetched() {
    let door = Door::open().await;
    let app = door.app().await;
    let mut browser = door.browser();
    browser.sign_in("ana").await;
    for (name, url) in [
        ("no path", "https://client.example"),
        ("the root", "https://client.example/"),
        ("a fragment", "https://client.example/a#b"),
        ("a query", "https://client.example/a?b"),
        ("user info", "https://user:pass@client.example/a"),
        ("dots", "https://client.example/../a"),
        ("encoded dots", "https://client.example/%2e%2E/a"),
        ("another port", "https://client.example:8443/a"),
        ("upper case", "https://CLIENT.example/a"),
    ] {
        let reply = browser.get(&app.authorize(&[("client_id", url)])).await;
        check(name, &reply, Want::Page(400, "bad_client_url"));
    }
    let reply = browser
        .get(&app.authorize(&[("client_id", "https://client.example/a b")]))
        .await;
    check(
        "a space, which no id has",
        &reply,
        Want::Page(400, "unknown_client"),
    );
    let reply = browser
        .get(&app.authorize(&[("client_id", "http://client.example/a")]))
        .await;
    check("http", &reply, Want::Page(400, "bad_client_url"));
    // MA-80: nobody is signed in, so nothing is fetched; the person is asked to sign in first.
    let mut stranger = door.browser();
    let reply = stranger
        .get(&app.authorize(&[("client_id", "https://client.example/metadata.json")]))
        .await;
    assert_eq!(reply.status, 200);
    assert!(stranger.page.contains("action=\"/sign-in"));
    // MA-89: addresses inside are never asked, whatever they are called.
    for (name, url) in [
        ("this machine", "https://127.0.0.1/metadata.json"),
        ("this machine's name", "https://localhost/metadata.json"),
        ("this machine in IPv6", "https://[::1]/metadata.json"),
        ("the metadata service", "https://169.254.169.254/latest/meta-data"),
        ("a private network", "https://10.0.0.1/metadata.json"),
        ("mapped into IPv6", "https://[::ffff:10.0.0.1]/metadata.json"),
        ("NAT64", "https://[64:ff9b::a00:1]/metadata.json"),
        ("6to4", "https://[2002:a00:1::]/metadata.json"),
        ("as one number", "https://2130706433/metadata.json"),
        ("in octal", "https://0177.0.0.1/metadata.json"),
    ] {
        let reply = browser.get(&app.authorize(&[("client_id", url)])).await;
        let page = reply.body.contains("unverified_client") || reply.body.contains("bad_client_url");
        assert!(page && reply.header("location").is_none(), "{name}: {reply:?}");
    }
}

type Change = (&'static str, &'static str);

/// MA-112, OS-23, OS-24, OS-26 to OS-30, OS-32, OS-34: everything else goes back to the client, with `state` and `iss` (OS-28, OS-29).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_mistakes_go_back_to_the_client() {
    let door = Door::open().await;
    let app = door.app().await;
    let mut browser = door.browser();
    browser.sign_in("ana").await;
    let cases: [(&str, &[Change], &str); 23] = [
        ("no response type", &[("response_type", "")], "invalid_request"),
        (
            "the implicit grant",
            &[("response_type", "token")],
            "unsupported_response_type",
        ),
        (
            "the hybrid flow",
            &[("response_type", "code id_token")],
            "unsupported_response_type",
        ),
        (
            "an ID token alone",
            &[("response_type", "id_token")],
            "unsupported_response_type",
        ),
        (
            "fragment mode",
            &[("response_mode", "fragment")],
            "invalid_request",
        ),
        ("no challenge", &[("code_challenge", "")], "invalid_request"),
        (
            "no challenge method, which means plain",
            &[("code_challenge_method", "")],
            "invalid_request",
        ),
        ("plain", &[("code_challenge_method", "plain")], "invalid_request"),
        (
            "an unknown method",
            &[("code_challenge_method", "S512")],
            "invalid_request",
        ),
        (
            "the method in lower case",
            &[("code_challenge_method", "s256")],
            "invalid_request",
        ),
        (
            "a short challenge",
            &[("code_challenge", "abc")],
            "invalid_request",
        ),
        (
            "a challenge with padding",
            &[("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM=")],
            "invalid_request",
        ),
        (
            "a resource of somebody else",
            &[("resource", "https://other.example/mcp/fixture")],
            "invalid_target",
        ),
        (
            "a resource that is no URI",
            &[("resource", "mcp.example.com")],
            "invalid_target",
        ),
        (
            "a server that is not there",
            &[("resource", "{url}/mcp/none")],
            "invalid_target",
        ),
        (
            "a path below a server",
            &[("resource", "{url}/mcp/fixture/message")],
            "invalid_target",
        ),
        (
            "a request object",
            &[("request", "eyJhbGciOiJub25lIn0.e30.")],
            "request_not_supported",
        ),
        (
            "a request by reference",
            &[("request_uri", "http://169.254.169.254/")],
            "request_uri_not_supported",
        ),
        (
            "a registration",
            &[("registration", "{}")],
            "registration_not_supported",
        ),
        (
            "prompt none and another",
            &[("prompt", "none login")],
            "invalid_request",
        ),
        (
            "prompt none for what needs a click",
            &[("prompt", "none")],
            "consent_required",
        ),
        (
            "prompt none after too long",
            &[("prompt", "none"), ("max_age", "0")],
            "consent_required",
        ),
        (
            "a resource with a fragment",
            &[("resource", "{url}/mcp/fixture#x")],
            "invalid_target",
        ),
    ];
    door.advance(std::time::Duration::from_secs(5));
    for (name, changes, error) in cases {
        let changes: Vec<(&str, String)> = changes
            .iter()
            .map(|(name, value)| (*name, value.replace("{url}", &door.url)))
            .collect();
        let changes: Vec<(&str, &str)> = changes
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let reply = browser.get(&app.authorize(&changes)).await;
        assert_eq!(reply.status, 303, "{name}: {reply:?}");
        let want = if name == "prompt none after too long" {
            "login_required"
        } else {
            error
        };
        goes_back(name, &door, reply.location(), want);
    }
    let twice: [(&str, String, &str); 4] = [
        (
            "two challenges",
            format!("{}&code_challenge=x", app.authorize(&[])),
            "invalid_request",
        ),
        (
            "two response types",
            format!("{}&response_type=token", app.authorize(&[])),
            "invalid_request",
        ),
        (
            "two scopes",
            format!("{}&scope=openid", app.authorize(&[])),
            "invalid_request",
        ),
        (
            "two servers",
            format!("{}&resource={}/mcp/other", app.authorize(&[]), door.url),
            "invalid_target",
        ),
    ];
    for (name, target, error) in twice {
        goes_back(name, &door, browser.get(&target).await.location(), error);
    }
    let reply = browser.answer_no(&app.authorize(&[("prompt", "consent")])).await;
    goes_back("the person says no", &door, &reply, "access_denied");

    let mut stranger = door.browser();
    let reply = stranger.get(&app.authorize(&[("prompt", "none")])).await;
    goes_back(
        "prompt none and nobody signed in",
        &door,
        reply.location(),
        "login_required",
    );
}

fn goes_back(name: &str, door: &Door, location: &str, error: &str) {
    assert!(
        location.starts_with(&format!("{}?", App::CALLBACK)),
        "{name}: {location}"
    );
    let query = app::query_of(location);
    assert_eq!(query["error"], error, "{name}: {location}");
    assert_eq!(query["state"], "state-of-the-client", "{name}");
    assert_eq!(query["iss"], Value::from(door.url.clone()), "{name}");
    assert!(query["code"].is_null(), "{name}");
    assert!(
        query["error_description"]
            .as_str()
            .is_some_and(|text| !text.is_empty()),
        "{name}"
    );
}

/// OS-31: a phishing link with a deliberate mistake is no open redirector: nobody vouches for the client, nobody
/// has clicked, so a page stands in between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_nobody_vouches_for_gets_no_redirect_without_a_click() {
    let door = Door::open().await;
    let app = App::register(
        &door,
        &json!({ "client_name": "Phish", "redirect_uris": ["https://phish.example/cb"] }),
    )
    .await;
    let mut stranger = door.browser();
    let reply = stranger.get(&app.authorize(&[("response_type", "token")])).await;
    assert_eq!(reply.status, 200);
    assert!(
        reply.header("location").is_none() && !reply.body.contains("http-equiv"),
        "{reply:?}"
    );
    assert!(
        reply
            .body
            .contains("https://phish.example/cb?error=unsupported_response_type"),
        "{reply:?}"
    );
    // The same over POST, which becomes the same request as a query (OS-32).
    let query = app.authorize(&[("response_type", "token")]);
    let ask = Ask::new("POST", "/authorize")
        .with("content-type", "application/x-www-form-urlencoded")
        .body(query.split_once('?').unwrap().1.to_owned());
    let reply = stranger.send(ask).await;
    assert_eq!(reply.status, 303);
    assert!(reply.location().starts_with("/authorize?"), "{reply:?}");
}

/// DEC-11, CC-5: a person who may not use the server is told whom to ask, and no code is made.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_who_may_not_use_the_server_is_told_whom_to_ask() {
    let door = Door::open().await;
    let app = door.app().await;
    let mut browser = door.browser();
    let reply = browser.authorize(&app.authorize(&[]), "eve").await;
    check("eve", &reply, Want::Page(403, "not_allowed"));
    assert!(browser.page.contains("platform@example.com"));
    let reply = browser.get(&app.authorize(&[("prompt", "none")])).await;
    goes_back("prompt none", &door, reply.location(), "access_denied");
}
