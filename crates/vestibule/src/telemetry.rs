//! The log, to standard error and to whoever collects it.

use std::io::IsTerminal as _;

use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::config::LogFormat;
use crate::config::file::Loaded;

pub mod otlp;

/// What sends the log on; keep it until the end.
#[derive(Debug)]
#[must_use = "what it has not sent yet is lost when it is dropped"]
pub struct Log(Option<otlp::Logs>);

impl Log {
    /// Sends what is left.
    pub async fn close(self) {
        if let Some(logs) = self.0 {
            logs.close().await;
        }
    }
}

/// Starts logging; does nothing if somebody did before.
///
/// # Errors
/// If the filter cannot be read, or the collector's settings are wrong.
pub fn start(loaded: &Loaded) -> anyhow::Result<Log> {
    let log = &loaded.config.log;
    // Every statement, and PostgreSQL's notices: wanted by those who name them.
    let filter = |also: &str| {
        EnvFilter::try_new(format!("sqlx=warn,{}{also}", log.level))
            .map_err(|error| anyhow::anyhow!("log.level {:?}: {error}", log.level))
    };
    let logs = otlp::Logs::open(loaded)?;
    let sent_on = match &logs {
        // What sending says of itself is not sent, or it would never be quiet.
        Some(logs) => {
            let filter = filter(
                ",opentelemetry=off,opentelemetry_sdk=off,opentelemetry-otlp=off,hyper=off,hyper_util=off,h2=off,rustls=off,net::operators=off",
            )?;
            Some(OpenTelemetryTracingBridge::new(logs.provider()).with_filter(filter))
        }
        None => None,
    };
    let shown = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let shown = match log.format {
        LogFormat::Text => shown.with_filter(filter("")?).boxed(),
        LogFormat::Json => shown.json().flatten_event(true).with_filter(filter("")?).boxed(),
    };
    let _ = tracing_subscriber::registry()
        .with(sent_on)
        .with(shown)
        .try_init();
    Ok(Log(logs))
}
