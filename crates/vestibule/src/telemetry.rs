//! The log, to standard error.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

/// Starts logging; does nothing if somebody did before.
///
/// # Errors
/// If the filter cannot be read.
pub fn start(log: &Log) -> anyhow::Result<()> {
    // Every statement, and PostgreSQL's notices: wanted by those who name them.
    let filter = EnvFilter::try_new(format!("sqlx=warn,{}", log.level))
        .map_err(|error| anyhow::anyhow!("log.level {:?}: {error}", log.level))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let _ = match log.format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    Ok(())
}
