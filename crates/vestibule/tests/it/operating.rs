//! Operators' commands, with and without a running server; backup and restore; checks; the first administrator
//! (items 7, 8, 15 to 18 of the main job).

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use vestibule::operator::Answer;

use crate::rig::process::{Process, done, run};
use crate::rig::{Ask, Door, PASSWORD, Plan, door};

fn code(output: &std::process::Output) -> Option<i32> {
    output.status.code()
}

fn configuration(folder: &Path, more: &str) -> (PathBuf, std::net::SocketAddr) {
    let address = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let config = folder.join("vestibule.yaml");
    std::fs::write(
        &config,
        format!("public_url: http://{address}\nlisten: {address}\ndata_dir: data\n{more}\n"),
    )
    .unwrap();
    (config, address)
}

/// Item 15: the same commands with the same answers, through the running server or on the database itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_work_with_and_without_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let (config, address) = configuration(folder.path(), "servers: {}");
    let mut server = None;
    for (round, group) in ["first", "second"].into_iter().enumerate() {
        if round == 1 {
            server = Some(Process::start(&config, address).await);
        }
        let json = async |words: &[&str], input: &str| -> Value {
            let mut words = words.to_vec();
            words.push("--json");
            serde_json::from_str(&done(&config, &words, input).await).unwrap()
        };
        assert_eq!(
            json(&["group", "add", group, "--description", "A group"], "").await["group"],
            group
        );
        let user = format!("ana{round}");
        let added = json(
            &[
                "user",
                "add",
                &user,
                "--name",
                "Ana Lee",
                "--group",
                group,
                "--password-stdin",
            ],
            PASSWORD,
        )
        .await;
        assert_eq!(added["username"], user.as_str());
        let shown = json(&["user", "show", &user], "").await;
        assert_eq!(
            (&shown["groups"], &shown["status"]),
            (&json!([group]), &json!("active"))
        );
        assert!(
            json(&["user", "list"], "")
                .await
                .as_array()
                .unwrap()
                .iter()
                .any(|row| row["username"] == user.as_str())
        );
        let client = json(
            &[
                "client",
                "add",
                "--name",
                "Portal",
                "--confidential",
                "--redirect-uri",
                "https://portal.example/cb",
            ],
            "",
        )
        .await;
        let id = client["client_id"].as_str().unwrap();
        let rotated = json(&["client", "rotate", id], "").await;
        assert_ne!(client["client_secret"], rotated["client_secret"]);
        for command in [
            ["client", "disable", id],
            ["client", "enable", id],
            ["client", "show", id],
        ] {
            json(&command, "").await;
        }
        json(&["client", "remove", id, "--yes"], "").await;
        let keys = json(&["key", "list"], "").await;
        let rotated = json(&["key", "rotate"], "").await;
        assert!(
            json(&["key", "list"], "").await.as_array().unwrap().len() > keys.as_array().unwrap().len(),
            "{rotated}"
        );
        let link = json(&["user", "invite", &user], "").await["link"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(link.starts_with(&format!("http://{address}/invitation/")));

        // Exit codes: 2 wrong usage, 3 no such thing, 4 so already; the reason on standard error, or as JSON.
        let cases: [(&[&str], i32); 9] = [
            (&["user", "show", "nobody"], 3),
            (&["grant", "revoke", "01a1f8d3-ea00-7000-8000-000000000000"], 3),
            (&["client", "show", "nobody"], 3),
            (&["group", "add", group], 4),
            (&["user", "add", &user], 4),
            (&["user", "remove", &user], 2),
            (&["user", "add", "Not A Name"], 2),
            (&["user", "dance"], 2),
            (
                &["client", "add", "--name", "x", "--redirect-uri", "javascript:x"],
                2,
            ),
        ];
        for (words, want) in cases {
            let output = run(&config, words, "").await;
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(code(&output), Some(want), "{words:?}: {said}");
            assert!(
                output.stdout.is_empty() && said.contains("error"),
                "{words:?}: {said}"
            );
            assert!(!said.contains('\u{1b}'), "colours only on a terminal: {said}");
        }
        let output = run(&config, &["user", "show", "nobody", "--json"], "").await;
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(said["exit_code"], 3);
    }
    let recorded = done(
        &config,
        &[
            "audit",
            "list",
            "--event",
            "administration",
            "--limit",
            "200",
            "--json",
        ],
        "",
    )
    .await;
    let recorded: Vec<Value> = serde_json::from_str(&recorded).unwrap();
    assert!(
        recorded.len() >= 16,
        "every administrative act is recorded: {}",
        recorded.len()
    );
    assert!(server.unwrap().terminate().await.success());
}

/// Item 8: the first administrator's link is in a file that is its owner's alone, good for an hour and once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_administrator() {
    let folder = tempfile::tempdir().unwrap();
    let (config, address) = configuration(folder.path(), "servers: {}");
    let server = Process::start(&config, address).await;
    let file = folder.path().join("data/first-administrator.txt");
    let link = std::fs::read_to_string(&file).unwrap();
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let token = link.trim().rsplit('/').next().unwrap();
    assert!(!server.log().contains(token), "never in a log");
    let page = Ask::get(&format!("/invitation/{token}")).to(address).await;
    assert_eq!(page.status, 200, "{page:?}");
    // Reissued by command; the one before is worth nothing then.
    let again = done(&config, &["user", "invite", "admin", "--json"], "").await;
    let again: Value = serde_json::from_str(&again).unwrap();
    assert_eq!(
        Ask::get(&format!("/invitation/{token}")).to(address).await.status,
        404
    );
    let path = again["link"]
        .as_str()
        .unwrap()
        .strip_prefix(&format!("http://{address}"))
        .unwrap()
        .to_owned();
    assert_eq!(Ask::get(&path).to(address).await.status, 200);
    assert!(server.terminate().await.success());
    for (name, mode) in [
        ("data", 0o700),
        ("data/vestibule.db", 0o600),
        ("data/master.key", 0o600),
    ] {
        let mode_of = std::fs::metadata(folder.path().join(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o777;
        assert_eq!(mode_of, mode, "{name}");
    }
}

/// An hour, and not a minute more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invitation_runs_out() {
    let door = Door::open().await;
    let answer = door.operate(&["user", "add", "zoe"]).await.unwrap();
    let link = serde_json::to_value(&answer).unwrap()["done"]["item"]["link"]
        .as_str()
        .unwrap()
        .strip_prefix(&door.url)
        .unwrap()
        .to_owned();
    assert_eq!(door.get(&link).await.status, 200);
    door.advance(Duration::from_hours(24 * 30));
    let late = door.ask(Ask::get(&link).with("accept", "text/html")).await;
    assert_eq!(late.status, 404);
    assert!(late.body.contains("dead_link"));
}

/// Item 17: a backup of a running server, restored into either database, is the same door: people sign in, tokens
/// count, chains go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_is_restored_into_either_database() {
    for mut door in Door::each(Plan {
        real_clock: true,
        ..Plan::default()
    })
    .await
    {
        let (app, tokens) = door.signed_in("ana").await;
        door.stop().await;
        let server = Process::start(&door.config_file(), door.address).await;
        let backup = door.folder().join("backup.jsonl");
        let next = crate::rig::Tokens::of(&app.refresh(&tokens.refresh).await);
        let said = done(&door.config_file(), &["backup", backup.to_str().unwrap()], "").await;
        assert!(said.contains("rows"), "{said}");
        assert_eq!(
            std::fs::metadata(&backup).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let twice = run(&door.config_file(), &["backup", backup.to_str().unwrap()], "").await;
        assert_eq!(code(&twice), Some(4), "a backup is never overwritten");
        assert!(server.terminate().await.success());

        let mut targets = vec![String::new()];
        targets.extend(
            testkit::databases::postgres_url()
                .await
                .map(|url| format!("database: {{ url: \"{url}\" }}")),
        );
        for target in targets {
            let folder = tempfile::tempdir().unwrap();
            for name in ["credential", "data/master.key"] {
                let to = folder.path().join(name);
                std::fs::create_dir_all(to.parent().unwrap()).unwrap();
                std::fs::set_permissions(to.parent().unwrap(), std::fs::Permissions::from_mode(0o700))
                    .unwrap();
                std::fs::copy(door.folder().join(name), to).unwrap();
            }
            let config = folder.path().join("vestibule.yaml");
            let lines = door.configuration();
            let lines = lines.lines().filter(|line| !line.starts_with("database:"));
            std::fs::write(
                &config,
                format!("{}\n{target}\n", lines.collect::<Vec<_>>().join("\n")),
            )
            .unwrap();
            done(&config, &["restore", backup.to_str().unwrap()], "").await;
            let again = run(&config, &["restore", backup.to_str().unwrap()], "").await;
            assert_eq!(
                code(&again),
                Some(4),
                "only into an empty database: {}",
                String::from_utf8_lossy(&again.stderr)
            );
            let server = Process::start(&config, door.address).await;
            let call = door::call("fixture", "echo_headers", json!({}))
                .bearer(&next.access)
                .to(door.address)
                .await;
            assert_eq!(call.status, 200, "{call:?}");
            assert_eq!(app.refresh(&next.refresh).await.status, 200);
            let mut browser = door.browser();
            browser.sign_in("ana").await;
            let events = done(&config, &["audit", "list", "--json", "--limit", "1000"], "").await;
            let events: Vec<Value> = serde_json::from_str(&events).unwrap();
            assert!(
                events
                    .iter()
                    .any(|event| event["event"] == "backup" || event["command"] == "backup")
            );
            assert!(
                events.iter().all(|event| event["sound"] == true),
                "the record is whole"
            );
            assert!(server.terminate().await.success());
        }

        let text = std::fs::read_to_string(&backup).unwrap();
        let lines: Vec<_> = text.lines().collect();
        let cut = lines[..lines.len() - 2].join("\n");
        let changed = text.replacen("\"ana\"", "\"eve\"", 1);
        for (name, damaged) in [("cut", cut), ("changed", changed), ("foreign", "{}\n".to_owned())] {
            let folder = tempfile::tempdir().unwrap();
            let (config, _) = configuration(folder.path(), "servers: {}");
            let file = folder.path().join("backup");
            std::fs::write(&file, damaged).unwrap();
            let output = run(&config, &["restore", file.to_str().unwrap()], "").await;
            assert!(
                !output.status.success(),
                "{name}: {}",
                String::from_utf8_lossy(&output.stdout)
            );
        }
    }
}

/// `vestibule check` says in plain words what is wrong, and its exit code says that something is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_finds_what_is_wrong() {
    let tasks = net::Tasks::new();
    let options = fixture::Options::new().demanding_bearer(door::CREDENTIAL);
    let upstream = fixture::start(options, tasks.clone()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("credential"), door::CREDENTIAL).unwrap();
    std::fs::write(folder.path().join("wrong"), "another credential").unwrap();
    let server = |upstream: &str, credential: &str| {
        format!(
            "servers:\n  fixture:\n    upstream: {upstream}\n    allow: [{{ groups: [x], tools: all }}]\n    credential: {{ headers: {{ Authorization: \"Bearer ${{file:{credential}}}\" }} }}"
        )
    };
    let check = async |public: &str, more: &str| {
        let (config, address) = configuration(folder.path(), more);
        if !public.is_empty() {
            let text = std::fs::read_to_string(&config).unwrap();
            std::fs::write(
                &config,
                text.replacen(
                    &format!("public_url: http://{address}"),
                    &format!("public_url: {public}"),
                    1,
                ),
            )
            .unwrap();
        }
        let output = run(&config, &["check", "--json"], "").await;
        let findings: Vec<Value> = serde_json::from_slice::<Value>(&output.stdout)
            .unwrap()
            .as_array()
            .cloned()
            .unwrap_or_default();
        let problems: Vec<_> = findings
            .iter()
            .filter(|finding| finding["grade"] == "problem")
            .map(|finding| {
                format!(
                    "{}: {}",
                    finding["about"].as_str().unwrap(),
                    finding["text"].as_str().unwrap()
                )
            })
            .collect();
        (code(&output), problems.join("\n"))
    };
    assert_eq!(
        check("", &server(&upstream.url(), "credential")).await,
        (Some(0), String::new())
    );
    let cases = [
        (
            "an upstream that is away",
            "",
            server("http://127.0.0.1:1/mcp", "credential"),
            "servers.fixture",
        ),
        (
            "a wrong path",
            "",
            server(&upstream.url().replace("/mcp", "/x"), "credential"),
            "404",
        ),
        (
            "a wrong credential",
            "",
            server(&upstream.url(), "wrong"),
            "refused the credential",
        ),
        (
            "a credential that is not there",
            "",
            server(&upstream.url(), "none"),
            "none",
        ),
        (
            "http off this machine",
            "http://mcp.example.com",
            "servers: {}".to_owned(),
            "plain http",
        ),
        (
            "a public URL with a path",
            "https://mcp.example.com/x",
            "servers: {}".to_owned(),
            "without a path",
        ),
        (
            "a key that does not exist",
            "",
            "lisen: 127.0.0.1:1\nservers: {}".to_owned(),
            "listen",
        ),
        (
            "a server without a rule",
            "",
            format!("servers: {{ fixture: {{ upstream: {} }} }}", upstream.url()),
            "allow",
        ),
        (
            "a database that is away",
            "",
            "database: { url: \"postgres://x@127.0.0.1:1/x\" }\nservers: {}".to_owned(),
            "database",
        ),
        (
            "another kind of database",
            "",
            "database: { url: \"mysql://x\" }\nservers: {}".to_owned(),
            "postgres://",
        ),
        (
            "certificates that are not there",
            "",
            "tls: { certificate_file: a, key_file: b }\nservers: {}".to_owned(),
            "tls",
        ),
        (
            "an access token for a month",
            "",
            "lifetimes: { access_token: 30d }\nservers: {}".to_owned(),
            "24h",
        ),
    ];
    for (name, public, more, says) in cases {
        let (exit, problems) = check(public, &more).await;
        assert_ne!(exit, Some(0), "{name}: {problems}");
        assert!(problems.contains(says), "{name}: {problems}");
    }
    assert!(!folder.path().join("data").exists(), "checking makes nothing");
    std::fs::create_dir(folder.path().join("data")).unwrap();
    std::fs::set_permissions(folder.path().join("data"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let (exit, problems) = check("", "servers: {}").await;
    assert_eq!(exit, Some(1));
    assert!(problems.contains("chmod 700"), "{problems}");
}

/// The configuration is taken up while running: what is right replaces the whole, what is wrong changes nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_configuration_counts_without_a_restart() {
    let mut door = Door::with(Plan {
        real_clock: true,
        ..Plan::default()
    })
    .await;
    let (_, tokens) = door.signed_in("ana").await;
    door.stop().await;
    let server = Process::start(&door.config_file(), door.address).await;
    let answer = async || door.call(&tokens.access, "echo_headers", json!({})).await;
    assert_eq!(answer().await.status, 200);
    let until = async |what: &str, done: &dyn Fn() -> bool| {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        while !done() {
            assert!(
                tokio::time::Instant::now() < deadline,
                "{what}:\n{}",
                server.log()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    std::fs::write(door.config_file(), "public_url: nonsense").unwrap();
    until("a wrong one is reported", &|| {
        server.log().contains("the one before stays")
    })
    .await;
    assert_eq!(answer().await.status, 200, "and the one before stays");
    std::fs::write(
        door.config_file(),
        door.configuration().replace("developers", "nobody-at-all"),
    )
    .unwrap();
    until("a right one is taken", &|| {
        server.log().contains("configuration reloaded")
    })
    .await;
    let refused = answer().await;
    assert!(refused.body.contains("may not use this server"), "{refused:?}");
    assert!(refused.body.contains("platform@example.com"));
    assert!(server.terminate().await.success());
}

/// OS-134: while a secret is exchanged two are good, and never three; one that leaked ends at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_is_replaced_without_a_gap() {
    for door in Door::each(Plan::default()).await {
        let operate = async |words: &[&str]| {
            door.advance(Duration::from_secs(1));
            match door.operate(words).await.unwrap() {
                Answer::Done { item, .. } => item,
                other => panic!("{other:?}"),
            }
        };
        let add = [
            "client",
            "add",
            "--name",
            "Portal",
            "--confidential",
            "--redirect-uri",
            "https://portal.example/cb",
        ];
        let client = operate(&add).await;
        let id = client["client_id"].as_str().unwrap();
        let secret = |item: &Value| item["client_secret"].as_str().unwrap().to_owned();
        let counts = async |secret: &str| {
            let fields = [
                ("grant_type", "refresh_token"),
                ("refresh_token", "x"),
                ("client_id", id),
                ("client_secret", secret),
            ];
            match door.ask(Ask::form("/token", &fields)).await.error().as_str() {
                "invalid_grant" => true,
                "invalid_client" => false,
                other => panic!("{other}"),
            }
        };
        let first = secret(&client);
        let second = secret(&operate(&["client", "rotate", id]).await);
        assert!(counts(&first).await && counts(&second).await);
        let third = secret(&operate(&["client", "rotate", id]).await);
        assert!(!counts(&first).await && counts(&second).await && counts(&third).await);
        let fourth = secret(&operate(&["client", "rotate", id, "--at-once"]).await);
        assert!(!counts(&second).await && !counts(&third).await && counts(&fourth).await);
        let shown = format!("{:?}", door.operate(&["client", "show", id]).await.unwrap());
        for secret in [&first, &second, &third, &fourth] {
            assert!(!shown.contains(secret.as_str()), "shown once");
        }
    }
}
