//! `vestibule bridge install`: the entry that a client starts, in a home of a test's own.

use serde_json::{Value, json};
use tokio::process::Command;

use crate::rig::machine::Machine;
use crate::rig::process::PROGRAM;

const URL: &str = "https://mcp.example.com/mcp/gitea";

fn command(machine: &Machine, words: &[&str]) -> Command {
    let mut command = machine.command(&[&["bridge"], words].concat());
    command.env("HOME", machine.home()).env_remove("XDG_CONFIG_HOME");
    command
}

/// How a command ends, and what it prints.
async fn run(machine: &Machine, words: &[&str]) -> (i32, String) {
    let output = command(machine, words).output().await.unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(said).unwrap())
}

/// Each client gets the same program with the same words, where it looks for it; once more changes nothing, and the way
/// back leaves nothing.
#[tokio::test]
async fn every_client_gets_its_entry() {
    let macos = cfg!(target_os = "macos");
    let applications = if macos {
        "Library/Application Support"
    } else {
        ".config"
    };
    for (client, file, member) in [
        (
            "claude-desktop",
            format!("{applications}/Claude/claude_desktop_config.json"),
            "mcpServers",
        ),
        ("claude-code", ".claude.json".to_owned(), "mcpServers"),
        ("cursor", ".cursor/mcp.json".to_owned(), "mcpServers"),
        ("vscode", format!("{applications}/Code/User/mcp.json"), "servers"),
        (
            "windsurf",
            ".codeium/windsurf/mcp_config.json".to_owned(),
            "mcpServers",
        ),
        ("zed", ".config/zed/settings.json".to_owned(), "context_servers"),
    ] {
        let machine = Machine::new();
        let path = machine.home().join(file);
        let (code, said) = run(&machine, &["install", client, URL]).await;
        assert_eq!(code, 0, "{said}");
        let read = || -> Value { serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap() };
        let entry = &read()[member]["gitea"];
        assert_eq!(entry["command"], PROGRAM, "{client}");
        assert_eq!(entry["args"], json!(["bridge", URL]), "{client}");
        assert_eq!(run(&machine, &["install", client, URL]).await.0, 4, "{client}");
        let (code, printed) = run(&machine, &["install", client, URL, "--print"]).await;
        assert_eq!(
            (code, serde_json::from_str::<Value>(&printed).unwrap()),
            (0, read()),
            "{client}"
        );
        assert_eq!(run(&machine, &["uninstall", client, URL]).await.0, 0, "{client}");
        assert_eq!(read()[member], json!({}), "{client}");
        assert_eq!(
            run(&machine, &["uninstall", client, "gitea"]).await.0,
            3,
            "{client}"
        );
    }
    let machine = Machine::new();
    let path = machine.home().join(".codex/config.toml");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, "model = \"o5\" # fast\n").unwrap();
    assert_eq!(
        run(&machine, &["install", "codex", URL, "--profile", "work"])
            .await
            .0,
        0
    );
    let text = std::fs::read_to_string(&path).unwrap();
    let expected = format!(
        "model = \"o5\" # fast\n\n[mcp_servers.gitea]\ncommand = \"{PROGRAM}\"\nargs = [\"bridge\", \"{URL}\", \"--profile\", \"work\"]\n"
    );
    assert_eq!(text, expected);
    let before = path.with_file_name("config.toml.before-vestibule");
    assert_eq!(
        std::fs::read_to_string(before).unwrap(),
        "model = \"o5\" # fast\n"
    );
}

/// What somebody else wrote is not overwritten, and what cannot be read is left alone.
#[tokio::test]
async fn nothing_of_anybody_else_is_lost() {
    let machine = Machine::new();
    let path = machine.home().join(".cursor/mcp.json");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let theirs = "{\n  // mine\n  \"mcpServers\": { \"gitea\": { \"command\": \"npx\", \"env\": { \"TOKEN\": \"hush\" } } }\n}\n";
    std::fs::write(&path, theirs).unwrap();
    let (code, said) = run(&machine, &["install", "cursor", URL]).await;
    assert!(
        code == 4 && said.contains("--replace") && !said.contains("hush"),
        "{said}"
    );
    assert_eq!(
        run(&machine, &["uninstall", "cursor", "gitea"]).await.0,
        3,
        "it is no bridge"
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), theirs);
    assert_eq!(
        run(&machine, &["install", "cursor", URL, "--name", "other"])
            .await
            .0,
        0
    );
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(
        text.contains("// mine") && text.contains("hush") && text.contains("other"),
        "{text}"
    );
    assert_eq!(run(&machine, &["install", "cursor", URL, "--replace"]).await.0, 0);
    assert!(!std::fs::read_to_string(&path).unwrap().contains("hush"));

    // A bridge to another server is somebody's too; one to this server is renewed, with what is different now.
    let elsewhere = "https://mcp.example.com/mcp/elsewhere/gitea";
    let before = std::fs::read_to_string(&path).unwrap();
    let (code, said) = run(&machine, &["install", "cursor", elsewhere]).await;
    assert!(code == 4 && said.contains("--replace"), "{said}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), before);
    let words = ["install", "cursor", URL, "--profile", "work"];
    assert_eq!(run(&machine, &words).await.0, 0);
    assert!(std::fs::read_to_string(&path).unwrap().contains("work"));
    let words = ["install", "cursor", elsewhere, "--replace"];
    assert_eq!(run(&machine, &words).await.0, 0);
    assert!(std::fs::read_to_string(&path).unwrap().contains(elsewhere));

    std::fs::write(&path, "{ broken").unwrap();
    assert_eq!(run(&machine, &["install", "cursor", URL]).await.0, 1);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "{ broken");
    for words in [
        &["install", "emacs", URL][..],
        &["install", "cursor", "http://mcp.example.com/mcp"],
        &["install", "cursor", URL, "--name", "a b"],
        &[],
    ] {
        assert_eq!(run(&machine, words).await.0, 2, "{words:?}");
    }
}
