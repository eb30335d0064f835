//! The network: listening, TLS, draining, who is calling, and calling out.
//!
//! There are two outbound clients and no way from one to the other. [`Strangers`] goes where somebody we do
//! not know told us to go (a metadata document, a client's keys) and therefore reaches public addresses
//! alone. [`Operators`] goes where the configuration says, wherever that is.

pub mod address;
pub mod body;
pub mod caller;
pub mod listener;
pub mod operators;
pub mod proxies;
pub mod strangers;
pub mod tasks;
pub mod tls;
pub mod watch;

pub use body::{Body, BodyError};
pub use caller::{Caller, TrustedProxies};
pub use listener::{Limits, Server};
pub use operators::{Egress, Operators, Proxy};
pub use proxies::Proxies;
pub use strangers::Strangers;
pub use tasks::Tasks;
