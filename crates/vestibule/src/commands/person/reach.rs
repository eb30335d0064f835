//! Which server a command means, and how somebody signs in to it if they have to.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use client::bridge::Settings;
use client::conversation::{AskError, Conversation};
use client::{Kind, Login, Surroundings};
use model::World;
use url::Url;

use super::screen::Terminal;
use super::{Store, Whose, egress, meant};
use crate::config::values::Span;
use crate::operator::Failure;

/// A server, and the way to it.
#[derive(Debug, Args)]
pub struct Reach {
    /// The server's URL; of one that you are signed in to, the last word of it is enough
    // It is there, unless a subcommand stands in its place.
    #[arg(required = true)]
    server: Option<String>,
    /// Open no browser: the address to sign in at is written to standard error
    #[arg(long)]
    pub(super) no_browser: bool,
    /// Where the tokens are to lie; where they lay before, or the first that works but never plain files, if not given
    #[arg(long, value_enum, env = "VESTIBULE_STORE")]
    store: Option<Store>,
    /// How long a sign-in waits for you
    #[arg(long, value_name = "SPAN", default_value = "5m")]
    timeout: Span,
    #[command(flatten)]
    whose: Whose,
}

impl Reach {
    /// The server, what is around, and how to sign in on this screen.
    pub(super) fn found(
        &self,
        world: World,
        screen: &Terminal,
    ) -> anyhow::Result<(Url, Surroundings, Login)> {
        let around = self.whose.around(world)?;
        let none = || Failure::Usage("say which server".to_owned());
        let text = self.server.as_deref().ok_or_else(none)?;
        let server = if text.contains("://") {
            client::server_url(text).map_err(|error| Failure::Usage(error.to_string()))?
        } else {
            meant(text, &around)?
        };
        let login = Login {
            way: screen.way(),
            store: self.store.map(Kind::from),
            patience: self.timeout.0,
            is_unasked: true,
            // Nobody may be there to begin anew.
            keeps_session: true,
            ..Login::default()
        };
        Ok((server, around, login))
    }

    /// A conversation with it, once somebody is signed in.
    pub(super) async fn conversation(&self, world: World) -> anyhow::Result<Conversation> {
        let screen = Arc::new(Terminal::new(!self.no_browser));
        let (server, around, login) = self.found(world, &screen)?;
        let settings = Settings {
            waiting: self.timeout.0 + Duration::from_secs(1),
            login,
            connecting: Duration::ZERO,
            egress: egress(),
        };
        Box::pin(Conversation::begin(server, around, settings, screen))
            .await
            .map_err(asked)
    }
}

/// Why a server gave no result, as a command says it.
pub(super) fn asked(error: AskError) -> anyhow::Error {
    match error {
        AskError::Refused { code, message } if code == client::bridge::SIGN_IN => {
            Failure::NotFound(message).into()
        }
        error => error.into(),
    }
}
