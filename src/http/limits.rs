//! How many connections may be open, in all and of one address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::metrics::CONNECTIONS;

/// The bytes of an address.
pub(super) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

/// The open connections of one listener.
#[derive(Debug)]
pub(super) struct Connections {
    most: usize,
    most_per_address: usize,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// One open connection; it is counted until it is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    connections: Arc<Connections>,
    address: IpAddr,
}

impl Connections {
    pub(super) fn new(most: usize, most_per_address: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            most_per_address,
            open: Mutex::default(),
        })
    }

    /// Counts one more connection; `None` when it is one too many.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Slot> {
        let address = network(address);
        let mut open = self.lock();
        let of_address = open.by_address.get(&address).copied().unwrap_or_default();
        if open.total >= self.most || of_address >= self.most_per_address {
            return None;
        }
        open.total += 1;
        open.by_address.insert(address, of_address + 1);
        CONNECTIONS.rise();
        Some(Slot {
            connections: Arc::clone(self),
            address,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open
            .lock()
            .expect("no code panics while it holds this lock")
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut open = self.connections.lock();
        open.total -= 1;
        CONNECTIONS.fall();
        if let Some(count) = open.by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.by_address.remove(&self.address);
            }
        }
    }
}

/// What counts as one address: a whole /64 of IPv6, which one subscriber owns.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caps_hold_and_free_again() {
        let connections = Connections::new(3, 2);
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let a = connections.admit(address("2001:db8::1"));
        let b = connections.admit(address("2001:db8::2"));
        assert!(a.is_some() && b.is_some());
        assert!(connections.admit(address("2001:db8::3")).is_none());
        let c = connections.admit(address("192.0.2.1"));
        assert!(c.is_some());
        assert!(connections.admit(address("192.0.2.2")).is_none());
        drop(a);
        assert!(connections.admit(address("::ffff:192.0.2.1")).is_some());
        drop((b, c));
        assert_eq!(connections.lock().total, 0);
        assert!(connections.lock().by_address.is_empty());
    }
}
