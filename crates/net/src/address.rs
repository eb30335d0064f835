//! Which addresses are public, and which network an address belongs to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Whether an address is reachable by everybody and by nobody in particular (RFC 6890).
///
/// Refused: loopback, private, shared, link-local with the cloud metadata service, unique-local,
/// documentation, benchmarking, multicast, reserved, and every IPv6 form that carries an IPv4 address
/// inside (mapped, compatible, NAT64, 6to4, Teredo, ISATAP), because what it carries is decided elsewhere
/// (MA-89; class 8 of the known attacks).
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_unspecified()
        || a == 0
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_documentation()
        || address.is_multicast()
        || (a == 100 && (64..128).contains(&b)) // shared, RFC 6598
        || (a == 192 && b == 0 && c == 0) // protocol assignments
        || (a == 192 && b == 88 && c == 99) // 6to4 relays
        || (a == 192 && b == 31 && c == 196) // AS112
        || (a == 192 && b == 52 && c == 193) // AMT
        || (a == 192 && b == 175 && c == 48) // AS112
        || (a == 198 && (18..20).contains(&b)) // benchmarking
        || a >= 240; // reserved
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    // Only global unicast, 2000::/3, can be public at all; that leaves out ::, ::1, mapped, compatible,
    // 64:ff9b::/96, 64:ff9b:1::/48, 100::/64, fc00::/7, fe80::/10 and ff00::/8 together.
    let global = segments[0] & 0xe000 == 0x2000;
    // Teredo, ORCHID, AS112 and other assignments; documentation.
    let special = matches!((segments[0], segments[1]), (0x2001, 0..=0x01ff | 0x0db8))
        || segments[0] == 0x2002 // 6to4
        || (segments[0] == 0x2620 && segments[1] == 0x4f && segments[2] == 0x8000) // AS112
        || (segments[0] == 0x3fff && segments[1] < 0x1000) // documentation, RFC 9637
        || matches!((segments[4], segments[5]), (0 | 0x0200, 0x5efe)); // ISATAP, any prefix
    global && !special
}

/// The network that shares a counter: /24, or /56 of IPv6, which is what one household has (class 12:
/// counters keyed on whole IPv6 addresses count nothing).
pub fn network_of(address: IpAddr) -> IpNet {
    match address.to_canonical() {
        IpAddr::V4(address) => IpNet::V4(Ipv4Net::new_assert(address, 24).trunc()),
        IpAddr::V6(address) => IpNet::V6(Ipv6Net::new_assert(address, 56).trunc()),
    }
}

/// The network that registers together: /24, or /48 of IPv6, which is what one site has (CC-36).
pub fn site_of(address: IpAddr) -> IpNet {
    match address.to_canonical() {
        IpAddr::V4(_) => network_of(address),
        IpAddr::V6(address) => IpNet::V6(Ipv6Net::new_assert(address, 48).trunc()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// MA-149.
    #[test]
    fn ma_89_special_addresses_are_not_public() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2001:10::1",
            "2001:20::1",
            "2002:7f00:1::",
            "2002:808:808::",
            "3fff::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "ff02::1",
            "5f00::1",
            "2a00:1450::5efe:7f00:1",
            "2a00:1450:0:0:200:5efe:808:808",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
        for text in [
            "8.8.8.8",
            "1.1.1.1",
            "160.79.104.1",
            "100.128.0.1",
            "172.32.0.1",
            "2a00:1450:4001::200e",
            "2606:4700::1111",
        ] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn a_household_shares_a_counter() {
        let network = |text: &str| network_of(text.parse().unwrap()).to_string();
        assert_eq!(network("203.0.113.77"), "203.0.113.0/24");
        assert_eq!(network("::ffff:203.0.113.77"), "203.0.113.0/24");
        assert_eq!(network("2a00:1450:4001:aabb::1"), "2a00:1450:4001:aa00::/56");
        let site = |text: &str| site_of(text.parse().unwrap()).to_string();
        assert_eq!(site("::ffff:203.0.113.77"), "203.0.113.0/24");
        assert_eq!(site("2a00:1450:4001:aabb::1"), "2a00:1450:4001::/48");
    }
}
