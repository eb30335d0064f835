use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::*;
use crate::config::environment::Environment;
use crate::config::file::{self, Loaded};

fn read(text: &str) -> Result<Loaded, String> {
    let folder = PathBuf::from("/etc/vestibule");
    file::parse(text, Path::new("vestibule.yaml"), folder, &Environment::default())
        .map_err(|error| error.to_string())
}

fn host_of(preset: &Preset) -> &'static str {
    if preset.needs_host() {
        "\n    host: a.example.com"
    } else {
        ""
    }
}

/// Nothing that an operator would have to add but what is theirs: who they are at the provider.
#[test]
fn every_preset_of_a_provider_is_a_whole_connector() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "s3cret").unwrap();
    for preset in Kind::Provider.presets() {
        let Preset { name, .. } = preset;
        let known = preset.read(None).unwrap();
        let token = if known["personal_token"].is_null() {
            ""
        } else {
            "    personal_token: {}\n"
        };
        let text = format!(
            "public_url: https://mcp.example.com\nconnectors:\n  own:\n    preset: {name}{}\n{token}    oauth: {{ client_id: door, client_secret_file: {} }}\n",
            host_of(&preset),
            secret.display()
        );
        let loaded = read(&text).unwrap();
        let environment = Environment::default();
        let snapshot = crate::compose::compose(&loaded, &environment, None);
        let snapshot = snapshot.unwrap_or_else(|problems| panic!("{name}: {problems}"));
        let connector = snapshot.connectors.find("own").unwrap();
        assert!(connector.oauth.is_some(), "{name}");
        assert!(!connector.title.is_empty() && connector.title != "own", "{name}");
        assert!(
            matches!(&connector.whose, vault::Whose::Said(who) if who.name.is_some()),
            "{name}: nobody would see as whom"
        );
        let written = &loaded.config.connectors["own"];
        assert_eq!(
            written.identity,
            crate::config::connector::Identity::default(),
            "{name}: that is theirs"
        );
    }
}

/// Nothing but who the door is there, and the tenant where there is one for each.
#[test]
fn every_preset_to_sign_in_by_is_a_whole_provider() {
    for preset in Kind::SignIn.presets() {
        let Preset { name, .. } = preset;
        let more = match name {
            "entra" => "\n      issuer: https://login.microsoftonline.com/8f1c/v2.0",
            _ if preset.needs_host() => "\n      host: a.example.com/git",
            _ => "",
        };
        let text = format!(
            "public_url: https://mcp.example.com\nsign_in:\n  providers:\n    own:\n      preset: {name}\n      client_id: door\n      client_secret: a{more}\n",
        );
        let snapshot = crate::compose::compose(&read(&text).unwrap(), &Environment::default(), None);
        let snapshot = snapshot.unwrap_or_else(|problems| panic!("{name}: {problems}"));
        let [provider] = &snapshot.ways.providers[..] else {
            panic!("{name}: one provider")
        };
        assert!(!provider.title.is_empty() && provider.title != "own", "{name}");
        assert!(!provider.rules.create_accounts, "{name}: that is theirs");
        assert!(!provider.rules.link_by_verified_email, "{name}: that is theirs");
    }
}

/// CC-107, CC-108: each recipe says which headers carry the credential, and none of them can come from a caller.
#[test]
fn every_recipe_shows_the_credential() {
    for preset in Kind::Server.presets() {
        let Preset { name, .. } = preset;
        let text = format!(
            "public_url: https://mcp.example.com\nconnectors:\n  own: {{ preset: google, oauth: {{ client_id: a, authentication: none }} }}\nservers:\n  own:\n    kind: {}\n    upstream: http://a.example/mcp\n    allow: []\n    credential: {{ connector: own, recipe: {name}{} }}\n",
            if preset.is_api() { "api" } else { "mcp" },
            if preset.needs_host() {
                ", host: a.example.com"
            } else {
                ""
            },
        );
        let loaded = read(&text).unwrap();
        let environment = Environment::default();
        let snapshot = crate::compose::compose(&loaded, &environment, None);
        let snapshot = snapshot.unwrap_or_else(|problems| panic!("{name}: {problems}"));
        let route = snapshot.routes.servers.values().next().unwrap();
        let shown: Vec<_> = route.recipe.iter().flat_map(vault::Recipe::names).collect();
        assert!(!shown.is_empty(), "{name}");
        // Neither those that the server takes in place of a credential, nor those that say where it goes (section 7.1 of the
        // client matrix: what each server reads).
        let read = match name {
            "github-mcp-server" => &["X-MCP-Readonly", "X-MCP-Toolsets"][..],
            "gitlab-mcp" => &["Private-Token", "Job-Token", "X-GitLab-API-URL"],
            "mcp-grafana" => &["X-Grafana-URL", "X-Grafana-API-Key", "X-Access-Token"],
            "gitea-api" => &["Sudo"],
            "gitlab-api" | "gitlab-git" => &["Private-Token", "Job-Token", "Deploy-Token", "Sudo"],
            name if name.starts_with("mcp-atlassian-") => {
                &["X-Atlassian-Jira-Url", "X-Atlassian-Confluence-Personal-Token"]
            }
            _ => &[],
        };
        for header in read {
            let header = header.parse().unwrap();
            assert!(
                route.strip.iter().any(|strip| strip.covers(&header)),
                "{name}: {header}"
            );
        }
        let refused = route.api.as_ref().map(|api| api.refused_names.own());
        for query in match name {
            "gitea-api" => &["sudo", "token"][..],
            "gitlab-api" | "gitlab-git" => &["private_token", "job_token", "sudo"],
            "jira-api" => &["os_username", "os_password"],
            _ => &[],
        } {
            let refused = refused.unwrap_or_default();
            assert!(refused.iter().any(|name| name == query), "{name}: {query}");
        }
    }
}

#[test]
fn no_file_is_forgotten_and_each_says_what_it_is_for() {
    let folders = [
        ("providers", Kind::Provider),
        ("servers", Kind::Server),
        ("sign-in", Kind::SignIn),
    ];
    for (folder, kind) in folders {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("presets").join(folder);
        let files: BTreeSet<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        let listed: BTreeSet<_> = kind
            .presets()
            .map(|preset| format!("{}.yaml", preset.name))
            .collect();
        assert_eq!(files, listed);
        for preset in kind.presets() {
            assert!(preset.text.starts_with("# "), "{}", preset.name);
            assert!(preset.about().len() > 4, "{}", preset.name);
        }
    }
}

#[test]
fn what_the_operator_writes_stands_over_it_key_by_key() {
    let config = read(
        "
connectors:
  git:
    preset: gitea
    host: git.example.com:8443/git
    name: Our Git
    oauth:
      client_id: door
      scopes: [read:user]
    who_am_i:
      headers: { authorization: \"token ${connection}\" }
servers:
  git:
    upstream: http://a/
    allow: []
    credential:
      recipe: mcp-atlassian-jira
      host: jira.example.com
      headers: { x-atlassian-jira-url: https://other.example.com, X-More: \"1\" }
      strip: [X-Own]
",
    )
    .unwrap()
    .config;
    let git = &config.connectors["git"];
    assert_eq!(git.name.as_deref(), Some("Our Git"));
    let oauth = git.oauth.as_ref().unwrap();
    assert_eq!(oauth.scopes.as_deref(), Some(&["read:user".to_owned()][..]));
    assert_eq!(
        oauth.token_endpoint.as_ref().unwrap().as_str(),
        "https://git.example.com:8443/git/login/oauth/access_token"
    );
    let headers: Vec<_> = git.who_am_i.headers.iter().flatten().collect();
    assert_eq!(headers.len(), 1, "one header, whatever the case: {headers:?}");
    assert_eq!(git.who_am_i.id.as_deref(), Some("/id"));
    assert!(git.personal_token.is_none(), "it opens no way by itself");
    let credential = &config.servers["git"].credential;
    let names: Vec<_> = credential.headers.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "X-Atlassian-Jira-Personal-Token",
            "X-More",
            "x-atlassian-jira-url"
        ]
    );
    assert_eq!(
        credential.headers["x-atlassian-jira-url"],
        "https://other.example.com"
    );
    assert_eq!(
        credential.strip,
        ["X-Own", "X-Atlassian-*"],
        "what is stripped stays so"
    );
}

#[test]
fn an_error_says_where_and_what_there_is() {
    let of = |connector: &str| read(&format!("connectors:\n  git:\n{connector}")).unwrap_err();
    let unknown = of("    name: Git\n    preset: gitae\n");
    assert!(
        unknown.starts_with(
            "vestibule.yaml:4:13: there is no preset called \"gitae\"; known are gitea, forgejo, github,"
        ),
        "{unknown}"
    );
    insta::assert_snapshot!(of("    preset: gitea\n"), @"vestibule.yaml:3:13: `gitea` needs `host`: where yours is, such as git.example.com");
    insta::assert_snapshot!(of("    preset: github\n    host: ghe.example.com\n"), @"vestibule.yaml:4:11: `github` is of one place; leave `host` out, or look for another in `vestibule preset list`");
    insta::assert_snapshot!(of("    host: git.example.com\n"), @"vestibule.yaml:3:11: `host` is for what `preset` names; give that, or leave it out");
    insta::assert_snapshot!(of("    preset: gitea\n    host: https://git.example.com\n"), @r#"vestibule.yaml:4:11: "https://git.example.com" is no host; write one like git.example.com, with a port or a path where it has one, in small letters"#);
    insta::assert_snapshot!(of("    preset: gitea\n    host: git.example.com\n    oauth: { client: x }\n"), @"vestibule.yaml:5:14: unknown key `client`; did you mean `client_id`?");
    let server = "servers:\n  a:\n    upstream: http://a/\n    allow: []\n    credential: { recipe: mcp-atlassian-jira }\n";
    insta::assert_snapshot!(read(server).unwrap_err(), @"vestibule.yaml:5:27: `mcp-atlassian-jira` needs `host`: where yours is, such as git.example.com");
}

#[test]
fn a_host_is_nothing_else() {
    for good in [
        "git.example.com",
        "git.example.com:3000",
        "example.com/git",
        "10.0.0.7",
        "[fd00::1]:8443",
    ] {
        assert_eq!(good.parse::<Host>().unwrap().to_string(), good);
    }
    for odd in [
        "",
        "/",
        "a/",
        "a//b",
        "a b",
        "a@b.example",
        "u:p@b.example",
        "a?b",
        "a#b",
        "a'b",
        "a/'b",
        "a\nb",
        "a/../b",
        "https://a",
        "A.example",
        "a:443",
        "a/${file:x}",
        "a/{host}",
        "a/%7b",
    ] {
        assert_eq!(odd.parse::<Host>(), Err(BadHost(odd.to_owned())), "{odd:?}");
    }
}
