//! The command line on Windows, by Wine, against a door on this machine: the sign-in, the Credential Manager, the turns of
//! processes, the pipes of a bridge, the folders of clients.
//!
//! `cargo xtask windows` builds the program, and runs these.

use std::path::PathBuf;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::task::JoinSet;

use crate::bridge::Program;
use crate::rig::Door;
use crate::rig::machine::Machine;

/// Every file that a machine keeps, with what is in it.
fn files(machine: &Machine) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = std::fs::read_dir(machine.home().join("profiles/default")).unwrap();
    let paths = folder.map(|entry| entry.unwrap().path());
    paths
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect()
}

fn lines(text: &str) -> Vec<&str> {
    text.lines().map(str::trim_end).collect()
}

/// One sign-in; the token is where it is needed, sealed under a key in the Credential Manager, and nowhere else (DEC-23).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the program for Windows, and Wine: cargo xtask windows"]
async fn from_a_url_to_a_token_and_back() {
    let door = Door::open().await;
    let machine = Machine::with_windows("keyring");
    assert_eq!(machine.failed(&["token", &door.endpoint()]).await.0, 3);
    assert_eq!(machine.done(&["status", "--json"]).await, "[]");
    let said = machine.login(&door, "ana").await;
    assert_eq!(
        (&said["username"], &said["store"]),
        (&json!("ana"), &json!("keyring"))
    );

    let token = machine.done(&["token", "fixture"]).await;
    let call = door.call(&token, "test_simple_text", json!({})).await;
    assert_eq!((call.status, &call.json()["error"]), (200, &Value::Null));
    let kept = files(&machine);
    let is_sealed = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "keyring");
    // The session, and as whom the program is registered.
    assert_eq!(
        kept.iter().filter(|(path, _)| is_sealed(path)).count(),
        2,
        "{kept:?}"
    );
    for (path, bytes) in &kept {
        for secret in [token.as_str(), "access_token", "refresh_token"] {
            let found = bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
            assert!(!found, "{secret} in {}", path.display());
        }
    }

    let said = machine.done(&["call", "fixture", "test_simple_text"]).await;
    assert!(said.contains("simple text"), "{said}");
    let said = machine.done(&["tools", "fixture"]).await;
    assert!(said.contains("test_simple_text"), "{said}");
    let said = machine.done(&["whoami", "fixture", "--json"]).await;
    assert!(said.contains("ana"), "{said}");

    let said = machine.done(&["logout", "fixture", "--json"]).await;
    assert_eq!(
        serde_json::from_str::<Value>(&said).unwrap()[0]["tokens"],
        "revoked"
    );
    assert_eq!(door.call(&token, "test_simple_text", json!({})).await.status, 401);
    assert_eq!(machine.failed(&["token", "fixture"]).await.0, 3);
}

/// The exit code is the program's; a file that lies on no disk is refused before anything is asked for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the program for Windows, and Wine: cargo xtask windows"]
async fn a_program_gets_a_token_of_its_own() {
    let door = Door::open().await;
    let machine = Machine::with_windows("keyring");
    machine.login(&door, "ana").await;
    let token = machine.done(&["token", "fixture"]).await;
    let shown = [
        "exec",
        "fixture",
        "--env",
        "MINE",
        "--",
        "cmd",
        "/c",
        "echo %MINE%",
    ];
    assert_eq!(lines(&machine.done(&shown).await), [token.as_str()]);
    let (code, _) = machine
        .failed(&["exec", "fixture", "--", "cmd", "/c", "exit 7"])
        .await;
    assert_eq!(code, 7, "the program's own");
    for flag in ["--file", "--header"] {
        let (code, said) = machine
            .failed(&["exec", "nobody", flag, "--", "cmd", "/c", "type {}"])
            .await;
        assert!(code == 2 && said.contains("--env"), "{said}");
    }
}

/// `npx` is `npx.cmd`, in a folder of the path and never in the one that somebody is in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the program for Windows, and Wine: cargo xtask windows"]
async fn a_script_is_found_by_its_name() {
    let door = Door::open().await;
    let machine = Machine::with_windows("file");
    machine.login(&door, "ana").await;
    let token = machine.done(&["token", "fixture"]).await;
    let folder = machine.home().join("bin");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("npx"), "#!/bin/sh\nexit 8\n").unwrap();
    let script = "@echo off\r\necho %~1 %VESTIBULE_TOKEN%\r\nexit /b 5\r\n";
    std::fs::write(folder.join("npx.cmd"), script).unwrap();
    std::fs::write(machine.home().join("npx.cmd"), "@exit /b 9\r\n").unwrap();
    let mut command = machine.command(&["exec", "fixture", "--", "npx", "first"]);
    // Wine puts this before the path.
    command.env("WINEPATH", format!(r"{}\bin", machine.windows_home()));
    let output = command.output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(lines(&said), [format!("first {token}")], "{output:?}");
    assert_eq!(output.status.code(), Some(5), "{output:?}");
}

/// Of several processes that find the same token expired, one renews it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the program for Windows, and Wine: cargo xtask windows"]
async fn eight_at_once_renew_once() {
    let door = Door::open().await;
    let machine = Machine::with_windows("file");
    machine.login(&door, "ana").await;
    machine.let_expire();
    let mut running = JoinSet::new();
    for _ in 0..8 {
        let mut command = machine.command(&["token", "fixture"]);
        running.spawn(async move { command.output().await.unwrap() });
    }
    for output in running.join_all().await {
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
    }
    let issued = door.audit("tokens_issued").await;
    let renewed = issued.iter().filter(|row| row["by"] == "refresh_token");
    assert_eq!(renewed.count(), 1, "{issued:?}");
}

/// Plain files are kept below the folder of the profile alone, where others do not read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the program for Windows, and Wine: cargo xtask windows"]
async fn plain_files_lie_nowhere_else() {
    let door = Door::open().await;
    let machine = Machine::with_windows("file");
    let mut command = machine.command(&["login", &door.endpoint()]);
    let output = command.env("VESTIBULE_HOME", r"C:\elsewhere").output();
    let output = output.await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && said.contains("others may read it"),
        "{said}"
    );
}

/// Messages go through its pipes as they are, and it ends when the program closes its end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the program for Windows, and Wine: cargo xtask windows"]
async fn a_bridge_over_pipes() {
    let door = Door::open().await;
    let machine = Machine::with_windows("keyring");
    machine.login(&door, "ana").await;
    let mut program = Program::of(machine.command(&["bridge", "fixture", "--no-browser"]));
    let answer = program.initialize("2025-11-25", &json!({})).await;
    assert_eq!(answer["result"]["protocolVersion"], "2025-11-25");
    let said = program.calls(1, "test_simple_text", json!({})).await;
    assert!(said.contains("simple text"), "{said}");
    assert!(program.closes().await.success());
}

/// The entry names this program, in the folder in which Claude Desktop has its file there.
#[tokio::test]
#[ignore = "needs the program for Windows, and Wine: cargo xtask windows"]
async fn an_entry_for_a_client() {
    let machine = Machine::with_windows("keyring");
    let file = Machine::windows_profile().join("AppData/Roaming/Claude/claude_desktop_config.json");
    let _ = std::fs::remove_file(&file);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, "{\r\n  \"theme\": \"dark\"\r\n}\r\n").unwrap();
    let url = "https://gw.test/mcp/gitea";
    machine.done(&["bridge", "install", "claude-desktop", url]).await;
    let text = std::fs::read_to_string(&file).unwrap();
    let is_as_before = text.lines().count() == text.matches("\r\n").count();
    assert!(is_as_before, "every line ends as those before did: {text:?}");
    let entry: Value = serde_json::from_str(&text).unwrap();
    let entry = &entry["mcpServers"]["gitea"];
    let program = entry["command"].as_str().unwrap();
    assert!(
        program.contains(":\\") && program.ends_with("\\vestibule.exe"),
        "{program}"
    );
    assert_eq!(entry["args"], json!(["bridge", url]));
    machine
        .done(&["bridge", "uninstall", "claude-desktop", "gitea"])
        .await;
}

/// What git asks is answered with lines that end as git reads them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the program for Windows, and Wine: cargo xtask windows"]
async fn git_asks_and_is_answered() {
    let door = Door::open().await;
    let machine = Machine::with_windows("keyring");
    machine.login(&door, "ana").await;
    let token = machine.done(&["token", "fixture"]).await;
    let url = url::Url::parse(&door.endpoint()).unwrap();
    let (host, port) = (url.host_str().unwrap(), url.port().unwrap());
    let mut command = machine.command(&["git-credential", "get"]);
    let mut child = command.stdin(std::process::Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let path = url.path().trim_start_matches('/');
    let asked = format!("capability[]=authtype\nprotocol=http\nhost={host}:{port}\npath={path}\n\n");
    input.write_all(asked.as_bytes()).await.unwrap();
    drop(input);
    let output = child.wait_with_output().await.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        said.contains(&format!("={token}\n")) && !said.contains('\r'),
        "{said}"
    );
}

/// Credentials are found in files of clients that end their lines as Windows does, with who copies them away.
#[tokio::test]
#[ignore = "needs the program for Windows, and Wine: cargo xtask windows"]
async fn a_home_folder_is_looked_through() {
    let machine = Machine::with_windows("keyring");
    let planted = ::scan::planted::home(machine.home()).unwrap();
    let secret = planted
        .secrets
        .iter()
        .find(|secret| secret.starts_with("ghp_"))
        .unwrap();
    let folder = machine.home().join("OneDrive - Firma/Claude");
    std::fs::create_dir_all(&folder).unwrap();
    let entry = json!({ "mcpServers": { "github": {
        "command": "npx.cmd", "env": { "GITHUB_PERSONAL_ACCESS_TOKEN": secret },
    } } });
    let text = format!("{entry:#}").replace('\n', "\r\n");
    std::fs::write(folder.join("claude_desktop_config.json"), text).unwrap();
    let home = machine.windows_home().to_owned();
    let output = machine.run(&["scan", "--json", &home]).await;
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(!said.contains(secret.as_str()));
    let report: Value = serde_json::from_str(&said).unwrap();
    let findings = report["findings"].as_array().unwrap();
    let wanted = "OneDrive - Firma/Claude/claude_desktop_config.json";
    let found = findings.iter().find(|finding| finding["path"] == wanted);
    let found = found.unwrap_or_else(|| panic!("{said}"));
    let exposure = &found["exposure"];
    assert_eq!(
        (&exposure["owner"], &exposure["synced_by"], &exposure["mode"]),
        (&json!("you"), &json!("OneDrive"), &Value::Null)
    );
    assert_eq!(found["client"], "claude-desktop");
}

/// What is not there says so.
#[tokio::test]
#[ignore = "needs the program for Windows, and Wine: cargo xtask windows"]
async fn the_server_is_elsewhere() {
    let machine = Machine::with_windows("keyring");
    for words in [
        &["serve"][..],
        &["demo"],
        &["check"],
        &["user", "list"],
        &["backup", "x"],
    ] {
        let (code, said) = machine.failed(words).await;
        assert!(code == 2 && said.contains("Linux and macOS"), "{words:?}: {said}");
    }
    let (code, said) = machine
        .failed(&["login", "http://127.0.0.1:9/mcp", "--store", "kernel"])
        .await;
    assert_eq!(code, 1, "{said}");
}
