//! From the host of a URL to addresses.
//!
//! The system's look-up is a call that blocks for as long as it likes, ten seconds and more
//! where a name server is silent, and nobody can end it. So one name of one project has one
//! look-up under way at a time, whose result all attempts share that wait for it, and a project
//! has a few: silent names hold up those who gave them, and leave threads to everybody else.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::{Semaphore, watch};
use url::{Host, Url};

use super::Failure;

/// Addresses of one name that are looked at.
const MOST_ADDRESSES: usize = 16;

/// Names that one project has looked up at once: as many as it has webhooks, and some that it had.
const PER_PROJECT: usize = 24;

/// Names that are looked up at once at most. The runtime has 512 threads for calls that block.
pub(super) const IN_ALL: usize = 480;

/// Who is asked where a name leads.
#[derive(Clone)]
pub enum Resolver {
    /// The machine.
    System,
    /// A function, so that a test can answer one thing first and another later, or never.
    Told(Arc<Tell>),
}

/// Says to which addresses a name leads.
pub type Tell = dyn Fn(&str) -> Vec<IpAddr> + Send + Sync;

/// What a look-up gave, or why it gave nothing.
type Found = Result<Vec<IpAddr>, String>;

/// The look-ups that are under way, by project and name.
type UnderWay = HashMap<(i64, String), watch::Receiver<Option<Found>>>;

/// Looks names up. Clones share what is under way.
#[derive(Clone)]
pub(super) struct Names(Arc<Parts>);

struct Parts {
    resolver: Resolver,
    under_way: Mutex<UnderWay>,
    room: Arc<Semaphore>,
}

impl Names {
    /// Nothing is under way yet; so many may be at once.
    pub(super) fn new(resolver: Resolver, at_once: usize) -> Self {
        Self(Arc::new(Parts {
            resolver,
            under_way: Mutex::default(),
            room: Arc::new(Semaphore::new(at_once)),
        }))
    }

    /// The addresses of a URL's host, at least one.
    pub(super) async fn look_up(
        &self,
        project: i64,
        url: &Url,
    ) -> Result<Vec<SocketAddr>, Failure> {
        let port = url.port_or_known_default().unwrap_or_default();
        let name = match url.host() {
            Some(Host::Ipv4(address)) => return Ok(vec![(address, port).into()]),
            Some(Host::Ipv6(address)) => return Ok(vec![(address, port).into()]),
            Some(Host::Domain(name)) => name,
            None => return Err(Failure::NotResolved("there is no host".to_owned())),
        };
        let mut result = self.result_of(project, name)?;
        let found = result.wait_for(Option::is_some).await;
        let found = found.map_err(|_| Failure::NotResolved("the server stops".to_owned()))?;
        let found = found.clone().unwrap_or_else(|| Ok(Vec::new()));
        let found = found.map_err(Failure::NotResolved)?;
        if found.is_empty() {
            return Err(Failure::NotResolved("it has no address".to_owned()));
        }
        let at_port = |address| SocketAddr::new(address, port);
        Ok(found.into_iter().map(at_port).collect())
    }

    /// Where the result of a look-up will be: of the one that is under way, or of a new one.
    fn result_of(
        &self,
        project: i64,
        name: &str,
    ) -> Result<watch::Receiver<Option<Found>>, Failure> {
        let mut under_way = self.under_way();
        let place = (project, name.to_owned());
        if let Some(result) = under_way.get(&place) {
            return Ok(result.clone());
        }
        let of_project = under_way.keys().filter(|(whose, _)| *whose == project);
        if of_project.count() >= PER_PROJECT {
            let why = "too many names of this project are being looked up";
            return Err(Failure::NotResolved(why.to_owned()));
        }
        let (done, result) = watch::channel(None);
        under_way.insert(place.clone(), result.clone());
        // A task of its own: whoever waits may give up, and the look-up goes on all the same.
        tokio::spawn(self.clone().carry_out(place, done));
        Ok(result)
    }

    async fn carry_out(self, place: (i64, String), done: watch::Sender<Option<Found>>) {
        let room = Arc::clone(&self.0.room).acquire_owned().await;
        let (resolver, name) = (self.0.resolver.clone(), place.1.clone());
        let found = tokio::task::spawn_blocking(move || {
            let _room = room;
            resolver.ask(&name)
        });
        let found = found.await.unwrap_or_else(|cause| Err(cause.to_string()));
        self.under_way().remove(&place);
        done.send_replace(Some(found));
    }

    fn under_way(&self) -> MutexGuard<'_, UnderWay> {
        self.0
            .under_way
            .lock()
            .expect("no code panics while it holds this lock")
    }
}

impl Resolver {
    /// Blocks until there is an answer.
    fn ask(&self, name: &str) -> Found {
        match self {
            Self::System => {
                let found = (name, 0).to_socket_addrs();
                let found = found.map_err(|cause| cause.to_string())?;
                let addresses = found.map(|address| address.ip());
                Ok(addresses.take(MOST_ADDRESSES).collect())
            }
            Self::Told(answer) => Ok(answer(name)),
        }
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::System => "System",
            Self::Told(_) => "Told",
        })
    }
}
