//! How many connections may be open, in all and of one address, and which of them makes room
//! for another.
//!
//! When there is no room, the idlest connection of the address that has most is closed, so that
//! silent ones keep nobody out. One with a request or an answer under way never is.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::activity::Activity;
use crate::config::TrustedProxies;
use crate::metrics::CONNECTIONS;

/// The longest that an accept waits for one that was closed to be gone.
const CLOSING: Duration = Duration::from_secs(1);

/// Tries to close one, when each becomes busy in that moment.
const TRIES: usize = 4;

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
    /// They carry the connections of many: they have no cap of their own, and are asked last to
    /// make room.
    proxies: TrustedProxies,
    open: Mutex<Open>,
    one_is_gone: Notify,
}

#[derive(Debug, Default)]
struct Open {
    total: usize,
    /// Those of the total that were closed and are not gone yet.
    closing: usize,
    by_address: HashMap<IpAddr, Held>,
}

/// The connections of one address.
#[derive(Debug, Default)]
struct Held {
    is_proxy: bool,
    connections: Vec<Arc<Activity>>,
}

/// One open connection; it is counted until it is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    connections: Arc<Connections>,
    address: IpAddr,
    activity: Arc<Activity>,
}

impl Slot {
    /// What the connection is doing.
    pub(super) fn activity(&self) -> Arc<Activity> {
        Arc::clone(&self.activity)
    }
}

impl Connections {
    pub(super) fn new(most: usize, most_per_address: usize, proxies: TrustedProxies) -> Arc<Self> {
        Arc::new(Self {
            most,
            most_per_address,
            proxies,
            open: Mutex::default(),
            one_is_gone: Notify::new(),
        })
    }

    /// Counts one more connection, perhaps in the place of another one; `None` when it is one
    /// too many and all others are busy.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Slot> {
        let is_proxy = self.proxies.holds(address);
        let address = network(address);
        let mut open = self.lock();
        let held = open.by_address.get(&address);
        let of_address = held.map_or(0, |held| held.connections.len());
        if of_address >= self.most_per_address && !is_proxy {
            open.close_idlest(Some(address)).then_some(())?;
        }
        if open.total - open.closing >= self.most {
            open.close_idlest(None).then_some(())?;
        }
        let activity = Arc::new(Activity::new());
        open.total += 1;
        let held = open.by_address.entry(address).or_default();
        held.is_proxy = is_proxy;
        held.connections.push(Arc::clone(&activity));
        CONNECTIONS.rise();
        Some(Slot {
            connections: Arc::clone(self),
            address,
            activity,
        })
    }

    /// Waits until those that were closed are gone, and their descriptors free.
    pub(super) async fn settled(&self) {
        let gone = async {
            while self.lock().closing > 0 {
                self.one_is_gone.notified().await;
            }
        };
        _ = timeout(CLOSING, gone).await;
    }

    /// Closes one that is idle, for want of descriptors.
    pub(super) fn make_room(&self) {
        self.lock().close_idlest(None);
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open
            .lock()
            .expect("no code panics while it holds this lock")
    }
}

impl Open {
    /// Closes the idlest connection of this address, or of the one that has most.
    fn close_idlest(&mut self, of: Option<IpAddr>) -> bool {
        for _ in 0..TRIES {
            let Some((address, place)) = self.idlest(of) else {
                return false;
            };
            let Some(held) = self.by_address.get_mut(&address) else {
                return false;
            };
            if held.connections[place].close() {
                held.connections.swap_remove(place);
                if held.connections.is_empty() {
                    self.by_address.remove(&address);
                }
                self.closing += 1;
                return true;
            }
        }
        false
    }

    /// Its address and its place among those of the address.
    fn idlest(&self, of: Option<IpAddr>) -> Option<(IpAddr, usize)> {
        type Rank = (bool, usize);
        let mut best: Option<(Rank, Instant, IpAddr, usize)> = None;
        for (address, held) in &self.by_address {
            let rank = (!held.is_proxy, held.connections.len());
            let worse = best.as_ref().is_some_and(|(most, ..)| rank < *most);
            if worse || of.is_some_and(|only| only != *address) {
                continue;
            }
            for (place, connection) in held.connections.iter().enumerate() {
                if let Some(since) = connection.idle_since()
                    && best.as_ref().is_none_or(|(most, oldest, ..)| {
                        (rank, std::cmp::Reverse(since)) > (*most, std::cmp::Reverse(*oldest))
                    })
                {
                    best = Some((rank, since, *address, place));
                }
            }
        }
        best.map(|(_, _, address, place)| (address, place))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut open = self.connections.lock();
        open.total -= 1;
        CONNECTIONS.fall();
        if self.activity.is_closed() {
            open.closing -= 1;
            self.connections.one_is_gone.notify_one();
            return;
        }
        let Some(held) = open.by_address.get_mut(&self.address) else {
            return;
        };
        let is_this = |one: &Arc<Activity>| Arc::ptr_eq(one, &self.activity);
        if let Some(place) = held.connections.iter().position(is_this) {
            held.connections.swap_remove(place);
        }
        if held.connections.is_empty() {
            open.by_address.remove(&self.address);
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
    use axum::http::Version;

    use super::*;
    use crate::config::ProxyHeader;
    use crate::http::activity::Running;

    fn connections(most: usize, most_per_address: usize) -> Arc<Connections> {
        let proxies = TrustedProxies::parse("10.0.0.1", ProxyHeader::Forwarded);
        Connections::new(most, most_per_address, proxies.expect("an address"))
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    /// A connection that does what it is told, and whether it was closed.
    fn open(connections: &Arc<Connections>, from: &str) -> Option<Slot> {
        let slot = connections.admit(address(from));
        slot.inspect(|slot| slot.activity.finds_nothing())
    }

    fn busy(slot: &Slot) -> Running {
        Running::begin(&slot.activity, Version::HTTP_11)
    }

    #[test]
    fn caps_hold_while_all_are_busy_and_free_again() {
        let connections = connections(3, 2);
        let slots = ["2001:db8::1", "2001:db8::2"].map(|from| open(&connections, from).unwrap());
        let running = slots.each_ref().map(busy);
        assert!(open(&connections, "2001:db8::3").is_none());
        let third = open(&connections, "192.0.2.1").expect("there is room");
        let third_runs = busy(&third);
        assert!(open(&connections, "192.0.2.2").is_none());
        drop((running, slots));
        assert!(open(&connections, "::ffff:192.0.2.1").is_some());
        drop((third_runs, third));
        assert_eq!(connections.lock().total, 0);
        assert!(connections.lock().by_address.is_empty());
    }

    #[test]
    fn the_idlest_of_the_address_that_has_most_makes_room() {
        let connections = connections(4, 3);
        let [a1, a2, a3, b1] = ["192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2"]
            .map(|from| open(&connections, from).unwrap());
        let a1_runs = busy(&a1);
        let c1 = open(&connections, "192.0.2.3").expect("one makes room");
        let closed = || [&a1, &a2, &a3, &b1].map(|slot| slot.activity.is_closed());
        assert_eq!(closed(), [false, true, false, false]);
        drop(a2);
        let a4 = open(&connections, "192.0.2.1").expect("one makes room");
        assert!(a3.activity.is_closed() && !c1.activity.is_closed());
        drop((a1_runs, a1, a3, a4, b1, c1));
        let open = connections.lock();
        assert_eq!((open.total, open.closing), (0, 0));
    }

    #[test]
    fn an_address_with_as_many_as_it_may_have_makes_room_itself() {
        let connections = connections(10, 2);
        let [a1, a2, b1] =
            ["192.0.2.1", "192.0.2.1", "192.0.2.2"].map(|from| open(&connections, from).unwrap());
        let a2_runs = busy(&a2);
        // What has just come may not be read yet: it is not closed for that.
        let a3 = connections.admit(address("192.0.2.1")).unwrap();
        assert!(a1.activity.is_closed() && !b1.activity.is_closed());
        assert!(connections.admit(address("192.0.2.1")).is_none());
        drop((a2_runs, a3));
    }

    #[test]
    fn a_proxy_has_no_cap_of_its_own_and_makes_room_last() {
        let connections = connections(4, 1);
        let proxied: Vec<_> = (0..3)
            .map(|_| open(&connections, "10.0.0.1").expect("a proxy has no cap"))
            .collect();
        let stranger = open(&connections, "192.0.2.1").expect("there is room");
        let other = open(&connections, "192.0.2.2").expect("the stranger makes room");
        assert!(stranger.activity.is_closed());
        let runs = busy(&other);
        let third = open(&connections, "192.0.2.3").expect("the proxy makes room at last");
        assert!(proxied[0].activity.is_closed());
        drop((runs, third));
    }
}
