//! Connections that wait to be used again, each for its host at the address that was checked.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

use super::connection::Sender;

/// Where a connection leads.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    /// Whether it is TLS.
    pub secure: bool,
    /// The host that the certificate names.
    pub host: String,
    /// The checked address.
    pub address: SocketAddr,
}

/// Idle connections to one place.
const IDLE_PER_PLACE: usize = 64;

/// Idle connections in all.
const IDLE_IN_ALL: usize = 1024;

/// After so long an idle connection is closed: many peers close theirs after 30 seconds or more.
const LONGEST_IDLE: Duration = Duration::from_secs(20);

#[derive(Default)]
pub(super) struct Pool(Mutex<Idle>);

#[derive(Default)]
struct Idle {
    places: HashMap<Place, Vec<(Sender, Instant)>>,
    count: usize,
}

impl Pool {
    /// A connection to one of these places that is open as far as one can tell.
    pub(super) fn take(&self, places: &[Place]) -> Option<(Place, Sender)> {
        let mut idle = self.lock();
        for place in places {
            while let Some((sender, since)) = idle.places.get_mut(place).and_then(Vec::pop) {
                idle.count -= 1;
                if !sender.is_closed() && since.elapsed() < LONGEST_IDLE {
                    return Some((place.clone(), sender));
                }
            }
            idle.places.remove(place);
        }
        None
    }

    /// Keeps a connection for later, if there is room.
    pub(super) fn give_back(&self, place: Place, sender: Sender) {
        let mut idle = self.lock();
        if idle.count >= IDLE_IN_ALL {
            idle.drop_old();
        }
        if idle.count >= IDLE_IN_ALL {
            return;
        }
        let here = idle.places.entry(place).or_default();
        if here.len() < IDLE_PER_PLACE {
            here.push((sender, Instant::now()));
            idle.count += 1;
        }
    }

    /// Closes one that waits.
    pub(super) fn drop_one(&self) {
        let mut idle = self.lock();
        let Some(place) = idle.places.keys().next().cloned() else {
            return;
        };
        let here = idle.places.get_mut(&place);
        let (dropped, is_empty) = here.map_or((false, true), |here| {
            (here.pop().is_some(), here.is_empty())
        });
        idle.count -= usize::from(dropped);
        if is_empty {
            idle.places.remove(&place);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.0
            .lock()
            .expect("no code panics while it holds this lock")
    }
}

impl Idle {
    fn drop_old(&mut self) {
        self.places.retain(|_, here| {
            here.retain(|(sender, since)| !sender.is_closed() && since.elapsed() < LONGEST_IDLE);
            !here.is_empty()
        });
        self.count = self.places.values().map(Vec::len).sum();
    }
}
