//! The company's HTTP proxy, as the environment names it: a real one, behind which there is a network whose names nobody
//! else knows.

use std::path::PathBuf;

use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::Command;

use super::Machine;
use crate::rig::connect_proxy::{ConnectProxy, THROUGH};
use crate::rig::machine::come_back;
use crate::rig::tls::certificate;
use crate::rig::{Door, Plan};

/// Only the proxy knows where that is.
const NAME: &str = "gw.example.test";
const CREDENTIALS: &str = "ana:open%20sesame";
/// The same in a head, in two pieces: whoever looks for credentials in files would take it for one.
const AUTHORIZATION: &str = concat!("Proxy-Authorization: Basic ", "YW5hOm9wZW4gc2VzYW1l\r\n");

/// It wants a name and a password, and knows one host.
fn answer(head: &str) -> &'static str {
    if !head.contains(AUTHORIZATION) {
        "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    } else if head.starts_with(&format!("CONNECT {NAME}:443 HTTP/1.1\r\n")) {
        THROUGH
    } else {
        "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
    }
}

/// A door that is behind a proxy for whoever knows its name alone.
struct Company {
    door: Door,
    proxy: ConnectProxy,
    machine: Machine,
    authority: PathBuf,
}

impl Company {
    async fn open() -> Self {
        Self::with(Plan::default()).await
    }

    async fn with(plan: Plan) -> Self {
        let door = Door::with(Plan {
            public_url: Some(format!("https://{NAME}")),
            ..plan
        })
        .await;
        let machine = Machine::new();
        let (tls, pem) = certificate(&[NAME]);
        let authority = machine.home().join("authority.pem");
        std::fs::write(&authority, pem).unwrap();
        let proxy = ConnectProxy::before(door.address, tls, answer).await;
        Self {
            door,
            proxy,
            machine,
            authority,
        }
    }

    /// A command where these variables are set, and no others that name a proxy.
    fn command(&self, words: &[&str], variables: &[(&str, &str)]) -> Command {
        let mut command = self.machine.command(words);
        for name in ["https_proxy", "http_proxy", "all_proxy", "no_proxy"] {
            command.env_remove(name).env_remove(name.to_ascii_uppercase());
        }
        command
            .env("SSL_CERT_FILE", &self.authority)
            .envs(variables.iter().copied());
        command
    }

    /// What a command prints and what it says, and whether it succeeded.
    async fn run(&self, words: &[&str], variables: &[(&str, &str)]) -> (bool, String, String) {
        let output = self.command(words, variables).output().await.unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (
            output.status.success(),
            text(&output.stdout),
            text(&output.stderr),
        )
    }
}

/// A sign-in, a list of tools, a call, a bridge, a token that is renewed and the end of it all, through the proxy, which
/// is told who asks; whoever answers on this machine is not asked through it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_only_the_proxy_knows_is_reached_through_it() {
    let company = Company::open().await;
    let (door, url) = (&company.door, company.proxy.url(CREDENTIALS));
    let variables = [("HTTPS_PROXY", url.as_str())];
    let endpoint = door.endpoint();

    let mut child = company
        .command(&["login", &endpoint], &variables)
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    let address = loop {
        let line = said.next_line().await.unwrap().expect("an address to sign in at");
        if line.starts_with("http") {
            break line;
        }
    };
    let target = address.strip_prefix(&door.url).unwrap();
    let back = door.browser().approve(target, "ana").await;
    assert_eq!(come_back(&back).await, 200, "the browser ends on this machine");
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    let heads = company.proxy.heads();
    assert!(!heads.is_empty());
    for head in heads {
        assert!(
            head.starts_with(&format!("CONNECT {NAME}:443 HTTP/1.1\r\n")),
            "{head}"
        );
        assert!(head.contains(AUTHORIZATION), "{head}");
    }

    let (done, listed, said) = company.run(&["tools", &endpoint], &variables).await;
    assert!(done && listed.contains("test_simple_text"), "{said}");
    let all = [("ALL_PROXY", url.as_str())];
    let (done, _, said) = company.run(&["call", "fixture", "test_simple_text"], &all).await;
    assert!(done, "{said}");
    let (_, first, _) = company.run(&["token", "fixture"], &variables).await;
    company.machine.let_expire();
    assert!(!company.proxy.heads().is_empty());
    let (done, second, said) = company.run(&["token", "fixture"], &variables).await;
    assert!(done && first != second, "{said}");
    assert_eq!(company.proxy.heads().len(), 1, "it is renewed through the proxy");

    // The bridge says nothing of the password either.
    let words = ["bridge", endpoint.as_str()];
    let mut command = company.command(&words, &variables);
    let mut child = command.stdin(std::process::Stdio::piped()).spawn().unwrap();
    let hello = json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "x", "version": "1" },
        },
    });
    let mut input = child.stdin.take().unwrap();
    input.write_all(format!("{hello}\n").as_bytes()).await.unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    let answer = answers.next_line().await.unwrap().unwrap();
    assert!(answer.contains("serverInfo"), "{answer}");
    drop(input);
    let output = child.wait_with_output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && !said.contains("sesame"), "{said}");

    let call = async |token: &str| {
        let ask = crate::rig::door::call("fixture", "test_simple_text", json!({}));
        door.ask(ask.bearer(token).with("host", NAME)).await.status
    };
    assert_eq!(call(second.trim()).await, 200);
    company.proxy.heads();
    let (done, _, said) = company.run(&["logout", "fixture"], &variables).await;
    assert!(done && said.is_empty(), "{said}");
    assert!(!company.proxy.heads().is_empty(), "and taken back through it");
    assert_eq!(call(second.trim()).await, 401);
}

/// What is on this machine is not asked through a proxy, nor what `NO_PROXY` names.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn this_machine_and_what_no_proxy_names_are_reached_past_it() {
    let company = Company::open().await;
    let near = Door::open().await;
    let url = company.proxy.url(CREDENTIALS);
    let all = ("all_proxy", url.as_str());
    for variables in [&[all][..], &[("HTTP_PROXY", &url), ("HTTPS_PROXY", &url)]] {
        let words = ["tools", &near.endpoint(), "--timeout", "100ms"];
        let (_, _, said) = company.run(&words, variables).await;
        assert!(said.contains("nobody signed in"), "its sign-in was found: {said}");
    }
    // Nobody else knows the name.
    for no in ["example.test", NAME, "*", "other.test, .example.test"] {
        let variables = [all, ("no_proxy", no)];
        let (done, _, said) = company
            .run(&["login", &company.door.endpoint()], &variables)
            .await;
        assert!(!done && said.contains("cannot be reached"), "{no}: {said}");
        assert!(!said.contains("proxy"), "{no}: {said}");
    }
    assert_eq!(company.proxy.heads(), Vec::<String>::new());
    let variables = [all, ("no_proxy", "ample.test")];
    let words = ["login", &company.door.endpoint(), "--timeout", "100ms"];
    let (_, _, said) = company.run(&words, &variables).await;
    assert!(!company.proxy.heads().is_empty(), "{said}");
}

/// Who is in the way, and what to do; a password is tried once, and shown to nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_that_makes_no_way_is_named_with_what_to_do() {
    let company = Company::open().await;
    let (endpoint, address) = (company.door.endpoint(), company.proxy.address);
    for words in [&["login", &endpoint][..], &["tools", &endpoint]] {
        let wrong = company.proxy.url("ana:wrong-secret");
        let (done, _, said) = company.run(words, &[("https_proxy", &wrong)]).await;
        assert!(
            !done && said.contains(&format!("the proxy http://{address} does not take")),
            "{said}"
        );
        assert!(said.contains("407") && said.contains("https_proxy"), "{said}");
        assert!(!said.contains("wrong-secret") && !said.contains("ana"), "{said}");
        assert_eq!(company.proxy.heads().len(), 1, "accounts are locked over more");
    }
    let nameless = format!("http://{address}");
    let (_, _, said) = company
        .run(&["login", &endpoint], &[("HTTPS_PROXY", &nameless)])
        .await;
    assert!(said.contains("NAME:PASSWORD@HOST:PORT"), "{said}");
    let url = company.proxy.url(CREDENTIALS);
    let other = "https://elsewhere.example.test/mcp";
    let (_, _, said) = company.run(&["login", other], &[("HTTPS_PROXY", &url)]).await;
    assert!(said.contains("makes no way to elsewhere.example.test;"), "{said}");

    let gone = format!("http://ana:wrong-secret@{}", {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    });
    for words in [&["login", &endpoint][..], &["tools", &endpoint]] {
        let (done, _, said) = company.run(words, &[("HTTPS_PROXY", &gone)]).await;
        let named = gone.replace("ana:wrong-secret@", "");
        assert!(
            !done && said.contains(&format!("the proxy {named} cannot be reached")),
            "{said}"
        );
        assert!(
            said.contains("NO_PROXY") && !said.contains("wrong-secret"),
            "{said}"
        );
    }
    // A value that is none is no matter to commands that reach nothing.
    let none = [("HTTPS_PROXY", "http://ana:wrong/secret@proxy")];
    assert!(company.run(&["status"], &none).await.0);
    let (_, _, said) = company.run(&["login", &endpoint], &none).await;
    assert!(
        said.contains("HTTPS_PROXY is not the address of an HTTP proxy"),
        "{said}"
    );
    assert!(!said.contains("wrong") && !said.contains("ana"), "{said}");
}

/// Where the door goes is said by its configuration alone: a variable must lead none of its traffic elsewhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_door_does_not_look_at_these_variables() {
    let servers = format!(
        "  far: {{ upstream: \"https://{NAME}/mcp\", allow: [{{ groups: [developers], tools: all }}] }}"
    );
    let company = Company::with(Plan {
        servers,
        ..Plan::default()
    })
    .await;
    let url = company.proxy.url(CREDENTIALS);
    let config = company.door.config_file();
    let words = ["check", "--config", config.to_str().unwrap()];
    let (_, found, said) = company
        .run(&words, &[("HTTPS_PROXY", &url), ("all_proxy", &url)])
        .await;
    let about = format!("https://{NAME}/mcp: cannot connect");
    assert!(found.contains(&about), "{found}{said}");
    assert_eq!(company.proxy.heads(), Vec::<String>::new());
}
