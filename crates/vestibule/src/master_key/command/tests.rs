use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::*;
use crate::config::Config;
use crate::config::environment::MASTER_KEY;

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn loaded(folder: &Path, script: &str) -> Loaded {
    let file = folder.join("wrap per.sh");
    std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o700)).unwrap();
    Loaded {
        config: Config::default(),
        folder: folder.to_owned(),
        path: None,
        unknown_variables: Vec::new(),
    }
}

async fn run(script: &str, arguments: &[&str], environment: &Environment) -> Result<MasterKey, CommandError> {
    let folder = tempfile::tempdir().unwrap();
    let loaded = loaded(folder.path(), script);
    let words: Vec<String> = ["./wrap per.sh"]
        .iter()
        .chain(arguments)
        .map(|word| (*word).to_owned())
        .collect();
    ask(&words, &loaded, environment).await
}

#[tokio::test]
async fn what_it_prints_is_the_key_and_words_are_not_read_by_a_shell() {
    let nothing = Environment::default();
    let key = run(&format!("echo {KEY}"), &[], &nothing).await.unwrap();
    assert_eq!(key.to_text(), KEY);
    // It stands in the configuration's folder, and has nothing to read.
    let script =
        "[ -f './wrap per.sh' ] || exit 3; read line && exit 4; [ \"$1\" = '; $(exit 1) *' ] && echo \"$2\"";
    let key = run(script, &["; $(exit 1) *", KEY], &nothing).await.unwrap();
    assert_eq!(key.to_text(), KEY);
}

#[tokio::test]
async fn our_secrets_are_not_in_its_environment() {
    let folder = tempfile::tempdir().unwrap();
    let mut loaded = loaded(
        folder.path(),
        "env > seen; echo AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
    );
    let text = "{ headers: { Authorization: 'Bearer ${env:GITEA_TOKEN}' } }";
    let server = format!("{{ upstream: 'http://127.0.0.1:1/mcp', allow: [], credential: {text} }}");
    let (name, server) = ("gitea".parse().unwrap(), serde_saphyr::from_str(&server).unwrap());
    loaded.config.servers.insert(name, server);
    let environment = Environment::of([
        (MASTER_KEY, "a"),
        ("VESTIBULE_DATABASE__URL", "postgres://x:y@z/a"),
        ("GITEA_TOKEN", "s3cret"),
        ("AWS_REGION", "eu-north-1"),
        ("PATH", "/usr/bin:/bin"),
    ]);
    ask(&["./wrap per.sh".to_owned()], &loaded, &environment)
        .await
        .unwrap();
    let seen = std::fs::read_to_string(folder.path().join("seen")).unwrap();
    assert!(seen.contains("AWS_REGION=eu-north-1"), "{seen}");
    assert!(
        !seen.contains("VESTIBULE") && !seen.contains("GITEA_TOKEN"),
        "{seen}"
    );
}

#[tokio::test]
async fn a_failure_shows_what_it_complained_about_and_never_what_it_printed() {
    let nothing = Environment::default();
    let script = format!("echo {KEY}; printf 'AccessDenied:\\033[2J not\\nyours\\n' >&2; exit 7");
    let error = run(&script, &[], &nothing).await.unwrap_err();
    let said = format!("{error} {error:?}");
    assert!(matches!(error, CommandError::Failed { .. }), "{said}");
    assert!(
        said.contains("exit status: 7") && said.contains("AccessDenied: [2J not yours"),
        "{said}"
    );
    assert!(!said.contains(KEY) && !said.contains('\u{1b}'), "{said}");

    let error = run("echo hunter2; echo careful >&2", &[], &nothing)
        .await
        .unwrap_err();
    let said = format!("{error} {error:?}");
    assert!(
        matches!(error, CommandError::NoKey { .. }) && said.contains("careful"),
        "{said}"
    );
    assert!(!said.contains("hunter2"), "{said}");

    let folder = tempfile::tempdir().unwrap();
    let loaded = loaded(folder.path(), "");
    let words = ["no-such-program-anywhere".to_owned()];
    let error = ask(&words, &loaded, &nothing).await.unwrap_err();
    assert!(
        matches!(&error, CommandError::Run { .. }) && error.to_string().contains("no-such-program-anywhere")
    );
}

/// Whatever it does, it neither fills our memory nor waits for us to read.
#[tokio::test]
async fn much_output_is_cut() {
    let path = Environment::of([("PATH", "/usr/bin:/bin")]);
    let script = "head -c 300000 /dev/zero | tr '\\0' x; head -c 300000 /dev/zero | tr '\\0' y >&2; exit 1";
    let error = run(script, &[], &path).await.unwrap_err();
    let CommandError::Failed { complaint, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(complaint, "y".repeat(SHOWN));
}

/// A deadline ends it and what it started: the pipe that the script's own child holds is closed.
#[tokio::test]
async fn one_that_does_not_end_is_ended_with_all_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let loaded = loaded(
        folder.path(),
        "echo waiting >&2; mkfifo alive; (exec 3>alive; sleep 600) & wait",
    );
    let environment = Environment::of([("PATH", "/usr/bin:/bin")]);
    let words = ["./wrap per.sh".to_owned()];
    let fifo = folder.path().join("alive");
    let mut held = None;
    let late = async {
        while !fifo.exists() {
            tokio::task::yield_now().await;
        }
        // Opened when the other end is.
        held = Some(tokio::fs::File::open(&fifo).await.unwrap());
    };
    let error = ask_until(late, &words, &loaded, &environment).await.unwrap_err();
    assert!(matches!(&error, CommandError::Late { .. }), "{error}");
    // At its end when nobody holds the other any more.
    let mut nothing = Vec::new();
    held.unwrap().read_to_end(&mut nothing).await.unwrap();
    assert!(nothing.is_empty());
}
