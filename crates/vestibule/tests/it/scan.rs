//! `vestibule scan`, as a process of its own on a home folder full of credentials: it finds them all, and shows none.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use ::scan::planted::{self, Planted};
use serde_json::Value;
use tempfile::TempDir;

use crate::rig::process::PROGRAM;

/// Somebody's home folder.
pub(crate) struct Person {
    pub(crate) home: TempDir,
    pub(crate) planted: Planted,
}

impl Person {
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let planted = planted::home(home.path()).unwrap();
        Self { home, planted }
    }

    pub(crate) fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command
            .args(words)
            .env_clear()
            .env("HOME", self.home.path())
            .current_dir(self.home.path());
        command
    }

    /// What a command prints, which must end so; no secret is in any of it.
    pub(crate) fn says(&self, words: &[&str], code: i32) -> String {
        let output = self.run(words);
        let said = String::from_utf8(output.stdout).unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{words:?}: {said}{errors}");
        self.holds_no_secret(&said);
        self.holds_no_secret(&errors);
        said
    }

    pub(crate) fn holds_no_secret(&self, text: &str) {
        for secret in &self.planted.secrets {
            let tail = &secret[secret.len() / 2..];
            assert!(!text.contains(tail), "the second half of a secret is in: {text}");
        }
    }

    fn json(&self, words: &[&str], code: i32) -> Value {
        serde_json::from_str(&self.says(words, code)).unwrap()
    }
}

fn found(report: &Value) -> Vec<(String, String)> {
    let text = |finding: &Value, name: &str| finding[name].as_str().unwrap_or_default().to_owned();
    let findings = report["findings"].as_array().unwrap().iter();
    findings
        .map(|one| (text(one, "path"), text(one, "rule")))
        .collect()
}

#[test]
fn finds_every_credential_of_a_home_folder_and_shows_none_in_any_form() {
    let person = Person::new();
    let mut expected: Vec<_> = person.planted.credentials.clone();
    expected.sort();
    let home = person.home.path().to_str().unwrap().to_owned();
    for words in [vec!["scan", "--json"], vec!["scan", &home, "--json"]] {
        let mut found = found(&person.json(&words, 1));
        found.sort();
        let found: Vec<_> = found
            .iter()
            .map(|(path, rule)| (path.clone(), rule.as_str()))
            .collect();
        assert_eq!(found, expected);
    }
    let text = person.says(&["scan"], 1);
    assert!(
        text.contains("GitHub personal access token (classic)  ghp_…"),
        "{text}"
    );
    assert!(
        text.contains("Dropbox/notes/.env") && text.contains("copied away by Dropbox"),
        "{text}"
    );
    assert!(text.contains("the same as in"), "{text}");
    person.says(&["scan", "--sarif"], 1);
    // Nor where it cannot be read as what it was given for.
    person.says(&["scan", "--baseline", ".netrc"], 2);
    person.says(&["scan", "--rules", ".zshrc"], 2);
    person.says(&["scan", "--rules", ".kube/config"], 2);
    person.says(&["scan", "--config", ".npmrc", "work"], 2);
}

#[test]
fn the_exit_code_says_what_was_found() {
    let person = Person::new();
    person.says(&["scan", "work/docs"], 0);
    person.says(&["scan", "work/shop", "--fail-on", "never"], 0);
    person.says(&["scan", "work/shop", "--fail-on", "high"], 1);
    person.says(&["scan", ".zshrc", "--fail-on", "high"], 0);
    person.says(&["scan", "nowhere"], 3);
    person.says(&["scan", "--fail-on", "sometimes"], 2);
    // What it is only looked at leaves no trace.
    assert!(!person.home.path().join(".config/vestibule").exists());
}

#[test]
fn a_baseline_leaves_out_what_is_known_and_nothing_else() {
    let person = Person::new();
    person.says(&["scan", "work", "--write-baseline", "known.json"], 0);
    let baseline = std::fs::read_to_string(person.home.path().join("known.json")).unwrap();
    person.holds_no_secret(&baseline);
    let report = person.json(&["scan", "work", "--baseline", "known.json", "--json"], 0);
    assert_eq!(found(&report), []);
    assert_eq!(report["in_baseline"], 7);
    // Another place, and another token at the same one.
    let home = person.home.path();
    std::fs::copy(home.join("work/shop/.env"), home.join("work/shop/.env.new")).unwrap();
    std::fs::copy(home.join("work/copy/.env"), home.join("work/wide/.env")).unwrap();
    let report = person.json(&["scan", "work", "--baseline", "known.json", "--json"], 1);
    let mut found = found(&report);
    found.sort();
    let expected = [
        ("work/shop/.env.new", "stripe-live-key"),
        ("work/wide/.env", "github-pat"),
    ];
    assert_eq!(
        found,
        expected.map(|(path, rule)| (path.to_owned(), rule.to_owned()))
    );
}

#[test]
fn says_which_server_of_the_door_replaces_what() {
    let person = Person::new();
    let replaced = |words: &[&str], path: &str| {
        let report = person.json(words, 1);
        let findings = report["findings"].as_array().unwrap();
        let finding = findings.iter().find(|one| one["path"] == path).unwrap();
        finding["replaced_by"].as_str().map(str::to_owned)
    };
    let github = "https://mcp.example.com/mcp/github";
    let named = ["scan", "--json", "--door", github];
    assert_eq!(replaced(&named, ".cursor/mcp.json").as_deref(), Some(github));
    assert_eq!(replaced(&named, ".claude.json"), None);
    assert_eq!(replaced(&["scan", "--json"], ".cursor/mcp.json"), None);
    // Of the configuration: by the recipe, and by the host behind it, whatever they are called.
    let config = "public_url: https://mcp.example.com\nservers:\n  code:\n    upstream: http://gitea-mcp.internal:8080/mcp\n    allow: []\n    credential:\n      connector: gitea\n      recipe: gitea-mcp\n  dashboards:\n    upstream: https://grafana.example.com/mcp\n    allow: []\nconnectors:\n  gitea:\n    preset: gitea\n    host: git.example.com\n    personal_token: {}\n";
    std::fs::write(person.home.path().join("vestibule.yaml"), config).unwrap();
    let plain = ["scan", "--json", "--config", "./vestibule.yaml"];
    assert_eq!(
        replaced(&plain, ".claude.json").as_deref(),
        Some("https://mcp.example.com/mcp/code")
    );
    assert_eq!(
        replaced(&plain, ".gemini/settings.json").as_deref(),
        Some("https://mcp.example.com/mcp/dashboards")
    );
    // One that merely lies there says nothing.
    assert_eq!(replaced(&["scan", "--json"], ".claude.json"), None);
    let text = person.says(&["scan", "--config", "./vestibule.yaml"], 1);
    assert!(
        text.contains("replaced by https://mcp.example.com/mcp/code"),
        "{text}"
    );
    assert!(
        person
            .says(&["scan", "--door", "https://mcp.example.com", "--json"], 2)
            .contains("no server of a door")
    );
}

#[test]
fn variables_are_looked_at_on_request() {
    let person = Person::new();
    let secret = person.planted.secrets[0].clone();
    let report = |words: &[&str]| -> Value {
        let mut command = person.command(words);
        let output = command
            .env("DEPLOY_TOKEN", &secret)
            .env("GITHUB_TOKEN", &secret)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        person.holds_no_secret(&text);
        serde_json::from_str(&text).unwrap()
    };
    let found = report(&["scan", "--ci", "--json"]);
    assert_eq!(found["findings"].as_array().unwrap().len(), 1);
    assert_eq!(found["findings"][0]["variable"], "DEPLOY_TOKEN");
    assert_eq!(
        report(&["scan", "work/docs", "--json"])["findings"],
        Value::Array(Vec::new())
    );
    let sarif = report(&["scan", "--ci", "--sarif"]);
    let place = &sarif["runs"][0]["results"][0]["locations"][0]["logicalLocations"][0];
    assert_eq!(place["kind"], "variable");
}

/// The members that SARIF 2.1.0 requires, and the references between them.
#[test]
fn sarif_is_what_the_standard_says() {
    let person = Person::new();
    let log = person.json(&["scan", "--sarif"], 1);
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    assert_eq!(run["tool"]["driver"]["name"], "vestibule scan");
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), person.planted.credentials.len());
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert!(["note", "warning", "error"].contains(&result["level"].as_str().unwrap()));
        assert!(!result["message"]["text"].as_str().unwrap().is_empty());
        assert_eq!(
            result["partialFingerprints"]["vestibuleScan/v1"]
                .as_str()
                .unwrap()
                .len(),
            32
        );
        let place = &result["locations"][0]["physicalLocation"];
        let uri = place["artifactLocation"]["uri"].as_str().unwrap();
        assert!(uri.starts_with("./") && !uri.contains(' '), "{uri}");
        let region = |name: &str| place["region"][name].as_u64().unwrap();
        assert!(region("startLine") >= 1 && region("endColumn") > region("startColumn"));
    }
    for rule in rules {
        assert!(rule["shortDescription"]["text"].is_string() && rule["help"]["text"].is_string());
    }
}

/// What this repository tests with is written down, and nothing else is in it.
#[test]
fn this_repository_is_clean() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let root: PathBuf = std::fs::canonicalize(root).unwrap();
    // What somebody's tests left behind belongs to nobody else.
    let folder = tempfile::tempdir().unwrap();
    let taken = Command::new("git")
        .args(["checkout-index", "--all", "--prefix"])
        .arg(format!("{}/", folder.path().display()))
        .current_dir(&root)
        .status();
    assert!(taken.unwrap().success());
    let output = Command::new(PROGRAM)
        .args(["scan", ".", "--baseline", ".vestibule-scan.json"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(!said.contains("not read"), "{said}");
}
