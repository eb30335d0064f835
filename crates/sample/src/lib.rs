//! The sample MCP server that `vestibule demo` runs behind the door, so that there is something to call.
//!
//! It speaks Streamable HTTP in both eras of the protocol (sessions up to 2025-11-25, none from 2026-07-28),
//! and it behaves like a server in somebody's company: it listens on the loopback interface, demands a static
//! credential of its own, and believes the `X-MCP-*` headers, which only the door can have set (DEC-22).
//! Its tools make visible what the door does for an upstream. It must never answer with a credential, its own
//! or anybody's.
//!
//! - `serve`: listening, with limits.
//! - `admission`: the check of the credential.
//! - `handler`: what the server offers, as MCP sees it.
//! - `tools`, `readme`, `introduce`: the tools, the resource and the prompt.

mod admission;
mod handler;
mod introduce;
mod readme;
mod serve;
mod tools;

#[cfg(test)]
mod tests;

pub use serve::{PATH, ServeError, serve};
