//! `vestibule adopt`, as a process of its own: clients get the door in the place of credentials, and everything back if their
//! person wants it so.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::scan::Person;

const DOOR: [&str; 4] = [
    "--door",
    "https://mcp.example.com/mcp/github",
    "--door",
    "https://mcp.example.com/mcp/gitea",
];

fn adopt<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["adopt"], &DOOR[..], more].concat()
}

/// Every file below a folder, with what is in it.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            all.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    all
}

#[test]
fn clients_get_the_door_and_everything_back_on_request() {
    let person = Person::new();
    let before = files(person.home.path());
    // Nobody is there to ask, so nothing is changed.
    let shown = person.says(&adopt(&[]), 1);
    assert!(
        shown.contains('+') && shown.contains("https://mcp.example.com/mcp/github"),
        "{shown}"
    );
    assert_eq!(files(person.home.path()), before);
    let said = person.says(&adopt(&["--yes"]), 0);
    assert!(said.contains("4 files changed."), "{said}");
    assert!(said.contains("https://github.com/settings/tokens"), "{said}");
    let read = |path: &str| std::fs::read_to_string(person.home.path().join(path)).unwrap();
    for path in [
        ".cursor/mcp.json",
        ".claude.json",
        ".config/opencode/opencode.json",
        "work/shop/.vscode/mcp.json",
    ] {
        person.holds_no_secret(&read(path));
        assert!(read(path).contains("https://mcp.example.com/mcp/git"), "{path}");
    }
    assert!(person.says(&adopt(&["--yes"]), 0).contains("Nothing to change."));
    person.says(&["adopt", "--undo"], 0);
    assert_eq!(
        files(person.home.path()),
        before,
        "no trace is left, the backup neither"
    );
    person.says(&["adopt", "--undo"], 3);
}

#[test]
fn the_backup_is_deleted_with_what_it_holds() {
    let person = Person::new();
    person.says(&adopt(&["--yes"]), 0);
    let kept = || files(&person.home.path().join(".config/vestibule")).len();
    assert_eq!(kept(), 1);
    assert!(
        person
            .says(&["adopt", "--forget"], 0)
            .contains("1 backup is deleted")
    );
    assert_eq!(kept(), 0);
}

#[test]
fn programs_are_told_too() {
    let person = Person::new();
    let said: Value = serde_json::from_str(&person.says(&adopt(&["--yes", "--json"]), 0)).unwrap();
    assert_eq!(said["changed"].as_array().unwrap().len(), 4);
    let revoke = said["revoke"].as_array().unwrap();
    assert_eq!(revoke.len(), 4);
    for one in revoke {
        let is_ours = one["rule"] == "vestibule-service-token";
        let wanted = if is_ours {
            "vestibule token revoke"
        } else {
            "settings"
        };
        assert!(one["revoke"].as_str().unwrap().contains(wanted), "{one}");
    }
}

/// A stranger's repository cannot lead anybody to a stranger's door.
#[test]
fn a_configuration_that_lies_about_is_not_believed() {
    let person = Person::new();
    let config = "public_url: https://evil.example\nservers:\n  github:\n    upstream: http://a.internal/mcp\n    allow: []\n";
    std::fs::write(person.home.path().join("vestibule.yaml"), config).unwrap();
    person.says(&["adopt", "--yes"], 2);
    let text = person.says(&["scan"], 1);
    assert!(!text.contains("evil.example"), "{text}");
}
