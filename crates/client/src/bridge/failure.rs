//! Why a request is answered by the bridge itself, and the one place that says so as JSON-RPC.

use std::time::Duration;

use http::StatusCode;
use net::operators::CallError;
use protocol::mcp::answer;
use thiserror::Error;
use url::Url;

use super::gate::Closed;

/// Somebody has to sign in first; our own code, outside the reserved ranges.
pub const SIGN_IN: i64 = 40_100;

/// What went wrong.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Nobody is let in.
    #[error(transparent)]
    Closed(#[from] Closed),
    /// Nobody is there.
    #[error("{server} cannot be reached: {why}")]
    Unreachable {
        /// Who.
        server: Url,
        /// Why.
        why: CallError,
    },
    /// Nothing was said of a message that wants no answer.
    #[error("the server did not say within {} s that it has it", .0.as_secs())]
    Unacknowledged(Duration),
    /// An answer that is no message.
    #[error("{server} answered {status}{}", .text.as_deref().map(|text| format!(": {text}")).unwrap_or_default())]
    Status {
        /// Who.
        server: Url,
        /// With what.
        status: StatusCode,
        /// What it said of it.
        text: Option<String>,
    },
    /// The connection ended before the answer came, and the rest cannot be had.
    #[error(
        "the connection to the server ended before it answered; whether it did what it was asked is not known"
    )]
    Ended,
    /// The session ended while the request was under way.
    #[error("the server ended the session before it answered; whether it did what it was asked is not known")]
    SessionEnded,
    /// More than memory may hold.
    #[error("a message of the server is longer than {0} bytes")]
    TooLarge(usize),
    /// An answer without a message.
    #[error("the server took the request and answered nothing")]
    Nothing,
    /// More requests than are passed on.
    #[error("more than {0} requests are under way; wait for some of them")]
    TooMany(usize),
}

impl Failure {
    /// As the answer to a request.
    pub(crate) fn answer(&self, id: &str) -> String {
        let code = match self {
            Self::Closed(Closed::Trouble(_)) => answer::INTERNAL_ERROR,
            Self::Closed(_) => SIGN_IN,
            Self::TooMany(_) => answer::TOO_MANY,
            _ => answer::INTERNAL_ERROR,
        };
        answer::error(Some(id), code, &self.to_string())
    }
}

/// What a server said, as far as it may stand in a sentence.
pub(crate) fn words(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let is_page = text.trim_start().starts_with('<');
    let text = crate::registration::printable(text.trim());
    (!text.is_empty() && !is_page).then_some(text)
}
