//! A door of a test's own: fresh database, fresh folder, a clock that stands, and the fixture behind it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::{Parser, Subcommand};
use fixture::{Handle, Options};
use model::{SecretString, World};
use net::Tasks;
use people::accounts::NewPerson;
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::TestClock;
use tokio::net::TcpListener;
use vestibule::config::environment::Environment;
use vestibule::config::file;
use vestibule::house::House;
use vestibule::operator::token::TokenCommand;
use vestibule::operator::{Answer, Command, Failure, Operator};
use vestibule::serve::Running;

use super::documents::DocumentsOf;
use super::{App, Ask, Browser, PASSWORD, Reply};

/// The credential that the upstream wants.
pub(crate) const CREDENTIAL: &str = "the-credential-of-the-upstream";

/// A server `old` that speaks the transport of 2024-11-05 alone.
pub(crate) const LEGACY_SSE: &str = "
  old:
    upstream: {sse}
    transport: sse
    allow: [{ groups: [developers], tools: all }]
    credential: { headers: { Authorization: \"Bearer ${file:credential}\" } }";

/// What a door should be like.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// More top-level lines of the configuration.
    pub(crate) config: String,
    /// More lines of the server `fixture`, indented by four.
    pub(crate) server: String,
    /// More servers, indented by two; `{upstream}` and `{sse}` are filled in.
    pub(crate) servers: String,
    pub(crate) upstream: Options,
    /// More files beside the configuration.
    pub(crate) files: Vec<(&'static str, String)>,
    /// The address that it is known by; its own if not given.
    pub(crate) public_url: Option<String>,
    /// Known by an https address.
    pub(crate) https: bool,
    /// The system's clock instead of one that stands.
    pub(crate) real_clock: bool,
    /// Another way to the documents of clients than the network.
    pub(crate) documents: Option<Arc<DocumentsOf>>,
    /// PostgreSQL instead of SQLite.
    pub(crate) postgres: Option<String>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            config: String::new(),
            server: String::new(),
            servers: String::new(),
            upstream: Options::new()
                .demanding_bearer(CREDENTIAL)
                .with_extra_tools()
                .with_legacy_sse(),
            files: Vec::new(),
            public_url: None,
            https: false,
            real_clock: false,
            documents: None,
            postgres: None,
        }
    }
}

/// A running door.
pub(crate) struct Door {
    running: Option<Running>,
    pub(crate) address: SocketAddr,
    pub(crate) url: String,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) world: World,
    pub(crate) upstream: Handle,
    pub(crate) folder: Arc<TempDir>,
    upstream_tasks: Tasks,
    plan: Plan,
}

impl Door {
    /// One on SQLite, as it is out of the box.
    pub(crate) async fn open() -> Self {
        Self::with(Plan::default()).await
    }

    /// One for each database.
    pub(crate) async fn each(plan: Plan) -> Vec<Self> {
        let mut doors = vec![Self::with(plan.clone()).await];
        if let Some(url) = testkit::databases::postgres_url().await {
            let postgres = Some(url);
            doors.push(Self::with(Plan { postgres, ..plan }).await);
        }
        doors
    }

    pub(crate) async fn with(plan: Plan) -> Self {
        let tasks = Tasks::new();
        let upstream = fixture::start(plan.upstream.clone(), tasks.clone())
            .await
            .unwrap();
        let folder = Arc::new(tempfile::tempdir().unwrap());
        std::fs::write(folder.path().join("credential"), CREDENTIAL).unwrap();
        for (name, text) in &plan.files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let (mut world, clock) = testkit::world();
        if plan.real_clock {
            world = vestibule::clock::system_world();
        }
        let door = Self::at(plan, folder, upstream, tasks, world, clock).await;
        for (username, groups) in [
            ("ana", &["developers"][..]),
            ("ben", &["developers"]),
            ("eve", &[]),
        ] {
            door.add_person(username, groups).await;
        }
        door
    }

    async fn at(
        plan: Plan,
        folder: Arc<TempDir>,
        upstream: Handle,
        upstream_tasks: Tasks,
        world: World,
        clock: Arc<TestClock>,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut door = Self {
            running: None,
            address,
            url: match &plan.public_url {
                Some(url) => url.clone(),
                None if plan.https => format!("https://{address}"),
                None => format!("http://{address}"),
            },
            clock,
            world,
            upstream,
            folder,
            upstream_tasks,
            plan,
        };
        std::fs::write(door.config_file(), door.configuration()).unwrap();
        door.start(listener).await;
        door
    }

    async fn start(&mut self, listener: TcpListener) {
        let environment = Environment::default();
        let loaded = file::load(&self.config_file(), &environment).unwrap();
        let world = self.world.clone();
        let opened = match self.plan.documents.clone() {
            Some(documents) => Box::pin(House::open_with(loaded, environment, world, documents)).await,
            None => House::open(loaded, environment, world).await,
        };
        let (house, uses) = opened.unwrap_or_else(|error| {
            panic!(
                "{error:#}
{}",
                self.configuration()
            )
        });
        self.running = Some(Running::start(house, uses, listener, None).unwrap());
    }

    /// Another replica on the same database and the same data, with a clock of its own that shows the same.
    pub(crate) async fn replica(&self) -> Self {
        assert!(self.plan.postgres.is_some(), "several replicas need PostgreSQL");
        let folder = Arc::new(tempfile::tempdir().unwrap());
        for name in ["credential", "data/master.key"] {
            let to = folder.path().join(name);
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::copy(self.folder.path().join(name), to).unwrap();
        }
        for (name, text) in &self.plan.files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let (upstream, tasks) = (self.upstream.clone(), self.upstream_tasks.clone());
        let plan = Plan {
            public_url: Some(self.url.clone()),
            ..self.plan.clone()
        };
        Self::at(
            plan,
            folder,
            upstream,
            tasks,
            self.world.clone(),
            Arc::clone(&self.clock),
        )
        .await
    }

    /// Stops it and starts it again on the same data.
    pub(crate) async fn restart(&mut self) {
        self.stop().await;
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.start(listener).await;
    }

    pub(crate) async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop().await;
        }
    }

    pub(crate) fn config_file(&self) -> std::path::PathBuf {
        self.folder.path().join("vestibule.yaml")
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn engine(&self) -> &'static str {
        self.running().house.foundation.storage.engine()
    }

    pub(crate) fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    pub(crate) fn configuration(&self) -> String {
        let Plan {
            config,
            server,
            servers,
            postgres,
            ..
        } = &self.plan;
        let database = match postgres {
            Some(url) => format!("database: {{ url: \"{url}\", connections: 12 }}"),
            None => String::new(),
        };
        let servers = servers
            .replace("{upstream}", &self.upstream.url())
            .replace("{sse}", &self.upstream.sse_url());
        format!(
            "
public_url: {}
listen: {}
title: Example Corp MCP
contact: platform@example.com
data_dir: data
{database}
{config}
servers:
  fixture:
    title: Test fixture
    upstream: {}
    allow:
      - groups: [developers]
        tools: all
    credential: {{ headers: {{ Authorization: \"Bearer ${{file:credential}}\" }} }}
{server}
{servers}
",
            self.url,
            self.address,
            self.upstream.url(),
        )
    }

    /// Writes another configuration and waits until it counts.
    pub(crate) async fn reconfigure(&mut self, change: impl FnOnce(&str) -> String) {
        self.try_reconfigure(change).await.unwrap();
    }

    /// The same where the configuration may be wrong.
    pub(crate) async fn try_reconfigure(
        &mut self,
        change: impl FnOnce(&str) -> String,
    ) -> Result<(), String> {
        let text = change(&self.configuration());
        std::fs::write(self.config_file(), &text).unwrap();
        let loaded = file::load(&self.config_file(), &Environment::default()).unwrap();
        let outcome = self.running().house.reconfigure(loaded).await;
        outcome.map_err(|error| error.to_string())
    }

    /// Puts a new master key in the place of the one before, and starts it until the old one is not needed any more.
    pub(crate) async fn replace_master_key(&mut self) {
        let data = self.folder().join("data");
        std::fs::rename(data.join("master.key"), data.join("older.key")).unwrap();
        self.make_master_key("master.key");
        let text = std::fs::read_to_string(self.config_file()).unwrap();
        let both = format!("older_master_key_files: [data/older.key]\n{text}");
        std::fs::write(self.config_file(), both).unwrap();
        self.restart().await;
        std::fs::write(self.config_file(), &text).unwrap();
        std::fs::remove_file(data.join("older.key")).unwrap();
        self.restart().await;
    }

    /// A new master key in the folder of the data, which nobody uses yet.
    pub(crate) fn make_master_key(&self, name: &str) {
        let made = vestibule::operator::key::master(&vestibule::clock::system_world());
        let Answer::Done { item, .. } = made else {
            panic!("a key")
        };
        let path = self.folder().join("data").join(name);
        std::fs::write(&path, item["master_key"].as_str().unwrap()).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("{}/mcp/fixture", self.url)
    }

    /// The name and port that it is known by.
    pub(crate) fn host(&self) -> &str {
        self.url.split("//").nth(1).unwrap_or_default()
    }

    pub(crate) async fn add_person(&self, username: &str, groups: &[&str]) {
        let foundation = &self.running().house.foundation;
        for group in groups {
            let (group, now) = (group.parse().unwrap(), self.world.now());
            // It may be there.
            let _ = foundation.store.add_group(&group, "", now).await;
        }
        let person = NewPerson {
            username: username.parse().unwrap(),
            display_name: format!("{username} of Example Corp"),
            email: Some(format!("{username}@example.com")),
            administrator: false,
            groups: groups.iter().map(|group| group.parse().unwrap()).collect(),
        };
        let password = SecretString::from(PASSWORD.to_owned());
        foundation
            .accounts
            .add_with_password(person, password)
            .await
            .unwrap();
    }

    /// The account of somebody.
    pub(crate) async fn account(&self, username: &str) -> model::AccountId {
        let store = &self.running().house.foundation.store;
        let account = store.account_by_username(&username.parse().unwrap()).await;
        account.unwrap().unwrap().id
    }

    /// The tokens of several people for one server.
    pub(crate) async fn tokens_for<const N: usize>(&self, server: &str, people: [&str; N]) -> [String; N] {
        let mut app = self.app().await;
        app.resource = format!("{}/mcp/{server}", self.url);
        let mut tokens = [const { String::new() }; N];
        for (token, person) in tokens.iter_mut().zip(people) {
            *token = app.sign_in(self, person).await.access;
        }
        tokens
    }

    pub(crate) fn advance(&self, span: Duration) {
        self.clock.advance(span);
    }

    /// Returns once so many programs without a browser wait for a decision.
    pub(crate) async fn until_waiting(&self, many: usize) {
        super::eventually(async || match self.running().house.server.devices_waiting() {
            waiting if waiting == many => Ok(()),
            waiting => Err(waiting.to_string()),
        })
        .await;
    }

    pub(crate) async fn ask(&self, ask: Ask) -> Reply {
        ask.to(self.address).await
    }

    pub(crate) async fn get(&self, target: &str) -> Reply {
        self.ask(Ask::get(target)).await
    }

    pub(crate) fn browser(&self) -> Browser<'_> {
        Browser::new(self)
    }

    /// A program that registered itself, with a callback on this machine.
    pub(crate) async fn app(&self) -> App {
        App::register(
            self,
            &json!({ "client_name": "Test program", "redirect_uris": [App::CALLBACK] }),
        )
        .await
    }

    /// A program with tokens for the fixture's endpoint, approved by `username`.
    pub(crate) async fn signed_in(&self, username: &str) -> (App, super::Tokens) {
        let app = self.app().await;
        let tokens = app.sign_in(self, username).await;
        (app, tokens)
    }

    /// A token of Ana's for another server than the fixture.
    pub(crate) async fn token_for(&self, server: &str) -> String {
        let mut app = self.app().await;
        app.resource = format!("{}/mcp/{server}", self.url);
        app.sign_in(self, "ana").await.access
    }

    /// A program of Ana's with tokens for another server than the fixture, that asked for these scopes.
    pub(crate) async fn granted(&self, server: &str, scope: &str) -> (App, super::Tokens) {
        let mut app = self.app().await;
        app.resource = format!("{}/mcp/{server}", self.url);
        let target = app.authorize(&[("scope", scope)]);
        let back = self.browser().approve(&target, "ana").await;
        let tokens = super::Tokens::of(&app.redeem(&super::app::code_of(&back)).await);
        (app, tokens)
    }

    /// Calls a tool of the fixture in the stateless era.
    pub(crate) async fn call(&self, token: &str, tool: &str, arguments: Value) -> Reply {
        self.ask(call("fixture", tool, arguments).bearer(token)).await
    }

    /// Runs a statement on its database, behind its back.
    pub(crate) async fn sql(&self, sql: &'static str) {
        let file = self.folder().join("data").join("vestibule.db");
        testkit::databases::execute(self.plan.postgres.as_deref(), &file, sql).await;
    }

    /// Runs an operator's command as it is typed.
    pub(crate) async fn operate(&self, words: &[&str]) -> Result<Answer, Failure> {
        let line = Line::try_parse_from(std::iter::once(&"vestibule").chain(words)).unwrap();
        let current = self.running().house.current.load_full();
        let operator = Operator {
            name: "test".to_owned(),
            loaded: &current.loaded,
            foundation: &self.running().house.foundation,
        };
        let command = match line.command {
            Typed::Token(command) => Command::Token(command),
            Typed::Other(command) => command,
        };
        command.run(&operator).await
    }

    /// What the audit record holds of a kind of event, latest first, as `audit search --json` shows it.
    pub(crate) async fn audit(&self, event: &str) -> Vec<Value> {
        match self
            .operate(&["audit", "list", "--limit", "500", "--event", event])
            .await
            .unwrap()
        {
            Answer::List { rows, .. } => rows,
            other => panic!("{other:?}"),
        }
    }

    /// The calls that the record holds once `enough` of them are in it, latest first: a call is recorded when
    /// its answer has ended, which the caller may see a moment before.
    pub(crate) async fn calls_recorded(&self, enough: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        super::eventually(async || {
            let rows = self.audit("call").await;
            if enough(&rows) {
                Ok(rows)
            } else {
                Err(format!("{rows:?}"))
            }
        })
        .await
    }
}

#[derive(Debug, Parser)]
struct Line {
    #[command(subcommand)]
    command: Typed,
}

#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one at a time")]
enum Typed {
    /// As whole programs are told it, beside the tokens of people.
    #[command(subcommand)]
    Token(TokenCommand),
    #[command(flatten)]
    Other(Command),
}

/// A tool call of 2026-07-28.
pub(crate) fn call(server: &str, tool: &str, arguments: Value) -> Ask {
    modern(
        server,
        "tools/call",
        json!({ "name": tool, "arguments": arguments }),
    )
}

/// A request of 2026-07-28 with everything it needs.
pub(crate) fn modern(server: &str, method: &str, params: Value) -> Ask {
    able_to(server, method, params, &json!({}))
}

/// The same of a client that can do something.
pub(crate) fn able_to(server: &str, method: &str, mut params: Value, capabilities: &Value) -> Ask {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": capabilities,
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
    });
    let name = ["name", "uri", "taskId"]
        .iter()
        .find_map(|member| params[*member].as_str().map(str::to_owned));
    let body = json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params });
    let mut ask = Ask::json(&format!("/mcp/{server}"), &body)
        .with("accept", "application/json, text/event-stream")
        .with("mcp-protocol-version", "2026-07-28")
        .with("mcp-method", method);
    if let Some(name) = name {
        ask = ask.with("mcp-name", name);
    }
    ask
}
