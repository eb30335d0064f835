//! How people's commands reach servers: as the environment of their machine says, which names the company's proxy.
//!
//! The door does not: its configuration says where it goes and through what.

use std::time::Duration;

use net::{Egress, Proxies, Proxy};

use crate::config::environment::Environment;

/// Through the proxy that is named for the destination, if one is.
pub(in crate::commands) fn egress() -> Egress {
    let environment = Environment::read();
    Egress {
        proxy: Proxies::named(|name| environment.get(name)).map(Proxy::Named),
        connect_time: Duration::from_secs(10),
        idle_connections: 4,
        ..Egress::default()
    }
}
