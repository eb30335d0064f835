//! MA-57, OS-8, OS-10: no secret is in a log line at any level, in the database, in a backup, in the audit record
//! or in an answer of an operator's command; CC-65: nor is the successor of a refresh token.

use std::path::Path;

use serde_json::json;

use crate::rig::process::{self, Process};
use crate::rig::{Ask, PASSWORD, Tokens, app, door};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_written_down() {
    let tasks = net::Tasks::new();
    let options = fixture::Options::new()
        .demanding_bearer(door::CREDENTIAL)
        .with_extra_tools();
    let upstream = fixture::start(options, tasks.clone()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let address = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let url = format!("http://{address}");
    std::fs::write(folder.path().join("credential"), door::CREDENTIAL).unwrap();
    let config = folder.path().join("vestibule.yaml");
    let text = format!(
        "public_url: {url}\nlisten: {address}\ndata_dir: data\nlog: {{ level: \"trace,sqlx=trace\" }}\nservers:\n  fixture:\n    upstream: {}\n    allow: [{{ groups: [developers], tools: all }}]\n    credential: {{ headers: {{ Authorization: \"Bearer ${{file:credential}}\" }} }}\n",
        upstream.url()
    );
    std::fs::write(&config, text).unwrap();
    process::done(&config, &["group", "add", "developers"], "").await;
    process::done(
        &config,
        &["user", "add", "ana", "--group", "developers", "--password-stdin"],
        PASSWORD,
    )
    .await;
    let server = Process::start(&config, address).await;

    let mut secrets = vec![
        ("password", PASSWORD.to_owned()),
        ("upstream credential", door::CREDENTIAL.to_owned()),
    ];
    let added = process::done(
        &config,
        &[
            "client",
            "add",
            "--name",
            "Portal",
            "--confidential",
            "--redirect-uri",
            "http://127.0.0.1/cb",
            "--json",
        ],
        "",
    )
    .await;
    let added: serde_json::Value = serde_json::from_str(&added).unwrap();
    let (client, secret) = (
        added["client_id"].as_str().unwrap().to_owned(),
        added["client_secret"].as_str().unwrap().to_owned(),
    );
    secrets.push(("client secret", secret.clone()));
    let invited = process::done(&config, &["user", "add", "zoe", "--json"], "").await;
    let invited: serde_json::Value = serde_json::from_str(&invited).unwrap();
    let link = invited["link"].as_str().unwrap();
    secrets.push(("invitation", link.rsplit('/').next().unwrap().to_owned()));
    Ask::get(link.strip_prefix(&url).unwrap()).to(address).await;

    let mut cookies = std::collections::BTreeMap::<String, String>::new();
    let mut send = async |ask: Ask| {
        let cookie: Vec<_> = cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let reply = ask
            .with("cookie", cookie.join("; "))
            .with("origin", url.clone())
            .to(address)
            .await;
        for value in reply.headers.get_all("set-cookie") {
            let (name, value) = value
                .to_str()
                .unwrap()
                .split(';')
                .next()
                .unwrap()
                .split_once('=')
                .unwrap();
            cookies.insert(name.to_owned(), value.to_owned());
        }
        (reply, cookies.clone())
    };
    let query = protocol::params::encode([
        ("response_type", "code"),
        ("client_id", &client),
        ("redirect_uri", "http://127.0.0.1/cb"),
        ("scope", "openid mcp"),
        ("resource", &format!("{url}/mcp/fixture")),
        ("code_challenge", app::CHALLENGE),
        ("code_challenge_method", "S256"),
        ("state", "the-state-of-the-client"),
    ]);
    let (page, _) = send(Ask::get(&format!("/authorize?{query}"))).await;
    let field = |page: &str, name: &str| {
        page.split(&format!("name=\"{name}\" value=\""))
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap()
            .to_owned()
    };
    let token = field(&page.body, "token");
    let form = [
        ("token", token.as_str()),
        ("username", "ana"),
        ("password", PASSWORD),
    ];
    send(Ask::form(&format!("/sign-in?{query}"), &form)).await;
    let (page, cookies) = send(Ask::get(&format!("/authorize?{query}"))).await;
    secrets.extend(cookies.into_values().map(|value| ("cookie", value)));
    let (token, transaction) = (field(&page.body, "token"), field(&page.body, "transaction"));
    let form = [
        ("token", token.as_str()),
        ("transaction", &transaction),
        ("answer", "approve"),
    ];
    let (reply, _) = send(Ask::form("/consent", &form)).await;
    let code = app::code_of(reply.location());
    secrets.push(("code", code.clone()));
    secrets.push(("verifier", app::VERIFIER.to_owned()));
    let redeem = [
        ("grant_type", "authorization_code"),
        ("client_id", &client),
        ("client_secret", &secret),
        ("code", &code),
        ("code_verifier", app::VERIFIER),
    ];
    let tokens = Tokens::of(&Ask::form("/token", &redeem).to(address).await);
    let refresh = [
        ("grant_type", "refresh_token"),
        ("client_id", &client),
        ("client_secret", &secret),
        ("refresh_token", &tokens.refresh),
    ];
    let next = Tokens::of(&Ask::form("/token", &refresh).to(address).await);
    for tokens in [&tokens, &next] {
        let jwt = |token: &str| token.rsplit('.').next().unwrap().to_owned();
        secrets.push(("access token", jwt(&tokens.access)));
        secrets.push(("refresh token", tokens.refresh.clone()));
        secrets.push(("ID token", jwt(tokens.all["id_token"].as_str().unwrap())));
        let call = door::call(
            "fixture",
            "echo_headers",
            json!({ "argument": "the-argument-of-a-call" }),
        )
        .bearer(&tokens.access);
        assert_eq!(call.to(address).await.status, 200);
        // The same in places where it must not be, which is logged as a refusal.
        Ask::get(&format!("/mcp/fixture?access_token={}", tokens.access))
            .to(address)
            .await;
        Ask::get(&format!(
            "/authorize?client_id={client}&client_secret={secret}&code={code}"
        ))
        .to(address)
        .await;
        Ask::form(
            "/token",
            &[
                ("grant_type", "refresh_token"),
                ("refresh_token", &format!("{}x", tokens.refresh)),
                ("client_id", &client),
                ("client_secret", &secret),
            ],
        )
        .to(address)
        .await;
        Ask::form(
            "/token",
            &[("client_id", &client), ("client_secret", &format!("{secret}x"))],
        )
        .to(address)
        .await;
    }
    secrets.push(("argument", "the-argument-of-a-call".to_owned()));
    let master = std::fs::read_to_string(folder.path().join("data/master.key")).unwrap();
    secrets.push(("master key", master.trim().rsplit(':').next().unwrap().to_owned()));

    let backup = folder.path().join("backup");
    process::done(&config, &["backup", backup.to_str().unwrap()], "").await;
    let mut written = vec![("log", server.log())];
    for command in [
        &["audit", "list", "--json", "--limit", "1000"][..],
        &["user", "show", "ana", "--json"],
        &["client", "show", &client, "--json"],
        &["client", "list", "--json"],
        &["grant", "list", "--json"],
        &["key", "list", "--json"],
        &["server", "show", "fixture", "--json"],
    ] {
        written.push(("a command", process::done(&config, command, "").await));
    }
    assert!(server.terminate().await.success());
    let read = |path: &Path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
    written.push(("backup", read(&backup)));
    written.push(("database", read(&folder.path().join("data/vestibule.db"))));
    written.push(("log after the stop", read(&config.with_extension("log"))));
    assert!(
        written[0].1.contains("DEBUG") && written[0].1.len() > 10_000,
        "the log is as chatty as it can be"
    );
    for (place, text) in &written {
        for (what, secret) in &secrets {
            assert!(secret.len() >= 16, "{what}: {secret}");
            if let Some(at) = text.find(secret.as_str()) {
                let around: String = text[..at]
                    .chars()
                    .rev()
                    .take(200)
                    .collect::<Vec<_>>()
                    .into_iter()
                    .rev()
                    .collect();
                panic!("the {what} is in the {place}, after: {around}");
            }
        }
    }
}
