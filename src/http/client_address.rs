//! From which address a request comes: that of the connection, or, where that is a trusted
//! proxy's, the one that the proxy names.
//!
//! A proxy appends to what it was sent, so the list is read from its end: past the proxies that
//! are trusted, to the first address that is not theirs. What a client wrote itself stands
//! further left and is never reached. An entry that is no address ends the walk at the proxy
//! that wrote it.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::http::{HeaderMap, HeaderName, header::FORWARDED};

use crate::config::{ProxyHeader, TrustedProxies};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The address that limits count for, in its canonical form: an extension of every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

impl ClientAddress {
    /// The address of who sent these headers through this peer.
    #[must_use]
    pub fn of(peer: IpAddr, headers: &HeaderMap, proxies: &TrustedProxies) -> Self {
        let mut client = peer.to_canonical();
        let (name, read): (_, fn(&str) -> Option<IpAddr>) = match proxies.header {
            ProxyHeader::XForwardedFor => (&X_FORWARDED_FOR, node),
            ProxyHeader::Forwarded => (&FORWARDED, forwarded),
        };
        // Lines of one name are one list, in their order (RFC 9110 section 5.3).
        let lines = headers.get_all(name).iter().rev();
        let mut hops = lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
        while proxies.holds(client)
            && let Some(hop) = hops.next().and_then(|hop| read(hop.trim()))
        {
            client = hop;
        }
        Self(client)
    }
}

/// The client in one element of `Forwarded`. Elements and pairs are cut at every comma and
/// semicolon: a quoted text with one in it falls into pieces that are no pairs, because no piece
/// of it can begin a quoted value, and then nothing of the element is believed.
fn forwarded(element: &str) -> Option<IpAddr> {
    let mut client = None;
    for pair in element.split(';') {
        let (name, value) = pair.trim().split_once('=')?;
        let value = match value.strip_prefix('"') {
            Some(quoted) => quoted.strip_suffix('"')?,
            None => value,
        };
        if value.contains(['"', '\\']) {
            return None;
        }
        if name.eq_ignore_ascii_case("for") && client.replace(node(value)?).is_some() {
            return None;
        }
    }
    client
}

/// An address, with or without a port, as proxies write it.
fn node(text: &str) -> Option<IpAddr> {
    let bare = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let address = text.parse::<IpAddr>().ok();
    let address = address.or_else(|| bare().map(|v6: Ipv6Addr| v6.into()));
    let address = address.or_else(|| text.parse::<SocketAddr>().ok().map(|with| with.ip()));
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROXIES: &str = "10.0.0.0/8,2001:db8:ffff::/48";

    #[track_caller]
    fn check(header: ProxyHeader, peer: &str, lines: &[(&'static str, &str)], client: &str) {
        let proxies = TrustedProxies::parse(PROXIES, header).unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        let found = ClientAddress::of(peer.parse().unwrap(), &headers, &proxies);
        assert_eq!(found.0.to_string(), client, "{lines:?}");
    }

    #[test]
    fn the_client_is_the_last_address_that_is_no_trusted_proxy() {
        let check = |peer, lists: &[&str], client| {
            let lines: Vec<_> = lists
                .iter()
                .map(|list| ("x-forwarded-for", *list))
                .collect();
            check(ProxyHeader::XForwardedFor, peer, &lines, client);
        };
        check("192.0.2.1", &["198.51.100.1"], "192.0.2.1");
        check("10.0.0.1", &[], "10.0.0.1");
        check("::ffff:10.0.0.1", &["198.51.100.1"], "198.51.100.1");
        check(
            "10.0.0.1",
            &["192.0.2.9, 198.51.100.1 ,10.0.0.2"],
            "198.51.100.1",
        );
        check(
            "10.0.0.1",
            &["192.0.2.9", "198.51.100.1", "10.0.0.2"],
            "198.51.100.1",
        );
        check("10.0.0.1", &["10.0.0.3,10.0.0.2"], "10.0.0.3");
        check("2001:db8:ffff::1", &["2001:db8::5"], "2001:db8::5");
        check("10.0.0.1", &["[2001:db8::5]:443"], "2001:db8::5");
        check("10.0.0.1", &["[2001:db8::5]"], "2001:db8::5");
        check("10.0.0.1", &["198.51.100.1:5123"], "198.51.100.1");
        check("10.0.0.1", &["::ffff:198.51.100.1"], "198.51.100.1");
        for nothing in [
            "unknown",
            "_hidden",
            "",
            "198.51.100.1,",
            "198.51.100.300",
            "\u{e9}",
        ] {
            check("10.0.0.1", &[nothing], "10.0.0.1");
            check("10.0.0.1", &["192.0.2.9", nothing, "10.0.0.2"], "10.0.0.2");
        }
    }

    #[test]
    fn the_standard_header_is_read_as_its_rfc_says() {
        let check = |list, client| {
            check(
                ProxyHeader::Forwarded,
                "10.0.0.1",
                &[("forwarded", list)],
                client,
            );
        };
        check("for=198.51.100.1", "198.51.100.1");
        check(
            "For=\"198.51.100.1:99\";proto=https;by=203.0.113.43",
            "198.51.100.1",
        );
        check(
            "proto=http; for=\"[2001:db8:cafe::17]:4711\"",
            "2001:db8:cafe::17",
        );
        check(
            "for=192.0.2.9, for=198.51.100.1, for=10.0.0.2",
            "198.51.100.1",
        );
        for nothing in [
            "for=unknown",
            "for=_secret",
            "for=\"_gazonk\"",
            "proto=http",
            "for",
            "for=198.51.100.1;for=198.51.100.2",
            "for=198.51.100.1;host=\"a,for=192.0.2.9\"",
            "for=198.51.100.1;host=\"a;for=192.0.2.9;b\"",
            "for=198.51.100.1;host=\"a,for=192.0.2.9;b=\\\"\\\"\"",
            "for=198.51.100.1;host=\"a, for=192.0.2.9;b=c\"",
            "for=\"198.51.100.1",
        ] {
            check(nothing, "10.0.0.1");
        }
        // A quotation mark that a client leaves open takes nothing of what follows along.
        check("for=\"192.0.2.9, for=198.51.100.1", "198.51.100.1");
    }

    #[test]
    fn only_the_header_that_is_set_counts() {
        let both = [
            ("forwarded", "for=192.0.2.9"),
            ("x-forwarded-for", "198.51.100.1"),
        ];
        check(
            ProxyHeader::XForwardedFor,
            "10.0.0.1",
            &both,
            "198.51.100.1",
        );
        check(ProxyHeader::Forwarded, "10.0.0.1", &both, "192.0.2.9");
    }
}
