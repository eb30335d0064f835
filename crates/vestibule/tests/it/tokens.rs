//! Callers without an access token of ours: service tokens, tokens of other issuers, tokens of the time before.

mod machines;
mod old;
mod service;
mod trusted;
