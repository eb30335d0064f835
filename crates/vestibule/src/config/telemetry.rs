//! What the door says of itself while it runs: log lines, metrics, traces.

use std::net::SocketAddr;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

/// What is logged, to standard error.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug`, `trace`, or a filter such as `info,gateway=debug`.
    pub level: String,
    /// `text` for people, `json` for machines.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            format: LogFormat::Text,
        }
    }
}

/// Metrics for Prometheus.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Metrics {
    /// Where `/metrics` is answered, as `127.0.0.1:9464`; nowhere if not given. It asks for no password: let nobody
    /// but the machine that collects reach it.
    #[schemars(with = "Option<String>")]
    pub listen: Option<SocketAddr>,
}

/// Traces and logs for an OpenTelemetry collector, by OTLP over HTTP.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Otlp {
    /// The collector, as `http://127.0.0.1:4318`; `/v1/traces` and `/v1/logs` are added.
    #[schemars(with = "String")]
    pub endpoint: Url,
    /// A file of headers that it wants, `name: value` in each line.
    #[serde(default)]
    pub headers_file: Option<PathBuf>,
    /// PEM file of the authorities to trust instead of the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Send a span for each call.
    #[serde(default = "yes")]
    pub traces: bool,
    /// Send log lines, those that `log.level` lets through.
    #[serde(default)]
    pub logs: bool,
    /// The part of the traces that begin here that is kept, from 0 to 1. A trace that a client began is kept if the
    /// client keeps it.
    #[serde(default = "all")]
    pub sample: f64,
}

fn yes() -> bool {
    true
}

fn all() -> f64 {
    1.0
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one object a line.
    Json,
}
