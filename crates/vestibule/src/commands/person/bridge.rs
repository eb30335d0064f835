//! `vestibule bridge`: a server behind sign-in for programs that speak over standard input and output alone.
//!
//! Both pipes are served by threads of their own: a read or a write that nobody ends must not keep the process.

use std::io::{self, BufReader, Write as _};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use client::bridge::{Line, Lines, MOST_BYTES, Settings};
use client::{Bridge, Kind};
use model::World;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

use super::screen::{Terminal, say};
use super::{Store, Whose, egress, meant};
use crate::config::values::Span;
use crate::operator::Failure;

/// Requests that are under way when the program closes its end have so long to be answered.
const LAST_ANSWERS: Duration = Duration::from_secs(3);
/// How long what was answered may take to be read.
const LAST_LINES: Duration = Duration::from_secs(1);

/// `vestibule bridge URL`.
#[derive(Debug, Args)]
pub struct BridgeCommand {
    /// The server's URL; of one that you are signed in to, the last word of it is enough
    server: String,
    /// Open no browser: the address to sign in at is written to standard error
    #[arg(long)]
    no_browser: bool,
    /// Where the tokens are to lie; where they lay before, or the first that works but never plain files, if not given
    #[arg(long, value_enum, env = "VESTIBULE_STORE")]
    store: Option<Store>,
    /// How long a call waits for you to sign in, before it is told to try again
    #[arg(long, value_name = "SPAN", default_value = "50s")]
    wait: Span,
    /// How long the sign-in itself waits for you
    #[arg(long, value_name = "SPAN", default_value = "5m")]
    timeout: Span,
    #[command(flatten)]
    whose: Whose,
}

impl BridgeCommand {
    /// Passes on messages until the program closes its end.
    ///
    /// # Errors
    /// What kept it from beginning.
    pub(super) async fn run(self, world: World) -> anyhow::Result<()> {
        let around = self.whose.around(world)?;
        let server = if self.server.contains("://") {
            client::server_url(&self.server).map_err(|error| Failure::Usage(error.to_string()))?
        } else {
            meant(&self.server, &around)?
        };
        let settings = Settings {
            login: client::Login {
                store: self.store.map(Kind::from),
                patience: self.timeout.0,
                ..client::Login::default()
            },
            waiting: self.wait.0,
            connecting: Duration::from_secs(15),
            egress: egress(),
        };
        let screen = Arc::new(Terminal::beside_a_pipe(!self.no_browser));
        let (mut bridge, answers) = Bridge::open(server, around, settings, screen);
        let mut lines = read_lines();
        let mut written = write_lines(answers);
        let mut signals = [
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
            signal(SignalKind::hangup())?,
        ];
        let [terminate, interrupt, hangup] = &mut signals;
        let patience = loop {
            tokio::select! {
                line = lines.recv() => match line {
                    Some(line) => bridge.take(line).await,
                    None => break LAST_ANSWERS,
                },
                // Nobody reads any more.
                _ = &mut written => break Duration::ZERO,
                _ = terminate.recv() => break Duration::ZERO,
                _ = interrupt.recv() => break Duration::ZERO,
                _ = hangup.recv() => break Duration::ZERO,
            }
        };
        tokio::select! {
            () = bridge.close(patience) => {}
            _ = terminate.recv() => {}
        }
        let _ = tokio::time::timeout(LAST_LINES, written).await;
        Ok(())
    }
}

/// What comes on standard input.
fn read_lines() -> mpsc::Receiver<Line> {
    let (sender, lines) = mpsc::channel(1);
    std::thread::spawn(move || {
        let mut input = Lines::new(BufReader::with_capacity(64 << 10, io::stdin()), MOST_BYTES);
        loop {
            match input.next_line() {
                Ok(Some(line)) => {
                    if sender.blocking_send(line).is_err() {
                        return;
                    }
                }
                Ok(None) => return,
                Err(error) => return say(&format!("standard input: {error}")),
            }
        }
    });
    lines
}

/// Writes each message on a line of its own. Resolves when there are no more, or when nobody reads them.
fn write_lines(mut answers: mpsc::Receiver<String>) -> oneshot::Receiver<()> {
    let (sender, written) = oneshot::channel();
    std::thread::spawn(move || {
        let mut output = io::stdout().lock();
        while let Some(mut line) = answers.blocking_recv() {
            line.push('\n');
            if output
                .write_all(line.as_bytes())
                .and_then(|()| output.flush())
                .is_err()
            {
                break;
            }
        }
        let _ = sender.send(());
    });
    written
}
