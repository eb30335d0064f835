//! What the command lines of Gitea, GitLab and Jira send, as their code says, before the recipes that docs/apis.md names for
//! them (CC-105, CC-107).

use std::time::Duration;

use data_encoding::BASE64;
use fixture::HttpApi;
use net::Tasks;

use crate::rig::accounts::Accounts;
use crate::rig::foreign::WhoAmI;
use crate::rig::{Ask, Door, Plan};

const ANAS: &str = "ana-s3cret-t0ken-of-the-forge";

/// Where a program puts its token.
enum Sends {
    /// `Authorization`, in this scheme.
    Scheme(&'static str),
    /// The password of Basic credentials.
    Basic,
    /// A header of its own.
    Header(&'static str),
}

impl Sends {
    fn with(&self, ask: Ask, token: &str) -> Ask {
        match self {
            Self::Scheme(scheme) => ask.with("authorization", format!("{scheme} {token}")),
            Self::Basic => {
                let pair = BASE64.encode(format!("ana:{token}").as_bytes());
                ask.with("authorization", format!("Basic {pair}"))
            }
            Self::Header(name) => ask.with(name, token),
        }
    }
}

/// Each recipe with what the page says besides, all of them before one API that knows Ana's credential alone.
async fn opened(accounts: &Accounts) -> (Door, HttpApi, [String; 2]) {
    accounts.give(ANAS, "ana");
    let shown = [
        format!("Bearer {ANAS}"),
        format!("Basic {}", BASE64.encode(format!("ana:{ANAS}").as_bytes())),
    ];
    let api = HttpApi::start(&[&shown[0], &shown[1]], Tasks::new())
        .await
        .unwrap();
    let servers = [
        ("gitea-api", "token_scheme: true"),
        ("gitlab-api", "encoded_slashes: true"),
        ("jira-api", "basic: true"),
    ];
    let servers = servers.map(|(recipe, besides)| {
        format!(
            "  {recipe}:\n    kind: api\n    upstream: {}\n    {besides}\n    allow: [{{ groups: [developers], requests: all }}]\n    credential: {{ connector: forge, recipe: {recipe} }}\n",
            api.url()
        )
    });
    let door = Door::with(Plan {
        servers: servers.concat(),
        ..accounts.plan()
    })
    .await;
    crate::connections::connect(&door, "ana", ANAS).await;
    (door, api, shown)
}

async fn token(door: &Door, name: &str) -> String {
    let mut app = door.app().await;
    app.resource = format!("{}/api/{name}", door.url);
    app.sign_in(door, "ana").await.access
}

/// Each brings the door's token in its own way. What arrives is the person's own credential, where the API wants it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn command_lines_bring_a_token_as_they_are_used_to() {
    let accounts = Accounts::start().await;
    let (door, api, [bearer, basic]) = opened(&accounts).await;
    for (program, name, sends, path, shown) in [
        (
            "tea",
            "gitea-api",
            Sends::Scheme("token"),
            "/api/v1/repos/ana/diary/issues?page=1",
            &basic,
        ),
        (
            "glab, with GLAB_IS_OAUTH2",
            "gitlab-api",
            Sends::Scheme("Bearer"),
            "/api/v4/projects/group%2Fproject/issues?per_page=30",
            &bearer,
        ),
        (
            "go-jira, with api-token",
            "jira-api",
            Sends::Basic,
            "/rest/api/2/issue/TEST-1",
            &bearer,
        ),
        (
            "go-jira with bearer-token, and jira-cli",
            "jira-api",
            Sends::Scheme("Bearer"),
            "/rest/api/2/search?jql=x",
            &bearer,
        ),
    ] {
        let mine = token(&door, name).await;
        let ask = Ask::get(&format!("/api/{name}{path}"));
        let reply = door.ask(sends.with(ask, &mine)).await;
        assert_eq!(reply.status, 200, "{program}: {reply:?}");
        let arrived = api.take_requests();
        assert_eq!(arrived[0].path, path, "{program}");
        assert_eq!(
            arrived[0].header("authorization"),
            Some(shown.as_str()),
            "{program}"
        );
        assert!(!format!("{arrived:?}").contains(&mine), "{program}");
    }
}

/// A place that the operator did not name counts for nothing, and what was there goes nowhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_other_place_of_a_token_counts() {
    let accounts = Accounts::start().await;
    let (door, api, _) = opened(&accounts).await;
    for (name, elsewhere) in [
        ("gitea-api", Sends::Basic),
        ("gitlab-api", Sends::Header("private-token")),
        ("gitlab-api", Sends::Header("job-token")),
        ("gitlab-api", Sends::Scheme("token")),
        ("jira-api", Sends::Scheme("token")),
        ("jira-api", Sends::Header("x-authorization")),
    ] {
        let mine = token(&door, name).await;
        let ask = Ask::get(&format!("/api/{name}/x"));
        let reply = door.ask(elsewhere.with(ask, &mine)).await;
        assert_eq!(reply.status, 401, "{name}: {reply:?}");
        assert!(api.take_requests().is_empty(), "{name}");
        // Beside one that counts it is taken out.
        if let Sends::Header(header) = elsewhere {
            let ask = Ask::get(&format!("/api/{name}/x")).with(header, "another-s3cret");
            let reply = door.ask(ask.bearer(&mine)).await;
            assert_eq!(reply.status, 200, "{name}: {reply:?}");
            let arrived = format!("{:?}", api.take_requests());
            assert!(!arrived.contains("another-s3cret"), "{name}: {arrived}");
        }
    }
}

/// MA-51: a script that still has Gitea's own token and `tea` with the door's write the same. Both count until the day, the
/// old one for whose it was, and afterwards the door's alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_tokens_and_new_ones_may_come_in_the_same_scheme() {
    const OLD: &str = "89abcdef0123456789abcdef0123456789abcdef";
    let who = WhoAmI::start(&[(OLD, "ben")]).await;
    let lines = format!(
        "    token_scheme: true\n    allow: [{{ groups: [developers], requests: all }}]\n    accept: [jwt, legacy]\n    legacy:\n      until: 2026-12-01\n      upstream_check: {{ url: \"{}\", header: 'Authorization: token {{token}}', same_names: true }}\n      schemes: [token]\n",
        who.url
    );
    let (door, api) = super::with(&lines, "", Plan::default()).await;
    let send = async |token: &str| {
        let ask = Ask::get("/api/forge/echo/x").with("authorization", format!("token {token}"));
        door.ask(ask).await.status
    };
    let new = super::token(&door, "ana").await;
    assert_eq!([send(OLD).await, send(&new).await], [200, 200]);
    let rows = door.calls_recorded(|rows| rows.len() == 2).await;
    let mut names: Vec<_> = rows.iter().map(|row| row["username"].to_string()).collect();
    names.sort();
    assert_eq!(names, ["\"ana\"", "\"ben\""]);
    let arrived = format!("{:?}", api.take_requests());
    assert!(!arrived.contains(OLD) && !arrived.contains(&new), "{arrived}");

    door.advance(Duration::from_hours(12 * 24));
    let new = super::token(&door, "ana").await;
    assert_eq!([send(OLD).await, send(&new).await], [401, 200]);
}
