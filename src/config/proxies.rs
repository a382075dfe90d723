//! The proxies in front of the server, whose word on the address of a client is believed.

use std::net::IpAddr;

use ipnetwork::IpNetwork;

/// Bits by which an IPv4 address within IPv6 (`::ffff:192.0.2.1`) is longer.
const MAPPED_BITS: u8 = 96;

/// The header by which a proxy names the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProxyHeader {
    /// `X-Forwarded-For`: addresses, by commas.
    #[default]
    XForwardedFor,
    /// `Forwarded`, RFC 7239.
    Forwarded,
}

/// The addresses of proxies that are believed, and the one header in which they are. With two, a
/// client could write the one that its proxy leaves alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    networks: Vec<IpNetwork>,
    /// Where they name the client.
    pub header: ProxyHeader,
}

impl TrustedProxies {
    /// Reads addresses and networks, by commas; `None` when one is none, or is everybody.
    #[must_use]
    pub fn parse(text: &str, header: ProxyHeader) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::default());
        }
        let networks = text.split(',').map(|one| network(one.trim()));
        Some(Self {
            networks: networks.collect::<Option<_>>()?,
            header,
        })
    }

    /// Whether this is the address of such a proxy.
    #[must_use]
    pub fn holds(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks
            .iter()
            .any(|network| network.contains(address))
    }
}

/// Addresses are compared in their canonical form, so networks are kept in it.
fn network(text: &str) -> Option<IpNetwork> {
    let network: IpNetwork = text.parse().ok()?;
    let (address, prefix) = (network.ip(), network.prefix());
    let canonical = address.to_canonical();
    let network = match prefix.checked_sub(MAPPED_BITS) {
        Some(prefix) if canonical.is_ipv4() && address.is_ipv6() => {
            IpNetwork::new(canonical, prefix).ok()?
        }
        _ => network,
    };
    (network.prefix() > 0).then_some(network)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_networks_are_read_in_any_spelling() {
        let text = "10.0.0.0/8, 192.0.2.7,2001:db8::/32,::ffff:198.51.100.0/120";
        let proxies = TrustedProxies::parse(text, ProxyHeader::Forwarded).unwrap();
        for inside in [
            "10.255.0.1",
            "::ffff:10.0.0.1",
            "192.0.2.7",
            "2001:db8:1::1",
            "198.51.100.9",
        ] {
            assert!(proxies.holds(inside.parse().unwrap()), "{inside}");
        }
        for outside in [
            "11.0.0.1",
            "192.0.2.8",
            "2001:db9::1",
            "198.51.101.1",
            "::1",
        ] {
            assert!(!proxies.holds(outside.parse().unwrap()), "{outside}");
        }
        for bad in ["proxy", "10.0.0.0/33", "10.0.0.1,", "0.0.0.0/0", "::/0"] {
            assert_eq!(TrustedProxies::parse(bad, ProxyHeader::Forwarded), None);
        }
        let none = TrustedProxies::parse("", ProxyHeader::Forwarded).unwrap();
        assert!(!none.holds("127.0.0.1".parse().unwrap()));
    }
}
