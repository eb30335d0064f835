//! What people type who use servers: signing in, out, and getting a token to where it is needed.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use client::{Configured, Home, KeyFile, Kind, Outcome, Standing, Surroundings, TokenError, Variables, Way};
use model::{ExposeSecret as _, World};
use net::Operators;
use serde_json::{Value, json};
use url::Url;

use crate::config::environment::Environment;
use crate::config::values::Span;
use crate::operator::{Answer, Failure};
use crate::output::Output;
use alone::Alone;
use egress::egress;
use screen::Terminal;

pub mod alone;
pub mod bridge;
pub(super) mod egress;
pub mod exec;
mod git_credential;
pub mod install;
mod kube;
pub mod reach;
mod screen;
pub mod tools;
pub mod whoami;

/// The profile of somebody who needs no other.
const DEFAULT_PROFILE: &str = "default";

/// Whose sign-ins.
#[derive(Clone, Debug, Args)]
pub struct Whose {
    /// Sign-ins that stand apart from others: of another person, another company
    #[arg(long, env = "VESTIBULE_PROFILE", default_value = DEFAULT_PROFILE, value_parser = profile)]
    profile: String,
    /// Where is written down what one signed in to, in place of the system's own folder for that
    #[arg(long, env = "VESTIBULE_HOME", value_name = "FOLDER", hide = true)]
    home: Option<PathBuf>,
}

/// A place for tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Store {
    /// The keyring of the system
    Keyring,
    /// Files sealed under a key in the kernel's keyring, which a restart of the machine forgets
    Kernel,
    /// Files sealed under a passphrase, which is asked for on a terminal
    Passphrase,
    /// Plain files that only you can read
    File,
}

impl From<Store> for Kind {
    fn from(store: Store) -> Self {
        match store {
            Store::Keyring => Self::Keyring,
            Store::Kernel => Self::Kernel,
            Store::Passphrase => Self::Passphrase,
            Store::File => Self::File,
        }
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum PersonCommand {
    /// Sign in to an MCP server or an API, of this door or of any other: its URL is all that is needed
    Login(Login),
    /// Sign out: the tokens are taken back, and forgotten here
    Logout {
        /// Which: its URL, or the last word of it
        #[arg(required_unless_present = "all")]
        server: Option<String>,
        /// Of everything
        #[arg(long, conflicts_with = "server")]
        all: bool,
        /// Whose
        #[command(flatten)]
        whose: Whose,
    },
    /// What you are signed in to, as whom, and where the tokens lie
    Status {
        /// Whose
        #[command(flatten)]
        whose: Whose,
    },
    /// As whom you are signed in, by which issuer, and how
    #[command(name = "whoami")]
    WhoAmI(whoami::WhoAmI),
    /// Run a program that gets a token for one server, and nobody else
    Exec(exec::Exec),
    /// What git runs for a fresh token, at an API that you are signed in to
    GitCredential(git_credential::GitHelper),
    /// kubectl with the company's sign-in
    #[command(subcommand)]
    Kube(kube::KubeCommand),
    /// Connect a program that speaks MCP over standard input and output to a server behind sign-in
    #[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
    Bridge {
        /// Its entries in the files of clients
        #[command(subcommand)]
        installing: Option<install::Installing>,
        /// The bridge itself
        #[command(flatten)]
        bridge: bridge::BridgeCommand,
    },
    /// What a server offers: its tools, what they do and what they want to know
    Tools(tools::Tools),
    /// Call a tool of a server
    Call(tools::Call),
}

/// `vestibule login`.
#[derive(Debug, Args)]
pub struct Login {
    /// The server's URL; or an OpenID provider's and, behind #, the client whose ID tokens are wanted
    url: String,
    /// Print the address and open no browser
    #[arg(long)]
    no_browser: bool,
    /// Sign in with a code that you type into a browser anywhere; done by itself where there is no browser, if the server
    /// offers it
    #[arg(long, conflicts_with = "no_browser")]
    device: bool,
    /// As somebody else than the browser is signed in as
    #[arg(long)]
    as_other_user: bool,
    /// Where the tokens are to lie; the first that works if not given, but never plain files
    #[arg(long, value_enum, env = "VESTIBULE_STORE")]
    store: Option<Store>,
    /// What to ask for, in place of what the server says
    #[arg(long, value_name = "SCOPES")]
    scope: Option<String>,
    /// The client that was made for this program, at a server that registers none
    #[arg(long, value_name = "ID", requires = "issuer")]
    client_id: Option<String>,
    /// The authorization server that the client is of, as its metadata names it; no other is shown it
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// A file with its secret, if it has one
    #[arg(long, value_name = "FILE", requires = "client_id")]
    client_secret_file: Option<PathBuf>,
    /// A file with its private key in PEM, if it proves itself by one (`private_key_jwt`)
    #[arg(
        long,
        value_name = "FILE",
        requires = "client_id",
        conflicts_with = "client_secret_file"
    )]
    client_key_file: Option<PathBuf>,
    /// The address of a document about this program, which is then its client id
    #[arg(long, value_name = "URL", conflicts_with = "client_id")]
    client_metadata: Option<Url>,
    #[command(flatten)]
    alone: Alone,
    /// How long to wait for you
    #[arg(long, value_name = "SPAN", default_value = "5m")]
    timeout: Span,
    #[command(flatten)]
    whose: Whose,
}

/// `vestibule token SERVER`.
#[derive(Debug, Args)]
pub struct AccessToken {
    /// A server that you are signed in to: its URL, or the last word of it
    pub server: Option<String>,
    /// Print it on a terminal too
    #[arg(long)]
    show: bool,
    #[command(flatten)]
    whose: Whose,
}

impl PersonCommand {
    /// Runs it.
    ///
    /// # Errors
    /// Why it was not done.
    pub async fn run(self, world: World, output: Output) -> anyhow::Result<()> {
        match self {
            Self::Login(login) => login.run(world, output).await,
            Self::Logout {
                server,
                all: _,
                whose,
            } => logout(server, &whose.around(world)?, output).await,
            Self::Status { whose } => {
                let standings = client::standings(&whose.around(world)?).map_err(failure)?;
                output.answer(&status(&standings));
                Ok(())
            }
            Self::Exec(exec) => exec.run(world).await,
            Self::GitCredential(helper) => helper.run(world, output).await,
            Self::Kube(command) => command.run(world, output).await,
            Self::Tools(tools) => tools.run(world, output).await,
            Self::Call(call) => call.run(world, output).await,
            Self::Bridge {
                installing: Some(installing),
                bridge: _,
            } => installing.run(output),
            Self::Bridge {
                installing: None,
                bridge,
            } => Box::pin(bridge.run(world)).await,
            Self::WhoAmI(whoami) => whoami.run(world, output).await,
        }
    }
}

impl Whose {
    /// The profile, if it is not the one that is meant by itself.
    fn named(&self) -> Option<&str> {
        Some(self.profile.as_str()).filter(|profile| *profile != DEFAULT_PROFILE)
    }

    /// A folder of this profile, for what can be undone. It need not be there.
    pub(crate) fn folder(&self, name: &str) -> anyhow::Result<PathBuf> {
        Ok(Home::place(self.home.clone(), &self.profile)?.join(name))
    }

    /// The servers that somebody is signed in to; none if nothing can be read of them. Makes no folder.
    pub(crate) fn signed_in(&self) -> Vec<Url> {
        let servers = Home::existing(self.home.clone(), &self.profile).and_then(|home| home.servers().ok());
        servers
            .unwrap_or_default()
            .into_iter()
            .map(|known| known.url)
            // Not those at an issuer itself, which is no server.
            .filter(|url| url.fragment().is_none())
            .collect()
    }

    fn around(&self, world: World) -> anyhow::Result<Surroundings> {
        let environment = Environment::read();
        Ok(Surroundings {
            variables: Variables::new(move |name| environment.get(name).map(str::to_owned)),
            home: screen::asking(Home::open(self.home.clone(), &self.profile)?),
            world,
            http: Operators::new(&egress())?,
        })
    }
}

impl Login {
    async fn run(self, world: World, output: Output) -> anyhow::Result<()> {
        let server = client::sign_in_url(&self.url).map_err(|error| Failure::Usage(error.to_string()))?;
        let around = self.whose.around(world)?;
        let secret = match &self.client_secret_file {
            Some(file) => {
                let text = std::fs::read_to_string(file);
                let text = text.map_err(|error| Failure::Usage(format!("{}: {error}", file.display())))?;
                Some(text.trim_end().to_owned().into())
            }
            None => None,
        };
        let key = self
            .client_key_file
            .map(|path| KeyFile::read(std::path::absolute(&path).unwrap_or(path)))
            .transpose();
        let key = key.map_err(|error| Failure::Usage(error.to_string()))?;
        let program = self.alone.program(&around.variables)?;
        let screen = Terminal::new(!self.no_browser);
        let login = client::Login {
            way: if self.device { Way::Device } else { screen.way() },
            client: Configured {
                issuer: self.issuer,
                client_id: self.client_id.or_else(|| server.fragment().map(str::to_owned)),
                client_secret: secret,
                client_key: key,
                document: self.client_metadata.map(|url| url.to_string()),
            },
            program,
            scope: self.scope,
            store: self.store.map(Kind::from),
            as_other_user: self.as_other_user,
            patience: self.timeout.0,
            ..client::Login::default()
        };
        let outcome = Box::pin(client::login(&login, &server, &around, &screen)).await;
        let known = match outcome? {
            Outcome::Open => {
                let text = format!("{server} answers everybody; no sign-in is needed");
                output.answer(&Answer::Done {
                    text,
                    item: json!({ "url": server, "signed_in": false }),
                });
                return Ok(());
            }
            Outcome::SignedIn(known) => known,
        };
        if known.store == Kind::File {
            screen::warn("the tokens lie in plain files that everything which runs as you can read");
        }
        let whom = known.username.as_deref().map(|name| format!(" as {name}"));
        let place = match known.store {
            Kind::Keyring if cfg!(windows) => "in files under a key in the Credential Manager",
            Kind::Keyring => "in the keyring",
            Kind::Kernel => "in files under a key of the kernel's, until the machine restarts",
            Kind::Passphrase => "in files under your passphrase",
            Kind::File => "in plain files",
        };
        output.answer(&Answer::Done {
            text: format!(
                "Signed in to {server}{}. The tokens are {place}.",
                whom.unwrap_or_default()
            ),
            item: json!({
                "url": known.url, "signed_in": true, "issuer": known.issuer, "username": known.username,
                "store": known.store,
            }),
        });
        Ok(())
    }
}

async fn logout(server: Option<String>, around: &Surroundings, output: Output) -> anyhow::Result<()> {
    let servers = match server {
        Some(text) => vec![meant(&text, around)?],
        None => around
            .home
            .servers()?
            .into_iter()
            .map(|known| known.url)
            .collect(),
    };
    let (mut rows, mut failed) = (Vec::new(), None);
    for server in servers {
        let ended = match client::logout(&server, around).await {
            Ok(ended) => ended,
            // The others are signed out all the same.
            Err(error) => {
                rows.push(json!({ "server": server, "tokens": "kept", "text": error.to_string() }));
                failed.get_or_insert(error);
                continue;
            }
        };
        let (word, text) = match ended {
            client::Ended::Revoked => ("revoked", "the tokens were taken back"),
            client::Ended::Forgotten => ("forgotten", "forgotten here; this server cannot take tokens back"),
            client::Ended::NotRevoked => (
                "not_revoked",
                "forgotten here; the server could not be asked to take the tokens back",
            ),
        };
        rows.push(json!({ "server": server, "tokens": word, "text": text }));
    }
    output.answer(&Answer::list(
        ["server", "text"],
        rows,
        "you are signed in to nothing",
    ));
    failed.map_or(Ok(()), |error| Err(failure(error)))
}

fn status(standings: &[Standing]) -> Answer {
    let rows = standings.iter().map(|standing| {
        let Standing { known, .. } = standing;
        let state = match standing {
            Standing { is_kept: false, .. } => "gone",
            Standing { trouble: Some(_), .. } => "locked",
            Standing {
                is_renewable: true, ..
            } => "signed in",
            _ => "until it expires",
        };
        json!({
            "server": known.url, "username": known.username, "state": state, "scope": standing.scope,
            "store": known.store, "issuer": known.issuer, "signed_in_at": known.signed_in_at.to_string(),
            "expires_at": standing.expires_at.map(|at| at.to_string()), "trouble": standing.trouble,
        })
    });
    Answer::list(
        ["server", "username", "state", "scope", "store", "signed_in_at"],
        rows.collect(),
        "you are signed in to nothing; `vestibule login URL`",
    )
}

impl AccessToken {
    /// Prints an access token for a server.
    ///
    /// # Errors
    /// There is none, or standard output is a terminal.
    pub async fn run(self, world: World, output: Output) -> anyhow::Result<()> {
        use std::io::IsTerminal as _;
        let Some(server) = &self.server else {
            return Err(Failure::Usage(
                "say for which server, or what to do: `vestibule help token`".to_owned(),
            )
            .into());
        };
        if std::io::stdout().is_terminal() && !self.show {
            let text =
                "a terminal remembers what it shows: give it to a program (`vestibule exec`), or say --show";
            return Err(Failure::Usage(text.to_owned()).into());
        }
        let around = self.whose.around(world)?;
        let server = meant(server, &around)?;
        let access = client::access(&server, &around, None).await.map_err(failure)?;
        if output.json {
            let item: Value = json!({
                "access_token": access.token.expose_secret(), "token_type": "Bearer", "scope": access.scope,
                "expires_at": access.expires_at.map(|at| at.to_string()),
            });
            output.answer(&Answer::Item(item));
        } else {
            output.print(access.token.expose_secret());
        }
        Ok(())
    }
}

/// The server that somebody means.
fn meant(text: &str, around: &Surroundings) -> anyhow::Result<Url> {
    let found = around.home.means(text)?;
    let none = || {
        Failure::NotFound(format!(
            "you are signed in to no server called {text}: `vestibule status`"
        ))
    };
    Ok(found.ok_or_else(none)?)
}

fn failure(error: TokenError) -> anyhow::Error {
    match error {
        TokenError::SignedOut(_) => Failure::NotFound(error.to_string()).into(),
        error => error.into(),
    }
}

fn profile(text: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !text.is_empty() && text.len() <= 64 && text.chars().all(is_plain) {
        Ok(text.to_owned())
    } else {
        Err("letters, digits, - and _ alone".to_owned())
    }
}
