//! Plain HTTP APIs behind the same door, at `/api/{name}` (DEC-21): the way of a call, with a method and a path in place of
//! a message.
//!
//! ```text
//! route ─▶ authenticate ─▶ target ─▶ authorize ─▶ credential ─▶ forward ─▶ answer ─▶ record
//! ```
//!
//! The steps that have nothing to do with MCP are the same functions. What differs: the path has one spelling, which is
//! both decided about and forwarded ([`RequestPath`](protocol::RequestPath)); bodies stream both ways and are never held, and
//! what upstreams take parameters from is looked at as it passes;
//! a refusal is plain HTTP. No page calls an API and no page of it is shown: what an upstream serves stands on the door's
//! own origin here, where people's sessions are.

mod answer;
mod browser;
mod entry;
mod form;
mod forward;
mod journey;
mod names;
mod refusal;
mod rewrite;
mod target;
mod upload;

pub use names::RefusedNames;
pub(crate) use target::Unacceptable;
pub(crate) use upload::Progress;

/// What is special about a plain HTTP API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Api {
    /// Whether a token may come as the password of Basic credentials too, and clients are told so: `git` knows nothing
    /// else.
    pub basic: bool,
    /// Whether a token may come in the scheme `token` too, as `Authorization: token …`, which Gitea's own programs write.
    pub token_scheme: bool,
    /// Whether `%2F` is a character of a name there.
    pub encoded_slashes: bool,
    /// Names of parameters that are refused: those by which the upstream takes other credentials, or acts for other people.
    pub refused_names: RefusedNames,
}
