//! The process is killed at random moments under load: nothing that was acknowledged is lost, nothing is used
//! twice (DESIGN rule 2). Twenty times on each database; `cargo xtask soak` does it for long.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::rig::app::{CHALLENGE, VERIFIER, code_of};
use crate::rig::process::{self, Process};
use crate::rig::{Ask, PASSWORD, Reply, Tokens, door};

const WORKERS: usize = 6;

fn kills() -> u32 {
    std::env::var("VESTIBULE_TEST_KILLS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(20)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_on_sqlite() {
    killed_again_and_again("").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_on_postgres() {
    let Some(url) = testkit::databases::postgres_url().await else {
        return;
    };
    killed_again_and_again(&format!("database: {{ url: \"{url}\" }}")).await;
}

/// What a worker was told, and what it has to be true of.
#[derive(Debug, Default)]
struct Told {
    /// Codes that were given out and never sent to the token endpoint.
    codes: Vec<String>,
    /// Codes that were redeemed.
    redeemed: Vec<String>,
    /// The latest tokens of each living chain.
    alive: Vec<Tokens>,
    /// Chains whose revocation was acknowledged.
    revoked: Vec<Tokens>,
    /// How often it refreshed.
    refreshes: usize,
}

async fn killed_again_and_again(database: &str) {
    let tasks = net::Tasks::new();
    let options = fixture::Options::new()
        .demanding_bearer(door::CREDENTIAL)
        .with_extra_tools();
    let upstream = fixture::start(options, tasks.clone()).await.unwrap();
    let (folder, address) = (tempfile::tempdir().unwrap(), free_address());
    let config = configure(&folder, address, &upstream.url(), database);
    process::done(&config, &["group", "add", "developers"], "").await;
    for n in 0..WORKERS {
        let username = format!("worker{n}");
        process::done(
            &config,
            &[
                "user",
                "add",
                &username,
                "--group",
                "developers",
                "--password-stdin",
            ],
            PASSWORD,
        )
        .await;
    }
    let mut process = Process::start(&config, address).await;
    let client = json!({ "client_name": "Worker", "redirect_uris": ["http://127.0.0.1/callback"] });
    let client = Ask::json("/register", &client).to(address).await.json()["client_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let (mut refreshes, mut survived) = (0, 0);
    for round in 0..kills() {
        let mut workers = JoinSet::new();
        let answers = Arc::new(AtomicU32::new(0));
        for n in 0..WORKERS {
            workers.spawn(work(Worker::new(address, &client, n, answers.clone())));
        }
        // So many answers on, however slow this machine is; and a little later, so that it is in the middle.
        let [answers_until, milliseconds] = vestibule::clock::system_world().random::<2>();
        let under_load = async {
            while answers.load(Ordering::Relaxed) < u32::from(answers_until) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(Duration::from_mins(2), under_load)
            .await
            .expect("answers");
        tokio::time::sleep(Duration::from_millis(u64::from(milliseconds) / 4)).await;
        process.kill().await;
        let told = workers.join_all().await;
        process = Process::start(&config, address).await;
        for told in &told {
            refreshes += told.refreshes;
            survived += told.alive.len();
            check(round, told, address, &client).await;
        }
    }
    assert!(
        refreshes > 0 && survived > 0,
        "{refreshes} refreshes, {survived} chains: there was no load"
    );
    let events = process::done(&config, &["audit", "list", "--limit", "100000", "--json"], "").await;
    let events: Vec<serde_json::Value> = serde_json::from_str(&events).unwrap();
    assert!(
        events.len() > 100 && events.iter().all(|event| event["sound"] == true),
        "the record is whole"
    );
    assert!(process.terminate().await.success());
}

pub(crate) fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

fn configure(folder: &TempDir, address: SocketAddr, upstream: &str, database: &str) -> PathBuf {
    let config = folder.path().join("vestibule.yaml");
    std::fs::write(folder.path().join("credential"), door::CREDENTIAL).unwrap();
    let text = format!(
        "public_url: http://{address}\nlisten: {address}\ndata_dir: data\n{database}\nservers:\n  fixture:\n    upstream: {upstream}\n    allow: [{{ groups: [developers], tools: all }}]\n    credential: {{ headers: {{ Authorization: \"Bearer ${{file:credential}}\" }} }}\n"
    );
    std::fs::write(&config, text).unwrap();
    config
}

/// After the restart everything that was said must be so.
async fn check(round: u32, told: &Told, address: SocketAddr, client: &str) {
    for code in &told.codes {
        let reply = redeem(address, client, code).await.unwrap();
        assert_eq!(
            reply.status, 200,
            "round {round}: a code that was given out is lost: {reply:?}"
        );
        let again = redeem(address, client, code).await.unwrap();
        assert_eq!(
            again.error(),
            "invalid_grant",
            "round {round}: a code was used twice"
        );
    }
    for tokens in &told.alive {
        let call = call(address, tokens).await.unwrap();
        assert_eq!(
            call.status, 200,
            "round {round}: an access token that was given out is lost: {call:?}"
        );
        let reply = refresh(address, client, tokens).await.unwrap();
        assert_eq!(
            reply.status, 200,
            "round {round}: a chain that was acknowledged is lost: {reply:?}"
        );
    }
    for tokens in &told.revoked {
        assert_eq!(
            call(address, tokens).await.unwrap().status,
            401,
            "round {round}: a revocation is lost"
        );
        assert_eq!(
            refresh(address, client, tokens).await.unwrap().error(),
            "invalid_grant",
            "round {round}: a revocation is lost"
        );
    }
    for code in &told.redeemed {
        assert_eq!(
            redeem(address, client, code).await.unwrap().error(),
            "invalid_grant",
            "round {round}: a code was used twice"
        );
    }
}

struct Worker {
    address: SocketAddr,
    client: String,
    username: String,
    cookies: std::collections::BTreeMap<String, String>,
    number: usize,
    /// How many answers all workers of this round had.
    answers: Arc<AtomicU32>,
}

impl Worker {
    fn new(address: SocketAddr, client: &str, number: usize, answers: Arc<AtomicU32>) -> Self {
        Self {
            address,
            client: client.to_owned(),
            username: format!("worker{number}"),
            cookies: std::collections::BTreeMap::new(),
            number,
            answers,
        }
    }

    /// Sends with this browser's cookies; nothing if the process is gone.
    async fn send(&mut self, ask: Ask) -> Option<Reply> {
        let cookies: Vec<_> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let ask = ask
            .with("cookie", cookies.join("; "))
            .with("origin", format!("http://{}", self.address));
        let reply = whole(ask, self.address).await?;
        self.answers.fetch_add(1, Ordering::Relaxed);
        for value in reply.headers.get_all("set-cookie") {
            let (name, value) = value.to_str().ok()?.split(';').next()?.split_once('=')?;
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        Some(reply)
    }

    /// A code, with everything that a person does for it.
    async fn code(&mut self, state: usize) -> Option<String> {
        let resource = format!("http://{}/mcp/fixture", self.address);
        let state = format!("{}-{state}", self.number);
        let query = protocol::params::encode([
            ("response_type", "code"),
            ("client_id", &self.client),
            ("redirect_uri", "http://127.0.0.1/callback"),
            ("scope", "mcp"),
            ("resource", &resource),
            ("state", &state),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ]);
        let mut page = self.send(Ask::get(&format!("/authorize?{query}"))).await?;
        if page.body.contains("action=\"/sign-in") {
            let token = field(&page.body, "token")?;
            let form = [
                ("token", token.as_str()),
                ("username", &self.username),
                ("password", PASSWORD),
            ];
            self.send(Ask::form(&format!("/sign-in?{query}"), &form)).await?;
            page = self.send(Ask::get(&format!("/authorize?{query}"))).await?;
        }
        let (token, transaction) = (field(&page.body, "token")?, field(&page.body, "transaction")?);
        let form = [
            ("token", token.as_str()),
            ("transaction", &transaction),
            ("answer", "approve"),
        ];
        let reply = self.send(Ask::form("/consent", &form)).await?;
        (reply.status == 303).then(|| code_of(reply.location()))
    }
}

fn field(page: &str, name: &str) -> Option<String> {
    let tag = page.split(&format!("name=\"{name}\" value=\"")).nth(1)?;
    Some(tag.split('"').next()?.to_owned())
}

/// The whole answer; nothing if the process went away before it was complete.
async fn whole(ask: Ask, address: SocketAddr) -> Option<Reply> {
    ask.try_open(address).await.ok()?.try_whole().await
}

async fn redeem(address: SocketAddr, client: &str, code: &str) -> Option<Reply> {
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", client),
        ("code", code),
        ("code_verifier", VERIFIER),
    ];
    whole(Ask::form("/token", &form), address).await
}

async fn refresh(address: SocketAddr, client: &str, tokens: &Tokens) -> Option<Reply> {
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", client),
        ("refresh_token", &tokens.refresh),
    ];
    whole(Ask::form("/token", &form), address).await
}

async fn call(address: SocketAddr, tokens: &Tokens) -> Option<Reply> {
    whole(
        door::call("fixture", "echo_headers", json!({})).bearer(&tokens.access),
        address,
    )
    .await
}

/// Signs in, refreshes and revokes until the process is gone. An answer that did not come changes nothing of what
/// was told.
async fn work(mut worker: Worker) -> Told {
    let mut told = Told::default();
    for turn in 0..10_000 {
        let Some(code) = worker.code(turn).await else {
            break;
        };
        if turn % 4 == 0 {
            told.codes.push(code);
            continue;
        }
        let Some(reply) = redeem(worker.address, &worker.client, &code).await else {
            break;
        };
        worker.answers.fetch_add(1, Ordering::Relaxed);
        let mut tokens = Tokens::of(&reply);
        told.redeemed.push(code);
        let mut gone = false;
        for _ in 0..3 {
            match refresh(worker.address, &worker.client, &tokens).await {
                Some(reply) => {
                    tokens = Tokens::of(&reply);
                    told.refreshes += 1;
                    worker.answers.fetch_add(1, Ordering::Relaxed);
                }
                None => gone = true,
            }
        }
        if !gone && turn % 3 == 0 {
            let form = [("token", tokens.refresh.as_str()), ("client_id", &worker.client)];
            match whole(Ask::form("/revoke", &form), worker.address).await {
                Some(reply) => {
                    assert_eq!(reply.status, 200);
                    told.revoked.push(tokens);
                }
                // Nobody said whether it counted: nothing is known of this chain.
                None => break,
            }
        } else {
            told.alive.push(tokens);
            // Replaying a redeemed code later would end the chain that came of it.
            told.redeemed.pop();
        }
        if gone {
            break;
        }
    }
    told
}
