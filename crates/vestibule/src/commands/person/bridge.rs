//! `vestibule bridge`: a server behind sign-in for programs that speak over standard input and output alone.
//!
//! Both pipes are served by threads of their own: a read or a write that nobody ends must not keep the process.

use std::io::{self, BufReader, Write as _};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use client::Bridge;
use client::bridge::{Line, Lines, MOST_BYTES, Settings};
use model::World;
use tokio::sync::{mpsc, oneshot};

use super::egress;
use super::reach::Reach;
use super::screen::{Terminal, say};
use crate::config::values::Span;
use crate::system::{HangUp, Told};

/// Requests that are under way when the program closes its end have so long to be answered.
const LAST_ANSWERS: Duration = Duration::from_secs(3);
/// How long what was answered may take to be read.
const LAST_LINES: Duration = Duration::from_secs(1);

/// `vestibule bridge URL`.
#[derive(Debug, Args)]
pub struct BridgeCommand {
    #[command(flatten)]
    reach: Reach,
    /// How long a call waits for you to sign in, before it is told to try again
    #[arg(long, value_name = "SPAN", default_value = "50s")]
    wait: Span,
}

impl BridgeCommand {
    /// Passes on messages until the program closes its end.
    ///
    /// # Errors
    /// What kept it from beginning.
    pub(super) async fn run(self, world: World) -> anyhow::Result<()> {
        let screen = Arc::new(Terminal::beside_a_pipe(!self.reach.no_browser));
        let (server, around, login) = self.reach.found(world, &screen)?;
        let settings = Settings {
            login,
            waiting: self.wait.0,
            connecting: Duration::from_secs(15),
            egress: egress(),
        };
        let (mut bridge, answers) = Bridge::open(server, around, settings, screen);
        let mut lines = read_lines();
        let mut written = write_lines(answers);
        let (mut told, mut hangup) = (Told::listen()?, HangUp::listen()?);
        let mut is_read = true;
        let passing = async {
            while let Some(line) = lines.recv().await {
                bridge.take(line).await;
            }
        };
        // Whatever a line waits for, whoever ends it is listened to.
        let patience = tokio::select! {
            () = passing => LAST_ANSWERS,
            // Nobody reads any more.
            _ = &mut written => {
                is_read = false;
                Duration::ZERO
            }
            () = told.to_stop() => Duration::ZERO,
            () = hangup.heard() => Duration::ZERO,
        };
        tokio::select! {
            () = bridge.close(patience) => {}
            () = told.to_terminate() => {}
        }
        if is_read {
            let _ = tokio::time::timeout(LAST_LINES, written).await;
        }
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
