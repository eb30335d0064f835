//! Metadata at every place where clients look (CC-10 to CC-28, MA-8 to MA-17, MA-64 to MA-66, MA-68 to MA-72, OS-13 to OS-17).

use serde_json::{Value, json};

use crate::rig::{Ask, Door, Plan, Reply};

async fn two_servers() -> Door {
    let servers = "
  other:
    upstream: {upstream}
    allow: [{ groups: [developers], tools: all }]"
        .to_owned();
    let config = "public_names: [\"https://mcp.example.com\"]".to_owned();
    Door::with(Plan {
        servers,
        config,
        ..Plan::default()
    })
    .await
}

/// CC-18, CC-20, CC-26, MA-65, MA-157, OS-12: one document, byte for byte, wherever it is asked for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_servers_metadata_is_the_same_everywhere() {
    let door = two_servers().await;
    let places = [
        "/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server/mcp/fixture",
        "/.well-known/openid-configuration/mcp/fixture",
        "/.well-known/oauth-authorization-server/mcp/fixture/",
        "/mcp/fixture/.well-known/openid-configuration",
        "/mcp/fixture/.well-known/oauth-authorization-server",
        "/.well-known/oauth-authorization-server/mcp/other",
        "/.well-known/oauth-authorization-server?x=y",
    ];
    let first = door.get(places[0]).await;
    assert_eq!(first.json()["issuer"], door.url);
    for place in places {
        let reply = door.get(place).await;
        assert_eq!((reply.status, &reply.body), (200, &first.body), "{place}");
        assert_eq!(reply.header("content-type"), Some("application/json"), "{place}");
        assert_eq!(
            reply.header("cache-control"),
            Some("private, max-age=300"),
            "CC-28: {place}"
        );
        assert_eq!(
            reply.header("vary"),
            Some("MCP-Protocol-Version, Origin"),
            "CC-28: {place}"
        );
        assert_eq!(
            reply.header("access-control-allow-origin"),
            Some("*"),
            "CC-87: {place}"
        );
        let head = door.ask(Ask::new("HEAD", place)).await;
        assert_eq!((head.status, head.body.as_str()), (200, ""), "{place}");
        assert_eq!(
            head.header("content-length"),
            Some(first.body.len().to_string().as_str()),
            "{place}"
        );
        let preflight = door
            .ask(Ask::new("OPTIONS", place).with("access-control-request-method", "GET"))
            .await;
        assert_eq!(preflight.status, 204, "{place}");
        let with_token = door.ask(Ask::get(place).bearer("whatever")).await;
        assert_eq!(with_token.body, first.body, "CC-17: {place}");
        let elsewhere = door.ask(Ask::get(place).with("host", "mcp.example.com")).await;
        assert_eq!(
            elsewhere.body, first.body,
            "MA-13: under another public name too: {place}"
        );
        for version in ["2024-10-07", "2025-06-18", "2099-01-01", "nonsense"] {
            let reply = door
                .ask(Ask::get(place).with("mcp-protocol-version", version))
                .await;
            assert_eq!(reply.body, first.body, "CC-27: {place} {version}");
        }
    }
    for place in [
        "/.well-known/oauth-authorization-server/mcp/none",
        "/.well-known/oauth-authorization-server/x",
        "/.well-known/openid-configuration/mcp",
        "/mcp/none/.well-known/openid-configuration",
        "/.well-known/nothing",
        "/.well-known/",
    ] {
        // Also to a browser: clients take a page for an answer.
        let reply = door.ask(Ask::get(place).with("accept", "text/html")).await;
        assert_eq!(
            (reply.status, reply.error().as_str()),
            (404, "not_found"),
            "CC-20: {place}"
        );
    }
    let post = door.ask(Ask::new("POST", places[0])).await;
    assert_eq!((post.status, post.header("allow").is_some()), (405, true));
}

/// OS-17, MA-158: what is advertised is there, and answers as the kind of thing that it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_advertised_endpoint_answers() {
    let door = two_servers().await;
    let document = door.get("/.well-known/oauth-authorization-server").await.json();
    let at = |member: &str| {
        let url = document[member].as_str().unwrap_or_else(|| panic!("{member}"));
        url.strip_prefix(&door.url)
            .unwrap_or_else(|| panic!("{member}: {url}"))
            .to_owned()
    };
    let expected = [
        ("authorization_endpoint", "GET", 400),
        ("token_endpoint", "POST", 401),
        ("device_authorization_endpoint", "POST", 401),
        ("registration_endpoint", "POST", 400),
        ("revocation_endpoint", "POST", 400),
        ("introspection_endpoint", "POST", 401),
        ("userinfo_endpoint", "GET", 401),
        ("end_session_endpoint", "GET", 200),
        ("jwks_uri", "GET", 200),
        ("service_documentation", "GET", 303),
    ];
    for (member, method, status) in expected {
        let mut ask = Ask::new(method, &at(member));
        if method == "POST" {
            ask = ask.with("content-type", "application/x-www-form-urlencoded");
        }
        let reply = door.ask(ask).await;
        assert_eq!(reply.status, status, "{member}: {reply:?}");
        assert!(
            !(member.ends_with("endpoint") && matches!(reply.status, 307 | 308)),
            "CC-24: {member}"
        );
    }
    let advertised = document
        .as_object()
        .unwrap()
        .keys()
        .filter(|name| name.ends_with("_endpoint") || name.ends_with("_uri"));
    for member in advertised {
        assert!(
            expected.iter().any(|(known, _, _)| known == member),
            "{member} has no test"
        );
    }
    // CC-25: the shortest paths are the ones that clients without metadata guess.
    for path in ["/authorize", "/token", "/register", "/revoke"] {
        assert_ne!(door.get(path).await.status, 404, "{path}");
    }
    assert_eq!(
        door.ask(Ask::new("POST", "/oauth/token")).await.status,
        401,
        "CC-24: an alias, not a redirect"
    );
}

/// DEC-14, CC-79, MA-117, MA-120: `iss` is always sent, and promised to all but those that trip over the promise.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn iss_is_promised_to_those_who_can_take_it() {
    for (setting, usual, old, sent) in [
        ("auto", true, false, true),
        ("always", true, true, true),
        ("never", false, false, false),
    ] {
        let door = Door::with(Plan {
            config: format!("iss: {setting}"),
            ..Plan::default()
        })
        .await;
        let promised = |reply: Reply| {
            reply.json()["authorization_response_iss_parameter_supported"]
                .as_bool()
                .unwrap_or(false)
        };
        let place = "/.well-known/oauth-authorization-server";
        assert_eq!(promised(door.get(place).await), usual, "{setting}");
        let ask = Ask::get(place).with("mcp-protocol-version", "2024-11-05");
        assert_eq!(promised(door.ask(ask).await), old, "{setting}");
        let app = door.app().await;
        let mut browser = door.browser();
        let good = browser.approve(&app.authorize(&[]), "ana").await;
        let bad = browser
            .get(&app.authorize(&[("response_type", "x")]))
            .await
            .location()
            .to_owned();
        for way in [good, bad] {
            assert_eq!(
                crate::rig::app::query_of(&way)["iss"] == json!(door.url),
                sent,
                "{setting}: {way}"
            );
        }
    }
}

/// CC-10 to CC-16, DEC-12, MA-3, MA-8 to MA-17: one document for each spelling of each endpoint.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resource_metadata_repeats_the_spelling_that_was_asked_for() {
    let door = two_servers().await;
    let spellings = [
        (
            "/.well-known/oauth-protected-resource/mcp/fixture",
            "/mcp/fixture",
        ),
        (
            "/.well-known/oauth-protected-resource/mcp/fixture/",
            "/mcp/fixture/",
        ),
        (
            "/.well-known/oauth-protected-resource/mcp/fixture?team=a",
            "/mcp/fixture?team=a",
        ),
        (
            "/mcp/fixture/.well-known/oauth-protected-resource",
            "/mcp/fixture",
        ),
        ("/.well-known/oauth-protected-resource/mcp/other", "/mcp/other"),
        ("/.well-known/oauth-protected-resource", ""),
        ("/.well-known/oauth-protected-resource/", ""),
    ];
    for (place, resource) in spellings {
        let reply = door.get(place).await;
        assert_eq!(reply.status, 200, "{place}");
        assert_eq!(reply.header("content-type"), Some("application/json"));
        assert_eq!(
            reply.header("cache-control"),
            Some("public, max-age=300"),
            "CC-16"
        );
        assert_eq!(reply.header("access-control-allow-origin"), Some("*"), "MA-17");
        let document = reply.json();
        assert_eq!(
            document["resource"],
            format!("{}{resource}", door.url),
            "CC-11: {place}"
        );
        assert_eq!(document["authorization_servers"], json!([door.url]), "CC-13");
        assert_eq!(document["scopes_supported"], json!(["mcp"]), "MA-15, MA-127");
        assert_eq!(document["bearer_methods_supported"], json!(["header"]));
        assert!(
            document
                .as_object()
                .unwrap()
                .values()
                .all(|value| !value.is_null() && *value != json!([])),
            "MA-11"
        );
        assert_eq!(door.ask(Ask::new("HEAD", place)).await.status, 200);
    }
    for place in [
        "/.well-known/oauth-protected-resource/mcp/none",
        "/.well-known/oauth-protected-resource/mcp",
        "/.well-known/oauth-protected-resource/x",
        "/mcp/none/.well-known/oauth-protected-resource",
    ] {
        let reply = door.ask(Ask::get(place).with("accept", "text/html")).await;
        assert_eq!(
            (reply.status, reply.error().as_str()),
            (404, "not_found"),
            "MA-11: {place}"
        );
    }
    // CC-14: the challenge leads to the document whose resource is spelled as the request was.
    for path in ["/mcp/fixture", "/mcp/fixture/", "/mcp/fixture?team=a"] {
        let reply = door.get(path).await;
        let url = reply
            .header("www-authenticate")
            .unwrap()
            .split('"')
            .nth(1)
            .unwrap()
            .to_owned();
        let document = door.get(url.strip_prefix(&door.url).unwrap()).await.json();
        assert_eq!(document["resource"], format!("{}{path}", door.url), "MA-12");
    }
    // Under another public name it is spelled with that name, and with no other.
    let alias = Ask::get("/.well-known/oauth-protected-resource/mcp/fixture").with("host", "mcp.example.com");
    assert_eq!(
        door.ask(alias).await.json()["resource"],
        "https://mcp.example.com/mcp/fixture"
    );
    let forged = Ask::get("/.well-known/oauth-protected-resource/mcp/fixture")
        .with("x-forwarded-host", "evil.example");
    assert_eq!(
        door.ask(forged).await.json()["resource"],
        format!("{}/mcp/fixture", door.url),
        "MA-13"
    );
}

/// DEC-10, DEC-11, CC-69 to CC-71, MA-42, MA-43, MA-46: every spelling of a resource leads to one audience, and
/// never to a parent's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_spelling_leads_to_one_audience() {
    let door = two_servers().await;
    let app = door.app().await;
    let mut browser = door.browser();
    browser.sign_in("ana").await;
    let upper = door.endpoint().replace("http://", "HTTP://");
    for resource in [
        door.endpoint(),
        format!("{}/", door.endpoint()),
        format!("{}?team=a", door.endpoint()),
        upper,
        "https://MCP.example.com:443/mcp/fixture".to_owned(),
    ] {
        let way = browser
            .approve(
                &app.authorize(&[("resource", &resource), ("state", &resource)]),
                "ana",
            )
            .await;
        let reply = app
            .redeem_with(&crate::rig::app::code_of(&way), &[("resource", &resource)])
            .to(door.address)
            .await;
        let tokens = crate::rig::Tokens::of(&reply);
        assert_eq!(tokens.claims()["aud"], Value::from(door.endpoint()), "{resource}");
        // CC-67: absent at refresh is unchanged; the same in another spelling is fine.
        let next = app
            .refresh_with(&tokens.refresh, &[("resource", &resource)])
            .to(door.address)
            .await;
        assert_eq!(next.status, 200, "{resource}: {next:?}");
    }
    // The origin, a parent, or nothing: the person chooses, and the token is for that one server.
    for resource in ["", &door.url, &format!("{}/mcp", door.url)] {
        let target = app.authorize(&[("resource", resource), ("state", "choice")]);
        browser.get(&format!("{target}&x={}", resource.len())).await;
        assert!(
            browser.page.contains("value=\"fixture\"") && browser.page.contains("value=\"other\""),
            "{}",
            browser.page
        );
        let form = browser
            .form("/consent")
            .set("answer", "approve")
            .set("server", "other");
        let way = browser.submit(&form).await.location().to_owned();
        let tokens = crate::rig::Tokens::of(&app.redeem(&crate::rig::app::code_of(&way)).await);
        assert_eq!(
            tokens.claims()["aud"],
            format!("{}/mcp/other", door.url),
            "{resource:?}"
        );
    }
    let none = browser
        .get(&app.authorize(&[("resource", ""), ("prompt", "none")]))
        .await;
    assert_eq!(
        crate::rig::app::query_of(none.location())["error"],
        "invalid_target"
    );
}
