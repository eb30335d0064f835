//! The operator's commands. Each is one value that carries its arguments: the command line makes it, the
//! control socket carries it, and whoever holds the database runs it.

use audit::{Person, What};
use clap::Subcommand;
use model::{AccountId, ClientId, ServerName, Username};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{Account, CatalogueEntry, CredentialClass, StoreError};
use thiserror::Error;

use crate::config::file::Loaded;
use crate::house::Foundation;

pub mod audit_record;
pub mod client;
pub mod connection;
pub mod grant;
pub mod group;
pub mod identity;
pub mod key;
pub mod migrate;
pub mod policy;
pub mod server;
pub mod session;
pub mod sync;
pub mod token;
pub mod tool;
pub mod user;

/// A command to the one who holds the database.
#[derive(Clone, Debug, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::large_enum_variant,
    reason = "one is made for a question of an operator"
)]
pub enum Command {
    /// People who can sign in
    #[command(subcommand)]
    User(user::UserCommand),
    /// Groups of people
    #[command(subcommand)]
    Group(group::GroupCommand),
    /// OAuth clients: programs that act for people
    #[command(subcommand)]
    Client(client::ClientCommand),
    /// What people have allowed programs to do
    #[command(subcommand)]
    Grant(grant::GrantCommand),
    /// Where people are signed in
    #[command(subcommand)]
    Session(session::SessionCommand),
    /// Who at a trusted issuer is who here
    #[command(subcommand)]
    Identity(identity::IdentityCommand),
    /// What people linked at providers
    #[command(subcommand)]
    Connection(connection::ConnectionCommand),
    /// Service tokens: typed as `vestibule token`, which gives people their own tokens too
    #[command(skip)]
    Token(token::TokenCommand),
    /// Leaving the tokens of the time before
    #[command(subcommand)]
    Migrate(migrate::MigrateCommand),
    /// Signing keys and the master key
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// MCP servers behind this door
    #[command(subcommand)]
    Server(server::ServerCommand),
    /// What the servers have, and what of it changed
    #[command(subcommand)]
    Tool(tool::ToolCommand),
    /// Who may do what, and why
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// What happened
    #[command(subcommand)]
    Audit(audit_record::AuditCommand),
}

impl Command {
    /// Runs it.
    ///
    /// # Errors
    /// Why it was not done.
    pub async fn run(self, operator: &Operator<'_>) -> Result<Answer, Failure> {
        match self {
            Self::User(command) => command.run(operator).await,
            Self::Group(command) => command.run(operator).await,
            Self::Client(command) => command.run(operator).await,
            Self::Grant(command) => command.run(operator).await,
            Self::Session(command) => command.run(operator).await,
            Self::Identity(command) => command.run(operator).await,
            Self::Connection(command) => command.run(operator).await,
            Self::Migrate(command) => command.run(operator).await,
            Self::Token(command) => command.run(operator).await,
            Self::Key(command) => command.run(operator).await,
            Self::Server(command) => command.run(operator).await,
            Self::Tool(command) => command.run(operator).await,
            Self::Policy(command) => command.run(operator).await,
            Self::Audit(command) => command.run(operator).await,
        }
    }
}

/// Who gives a command, and what it is given to.
#[derive(Debug)]
pub struct Operator<'a> {
    /// The system's name of whoever runs the command.
    pub name: String,
    /// The configuration of this moment.
    pub loaded: &'a Loaded,
    /// The database and what rests on it.
    pub foundation: &'a Foundation,
}

/// What a command answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Several of a kind.
    List {
        /// The members that the table shows, in order.
        columns: Vec<String>,
        /// The rows.
        rows: Vec<Value>,
        /// What to say if there are none.
        empty: String,
    },
    /// One, with all that is known of it.
    Item(Value),
    /// Something was done.
    Done {
        /// What, for people.
        text: String,
        /// What, for programs.
        item: Value,
    },
}

impl Answer {
    pub(crate) fn list<const N: usize>(columns: [&str; N], rows: Vec<Value>, empty: &str) -> Self {
        Self::List {
            columns: columns.map(str::to_owned).to_vec(),
            rows,
            empty: empty.to_owned(),
        }
    }

    pub(crate) fn done(text: impl Into<String>, item: Value) -> Self {
        Self::Done {
            text: text.into(),
            item,
        }
    }
}

/// Why a command was not done.
#[derive(Clone, Debug, Error, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "text", rename_all = "snake_case")]
pub enum Failure {
    /// There is no such thing. Exit code 3.
    #[error("{0}")]
    NotFound(String),
    /// It is there already, or not in the state for this. Exit code 4.
    #[error("{0}")]
    Conflict(String),
    /// An argument cannot be taken. Exit code 2.
    #[error("{0}")]
    Usage(String),
    /// The database does not answer, and the like. Exit code 1.
    #[error("{0}")]
    Unavailable(String),
}

impl Failure {
    /// The process's exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Unavailable(_) => 1,
            Self::Usage(_) => 2,
            Self::NotFound(_) => 3,
            Self::Conflict(_) => 4,
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(format!("database: {error}"))
    }
}

impl Operator<'_> {
    /// Writes an administrative act down.
    pub(crate) fn record(&self, command: &str, target: &impl ToString) {
        let what = What::Administration {
            operator: self.name.clone(),
            command: command.to_owned(),
            target: target.to_string(),
        };
        self.foundation.recorder.record(what, Person::default());
    }

    /// The account of this name.
    pub(crate) async fn account(&self, username: &Username) -> Result<Account, Failure> {
        let account = self.foundation.store.account_by_username(username).await?;
        account.ok_or_else(|| Failure::NotFound(format!("there is no account called {username}")))
    }

    /// What a server was seen to have, with the credential that it is shown by this configuration.
    pub(crate) async fn catalogue(&self, server: &ServerName) -> Result<Vec<CatalogueEntry>, Failure> {
        let configured = self.loaded.config.servers.get(server);
        let class = configured.map_or(CredentialClass::Shared, |server| server.credential.class());
        Ok(self.foundation.store.catalogue(server, class).await?)
    }

    /// What an account is called, also after it is gone.
    pub(crate) async fn usernames(&self) -> Result<std::collections::HashMap<AccountId, String>, Failure> {
        let accounts = self.foundation.store.accounts().await?;
        let names = accounts
            .into_iter()
            .map(|account| (account.id, account.username.to_string()));
        Ok(names.collect())
    }

    /// What clients call themselves.
    pub(crate) async fn client_names(&self) -> Result<std::collections::HashMap<ClientId, String>, Failure> {
        let clients = self.foundation.store.clients().await?;
        let names = clients
            .into_iter()
            .filter_map(|client| Some((client.id, client.metadata.client_name?)));
        Ok(names.collect())
    }

    /// The public address of this door.
    pub(crate) fn public_url(&self) -> String {
        let public = self.loaded.config.public_url.as_ref();
        public.map(ToString::to_string).unwrap_or_default()
    }
}
