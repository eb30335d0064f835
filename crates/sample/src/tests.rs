//! The sample server over a real socket, in both eras of the protocol.

mod admission;
mod client;
mod content;
mod sessions;
mod slow_count;
mod whoami;
