use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::tests::{RULES, scanned};
use crate::{Which, planted};

use super::*;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

fn servers() -> Vec<DoorServer> {
    let names = [
        "github", "gitea", "jira", "gitlab", "sentry", "slack", "notion", "grafana", "linear", "figma",
    ];
    let server = |name: &str| DoorServer {
        url: format!("https://mcp.example.com/mcp/{name}"),
        name: name.to_owned(),
        upstream: None,
        recipe: None,
    };
    names.map(server).to_vec()
}

fn planned(home: &std::path::Path) -> Plan {
    plan(&scanned(home, Which::Known).findings, &RULES, &servers(), NOW)
}

#[test]
fn each_client_gets_an_entry_of_its_own_form_without_a_credential() {
    let home = tempfile::tempdir().unwrap();
    let planted = planted::home(home.path()).unwrap();
    let plan = planned(home.path());
    let of = |path: &str| {
        plan.changes
            .iter()
            .find(|change| change.shown == path)
            .unwrap()
            .after()
    };
    let cursor =
        "{\"mcpServers\": {\"github\": {\n      \"url\": \"https://mcp.example.com/mcp/github\"\n    }}}";
    assert_eq!(of(".cursor/mcp.json"), cursor);
    assert!(of(".gemini/settings.json").contains(r#""httpUrl": "https://mcp.example.com/mcp/grafana""#));
    assert!(
        of(".codeium/windsurf/mcp_config.json")
            .contains(r#""serverUrl": "https://mcp.example.com/mcp/slack""#)
    );
    let desktop = of(".config/Claude/claude_desktop_config.json");
    assert!(
        desktop.contains("\"vestibule\"") && desktop.contains("\"bridge\""),
        "{desktop}"
    );
    // What is around it stays, with its comments.
    let code = of(".config/Code/User/mcp.json");
    assert!(
        code.contains("// mine") && code.contains(r#""type": "http""#),
        "{code}"
    );
    let claude = of(".claude.json");
    assert!(
        claude.starts_with(r#"{"numStartups": 12, "projects": {"/home/ana/x": {"mcpServers": {"gitea": {"#),
        "{claude}"
    );
    let codex = of(".codex/config.toml");
    assert_eq!(
        codex,
        "model = \"o5\"\n\n[mcp_servers.sentry]\nurl = \"https://mcp.example.com/mcp/sentry\"\n"
    );
    for change in &plan.changes {
        for secret in &planted.secrets {
            assert!(!change.after().contains(secret), "{}", change.shown);
            assert!(
                !format!("{change:?}{}", change.difference).contains(&secret[secret.len() / 2..]),
                "{}",
                change.shown
            );
        }
    }
    assert_eq!(
        of(".continue/mcpServers/figma.yaml"),
        "mcpServers:\n  - name: Figma\n    type: streamable-http\n    url: https://mcp.example.com/mcp/figma\n"
    );
    assert_eq!(plan.left, []);
}

/// A home folder with one file, and what is planned for it.
fn planned_for(path: &str, text: &str) -> (tempfile::TempDir, Plan) {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join(path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
    let plan = planned(home.path());
    (home, plan)
}

fn github_token() -> String {
    crate::checksum::Checksum::Crc32Base62.complete("ghp_", &"aB3xY9".repeat(5))
}

#[test]
fn goose_gets_an_entry_of_its_own_form() {
    let token = github_token();
    let text = format!(
        "GOOSE_MODEL: gpt # mine\nextensions:\n  github:\n    args: [-y, server-github]\n    bundled: null\n    cmd: npx\n    \
         # it reads\n    description: 'Issues: all'\n    enabled: true\n    env_keys: []\n    envs:\n      T: {token}\n    name: github\n    \
         timeout: 300\n    type: stdio\n  memory: {{type: builtin, name: memory}}\n"
    );
    let (_home, plan) = planned_for(".config/goose/config.yaml", &text);
    assert_eq!(
        plan.changes[0].after(),
        "GOOSE_MODEL: gpt # mine\nextensions:\n  github:\n    type: streamable_http\n    uri: https://mcp.example.com/mcp/github\n    \
         # it reads\n    description: 'Issues: all'\n    enabled: true\n    name: github\n    timeout: 300\n  \
         memory: {type: builtin, name: memory}\n"
    );
}

/// Whoever signs in there needs no token that lasts; what shows it to others, or holds another of its kinds, is left.
#[test]
fn what_is_shown_to_the_door_already_is_replaced_by_it() {
    let token = |kind| {
        model::OpaqueToken::from_random(kind, &[7; 32])
            .expose()
            .to_owned()
    };
    let service = token(model::TokenKind::Service);
    let old = crate::planted::random("old", crate::planted::ALNUM, 40);
    let url = "https://mcp.example.com/mcp/gitea";
    for (entry, is_replaced) in [
        (
            format!(r#"{{"url": "{url}/", "headers": {{"Authorization": "Bearer {service}"}}}}"#),
            true,
        ),
        (
            format!(
                r#"{{"command": "npx", "args": ["mcp-remote", "{url}", "--header", "Authorization: Bearer {service}"]}}"#
            ),
            true,
        ),
        // Of the time before, which the door still takes for a while.
        (
            format!(r#"{{"url": "{url}", "headers": {{"Authorization": "Bearer {old}"}}}}"#),
            true,
        ),
        (
            format!(r#"{{"url": "{url}", "oauth": {{"client_secret": "{old}"}}}}"#),
            false,
        ),
        (
            format!(r#"{{"url": "{url}x", "headers": {{"Authorization": "Bearer {service}"}}}}"#),
            false,
        ),
        (
            format!(
                r#"{{"url": "https://other.example/mcp/gitea", "headers": {{"Authorization": "Bearer {service}"}}}}"#
            ),
            false,
        ),
        (
            format!(
                r#"{{"url": "{url}", "oauth": {{"client_secret": "{}"}}}}"#,
                token(model::TokenKind::ClientSecret)
            ),
            false,
        ),
    ] {
        let text = format!(r#"{{"mcpServers": {{"mine": {entry}}}}}"#);
        let (_home, plan) = planned_for(".cursor/mcp.json", &text);
        let after: Vec<&str> = plan.changes.iter().map(Change::after).collect();
        let wanted = format!("{{\"mcpServers\": {{\"mine\": {{\n      \"url\": \"{url}\"\n    }}}}}}");
        assert_eq!(
            after,
            Vec::from_iter(is_replaced.then_some(wanted.as_str())),
            "{text}"
        );
        assert_eq!(plan.left, []);
    }
}

/// Those in braces, in blocks and in comments are values as well.
#[test]
fn a_difference_of_yaml_shows_no_value_either() {
    let token = github_token();
    let text = format!(
        "extensions:\n  github:\n    cmd: npx # the hunter\n    args: [-p, 'one', {{a: two}}]\n    envs:\n      T: {token}\n      PIN: 4711\n    \
         bundled: |\n      three: four\n      five\n    type: stdio\n"
    );
    let (_home, plan) = planned_for(".config/goose/config.yaml", &text);
    let difference = &plan.changes[0].difference;
    for value in ["hunter", "one", "two", "three", "four", "five", "4711", "ghp_"] {
        assert!(!difference.contains(value), "{difference}");
    }
    assert!(
        difference.contains("+    uri: https://mcp.example.com/mcp/github")
            && difference.contains("-    envs:"),
        "{difference}"
    );
}

#[test]
fn an_entry_of_yaml_that_is_not_written_line_by_line_is_left_with_the_reason() {
    let token = github_token();
    let text = format!("extensions:\n  github: {{cmd: npx, envs: {{T: {token}}}}}\n");
    let (_home, plan) = planned_for(".config/goose/config.yaml", &text);
    assert!(plan.changes.is_empty());
    assert_eq!(
        (plan.left[0].name.as_str(), plan.left[0].why),
        ("github", ByHand::Layout)
    );
}

#[test]
fn an_entry_of_yaml_that_shares_a_part_is_left_with_the_reason() {
    let token = github_token();
    let text = format!(
        "extensions:\n  github: &github\n    cmd: npx\n    envs:\n      T: {token}\n  other: *github\n"
    );
    let (_home, plan) = planned_for(".config/goose/config.yaml", &text);
    assert!(plan.changes.is_empty());
    assert_eq!(plan.left[0].why, ByHand::Shared);
}

/// Files of Windows, and files with lines of both kinds.
#[test]
fn each_line_ends_as_it_did_and_undo_gives_every_byte_back() {
    let token = github_token();
    let files = [
        (
            ".cursor/mcp.json",
            "{\n  \"mcpServers\": {\n    \"github\": {\n      \"command\": \"npx\",\n      \"env\": {\n        \"T\": \"§\"\n      }\n    },\n    \"x\": {}\n  }\n}\n",
        ),
        (
            ".config/Code/User/mcp.json",
            "{\n  // mine\n  \"servers\": {\n    \"github\": {\"command\": \"npx\", \"env\": {\"T\": \"§\",},},\n    /* two\n       lines */\n  },\n}",
        ),
        (
            ".codex/config.toml",
            "model = \"o5\" # mine\n\n[mcp_servers.github]\ncommand = \"npx\"\n\n[mcp_servers.github.env]\nT = \"§\"\n\n[other]\ntext = \"\"\"\none\n  two\"\"\"\nlist = [\n  1, # one\n  2,\n]\n",
        ),
        (
            ".config/goose/config.yaml",
            "a: |\n  one\n\n  two\nextensions:\n  github:\n    cmd: npx\n    envs:\n      T: §\n  b: \"c\n    d\"\n",
        ),
    ];
    for (path, text) in files {
        let (text, state) = (text.replace('§', &token), tempfile::tempdir().unwrap());
        let crlf = text.replace('\n', "\r\n");
        let half = text.len() / 2;
        let mixed = format!("{}{}", text[..half].replace('\n', "\r\n"), &text[half..]);
        let (_home, plan) = planned_for(path, &text);
        let plain = plan.changes[0].after().to_owned();
        assert!(!plain.contains('\r'), "{path}");
        for before in [&text, &crlf, &mixed] {
            let (home, plan) = planned_for(path, before);
            let after = plan.changes[0].after().to_owned();
            assert_eq!(after.replace("\r\n", "\n"), plain, "{path}");
            let known: Vec<&str> = before.split_inclusive('\n').collect();
            for line in after.split_inclusive('\n') {
                let is_old = known.iter().any(|known| known.trim_end() == line.trim_end());
                assert!(!is_old || known.contains(&line), "{path} {line:?}");
                assert!(
                    is_old || line.ends_with("\r\n") == before.contains("\r\n"),
                    "{path} {line:?}"
                );
            }
            let backup = Backup::apply(state.path(), &plan.changes, NOW).unwrap();
            assert_eq!(fs::read(home.path().join(path)).unwrap(), after.as_bytes());
            backup.undo().unwrap();
            assert_eq!(
                fs::read(home.path().join(path)).unwrap(),
                before.as_bytes(),
                "{path}"
            );
        }
    }
}

/// Nor what nobody would take for a secret.
#[test]
fn a_difference_shows_no_value_of_the_file() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join(".cursor")).unwrap();
    let token = crate::checksum::Checksum::Crc32Base62.complete("ghp_", &"aB3xY9".repeat(5));
    let text = format!(
        "{{\n  \"mcpServers\": {{\n    \"github\": {{\n      \"command\": \"npx\",\n      \"args\": [\"-p\", \"hunter\"],\n      \"env\": {{ \"T\": \"{token}\", \"PIN\": \"4711\" }},\n      \"disabled\": true\n    }},\n    \"other\": {{ \"env\": {{ \"PIN\": \"0815\" }} }}\n  }}\n}}\n"
    );
    fs::write(home.path().join(".cursor/mcp.json"), text).unwrap();
    let plan = planned(home.path());
    let [change] = plan.changes.as_slice() else {
        panic!("{plan:?}")
    };
    for value in ["hunter", "4711", "0815", "ghp_aB3"] {
        assert!(!change.difference.contains(value), "{}", change.difference);
    }
    assert!(
        change
            .difference
            .contains("+      \"url\": \"https://mcp.example.com/mcp/github\""),
        "{}",
        change.difference
    );
    assert!(
        change.after().contains("\"disabled\": true") && change.after().contains("0815"),
        "{}",
        change.after()
    );
}

#[test]
fn an_entry_with_credentials_of_two_is_left_alone() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join(".cursor")).unwrap();
    let token = crate::checksum::Checksum::Crc32Base62.complete("ghp_", &"aB3xY9".repeat(5));
    for other in [
        format!("lin_api_{}", "a1B2c3D4e5".repeat(4)),
        format!("dop_v1_{}", "0a1b2c3d".repeat(8)),
    ] {
        let text = format!(
            r#"{{"mcpServers": {{"github": {{"command": "x", "env": {{"A": "{other}", "T": "{token}"}}}}}}}}"#
        );
        fs::write(home.path().join(".cursor/mcp.json"), text).unwrap();
        let plan = planned(home.path());
        assert!(plan.changes.is_empty());
        assert_eq!(
            plan.left.iter().map(|left| left.why).collect::<Vec<_>>(),
            [ByHand::Several]
        );
    }
}

#[test]
fn what_was_changed_is_changed_back_byte_by_byte() {
    let (home, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    planted::home(home.path()).unwrap();
    let state = state.path().join("adopted");
    let before: Vec<_> = planned(home.path())
        .changes
        .iter()
        .map(|change| (change.path.clone(), change.before().to_owned()))
        .collect();
    assert!(before.len() > 8);
    let backup = Backup::apply(&state, &planned(home.path()).changes, NOW).unwrap();
    assert_eq!(
        fs::metadata(backup.file()).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert!(
        planned(home.path()).changes.is_empty(),
        "nothing is left to change"
    );
    for (path, text) in &before {
        assert_ne!(fs::read_to_string(path).unwrap(), *text);
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let undone = Backup::all(&state).pop().unwrap().undo().unwrap();
    assert_eq!((undone.files.len(), undone.failed.len()), (before.len(), 0));
    for (path, text) in &before {
        assert_eq!(fs::read_to_string(path).unwrap(), *text);
    }
    assert_eq!(
        Backup::all(&state),
        [],
        "the old credentials lie nowhere else any more"
    );
}

#[test]
fn what_somebody_else_changed_is_left_alone() {
    let (home, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    planted::home(home.path()).unwrap();
    let path = home.path().join(".cursor/mcp.json");
    let mut changes = planned(home.path()).changes;
    changes.retain(|change| change.shown == ".cursor/mcp.json");
    let text = fs::read_to_string(&path).unwrap();
    // Between looking and writing.
    fs::write(&path, format!("{text} ")).unwrap();
    assert!(matches!(
        Backup::apply(state.path(), &changes, NOW),
        Err(BackupError::Changed(_))
    ));
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("{text} "));
    Backup::all(state.path()).pop().unwrap().forget().unwrap();
    // Between writing and undoing.
    fs::write(&path, &text).unwrap();
    let backup = Backup::apply(state.path(), &changes, NOW).unwrap();
    fs::write(&path, "{}").unwrap();
    let undone = backup.undo().unwrap();
    assert!(undone.files.is_empty() && matches!(undone.failed.as_slice(), [BackupError::Changed(_)]));
    assert_eq!(fs::read_to_string(&path).unwrap(), "{}");
    assert_eq!(Backup::all(state.path()).len(), 1, "it is still there");
}
