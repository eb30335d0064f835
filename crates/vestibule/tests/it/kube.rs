//! `vestibule kube`: what kubectl is answered, with one sign-in a day however many ask, and nobody bothered who is not there.

use std::collections::HashSet;
use std::process::Output;

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::rig::machine::Machine;
use crate::rig::{Door, Plan};

const CLIENT: &str =
    "clients:\n  kubernetes: { name: Kubernetes, redirect_uris: [\"http://127.0.0.1/callback\"] }";

async fn door() -> Door {
    let plan = Plan {
        config: CLIENT.to_owned(),
        // ID tokens end at a time of day, and kubectl has a clock of its own.
        real_clock: true,
        ..Plan::default()
    };
    Door::with(plan).await
}

fn asked(is_interactive: bool) -> String {
    let spec = json!({ "interactive": is_interactive });
    json!({ "kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1", "spec": spec })
        .to_string()
}

/// What kubectl runs.
fn words(door: &Door) -> Vec<String> {
    ["kube", "token", &door.url].map(str::to_owned).to_vec()
}

async fn kubectl(machine: &Machine, words: &[String], is_interactive: bool) -> Output {
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let mut command = machine.command(&words);
    command.env("KUBERNETES_EXEC_INFO", asked(is_interactive));
    command.output().await.unwrap()
}

fn credential(output: &Output) -> Value {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let credential: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(credential["apiVersion"], "client.authentication.k8s.io/v1");
    assert_eq!(credential["kind"], "ExecCredential");
    credential["status"].clone()
}

fn claims(token: &Value) -> Value {
    let payload = token.as_str().unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64URL_NOPAD.decode(payload.as_bytes()).unwrap()).unwrap()
}

async fn sign_in(machine: &Machine, door: &Door, words: &[String]) {
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    machine.signs_in(door, "ana", &words).await;
}

/// As if the ID token had ended.
fn let_expire(machine: &Machine) {
    for path in machine.kept() {
        let mut kept: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let Some(token) = kept["id_token"].as_str() else {
            continue;
        };
        let mut parts: Vec<_> = token.split('.').map(str::to_owned).collect();
        let mut claims = claims(&kept["id_token"]);
        claims["exp"] = json!(1);
        parts[1] = BASE64URL_NOPAD.encode(claims.to_string().as_bytes());
        kept["id_token"] = json!(parts.join("."));
        std::fs::write(&path, kept.to_string()).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_sign_in_serves_every_kubectl() {
    let mut door = door().await;
    let machine = Machine::new();
    let words = words(&door);

    // Nobody is there: no tab, and a way out that can be followed.
    let output = kubectl(&machine, &words, false).await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3));
    assert!(output.stdout.is_empty());
    let name = format!("{}/#kubernetes", door.url);
    assert!(said.contains(&format!("vestibule login {name}")), "{said}");

    sign_in(&machine, &door, &words).await;
    let first = credential(&kubectl(&machine, &words, false).await);
    let says = claims(&first["token"]);
    assert_eq!(
        (
            &says["iss"],
            &says["aud"],
            &says["preferred_username"],
            &says["groups"]
        ),
        (
            &json!(door.url),
            &json!("kubernetes"),
            &json!("ana"),
            &json!(["developers"])
        )
    );
    let end: jiff::Timestamp = first["expirationTimestamp"].as_str().unwrap().parse().unwrap();
    assert_eq!(json!(end.as_second()), says["exp"]);

    // However many ask when it has ended: one renews it, and no browser.
    let_expire(&machine);
    let mut running = JoinSet::new();
    for _ in 0..20 {
        let mut command = machine.command(&words.iter().map(String::as_str).collect::<Vec<_>>());
        command.env("KUBERNETES_EXEC_INFO", asked(true));
        running.spawn(async move { credential(&command.output().await.unwrap())["token"].to_string() });
    }
    let tokens: HashSet<_> = running.join_all().await.into_iter().collect();
    assert_eq!(tokens.len(), 1);
    assert!(!tokens.contains(&first["token"].to_string()));
    let issued = door.audit("tokens_issued").await;
    let renewed = issued.iter().filter(|row| row["by"] == "refresh_token");
    assert_eq!(renewed.count(), 1, "{issued:?}");

    // Without the door: as long as it is good, and then a word why not.
    door.stop().await;
    credential(&kubectl(&machine, &words, true).await);
    let_expire(&machine);
    let output = kubectl(&machine, &words, true).await;
    assert_eq!(
        output.status.code(),
        Some(1),
        "and no sign-in, which could not succeed"
    );
    assert!(output.stdout.is_empty());

    // And it is a sign-in like others.
    door.restart().await;
    let status: Value = serde_json::from_str(&machine.done(&["status", "--json"]).await).unwrap();
    assert_eq!(
        (&status[0]["server"], &status[0]["username"]),
        (&json!(name), &json!("ana"))
    );
    let said: Value = serde_json::from_str(&machine.done(&["logout", &name, "--json"]).await).unwrap();
    assert_eq!(said[0]["tokens"], "revoked");
    assert_eq!(kubectl(&machine, &words, false).await.status.code(), Some(3));
}

/// CC-104: three tabs that nobody answers, and no fourth, until somebody signs in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cc_104_nobody_is_asked_for_ever() {
    let door = door().await;
    let machine = Machine::new();
    let words = words(&door);
    let impatient = [&words[..], &["--timeout".to_owned(), "1ms".to_owned()]].concat();
    for _ in 0..3 {
        let output = kubectl(&machine, &impatient, true).await;
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("nobody signed in within"), "{said}");
    }
    let output = kubectl(&machine, &words, true).await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("not answered") && !said.contains("/authorize"),
        "{said}"
    );

    let login = ["login".to_owned(), format!("{}#kubernetes", door.url)];
    sign_in(&machine, &door, &login).await;
    credential(&kubectl(&machine, &words, true).await);
    machine.done(&["logout", "--all"]).await;
    sign_in(&machine, &door, &words).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_to_write_where_is_printed() {
    let door = door().await;
    let machine = Machine::new();
    let setup = ["kube", "setup", &format!("{}/", door.url)];
    let all = machine.done(&setup).await;
    let pieces: Value =
        serde_json::from_str(&machine.done(&[&setup[..], &["--json"]].concat()).await).unwrap();
    assert_eq!(pieces["issuer"], door.url);
    for piece in ["kubeconfig", "authentication", "k3s", "client", "role"] {
        let text = pieces[piece].as_str().unwrap();
        assert!(all.contains(text.trim_end()), "{piece}");
        assert_eq!(
            machine.done(&[&setup[..], &["--only", piece]].concat()).await,
            text.trim_end()
        );
    }
    let authentication = pieces["authentication"].as_str().unwrap();
    assert!(
        authentication.contains(&format!("url: \"{}\"", door.url)),
        "{authentication}"
    );

    // A name is a name, whatever stands in it.
    let odd = "a\", \"b: [";
    let role = machine
        .done(&[&setup[..], &["--only", "role", "--group", odd]].concat())
        .await;
    assert!(
        role.contains(&format!("name: {}", json!(format!("vestibule:{odd}")))),
        "{role}"
    );

    let (code, said) = machine.failed(&["kube", "setup", "http://127.0.0.1:1"]).await;
    assert_eq!(code, 1);
    assert!(said.contains("127.0.0.1:1"), "{said}");
    let (code, said) = machine
        .failed(&["kube", "setup", "https://a.example", "--client-id", "a b"])
        .await;
    assert_eq!(code, 2);
    assert!(said.contains("client id"), "{said}");
}
