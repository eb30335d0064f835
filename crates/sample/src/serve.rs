//! Listening: one loopback address, one path, bounded connections and sessions.
//!
//! `Host` and `Origin` must be the listener's own address. Without that, a page in the operator's browser
//! could reach this server under a name of its own (DNS rebinding: MCP 2025-11-25, Transports, Security
//! Warning).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use model::{ExposeSecret as _, SecretString};
use net::{Limits, Server, Tasks};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::admission::Admission;
use crate::handler::{Offer, Sample};

/// The path of the MCP endpoint.
pub const PATH: &str = "/mcp";

/// Longest body of a request; no tool here needs more.
const BODY_BYTES: usize = 64 * 1024;
/// How long a session of the older protocol versions may be idle.
const SESSION_IDLE: Duration = Duration::from_hours(1);
/// How often an event stream says that it is still there, and so finds out whether the other side is.
const STREAM_PULSE: Duration = Duration::from_secs(10);

const LIMITS: Limits = Limits {
    connections: 256,
    head_time: Duration::from_secs(30),
    head_bytes: 64 * 1024,
    handshake_time: Duration::from_secs(10),
    streams: 64,
    drain_time: Duration::from_secs(5),
};

/// Why the sample server was not started.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The listener has no address.
    #[error("the sample server's listener has no address: {0}")]
    Address(#[from] std::io::Error),
    /// The listener can be reached from other machines.
    #[error("the sample server listens on loopback addresses alone, and {0} is not one")]
    NotLoopback(SocketAddr),
    /// The credential is empty, so that everybody would know it.
    #[error("the sample server's credential is empty")]
    NoCredential,
}

/// Serves MCP at [`PATH`] on `listener`, in tasks of its own, until `tasks` shuts down. A request without
/// `Authorization: Bearer <credential>` is answered with 401.
pub fn serve(listener: TcpListener, credential: SecretString, tasks: &Tasks) -> Result<(), ServeError> {
    let address = listener.local_addr()?;
    if !address.ip().is_loopback() {
        return Err(ServeError::NotLoopback(address));
    }
    if credential.expose_secret().is_empty() {
        return Err(ServeError::NoCredential);
    }
    let admission = Admission::new(credential, mcp(address, tasks));
    Server::new(LIMITS, tasks.clone()).serve(listener, None, admission);
    Ok(())
}

fn mcp(address: SocketAddr, tasks: &Tasks) -> StreamableHttpService<Sample, LocalSessionManager> {
    let stop = CancellationToken::new();
    let config = StreamableHttpServerConfig::default()
        .with_allowed_hosts([address.to_string()])
        .with_allowed_origins([format!("http://{address}")])
        .with_max_request_body_bytes(BODY_BYTES)
        .with_sse_keep_alive(Some(STREAM_PULSE))
        .with_json_response(true)
        .with_cancellation_token(stop.clone());
    let mut sessions = LocalSessionManager::default();
    sessions.session_config.keep_alive = Some(SESSION_IDLE);
    let offer = Offer::new();

    let shutting_down = tasks.shutting_down();
    tasks.spawn("sample streams", async move {
        shutting_down.await;
        stop.cancel();
    });
    StreamableHttpService::new(move || Ok(offer.handler()), Arc::new(sessions), config)
}
