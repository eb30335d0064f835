//! Who is calling: the connection's address, or what a listed proxy says it is.

use std::net::IpAddr;

use http::HeaderMap;
use ipnet::IpNet;

/// The caller of one request, as far as the network knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The address that limits and records count.
    pub address: IpAddr,
    /// How the request came to us, or to the listed proxy before us.
    pub transport: Transport,
}

/// How a request travelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Over TLS, ours or the proxy's.
    Tls,
    /// In clear, from this very machine.
    PlainLoopback,
    /// Through a listed proxy that says it was in clear on its side.
    PlainProxied,
    /// In clear, from somebody else.
    Plain,
}

/// Proxies whose word about the caller is believed, and whose alone (OS-11).
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// From the configuration.
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// Whether any are listed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0
            .iter()
            .any(|network| network.contains(&address.to_canonical()))
    }

    /// Who calls, given who is connected. `X-Forwarded-For` is read from its end, where the nearest proxy
    /// writes: the first address that is not a listed proxy is the caller, and everything before it could
    /// have been sent by the caller itself.
    pub fn caller(&self, peer: IpAddr, tls: bool, headers: &HeaderMap) -> Caller {
        let peer = peer.to_canonical();
        if !self.trusts(peer) {
            let transport = match (tls, peer.is_loopback()) {
                (true, _) => Transport::Tls,
                (false, true) => Transport::PlainLoopback,
                (false, false) => Transport::Plain,
            };
            return Caller {
                address: peer,
                transport,
            };
        }
        let mut address = peer;
        for hop in forwarded_for(headers).into_iter().rev() {
            let Some(hop) = hop else { break };
            address = hop;
            if !self.trusts(address) {
                break;
            }
        }
        let said = headers
            .get_all("x-forwarded-proto")
            .iter()
            .next_back()
            .and_then(|value| value.to_str().ok());
        let said = said.and_then(|text| text.rsplit(',').next()).map(str::trim);
        // A listed proxy that says nothing is taken for what the operator listed it as: the one that ends TLS.
        let transport = match said {
            None | Some("https" | "wss") => Transport::Tls,
            Some(_) => Transport::PlainProxied,
        };
        Caller { address, transport }
    }
}

/// Hops in the order in which they were written; `None` for what is no address.
fn forwarded_for(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let values = headers.get_all("x-forwarded-for").iter();
    values
        .flat_map(|value| value.to_str().unwrap_or("?").split(','))
        .map(|hop| parse_hop(hop.trim()))
        .collect()
}

fn parse_hop(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.split(']').next())
        .unwrap_or(text);
    let address = bare.parse().ok().or_else(|| {
        bare.parse::<std::net::SocketAddr>()
            .ok()
            .map(|with_port| with_port.ip())
    });
    address.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(peer: &str, headers: &[(&'static str, &'static str)]) -> (String, Transport) {
        let proxies = TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()]);
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let caller = proxies.caller(peer.parse().unwrap(), false, &map);
        (caller.address.to_string(), caller.transport)
    }

    #[test]
    fn os_11_a_stranger_is_not_believed() {
        let spoofed = [("x-forwarded-for", "1.2.3.4"), ("x-forwarded-proto", "https")];
        assert_eq!(
            caller("203.0.113.9", &spoofed),
            ("203.0.113.9".into(), Transport::Plain)
        );
        assert_eq!(
            caller("127.0.0.1", &spoofed),
            ("127.0.0.1".into(), Transport::PlainLoopback)
        );
    }

    #[test]
    fn a_listed_proxy_is_believed_for_what_it_wrote_itself() {
        let https = ("x-forwarded-proto", "https");
        for (hops, address) in [
            ("198.51.100.7", "198.51.100.7"),
            ("1.2.3.4, 198.51.100.7", "198.51.100.7"),
            ("1.2.3.4, 198.51.100.7, 10.9.9.9", "198.51.100.7"),
            ("1.2.3.4, garbage, 10.9.9.9", "10.9.9.9"),
            ("[2a00::1]:4711", "2a00::1"),
            ("198.51.100.7:4711", "198.51.100.7"),
            ("::ffff:198.51.100.7", "198.51.100.7"),
            ("", "10.0.0.1"),
        ] {
            assert_eq!(
                caller("::ffff:10.0.0.1", &[("x-forwarded-for", hops), https]),
                (address.into(), Transport::Tls),
                "{hops}"
            );
        }
        let two_lines = [
            ("x-forwarded-for", "1.2.3.4"),
            ("x-forwarded-for", "198.51.100.7"),
        ];
        assert_eq!(
            caller("fd00::1", &two_lines),
            ("198.51.100.7".into(), Transport::Tls)
        );
        assert_eq!(
            caller("10.0.0.1", &[("x-forwarded-proto", "https, http")]).1,
            Transport::PlainProxied
        );
    }
}
