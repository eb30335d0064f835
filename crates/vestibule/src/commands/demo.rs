//! `vestibule demo`: the whole door on this machine, with something behind it to call.
//!
//! It writes an ordinary configuration into its own folder and runs the ordinary server with it, so what it
//! shows is what `serve` does; the operator's commands work on it with `--config`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use data_encoding::BASE32_NOPAD;
use model::{GroupName, SecretString, Username, World};
use net::Tasks;
use people::accounts::NewPerson;
use tokio::net::TcpListener;

use crate::config::environment::Environment;
use crate::config::file::{self, Loaded};
use crate::house::{Foundation, House};
use crate::private_file;
use crate::serve::Running;
use crate::system::Told;

const USERNAME: &str = "demo";
const GROUP: &str = "developers";

/// `vestibule demo`.
#[derive(Debug, Args)]
pub struct Demo {
    /// The port to listen on
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Where it keeps its things; delete it to begin anew
    #[arg(long, default_value = "vestibule-data/demo", value_name = "FOLDER")]
    dir: PathBuf,
}

impl Demo {
    /// Runs it until Ctrl-C.
    pub async fn run(self, environment: Environment, world: World) -> anyhow::Result<()> {
        let mut told = Told::listen()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let listener = net::listener::bind(address).await.with_context(|| {
            format!("{address} cannot be listened on; `vestibule demo --port PORT` takes another")
        })?;
        let address = listener.local_addr()?;
        private_file::create_folder(&self.dir).with_context(|| self.dir.display().to_string())?;
        let tasks = Tasks::new();
        let upstream = sample_server(&self.dir, &world, &tasks).await?;
        let loaded = configuration(&self.dir, address, upstream, &environment)?;
        let log = crate::telemetry::start(&loaded)?;
        let (house, uses) = Box::pin(House::open(loaded, environment, world)).await?;
        let password = account(&house.foundation, &self.dir).await?;
        let running = Running::start(house, uses, listener, None)?;
        announce(&running.house, &self.dir, &password);
        told.to_stop().await;
        running.stop().await;
        let _ = tasks.shut_down(std::time::Duration::from_secs(5)).await;
        log.close().await;
        Ok(())
    }
}

/// A secret that is drawn once and kept in a file.
fn kept_secret(path: &Path, world: &World) -> anyhow::Result<String> {
    if !path.exists() {
        let drawn = BASE32_NOPAD.encode(&world.random::<15>()).to_lowercase();
        private_file::write(path, &format!("{drawn}\n"))?;
    }
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    Ok(text.trim().to_owned())
}

/// Starts the server behind the door, which demands a credential of its own.
async fn sample_server(dir: &Path, world: &World, tasks: &Tasks) -> anyhow::Result<SocketAddr> {
    let credential = kept_secret(&dir.join("sample-credential"), world)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    sample::serve(listener, SecretString::from(credential), tasks)?;
    Ok(address)
}

fn configuration(
    dir: &Path,
    address: SocketAddr,
    upstream: SocketAddr,
    environment: &Environment,
) -> anyhow::Result<Loaded> {
    let text = format!(
        "# Written by `vestibule demo` at every start.
public_url: http://{address}
listen: {address}
title: Vestibule demo
data_dir: .
log:
  level: warn
servers:
  sample:
    title: Sample server
    upstream: http://{upstream}{path}
    allow:
      - groups: [{GROUP}]
        tools: all
    credential:
      headers:
        Authorization: \"Bearer ${{file:sample-credential}}\"
",
        path = sample::PATH,
    );
    let path = dir.join("vestibule.yaml");
    private_file::write(&path, &text)?;
    Ok(file::load(&path, environment)?)
}

/// The demo account, made on the first start. Gives its password.
async fn account(foundation: &Foundation, dir: &Path) -> anyhow::Result<String> {
    let password = kept_secret(&dir.join("demo-password"), &foundation.world)?;
    let username: Username = USERNAME.parse()?;
    let group: GroupName = GROUP.parse()?;
    let store = &foundation.store;
    if store.account_by_username(&username).await?.is_none() {
        store
            .add_group(&group, "May use the sample server", foundation.world.now())
            .await?;
        let person = NewPerson {
            username,
            display_name: "Demo Person".to_owned(),
            email: None,
            administrator: true,
            groups: vec![group],
        };
        foundation
            .accounts
            .add_with_password(person, SecretString::from(password.clone()))
            .await?;
    }
    Ok(password)
}

/// Says what there is and how to use it.
fn announce(house: &Arc<House>, dir: &Path, password: &str) {
    let current = house.current.load_full();
    let public = current.origins.public();
    let endpoint = format!("{public}/mcp/sample");
    let (bold, dim, plain) = (
        anstyle::Style::new().bold(),
        anstyle::Style::new().dimmed(),
        anstyle::Reset,
    );
    anstream::println!("{bold}Vestibule is open.{plain} Ctrl-C closes it.\n");
    anstream::println!("  your servers   {public}/");
    anstream::println!("  MCP endpoint   {endpoint}");
    anstream::println!("  account        {USERNAME}");
    anstream::println!("  password       {password}\n");
    anstream::println!("Add it to a client, then sign in when the browser opens:\n");
    for line in web::connect::lines("sample", &endpoint) {
        let place = line
            .file
            .map(|file| format!("  {dim}in {file}{plain}"))
            .unwrap_or_default();
        anstream::println!("  {bold}{}{plain}{place}", line.client);
        for text in line.text.lines() {
            anstream::println!("    {text}");
        }
    }
    let config = dir.join("vestibule.yaml");
    // As it was typed: after `cargo run` it is not on the path.
    let program = std::env::args().next().unwrap_or_else(|| "vestibule".to_owned());
    anstream::println!(
        "\nLook at it from inside: {program} audit search --config {}",
        config.display()
    );
}
