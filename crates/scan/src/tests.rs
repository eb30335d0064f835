use std::collections::BTreeSet;
use std::sync::LazyLock;

use model::Timestamp;

use super::*;

/// Compiled once: that takes longer than any look.
pub(crate) static RULES: LazyLock<Rules> = LazyLock::new(|| Rules::built_in().unwrap());

pub(crate) fn scanned(root: &std::path::Path, which: Which) -> Report {
    let mut scan = Scan::new(
        &RULES,
        Timestamp::from_seconds(1_800_000_000),
        [7; 32],
        Limits::default(),
    );
    scan.path(root, which, root, &mut |_| {});
    scan.finish()
}

/// A home folder of sixty files: every credential is found by its rule, and nothing else is.
#[test]
fn finds_every_planted_credential_and_nothing_else() {
    let home = tempfile::tempdir().unwrap();
    let planted = planted::home(home.path()).unwrap();
    assert_eq!(planted.files, 60);
    let expected: BTreeSet<_> = planted
        .credentials
        .iter()
        .map(|(path, rule)| (path.clone(), (*rule).to_owned()))
        .collect();
    for which in [Which::Known, Which::All] {
        let report = scanned(home.path(), which);
        let found: Vec<_> = report
            .findings
            .iter()
            .map(|one| (one.shown.clone(), one.rule.clone()))
            .collect();
        let set: BTreeSet<_> = found.iter().cloned().collect();
        let missed: Vec<_> = expected.difference(&set).collect();
        let wrong: Vec<_> = set.difference(&expected).collect();
        assert!(
            missed.is_empty() && wrong.is_empty(),
            "missed {missed:#?}\nwrong {wrong:#?}"
        );
        assert_eq!(found.len(), set.len(), "each once: {found:#?}");
        assert_eq!(report.allowed, 1);
        assert_eq!(report.unread, []);
    }
}

#[test]
fn nothing_that_is_kept_of_a_finding_holds_a_secret() {
    let home = tempfile::tempdir().unwrap();
    let planted = planted::home(home.path()).unwrap();
    let printed = format!("{:?}", scanned(home.path(), Which::All));
    for secret in &planted.secrets {
        // Nor the greater part of one.
        let tail = &secret[secret.len() / 2..];
        assert!(!printed.contains(tail), "{tail}");
    }
}

#[test]
fn one_token_in_two_places_is_one_credential() {
    let home = tempfile::tempdir().unwrap();
    planted::home(home.path()).unwrap();
    let report = scanned(home.path(), Which::Known);
    let of = |path: &str| report.findings.iter().find(|one| one.shown == path).unwrap();
    let (one, other) = (of(".cursor/mcp.json"), of("work/copy/.env"));
    assert_eq!(one.credential, other.credential);
    assert_ne!(one.fingerprint, other.fingerprint);
    let all: BTreeSet<_> = report.findings.iter().map(|one| &one.fingerprint).collect();
    assert_eq!(all.len(), report.findings.len());
}

#[test]
fn says_whose_it_is_and_what_is_around_it() {
    let home = tempfile::tempdir().unwrap();
    planted::home(home.path()).unwrap();
    let report = scanned(home.path(), Which::Known);
    let of = |path: &str| report.findings.iter().find(|one| one.shown == path).unwrap();
    for (path, provider, entry) in [
        (".claude.json", Some("gitea"), Some("gitea")),
        (
            ".config/Claude/claude_desktop_config.json",
            Some("jira"),
            Some("jira"),
        ),
        (".config/tea/config.yml", Some("gitea"), None),
        (".aws/credentials", Some("aws"), None),
        (".zshrc", Some("jira"), None),
        ("work/clone/.git/config", Some("github"), None),
        (".continue/mcpServers/figma.yaml", Some("figma"), Some("Figma")),
    ] {
        let finding = of(path);
        assert_eq!(finding.provider.as_deref(), provider, "{path}");
        assert_eq!(finding.entry.as_deref(), entry, "{path}");
    }
    let finding = of(".claude.json");
    assert_eq!(
        finding.name,
        "projects./home/ana/x.mcpServers.gitea.env.GITEA_ACCESS_TOKEN"
    );
    assert_eq!(finding.client.map(|client| client.id), Some("claude-code"));
    let synced = of("Dropbox/notes/.env");
    assert_eq!(synced.exposure.as_ref().unwrap().synced_by, Some("Dropbox"));
    assert_eq!(synced.severity, Severity::Critical);
}

/// What can be guessed is not digested: another password in its place is the same finding. What cannot be is: another
/// token is another finding.
/// A client's file is named after the client, which says nothing of whose the tokens are that it shows to servers.
#[test]
fn a_token_for_a_server_is_not_of_who_made_the_client() {
    let home = tempfile::tempdir().unwrap();
    let token = planted::random("wiki", planted::ALNUM, 40);
    let entry = format!(
        r#"{{"mcpServers":{{"wiki":{{"url":"https://wiki.example/mcp","headers":{{"Authorization":"Bearer {token}"}}}}}}}}"#
    );
    std::fs::create_dir(home.path().join(".gemini")).unwrap();
    for file in [".claude.json", ".gemini/settings.json"] {
        std::fs::write(home.path().join(file), &entry).unwrap();
    }
    std::fs::write(home.path().join("claude.env"), format!("AUTH_TOKEN={token}9\n")).unwrap();
    let report = scanned(home.path(), Which::All);
    let mut of: Vec<_> = report
        .findings
        .iter()
        .map(|finding| (finding.shown.as_str(), finding.provider.as_deref()))
        .collect();
    of.sort_unstable();
    let expected = [
        (".claude.json", None),
        (".gemini/settings.json", None),
        ("claude.env", Some("anthropic")),
    ];
    assert_eq!(of, expected);
}

#[test]
fn a_fingerprint_tells_nothing_of_what_could_be_guessed() {
    let folder = tempfile::tempdir().unwrap();
    let fingerprint = |text: &str| {
        std::fs::write(folder.path().join(".env"), text).unwrap();
        let mut report = scanned(folder.path(), Which::All);
        assert_eq!(report.findings.len(), 1, "{text}");
        report.findings.remove(0).fingerprint
    };
    assert_eq!(
        fingerprint("DB_PASSWORD=Winter2026!x"),
        fingerprint("DB_PASSWORD=Summer2027!y")
    );
    let key = |tail: &str| format!("A_KEY=dop_v1_{}{tail}", "0a1b2c3d4e5f".repeat(5));
    assert_ne!(fingerprint(&key("9876")), fingerprint(&key("9875")));
}

#[test]
fn an_allowance_can_name_its_rules() {
    let folder = tempfile::tempdir().unwrap();
    for (comment, allowed) in [
        ("", false),
        ("# vestibule:allow", true),
        ("# vestibule:allow named-token", false),
        ("# gitleaks:allow", true),
        ("# vestibule:allow named-password", true),
    ] {
        std::fs::write(
            folder.path().join(".env"),
            format!("DB_PASSWORD=Winter2026!x {comment}\n"),
        )
        .unwrap();
        assert_eq!(
            scanned(folder.path(), Which::All).allowed == 1,
            allowed,
            "{comment}"
        );
    }
}

#[test]
fn variables_of_one_job_are_no_finding() {
    let mut scan = Scan::new(&RULES, Timestamp::EPOCH, [1; 32], Limits::default());
    let token = checksum::Checksum::Crc32Base62.complete("ghp_", &"aB3xY9".repeat(5));
    scan.variable("GITHUB_TOKEN", &token);
    scan.variable("DEPLOY", &token);
    scan.variable("PATH", "/usr/bin:/bin");
    let report = scan.finish();
    assert_eq!(report.findings.len(), 1);
    assert_eq!(
        (
            report.findings[0].shown.as_str(),
            report.findings[0].name.as_str()
        ),
        ("$DEPLOY", "DEPLOY")
    );
}

#[test]
fn a_web_token_that_is_over_is_none_whatever_it_is_called() {
    let part = |text: &str| data_encoding::BASE64URL_NOPAD.encode(text.as_bytes());
    for (end, findings) in [(1_000, 0), (2_000_000_000, 1)] {
        let claims = format!("{{\"exp\":{end},\"sub\":\"ana\"}}");
        let token = [
            part("{\"alg\":\"ES256\"}"),
            part(&claims),
            part(&"aB3".repeat(21)),
        ]
        .join(".");
        for text in [
            format!("API_TOKEN={token}"),
            format!("curl -H 'Authorization: Bearer {token}'"),
        ] {
            let mut scan = Scan::new(
                &RULES,
                Timestamp::from_seconds(1_800_000_000),
                [1; 32],
                Limits::default(),
            );
            scan.bytes(std::path::Path::new(".env"), text.clone().into_bytes());
            assert_eq!(scan.finish().findings.len(), findings, "{text}");
        }
    }
}

/// Files that are made to take for ever.
#[test]
fn what_grows_with_a_file_grows_no_faster() {
    let many = |text: &str, count| text.repeat(count);
    let nested = (0..600)
        .map(|depth| " ".repeat(depth))
        .collect::<Vec<_>>()
        .join("- a\n");
    let files = [
        ("a.txt", many("eyJ", 100_000)),
        ("b.txt", many("pypi-AgE", 40_000)),
        ("c.txt", many("-----BEGIN PRIVATE KEY-----", 10_000)),
        ("d.txt", many("a://b:", 40_000)),
        ("e.txt", many("bearer", 40_000)),
        ("f.json", format!("[{}\"\"]", many("\"--token\",", 30_000))),
        (
            "g.json",
            format!(
                "{{\"mcpServers\":{{{}}}}}",
                many("\"a\":{\"b\":\"c\"},\"d\":{\"url\":\"e\"},", 15_000)
            ),
        ),
        ("h.yaml", nested),
        ("i.json", many("[", 100_000)),
        ("j.toml", format!("a = {}", many("[", 100_000))),
    ];
    for (name, text) in files {
        let mut scan = Scan::new(&RULES, Timestamp::EPOCH, [1; 32], Limits::default());
        scan.bytes(std::path::Path::new(name), text.into_bytes());
        assert!(scan.finish().findings.is_empty(), "{name}");
    }
}

#[test]
fn names_and_paths_that_are_credentials_are_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let token = checksum::Checksum::Crc32Base62.complete("ghp_", &"aB3xY9".repeat(5));
    std::fs::create_dir(folder.path().join(&token)).unwrap();
    std::fs::write(
        folder.path().join(&token).join(".env"),
        format!("{token}={token}\n"),
    )
    .unwrap();
    std::fs::write(
        folder.path().join("a.json"),
        format!("{{\"{token}\": {{\"password\": \"Winter2026!x\"}}}}"),
    )
    .unwrap();
    let report = scanned(folder.path(), Which::All);
    assert_eq!(report.findings.len(), 4);
    for finding in &report.findings {
        for shown in [&finding.shown, &finding.name] {
            assert!(!shown.contains(&token[8..]), "{shown}");
        }
    }
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// However it is surrounded, a token of a known shape is found, and is not in what is shown of the text.
        #[test]
        fn a_token_is_found_wherever_it_stands(
            body in "[A-Za-z0-9]{30}",
            before in "[ \\t\"'=:,;(\\[{<>/]{1,4}",
            after in "[ \\t\"',;)\\]}<>\\n]{1,4}",
            line in "[a-z ]{0,20}",
        ) {
            let token = checksum::Checksum::Crc32Base62.complete("ghp_", &body);
            let text = format!("{line}{before}{token}{after}{line}");
            prop_assert_eq!(RULES.fits(&text).len(), 1, "{}", text);
            let redacted = RULES.redacted(&text);
            prop_assert!(!redacted.contains(&token) && redacted.contains("ghp_…"), "{}", redacted);
        }

        /// No text makes it panic, and every finding has a place in the text.
        #[test]
        fn any_text_in_any_form(text in "(?s).{0,300}|([A-Za-z_]{1,9}[:=] ?[\"']?[A-Za-z0-9!@#/+_.-]{0,40}[\"']?\n){0,8}") {
            for form in [reading::Form::Json, reading::Form::Yaml, reading::Form::Assignments, reading::Form::Text] {
                let subject = detect::Subject { text: &text, form, words: "", now: Timestamp::EPOCH };
                for hit in detect::hits(subject, &RULES) {
                    prop_assert!(text.get(hit.range.clone()).is_some(), "{:?}", hit);
                }
            }
        }
    }
}
