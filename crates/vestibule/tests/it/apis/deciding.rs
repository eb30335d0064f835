//! Who × method × path: what is decided, and how it is said.

use std::time::Duration;

use data_encoding::BASE64;
use serde_json::json;
use vestibule::operator::Answer;

use super::{ALL, ask, opened, token};
use crate::rig::Ask;

const RULES: &str = r#"    allow:
      - groups: [developers]
        requests: ["GET /echo/repos/**", "POST /echo/repos/*/issues"]
      - people: [ben]
        requests: all
      - groups: [developers]
        requests: ["DELETE /echo/repos/**"]
        when: { networks: [192.0.2.0/24] }
        advice: Only from the office.
"#;

/// Each request reaches the API as it was decided, or not at all (DEC-19).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_request_is_decided_by_who_method_and_path() {
    let (door, api) = opened(RULES).await;
    let (ana, ben) = (token(&door, "ana").await, token(&door, "ben").await);
    for (method, path, for_ana) in [
        ("GET", "/echo/repos/a", 200),
        ("GET", "/echo/repos/a/b/c", 200),
        ("HEAD", "/echo/repos/a", 200),
        ("POST", "/echo/repos/a/issues", 200),
        ("POST", "/echo/repos/a/b/issues", 403),
        ("PUT", "/echo/repos/a", 403),
        ("GET", "/echo/admin", 403),
        ("GET", "/", 403),
        ("DELETE", "/echo/repos/a", 403),
    ] {
        let reply = ask(&door, &ana, method, path).await;
        assert_eq!(reply.status, for_ana, "{method} {path}: {reply:?}");
        let arrived = api.take_requests();
        if for_ana == 200 {
            assert_eq!(
                (arrived[0].method.as_str(), arrived[0].path.as_str()),
                (method, path)
            );
        } else {
            assert!(arrived.is_empty(), "{method} {path} reached the API");
            assert_eq!(reply.error(), "not_allowed", "{method} {path}");
            let said = reply.json()["error_description"].to_string();
            let is_later = method == "DELETE";
            assert!(
                said.contains(if is_later {
                    "Only from the office."
                } else {
                    "no rule allows you"
                }),
                "{said}"
            );
            assert_eq!(reply.header("x-reference"), reply.json()["reference"].as_str());
        }
        assert_eq!(
            ask(&door, &ben, method, path).await.status,
            200,
            "Ben may do everything"
        );
        api.take_requests();
    }
}

/// What is recorded: method and path, and nothing of the query.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_recorded_like_a_call() {
    let (door, _api) = opened(RULES).await;
    let ana = token(&door, "ana").await;
    let sent = Ask::new("POST", "/api/forge/echo/repos/a/issues?q=s3cret")
        .bearer(&ana)
        .body("12345");
    let reply = door.ask(sent).await;
    assert_eq!(reply.json()["target"], "/echo/repos/a/issues?q=s3cret");
    let refused = ask(&door, &ana, "GET", "/echo/../admin?q=s3cret").await;
    let rows = door.calls_recorded(|rows| rows.len() >= 2).await;
    assert!(!format!("{rows:?}").contains("s3cret"));
    let facts = |row: &serde_json::Value| {
        json!([
            row["server"],
            row["method"],
            row["target"],
            row["outcome"],
            row["status"],
            row["reason"],
            row["bytes_in"]
        ])
    };
    let of = |target: &str| rows.iter().find(|row| row["target"] == target).unwrap();
    assert_eq!(
        facts(of("/echo/repos/a/issues")),
        json!(["forge", "POST", "/echo/repos/a/issues", "answered", 200, null, 5])
    );
    let odd = of("/echo/../admin");
    assert_eq!(
        facts(odd),
        json!([
            "forge",
            "GET",
            "/echo/../admin",
            "refused",
            400,
            "ambiguous_path",
            0
        ])
    );
    assert_eq!(odd["id"].as_str(), refused.header("x-reference"), "{odd}");
}

/// MA-8, MA-23, MA-24, MA-50, CC-3: where the way to a token is, in words that `git` understands too, and only where it is
/// wanted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_has_no_token_is_told_where_to_get_one() {
    let (door, _api) = opened(ALL).await;
    let reply = door.get("/api/forge/echo/x").await;
    assert_eq!((reply.status, reply.error().as_str()), (401, "unauthorized"));
    let challenges: Vec<_> = reply.headers.get_all("www-authenticate").iter().collect();
    let document = "/.well-known/oauth-protected-resource/api/forge";
    assert_eq!(
        challenges[0],
        &format!(
            r#"Bearer resource_metadata="{}{document}", scope="mcp""#,
            door.url
        )
    );
    assert_eq!(challenges[1], r#"Basic realm="vestibule", charset="UTF-8""#);
    let metadata = door.get(document).await.json();
    assert_eq!(metadata["resource"], format!("{}/api/forge", door.url));
    assert_eq!(metadata["resource_name"], "Forge");
    for absent in [
        "/.well-known/oauth-protected-resource/mcp/forge",
        "/api/fixture",
        "/mcp/forge",
        "/api/nobody/x",
        "/api/",
    ] {
        assert_eq!(door.get(absent).await.status, 404, "{absent}");
    }

    let (app, at_fixture) = door.signed_in("ana").await;
    drop(app);
    let reply = ask(&door, &at_fixture.access, "GET", "/echo/x").await;
    assert_eq!(reply.status, 401, "a token for a neighbour is worth nothing");
    let mine = token(&door, "ana").await;
    let elsewhere = door.ask(Ask::new("POST", "/mcp/fixture").bearer(&mine)).await;
    assert_eq!(elsewhere.status, 401, "and neither is this one there");

    let basic = |name: &str, password: &str| {
        format!("Basic {}", BASE64.encode(format!("{name}:{password}").as_bytes()))
    };
    let with = |value: String| Ask::get("/api/forge/echo/x").with("authorization", value);
    for name in ["ana", "git", ""] {
        let reply = door.ask(with(basic(name, &mine))).await;
        assert_eq!(reply.status, 200, "{name:?}: {reply:?}");
        assert!(!reply.body.contains(&mine), "the token stays here");
    }
    for bad in [basic("ana", "wrong"), basic(&mine, ""), "Basic %%%".to_owned()] {
        assert_eq!(door.ask(with(bad.clone())).await.status, 401, "{bad}");
    }
    let twice = with(basic("ana", &mine)).bearer(&mine);
    assert_eq!(door.ask(twice).await.status, 400, "MA-26");
    let in_address = door.get(&format!("/api/forge/echo/x?access_token={mine}")).await;
    assert_eq!(in_address.status, 401, "CC-102");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_basic_nobody_is_asked_for_a_password() {
    let (door, _api) = opened("    allow: [{ groups: [developers], requests: all }]\n").await;
    let reply = door.get("/api/forge/x").await;
    assert_eq!(reply.headers.get_all("www-authenticate").iter().count(), 1);
    let mine = token(&door, "ana").await;
    let value = format!("Basic {}", BASE64.encode(format!("x:{mine}").as_bytes()));
    let reply = door
        .ask(Ask::get("/api/forge/x").with("authorization", value))
        .await;
    assert_eq!(reply.status, 401);
}

/// MA-26, MA-51: `tea` writes `token` where others write `Bearer`. It is the same token, and counts no more there than here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_scheme_token_counts_where_the_operator_says_so() {
    let lines = "    token_scheme: true\n    allow: [{ groups: [developers], requests: all }]\n";
    let (door, api) = opened(lines).await;
    let mine = token(&door, "ana").await;
    let (app, at_fixture) = door.signed_in("ana").await;
    drop(app);
    let with = |value: String| Ask::get("/api/forge/echo/x").with("authorization", value);
    for scheme in ["token", "Token", "Bearer"] {
        let reply = door.ask(with(format!("{scheme} {mine}"))).await;
        assert_eq!(reply.status, 200, "{scheme}: {reply:?}");
        assert!(!reply.body.contains(&mine), "the token stays here");
    }
    api.take_requests();
    for bad in [
        format!("token {}", at_fixture.access),
        format!("token Bearer {mine}"),
        format!("token token={mine}"),
        format!("token {mine} {mine}"),
        format!("token{mine}"),
        format!("tokens {mine}"),
        "token ".to_owned(),
        format!("Basic {}", BASE64.encode(format!("x:{mine}").as_bytes())),
    ] {
        let reply = door.ask(with(bad.clone())).await;
        assert_eq!(
            (reply.status, reply.error().as_str()),
            (401, "unauthorized"),
            "{bad}"
        );
        let asked = reply.headers.get_all("www-authenticate").iter().count();
        assert_eq!(asked, 1, "whoever can do better does: {bad}");
    }
    for second in [format!("token {mine}"), format!("Bearer {mine}")] {
        let twice = with(format!("token {mine}")).with("authorization", second);
        assert_eq!(door.ask(twice).await.status, 400, "MA-26");
    }
    let address = format!("/api/forge/echo/x?access_token={mine}");
    let both = Ask::get(&address).with("authorization", format!("token {mine}"));
    assert_eq!(door.ask(both).await.status, 400, "MA-26");
    assert!(api.take_requests().is_empty(), "nothing of that arrives");

    let (door, _api) = opened(ALL).await;
    let mine = token(&door, "ana").await;
    let unasked = Ask::get("/api/forge/echo/x").with("authorization", format!("token {mine}"));
    assert_eq!(door.ask(unasked).await.status, 401, "nobody said that it counts");
}

/// Whoever is in no group that may use it gets no token, and one that was taken back counts no more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_granted_can_be_taken_back() {
    let (door, api) = opened(ALL).await;
    let mut app = door.app().await;
    app.resource = format!("{}/api/forge", door.url);
    let tokens = app.sign_in(&door, "ana").await;
    assert_eq!(ask(&door, &tokens.access, "GET", "/echo/x").await.status, 200);
    app.revoke(&tokens.refresh).await;
    assert_eq!(ask(&door, &tokens.access, "GET", "/echo/x").await.status, 401);
    api.take_requests();
    let words = [
        "token",
        "create",
        "--owner",
        "ben",
        "--server",
        "forge",
        "--name",
        "job",
        "--expires",
        "1d",
    ];
    let Answer::Done { item, .. } = door.operate(&words).await.unwrap() else {
        panic!("a token")
    };
    let secret = item["token"].as_str().unwrap();
    let used = ask(&door, secret, "GET", "/echo/x").await;
    assert_eq!(used.status, 200, "{used:?}");
}

/// A browser is no client of an API: neither its pages nor those of other sites get anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_page_calls_an_api() {
    let (door, api) = opened(ALL).await;
    let mine = token(&door, "ana").await;
    let asked = |headers: &[(&str, &str)]| {
        let ask = Ask::get("/api/forge/echo/x").bearer(&mine);
        headers
            .iter()
            .fold(ask, |ask, (name, value)| ask.with(name, *value))
    };
    for headers in [
        &[("origin", "https://evil.example")][..],
        &[("origin", "null")],
        &[
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "no-cors"),
            ("sec-fetch-dest", "image"),
        ],
        &[
            ("sec-fetch-site", "same-origin"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
        ],
        &[
            ("sec-fetch-site", "none"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
        ],
        &[
            ("sec-fetch-site", "same-origin"),
            ("sec-fetch-dest", "serviceworker"),
        ],
        &[("sec-fetch-site", "cross-site"), ("sec-fetch-dest", "empty")],
    ] {
        let reply = door.ask(asked(headers)).await;
        assert_eq!(
            (reply.status, reply.error().as_str()),
            (403, "forbidden_origin"),
            "{headers:?}"
        );
    }
    assert!(api.take_requests().is_empty());
    let fetched = door.ask(asked(&[("sec-fetch-mode", "cors")])).await;
    assert_eq!(fetched.status, 200, "Node's fetch says no more than this");
    let preflight = Ask::new("OPTIONS", "/api/forge/x")
        .with("origin", "https://evil.example")
        .with("access-control-request-method", "DELETE");
    let reply = door.ask(preflight).await;
    assert_eq!(
        (reply.status, reply.header("access-control-allow-origin")),
        (403, None)
    );
}

/// Quotas, and a server that takes only so many, are said in HTTP's own words.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_much_is_429() {
    let plan = crate::rig::Plan {
        config: "quotas:\n  few: { per: [person], rate: 2/1m }\n".to_owned(),
        ..crate::rig::Plan::default()
    };
    let (door, _api) = super::with(ALL, "", plan).await;
    let mine = token(&door, "ana").await;
    let statuses = [
        ask(&door, &mine, "GET", "/echo/x").await,
        ask(&door, &mine, "GET", "/echo/x").await,
    ];
    assert_eq!(statuses.map(|reply| reply.status), [200, 200]);
    let reply = ask(&door, &mine, "GET", "/echo/x").await;
    assert_eq!((reply.status, reply.error().as_str()), (429, "too_many_requests"));
    assert!(reply.header("retry-after").is_some());
}

/// What an operator asks the policy about is what is decided.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_can_ask_what_is_decided() {
    let (door, _api) = opened(RULES).await;
    let asked = async |request: &str| {
        let words = [
            "policy",
            "explain",
            "--user",
            "ana",
            "--server",
            "forge",
            "--request",
            request,
        ];
        match door.operate(&words).await.unwrap() {
            Answer::Item(item) => item,
            other => panic!("{other:?}"),
        }
    };
    let allowed = asked("GET /echo/repos/a").await;
    assert_eq!(
        (&allowed["outcome"], &allowed["rule"]),
        (&json!("allowed"), &json!("forge.allow[0]")),
        "{allowed}"
    );
    let hidden = asked("PUT /echo/repos/a").await;
    assert_eq!(hidden["outcome"], "hidden", "{hidden}");
}

/// RFC 9470: what a sign-in has to be is demanded of an API's callers in the same words.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_that_is_too_old_is_asked_for_again() {
    let (mut door, api) = opened(ALL).await;
    let mine = token(&door, "ana").await;
    assert_eq!(ask(&door, &mine, "GET", "/echo/x").await.status, 200);
    api.take_requests();
    door.advance(Duration::from_mins(11));
    let demand = "    kind: api\n    require: { max_age: 10m }\n";
    door.reconfigure(|text| text.replace("    kind: api\n", demand))
        .await;
    let reply = ask(&door, &mine, "GET", "/echo/x").await;
    assert_eq!(
        (reply.status, reply.error().as_str()),
        (401, "insufficient_user_authentication")
    );
    let challenges: Vec<_> = reply.headers.get_all("www-authenticate").iter().collect();
    assert_eq!(challenges.len(), 1, "no password would help: {challenges:?}");
    assert!(
        challenges[0].to_str().unwrap().contains("max_age=\"600\""),
        "{challenges:?}"
    );
    assert!(api.take_requests().is_empty());
}

/// CC-76, DEC-17: a scope that a program lacks is named, with the page on which its person allows it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scope_that_is_lacking_is_named() {
    let lines = "    scopes: { write: { title: Change things } }\n    allow:\n      - groups: [developers]\n        requests: read-only\n      - groups: [developers]\n        requests: all\n        scope: write\n";
    let (door, api) = opened(lines).await;
    let mine = token(&door, "ana").await;
    assert_eq!(ask(&door, &mine, "GET", "/echo/x").await.status, 200);
    api.take_requests();
    let reply = ask(&door, &mine, "DELETE", "/echo/x").await;
    assert_eq!(
        (reply.status, reply.error().as_str()),
        (403, "insufficient_scope")
    );
    assert!(
        reply.json()["error_description"]
            .to_string()
            .contains("/apps/scopes?grant="),
        "{reply:?}"
    );
    let challenge = reply.header("www-authenticate").unwrap();
    assert!(challenge.contains("scope=\"mcp forge:write\""), "{challenge}");
    assert!(api.take_requests().is_empty());
}
