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
    // YAML is left to people.
    let left: Vec<_> = plan
        .left
        .iter()
        .map(|left| (left.shown.as_str(), left.why))
        .collect();
    assert_eq!(left, [(".continue/mcpServers/figma.yaml", ByHand::Form)]);
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
