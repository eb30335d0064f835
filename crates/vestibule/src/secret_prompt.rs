//! Asking for what nobody is to see.

use std::fs::File;
use std::io::{self, Write as _};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::signal::unix::{SignalKind, signal};

/// Asks on the terminal, without showing what is typed. A signal that ends the program meanwhile leaves a terminal that shows
/// what is typed, whatever shell is behind it.
///
/// # Errors
/// There is no terminal.
pub fn ask(prompt: dialoguer::Password<'_>) -> io::Result<String> {
    let terminal = File::open("/dev/tty")?;
    let before = tcgetattr(&terminal)?;
    restore_at_the_end(terminal, before)?;
    prompt.interact().map_err(|dialoguer::Error::IO(error)| error)
}

/// From now on, for the life of the process: whoever listens to a signal once is not ended by it any more.
#[expect(clippy::exit, reason = "the signal ends the program, whatever else it does")]
fn restore_at_the_end(terminal: File, before: Termios) -> io::Result<()> {
    // The thread that asks reads, and may be the only one of its runtime.
    let own = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let signals = own.block_on(async {
        let kinds = [
            SignalKind::hangup(),
            SignalKind::interrupt(),
            SignalKind::quit(),
            SignalKind::terminate(),
        ];
        let signals = kinds.map(|kind| Ok((kind, signal(kind)?)));
        signals.into_iter().collect::<io::Result<Vec<_>>>()
    })?;
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            let mut waiting = tokio::task::JoinSet::new();
            let kind = own.block_on(async {
                for (kind, mut signal) in signals {
                    waiting.spawn(async move { signal.recv().await.map(|()| kind) });
                }
                waiting.join_next().await
            });
            if let Some(Ok(Some(kind))) = kind {
                let _ = tcsetattr(&terminal, OptionalActions::Flush, &before);
                let _ = writeln!(io::stderr());
                // As shells say it of a program that a signal ended.
                std::process::exit(128 + kind.as_raw_value());
            }
        })?;
    Ok(())
}
