//! Where a request of ours may go: which URLs, and which of the addresses that a name
//! leads to. Pure rules; whoever connects asks them about the very address it connects to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use super::domain_name::is_domain_name;

/// Characters of the longest URL.
pub const LONGEST_URL: usize = 2048;

/// How far a request may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reach {
    /// https to public addresses, as for what a customer of ours may name.
    Public,
    /// The same, and http or https to this machine: for a sandbox.
    Loopback,
    /// Wherever the operator of this server says.
    Anywhere,
}

/// Why a URL is not one that a request may go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused(pub &'static str);

impl Reach {
    /// Reads a URL that lies within reach as far as its text tells.
    ///
    /// # Errors
    /// Says what is accepted, to complete "must …".
    pub fn read(self, text: &str) -> Result<Url, Refused> {
        if text.len() > LONGEST_URL {
            return Err(Refused("must have at most 2048 characters"));
        }
        let repaired = std::cell::Cell::new(false);
        let note = |_| repaired.set(true);
        let parser = Url::options().syntax_violation_callback(Some(&note));
        let url = parser.parse(text).map_err(|_| Refused(self.accepted()))?;
        self.check(&url)?;
        if repaired.get() || !is_as_written(&url, text) {
            return Err(Refused(
                "must be a URL as it is written, like https://example.com/hooks",
            ));
        }
        Ok(url)
    }

    /// Whether a URL lies within reach as far as its text tells.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn check(self, url: &Url) -> Result<(), Refused> {
        let Some(host) = url.host() else {
            return Err(Refused(self.accepted()));
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refused("must not carry a user name or password"));
        }
        if url.fragment().is_some() {
            return Err(Refused("must not have a fragment"));
        }
        let secure = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return Err(Refused(self.accepted())),
        };
        let within = match self {
            Self::Anywhere => true,
            Self::Loopback => secure || names_loopback(&host),
            Self::Public => secure,
        };
        if !within {
            return Err(Refused(self.accepted()));
        }
        let address = match host {
            Host::Ipv4(address) => IpAddr::V4(address),
            Host::Ipv6(address) => IpAddr::V6(address),
            Host::Domain(_) => return Ok(()),
        };
        if self.allows(address, secure) {
            Ok(())
        } else {
            Err(Refused("must not lead to a private or reserved address"))
        }
    }

    /// Whether a connection may be made to this address.
    #[must_use]
    pub fn allows(self, address: IpAddr, secure: bool) -> bool {
        match self {
            Self::Anywhere => true,
            Self::Loopback if address.is_loopback() => true,
            Self::Loopback | Self::Public => secure && is_public(address),
        }
    }

    const fn accepted(self) -> &'static str {
        match self {
            Self::Public => "must be an https URL like https://example.com/hooks",
            Self::Loopback => {
                "must be an https URL, or an http URL of this machine like http://localhost:3000/hooks"
            }
            Self::Anywhere => "must be an http or https URL",
        }
    }
}

/// Whether host, port and path are those of the text: no number that stands for an address, no
/// name that is mapped to another, no port that nobody listens on, no step up.
fn is_as_written(url: &Url, text: &str) -> bool {
    let authority = text.split_once("://").map_or("", |(_, rest)| rest);
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => (authority, ""),
    };
    let same = match url.host() {
        Some(Host::Ipv4(address)) => host == address.to_string(),
        // Hosts have underscores where names of the mail have none.
        Some(Host::Domain(_)) => {
            is_domain_name(&host.strip_suffix('.').unwrap_or(host).replace('_', "a"))
        }
        Some(Host::Ipv6(_)) => true,
        None => false,
    };
    let path = text.split(['?', '#']).next().unwrap_or_default();
    let steps = |part: &str| {
        let part = part.to_ascii_lowercase().replace("%2e", ".");
        part == "." || part == ".."
    };
    same && !port.starts_with('0') && !path.split('/').any(steps)
}

fn names_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

/// Whether an address belongs to the public Internet: not one of the registries of
/// special-purpose addresses (RFC 6890 and its successors), not multicast, and not where
/// a cloud answers its own machines.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !within_v4(address),
        // Of the rest, what is mapped, translated (NAT64) or local (ULA) leads inside.
        IpAddr::V6(address) => GLOBAL_V6.holds(address) && !within_v6(address),
    }
}

struct V4(Ipv4Addr, u32);
struct V6(Ipv6Addr, u32);

impl V4 {
    const fn holds(&self, address: Ipv4Addr) -> bool {
        (self.0.to_bits() ^ address.to_bits()) >> (32 - self.1) == 0
    }
}

impl V6 {
    const fn holds(&self, address: Ipv6Addr) -> bool {
        (self.0.to_bits() ^ address.to_bits()) >> (128 - self.1) == 0
    }
}

/// What is handed out as global unicast (RFC 4291).
const GLOBAL_V6: V6 = V6(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

fn within_v4(address: Ipv4Addr) -> bool {
    const RESERVED: [V4; 17] = [
        V4(Ipv4Addr::UNSPECIFIED, 8),            // this network
        V4(Ipv4Addr::new(10, 0, 0, 0), 8),       // private
        V4(Ipv4Addr::new(100, 64, 0, 0), 10),    // carrier-grade NAT, and a cloud's metadata
        V4(Ipv4Addr::new(127, 0, 0, 0), 8),      // loopback
        V4(Ipv4Addr::new(168, 63, 129, 16), 32), // a cloud's own services
        V4(Ipv4Addr::new(169, 254, 0, 0), 16),   // link-local, and clouds' metadata
        V4(Ipv4Addr::new(172, 16, 0, 0), 12),    // private
        V4(Ipv4Addr::new(192, 0, 0, 0), 24),     // protocol assignments
        V4(Ipv4Addr::new(192, 0, 2, 0), 24),     // documentation
        V4(Ipv4Addr::new(192, 31, 196, 0), 24),  // AS112
        V4(Ipv4Addr::new(192, 52, 193, 0), 24),  // AMT
        V4(Ipv4Addr::new(192, 88, 99, 0), 24),   // 6to4 relays
        V4(Ipv4Addr::new(192, 168, 0, 0), 16),   // private
        V4(Ipv4Addr::new(198, 18, 0, 0), 15),    // benchmarking
        V4(Ipv4Addr::new(198, 51, 100, 0), 24),  // documentation
        V4(Ipv4Addr::new(203, 0, 113, 0), 24),   // documentation
        V4(Ipv4Addr::new(224, 0, 0, 0), 3),      // multicast and class E
    ];
    RESERVED.iter().any(|range| range.holds(address))
}

fn within_v6(address: Ipv6Addr) -> bool {
    const RESERVED: [V6; 4] = [
        V6(Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23), // Teredo, benchmarking, ORCHID
        V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation
        V6(Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16), // 6to4
        V6(Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20), // documentation
    ];
    RESERVED.iter().any(|range| range.holds(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leads_inside_is_refused_and_what_is_next_to_it_is_not() {
        for inside in [
            "0.0.0.0",
            "0.255.255.255",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "100.100.100.200",
            "127.0.0.1",
            "127.255.255.255",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.9",
            "203.0.113.7",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:2::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(inside.parse().unwrap()), "{inside}");
        }
        for outside in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "168.63.129.15",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00::1",
            "2001:200::1",
            "2003::1",
        ] {
            assert!(is_public(outside.parse().unwrap()), "{outside}");
        }
    }

    #[test]
    fn a_url_is_read_as_those_who_connect_read_it() {
        let public = |text| Reach::Public.read(text).is_ok();
        assert!(public("https://example.com/hooks?a=1"));
        assert!(public("https://93.184.216.34:8443/"));
        for refused in [
            "http://example.com/",
            "https://user:pw@example.com/",
            "https://example.com/#part",
            "ftp://example.com/",
            "https://127.0.0.1/",
            "https://0x7f.1/",
            "https://2130706433/",
            "https://[::1]/",
            "https://[::ffff:7f00:1]/",
            "https://169.254.169.254/latest",
            "example.com",
            "",
        ] {
            assert!(!public(refused), "{refused}");
        }
        let sandbox = |text| Reach::Loopback.read(text).is_ok();
        for allowed in [
            "http://localhost:3000/",
            "http://127.0.0.1:1/",
            "http://[::1]:1/",
            "https://example.com/",
        ] {
            assert!(sandbox(allowed), "{allowed}");
        }
        for refused in [
            "http://example.com/",
            "http://10.0.0.1/",
            "https://10.0.0.1/",
        ] {
            assert!(!sandbox(refused), "{refused}");
        }
        assert!(Reach::Anywhere.read("http://10.0.0.1:8080/v1").is_ok());
        assert!(
            !Reach::Loopback.allows("8.8.8.8".parse().unwrap(), false),
            "http leaves the machine"
        );
    }
}
