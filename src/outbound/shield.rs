//! What requests must not reach, and must not tell, that go where others say: the listeners of
//! this server, by whatever name or spelling, and which ports of this machine are open.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use super::Failure;
use super::pool::Place;

/// The listeners of this server.
#[derive(Debug)]
pub(super) struct Shield(Vec<SocketAddr>);

impl Shield {
    pub(super) fn of(listeners: Vec<SocketAddr>) -> Self {
        Self(listeners)
    }

    /// Refuses places of which one is a listener of this server.
    pub(super) fn check(&self, places: &[Place]) -> Result<(), Failure> {
        if places.iter().any(|place| self.covers(place.address)) {
            let why = "it is a listener of this server";
            return Err(Failure::NotAllowed(why.to_owned()));
        }
        Ok(())
    }

    fn covers(&self, address: SocketAddr) -> bool {
        let to = address.ip().to_canonical();
        self.0.iter().any(|listener| {
            let at = listener.ip().to_canonical();
            let there = at == to || to.is_unspecified() || (at.is_unspecified() && is_here(to));
            listener.port() == address.port() && there
        })
    }
}

/// Hides why there is no answer from places on this machine.
pub(super) fn veil(failure: Failure, places: &[Place]) -> Failure {
    let here = |place: &Place| is_here(place.address.ip().to_canonical());
    if !places.iter().any(here) {
        return failure;
    }
    tracing::debug!(%failure, "an address of this machine gave no answer");
    Failure::Here(Box::new(failure))
}

/// Whether an address is one of this machine: then a socket can have it.
fn is_here(address: IpAddr) -> bool {
    address.is_loopback() || UdpSocket::bind((address, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_known_by_every_address_that_leads_to_it() {
        let shield = |listener: &str| Shield::of(vec![listener.parse().unwrap()]);
        for (listener, same) in [
            ("127.0.0.1:80", "127.0.0.1:80"),
            ("127.0.0.1:80", "[::ffff:127.0.0.1]:80"),
            ("127.0.0.1:80", "0.0.0.0:80"),
            ("0.0.0.0:80", "127.0.0.2:80"),
            ("0.0.0.0:80", "[::1]:80"),
            ("[::]:80", "127.0.0.1:80"),
            ("[::1]:80", "[::1]:80"),
            ("[::ffff:127.0.0.1]:80", "127.0.0.1:80"),
        ] {
            assert!(shield(listener).covers(same.parse().unwrap()), "{same}");
        }
        for (listener, other) in [
            ("127.0.0.1:80", "127.0.0.1:81"),
            ("127.0.0.1:80", "127.0.0.2:80"),
            ("0.0.0.0:80", "192.0.2.1:80"),
            ("0.0.0.0:80", "127.0.0.1:81"),
        ] {
            assert!(!shield(listener).covers(other.parse().unwrap()), "{other}");
        }
    }
}
