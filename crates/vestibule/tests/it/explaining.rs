//! `vestibule policy`: why something is allowed or not, and cases that somebody wrote down.

use serde_json::{Value, json};
use vestibule::operator::{Answer, Failure};

use crate::rig::process::{done, run};
use crate::rig::{Door, Plan};

const RULES: &str = r#"
  gitea:
    upstream: {upstream}
    allow:
      - { groups: [platform], tools: all }
      - groups: [developers]
        tools: ["get_*"]
      - groups: [developers]
        tools: [push]
        when: { arguments: { branch: { like: ["fix/*"] } }, networks: [10.0.0.0/8] }
        advice: Push to fix branches, from the office.
    shadow_allow:
      - { groups: [platform, developers], tools: ["get_*"] }
"#;

const FILE: &str = r#"@id("freeze") forbid (principal, action == Action::"tools/call", resource == Tool::"gitea/get_secret");"#;

async fn door() -> Door {
    let door = Door::with(Plan {
        servers: RULES.to_owned(),
        config: "policy: { files: [{ file: rules.cedar }] }".to_owned(),
        files: vec![("rules.cedar", FILE.to_owned())],
        ..Plan::default()
    })
    .await;
    door.add_person("pia", &["platform"]).await;
    door
}

async fn explain(door: &Door, more: &[&str]) -> Value {
    let words = ["policy", "explain", "--server", "gitea"];
    match door.operate(&[&words[..], more].concat()).await.unwrap() {
        Answer::Item(item) => item,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_explanation_names_the_rule_and_what_would_change_it() {
    let door = door().await;
    let item = explain(&door, &["--user", "pia", "--tool", "delete_repo"]).await;
    assert_eq!(
        (&item["outcome"], &item["rule"]),
        (&json!("allowed"), &json!("gitea.allow[0]"))
    );
    assert_eq!(item["shadow"], "would be refused: no rule allows it");
    assert_eq!(
        item["what_would_change_it"],
        json!(["without gitea.allow[0], which allows it"])
    );

    let item = explain(&door, &["--user", "ana", "--tool", "delete_repo"]).await;
    assert_eq!(
        (&item["outcome"], &item["rule"]),
        (&json!("hidden"), &Value::Null)
    );
    assert_eq!(
        item["what_would_change_it"],
        json!(["ana as a member of platform: allowed by gitea.allow[0]"])
    );

    let item = explain(&door, &["--user", "ana", "--tool", "get_secret"]).await;
    assert_eq!(
        (&item["outcome"], &item["rule"]),
        (&json!("hidden"), &json!("freeze"))
    );
    assert!(
        item["what_would_change_it"]
            .to_string()
            .contains("without freeze, which forbids it"),
        "{item}"
    );

    let push = [
        "--user",
        "ana",
        "--tool",
        "push",
        "--arguments",
        r#"{"branch":"fix/1"}"#,
    ];
    let item = explain(&door, &[&push[..], &["--address", "10.1.1.1"]].concat()).await;
    assert_eq!(
        (&item["outcome"], &item["rule"]),
        (&json!("allowed"), &json!("gitea.allow[2]"))
    );
    let item = explain(&door, &push).await;
    assert_eq!(
        (&item["outcome"], &item["advice"]),
        (
            &json!("refused"),
            &json!("Push to fix branches, from the office.")
        )
    );
    let text = item["what_would_change_it"].to_string();
    assert!(
        text.contains("under the conditions of gitea.allow[2]: when") && text.contains("isInRange"),
        "{text}"
    );

    // Whether the server may be used comes first; and questions about people who are not there.
    let item = explain(&door, &["--user", "eve", "--tool", "get_repo"]).await;
    assert_eq!(item["outcome"], "hidden");
    assert!(
        item["what_would_change_it"]
            .to_string()
            .contains("eve as a member of platform: allowed by gitea.allow[0]"),
        "{item}"
    );
    let item = explain(
        &door,
        &[
            "--user",
            "nobody-yet",
            "--groups",
            "developers",
            "--tool",
            "get_repo",
        ],
    )
    .await;
    assert_eq!(item["outcome"], "allowed");
    let missing = door
        .operate(&["policy", "explain", "--server", "gitea", "--user", "nobody-yet"])
        .await;
    assert!(matches!(missing, Err(Failure::NotFound(_))));
}

const CASES: &str = r"
- name: developers read
  ask: { user: ana, server: gitea, tool: get_repo }
  expect: allowed
  rule: gitea.allow[1]
- name: and push from the office
  ask: { user: ana, server: gitea, tool: push, arguments: { branch: fix/2 }, address: 10.0.0.7, at: 2026-11-25T10:00:00+08:00 }
  expect: allowed
- ask: { user: ana, groups: [], server: gitea, tool: get_repo }
  expect: hidden
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cases_of_a_file_are_tried_against_the_rules_on_the_disk() {
    let door = door().await;
    let config = door.config_file();
    let cases = door.folder().join("cases.yaml");
    std::fs::write(&cases, CASES).unwrap();
    let test = ["policy", "test", cases.to_str().unwrap()];
    assert_eq!(done(&config, &test, "").await.trim(), "3 cases are as expected");
    assert!(
        done(&config, &["policy", "check"], "")
            .await
            .starts_with("sound: 4 rules in the configuration, 1 files of policies; revision ")
    );

    std::fs::write(&cases, CASES.replace("expect: hidden", "expect: allowed")).unwrap();
    let failed = run(&config, &test, "").await;
    assert_eq!(failed.status.code(), Some(4));
    let said = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert!(
        said.contains("case 3: expected allowed, found hidden by no rule"),
        "{said}"
    );

    // A rule that is not loaded yet.
    std::fs::write(&cases, CASES).unwrap();
    let rules = door.folder().join("rules.cedar");
    std::fs::write(
        &rules,
        format!("{FILE}\nforbid (principal, action, resource == Tool::\"gitea/push\");"),
    )
    .unwrap();
    let failed = run(&config, &test, "").await;
    let said = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert!(
        said.contains("and push from the office: expected allowed, found hidden by rules.cedar#2"),
        "{said}"
    );
    std::fs::write(
        &rules,
        "permit (principal, action == Action::\"tools/cal\", resource);",
    )
    .unwrap();
    let wrong = run(&config, &["policy", "check"], "").await;
    assert_eq!(wrong.status.code(), Some(2));
    assert!(
        String::from_utf8_lossy(&wrong.stderr).contains("rules.cedar:1:"),
        "{wrong:?}"
    );
    std::fs::write(&rules, FILE).unwrap();
    for (text, told) in [
        ("", "holds no cases"),
        ("- ask: { user: ana }\n", "missing"),
        ("- x: 1\n", "unknown key"),
    ] {
        std::fs::write(&cases, text).unwrap();
        let wrong = run(&config, &test, "").await;
        assert_eq!(wrong.status.code(), Some(2), "{text}");
        assert!(String::from_utf8_lossy(&wrong.stderr).contains(told), "{wrong:?}");
    }
}

/// A rule that covers nothing is most likely not meant.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_for_tools_that_only_read_needs_somebody_to_vouch() {
    let door = door().await;
    let text = std::fs::read_to_string(door.config_file()).unwrap();
    for (trusting, warned) in [("", 1), ("\n    trust_annotations: true", 0)] {
        let rule = format!("        tools: read-only{trusting}");
        let config = door.folder().join("read-only.yaml");
        std::fs::write(&config, text.replacen("        tools: all", &rule, 1)).unwrap();
        let said = run(&config, &["check", "--json"], "").await;
        let said: Value = serde_json::from_slice(&said.stdout).unwrap();
        let about = |finding: &&Value| {
            finding["grade"] == "warning" && finding["text"].to_string().contains("trust_annotations")
        };
        assert_eq!(
            said.as_array().unwrap().iter().filter(about).count(),
            warned,
            "{said}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_explanation_says_what_counts_beside_the_rules() {
    let door = Door::with(Plan {
        servers: RULES.replace("  gitea:\n", "  gitea:\n    pinning: hold\n"),
        config: "policy: { files: [{ file: rules.cedar }] }
quotas:
  reads: { per: [person, tool], tools: [\"get_*\"], rate: 600/1m, calls: 4 }
  pushes: { tools: [push], rate: 1/1s }
  elsewhere: { groups: [platform], rate: 1/1s }"
            .to_owned(),
        files: vec![("rules.cedar", FILE.to_owned())],
        ..Plan::default()
    })
    .await;
    let beside = async |more: &[&str]| explain(&door, more).await["beside_the_rules"].clone();
    assert_eq!(
        beside(&["--user", "ana", "--tool", "get_repo"]).await,
        json!(["quota reads: 600/1m requests, 4 at once for each person and tool"])
    );
    assert_eq!(
        beside(&["--user", "nobody", "--groups", "developers", "--tool", "push"]).await,
        json!([
            "there is no account called nobody",
            "quota pushes: 1/1s requests for all together"
        ])
    );
    door.operate(&["user", "disable", "ana"]).await.unwrap();
    assert_eq!(beside(&["--user", "ana"]).await, json!(["ana is disabled"]));

    // Definitions, once the server has listed some.
    let listed = |name: &str, fingerprint| store::Listed {
        key: store::CatalogueKey {
            server: "gitea".parse().unwrap(),
            credential: store::CredentialClass::Shared,
            list: "tools/list".to_owned(),
            name: name.to_owned(),
        },
        definition: format!(r#"{{"name":"{name}","inputSchema":{{}}}}"#),
        fingerprint: [fingerprint; 32],
    };
    let store = &door.running().house.foundation.store;
    for batch in [
        [listed("same", 1), listed("other", 1)],
        [listed("same", 1), listed("other", 2)],
    ] {
        store.keep_listed(&batch, door.world.now()).await.unwrap();
    }
    let tool = async |name| beside(&["--user", "pia", "--groups", "platform", "--tool", name]).await;
    assert!(!tool("same").await.to_string().contains("same"));
    for (name, words) in [
        ("other", "vestibule tool show gitea other"),
        ("third", "never listed third"),
    ] {
        assert!(tool(name).await.to_string().contains(words), "{name}");
    }
}
