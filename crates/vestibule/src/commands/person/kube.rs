//! `vestibule kube`: `kubectl` with the company's sign-in, by ID tokens that end soon.

use std::io::IsTerminal as _;

use clap::{Args, Subcommand};
use client::kube::{self, ExecCredential};
use client::{Configured, Kind, Surroundings, TokenError};
use model::World;
use url::Url;

use super::screen::Terminal;
use super::{Store, Whose, failure};
use crate::config::values::Span;
use crate::operator::Failure;
use crate::output::Output;

mod setup;

/// The commands.
#[derive(Debug, Subcommand)]
pub enum KubeCommand {
    /// What kubectl runs: a credential for one cluster, with a sign-in in the browser when one is needed
    Token(KubeToken),
    /// What to write where: the kubeconfig, the API server's settings, the door's client, a first role
    Setup(setup::Setup),
}

/// Whose ID tokens, and for whom.
#[derive(Clone, Debug, Args)]
pub(super) struct Cluster {
    /// The door's public URL, or any other OpenID provider's
    issuer: String,
    /// The client that the cluster's ID tokens are for, as the provider knows it
    #[arg(long, value_name = "ID", default_value = "kubernetes")]
    client_id: String,
}

/// `vestibule kube token`.
#[derive(Debug, Args)]
pub struct KubeToken {
    #[command(flatten)]
    cluster: Cluster,
    /// What to ask for, in place of openid, email and groups
    #[arg(long, value_name = "SCOPES")]
    scope: Option<String>,
    /// Where the tokens are to lie; the first that works if not given, but never plain files
    #[arg(long, value_enum, env = "VESTIBULE_STORE")]
    store: Option<Store>,
    /// Print the address and open no browser
    #[arg(long)]
    no_browser: bool,
    /// How long to wait for you
    #[arg(long, value_name = "SPAN", default_value = "3m")]
    timeout: Span,
    /// What kubectl asks
    #[arg(long, env = "KUBERNETES_EXEC_INFO", hide = true)]
    asked: Option<String>,
    #[command(flatten)]
    whose: Whose,
}

impl KubeCommand {
    /// Runs it.
    ///
    /// # Errors
    /// Why it was not done.
    pub(super) async fn run(self, world: World, output: Output) -> anyhow::Result<()> {
        match self {
            Self::Token(token) => token.run(world, output).await,
            Self::Setup(setup) => setup.run(world, output).await,
        }
    }
}

impl Cluster {
    fn url(&self) -> Result<Url, Failure> {
        client::issuer_url(&self.issuer, &self.client_id).map_err(|error| Failure::Usage(error.to_string()))
    }
}

impl KubeToken {
    async fn run(self, world: World, output: Output) -> anyhow::Result<()> {
        let issuer = self.cluster.url()?;
        let asked = match self.asked.as_deref().filter(|text| !text.is_empty()) {
            Some(text) => {
                Some(ExecCredential::read(text).map_err(|error| Failure::Usage(error.to_string()))?)
            }
            None => None,
        };
        if asked.is_none() && std::io::stdout().is_terminal() {
            let text = "this is for kubectl, and a terminal remembers what it shows: `vestibule kube setup`";
            return Err(Failure::Usage(text.to_owned()).into());
        }
        let around = self.whose.around(world)?;
        let token = match client::id_token(&issuer, &around).await {
            // A full-screen program has no place for this, and one in the background nobody who answers (CC-104).
            Err(TokenError::SignedOut(_)) if asked.is_none_or(|asked| asked.is_interactive()) => {
                self.sign_in(&issuer, &around).await?;
                client::id_token(&issuer, &around).await
            }
            outcome => outcome,
        };
        let (token, expires_at) = token.map_err(failure)?;
        output.print(&kube::answer(&token, expires_at).to_string());
        Ok(())
    }

    async fn sign_in(&self, issuer: &Url, around: &Surroundings) -> anyhow::Result<()> {
        let screen = Terminal::new(!self.no_browser);
        let login = client::Login {
            client: Configured {
                client_id: Some(self.cluster.client_id.clone()),
                ..Configured::default()
            },
            scope: self.scope.clone(),
            store: self.store.map(Kind::from),
            patience: self.timeout.0,
            is_unasked: true,
            way: screen.way(),
            ..client::Login::default()
        };
        Box::pin(client::login(&login, issuer, around, &screen)).await?;
        Ok(())
    }
}
