use crate::reading::{Form, values};
use crate::tests::RULES;

use super::*;

/// The address that is asked for the token of an entry.
fn asked(provider: &str, entry: &str) -> Result<String, NotAsked> {
    let text = format!(
        r#"{{"mcpServers": {{"one": {entry}, "two": {{"env": {{"GITHUB_HOST": "other.example"}}}}}}}}"#
    );
    let path = ["mcpServers", "one"].map(str::to_owned);
    let way = RULES.provider(provider).unwrap().revocation.as_ref().unwrap();
    let api = way.api(&path, &values(&text, Form::Json))?;
    Ok(Request::new(way.protocol, api, "secret".into()).url())
}

#[test]
fn each_entry_says_whose_api_is_asked() {
    for (provider, entry, url) in [
        (
            "github",
            r#"{"command": "docker", "args": ["run", "ghcr.io/github/github-mcp-server"]}"#,
            "https://api.github.com/credentials/revoke",
        ),
        (
            "github",
            r#"{"env": {"GITHUB_HOST": "https://github.com/"}}"#,
            "https://api.github.com/credentials/revoke",
        ),
        (
            "github",
            r#"{"url": "https://api.githubcopilot.com/mcp/"}"#,
            "https://api.github.com/credentials/revoke",
        ),
        (
            "github",
            r#"{"env": {"HTTPS_PROXY": "http://proxy.example:3128"}}"#,
            "https://api.github.com/credentials/revoke",
        ),
        (
            "github",
            r#"{"env": {"GITHUB_HOST": "https://ghe.example.com"}}"#,
            "https://ghe.example.com/api/v3/credentials/revoke",
        ),
        (
            "github",
            r#"{"args": ["-e", "GITHUB_HOST=ghe.example.com:8443"]}"#,
            "https://ghe.example.com:8443/api/v3/credentials/revoke",
        ),
        (
            "github",
            r#"{"args": ["--gh-host", "https://ghe.example.com"]}"#,
            "https://ghe.example.com/api/v3/credentials/revoke",
        ),
        (
            "github",
            r#"{"args": ["--gh-host=https://acme.ghe.com"]}"#,
            "https://api.acme.ghe.com/credentials/revoke",
        ),
        (
            "github",
            r#"{"env": {"GITHUB_HOST": "http://127.0.0.1:9"}}"#,
            "http://127.0.0.1:9/api/v3/credentials/revoke",
        ),
        (
            "gitlab",
            r#"{"command": "npx"}"#,
            "https://gitlab.com/api/v4/personal_access_tokens/self",
        ),
        (
            "gitlab",
            r#"{"env": {"GITLAB_API_URL": "https://gitlab.com/api/v4"}}"#,
            "https://gitlab.com/api/v4/personal_access_tokens/self",
        ),
        (
            "gitlab",
            r#"{"env": {"GITLAB_API_URL": "https://git.example.com/api/v4/"}}"#,
            "https://git.example.com/api/v4/personal_access_tokens/self",
        ),
        (
            "gitlab",
            r#"{"env": {"GITLAB_HOST": "example.com/gitlab"}}"#,
            "https://example.com/gitlab/api/v4/personal_access_tokens/self",
        ),
        (
            "gitlab",
            r#"{"args": ["mcp-remote", "https://git.example.com/api/v4/mcp"]}"#,
            "https://git.example.com/api/v4/personal_access_tokens/self",
        ),
        (
            "slack",
            r#"{"command": "npx"}"#,
            "https://slack.com/api/auth.revoke",
        ),
        (
            "github",
            r#"{"env": {"GITHUB_HOST": "https://github.com", "GITHUB_API_URL": "https://api.github.com"}}"#,
            "https://api.github.com/credentials/revoke",
        ),
        (
            "gitlab",
            r#"{"env": {"GITLAB_URL": "https://git.example.com", "GITLAB_API_URL": "https://git.example.com/api/v4"}}"#,
            "https://git.example.com/api/v4/personal_access_tokens/self",
        ),
        (
            "slack",
            r#"{"env": {"SLACK_WORKSPACE_URL": "https://acme.slack.com"}}"#,
            "https://slack.com/api/auth.revoke",
        ),
    ] {
        assert_eq!(asked(provider, entry).as_deref(), Ok(url), "{entry}");
    }
}

/// A token of a company's own host is never shown to the public one, nor to somebody else's.
#[test]
fn an_entry_that_does_not_say_it_is_no_reason_to_ask_the_public_api() {
    for (provider, entry) in [
        ("github", r#"{"env": {"GITHUB_HOST": "${GITHUB_HOST}"}}"#),
        ("github", r#"{"env": {"GITHUB_HOST": "${input:host}"}}"#),
        ("github", r#"{"env": {"GITHUB_HOST": ""}}"#),
        ("github", r#"{"args": ["--env=GITHUB_HOST", "image"]}"#),
        (
            "github",
            r#"{"args": ["-eGITHUB_HOST=ghe.example.com", "image"]}"#,
        ),
        (
            "github",
            r#"{"args": ["-c", "export GITHUB_HOST=ghe.example.com; exec server"]}"#,
        ),
        ("github", r#"{"args": ["-e", "GITHUB_HOST", "image"]}"#),
        ("github", r#"{"envFile": ".env"}"#),
        ("github", r#"{"args": ["--env-file", "x"]}"#),
        (
            "github",
            r#"{"env": {"GITHUB_HOST": "a.example", "GH_HOST": "b.example"}}"#,
        ),
        ("github", r#"{"env": {"GITHUB_HOST": "https://a@b.example"}}"#),
        ("github", r#"{"env": {"GITHUB_HOST": "https://b.example/?x=y"}}"#),
        ("github", r#"{"env": {"GITHUB_HOST": "https://b.example/other"}}"#),
        ("github", r#"{"env": {"GITHUB_HOST": "file:///etc"}}"#),
        ("github", r#"{"url": "https://mcp.example.com/github"}"#),
        ("github", r#"{"url": "https://evilgithub.com/mcp"}"#),
        (
            "github",
            r#"{"env": {"SOME_ENTERPRISE": "https://ghe.example.com"}}"#,
        ),
        ("gitlab", r#"{"url": "https://git.example.com/mcp"}"#),
        ("slack", r#"{"url": "https://slack.example.com/mcp"}"#),
        (
            "gitlab",
            r#"{"env": {"GITLAB_API_URL": "https://a.example/api/v4,https://b.example/api/v4"}}"#,
        ),
        ("slack", r#"{"env": {"SLACK_MCP_GOVSLACK": "true"}}"#),
        ("slack", r#"{"url": "https://evilslack.com/mcp"}"#),
    ] {
        assert_eq!(asked(provider, entry), Err(NotAsked::Where), "{entry}");
    }
}

#[test]
fn an_api_that_is_open_to_everybody_on_the_way_is_not_asked() {
    for (provider, entry) in [
        ("github", r#"{"env": {"GITHUB_HOST": "http://ghe.example.com"}}"#),
        ("github", r#"{"env": {"GITHUB_HOST": "http://github.com"}}"#),
        (
            "github",
            r#"{"env": {"GITHUB_HOST": "http://127.0.0.1.example.com"}}"#,
        ),
        ("gitlab", r#"{"url": "http://git.example.com/api/v4/mcp"}"#),
    ] {
        assert_eq!(asked(provider, entry), Err(NotAsked::Insecure), "{entry}");
    }
}

#[test]
fn a_rule_that_takes_itself_back_is_one_of_the_provider_and_its_api_is_https() {
    let mut count = 0;
    for provider in RULES.providers() {
        for rule in provider.revocation.iter().flat_map(|way| &way.rules) {
            let known = RULES.rules().iter().find(|known| known.id == *rule);
            assert_eq!(
                known.unwrap().provider.as_deref(),
                Some(provider.id.as_str()),
                "{rule}"
            );
            count += 1;
        }
        if let Some(way) = &provider.revocation {
            let scheme = way.api.as_ref().map(Url::scheme);
            let wanted = (way.protocol != Protocol::Vestibule).then_some("https");
            assert_eq!(scheme, wanted, "{}", provider.id);
        }
    }
    assert_eq!(count, 9);
}

/// It is shown to the door that its entry shows it to, and to nobody whom that door names.
#[test]
fn a_token_of_a_door_goes_nowhere_but_to_that_door() {
    let of = |entry: &str| {
        let text = format!(
            r#"{{"mcpServers": {{"one": {entry}, "two": {{"url": "https://other.example/mcp/a"}}}}}}"#
        );
        let way = RULES.provider("vestibule").unwrap().revocation.as_ref().unwrap();
        let path = ["mcpServers", "one"].map(str::to_owned);
        let api = way.api(&path, &values(&text, Form::Json))?;
        Ok(Request::new(way.protocol, api, "vst_st_secret".into()))
    };
    for (entry, server) in [
        (
            r#"{"url": "https://gw.example/mcp/gitea/?x=y"}"#,
            "https://gw.example/mcp/gitea",
        ),
        (
            r#"{"args": ["mcp-remote", "http://127.0.0.1:8080/mcp/gitea"]}"#,
            "http://127.0.0.1:8080/mcp/gitea",
        ),
    ] {
        let request: Request = of(entry).unwrap();
        assert_eq!(request.server().map(Url::as_str), Some(server));
        for elsewhere in [
            "https://gw.example.evil.example/revoke",
            "http://gw.example/revoke",
            "https://gw.example:8443/revoke",
            "https://other.example/revoke",
        ] {
            let at = request.clone().at(elsewhere.parse().unwrap());
            assert_eq!(at.err(), Some(NotAsked::Elsewhere), "{elsewhere}");
        }
        let endpoint: Url = Url::parse(server).unwrap().join("/revoke").unwrap();
        let request = request.at(endpoint.clone()).unwrap();
        assert!(request.server().is_none());
        assert_eq!((request.method(), request.url()), ("POST", endpoint.to_string()));
        let body = request.body().unwrap();
        assert_eq!(model::ExposeSecret::expose_secret(&body), "token=vst_st_secret");
        assert_eq!(request.outcome(200, b""), Ok(()));
        assert_eq!(request.outcome(503, b""), Err("status 503".to_owned()));
    }
    for (entry, why) in [
        (r#"{"url": "http://gw.example/mcp/gitea"}"#, NotAsked::Insecure),
        (
            r#"{"url": "https://gw.example/mcp/a", "args": ["https://gw.example/mcp/b"]}"#,
            NotAsked::Where,
        ),
        (r#"{"command": "npx", "args": ["${URL}"]}"#, NotAsked::Where),
    ] {
        assert_eq!(of(entry).err(), Some(why), "{entry}");
    }
}

#[test]
fn nothing_but_a_word_is_repeated_of_an_answer() {
    let api = Api {
        url: "https://slack.com/api".parse().unwrap(),
        is_own: false,
    };
    let request = Request::new(Protocol::Slack, api, "xoxb-secret".into());
    let said = |status, body: &str| request.outcome(status, body.as_bytes());
    assert_eq!(said(200, r#"{"ok": true, "revoked": true}"#), Ok(()));
    assert_eq!(
        said(200, r#"{"ok": true, "revoked": false}"#),
        Err("status 200".to_owned())
    );
    assert_eq!(
        said(200, r#"{"ok": false, "error": "invalid_auth"}"#),
        Err("invalid_auth".to_owned())
    );
    for strange in [
        r#"{"ok": false, "error": "xoxb-secret"}"#,
        "",
        "[]",
        r#"{"ok": "yes"}"#,
    ] {
        assert_eq!(said(200, strange), Err("an answer of another form".to_owned()));
    }
    assert_eq!(
        said(302, r#"{"ok": true, "revoked": true}"#),
        Err("status 302".to_owned())
    );
    assert!(!format!("{request:?}").contains("xoxb-secret"));
}
