//! From the host of a URL to addresses, once for each attempt.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use url::{Host, Url};

use super::Failure;

/// Addresses of one name that are looked at.
const MOST_ADDRESSES: usize = 16;

/// Who is asked where a name leads.
#[derive(Clone)]
pub enum Resolver {
    /// The machine.
    System,
    /// A function, so that a test can answer one thing first and another later.
    Told(Arc<Tell>),
}

/// Says to which addresses a name leads.
pub type Tell = dyn Fn(&str) -> Vec<IpAddr> + Send + Sync;

impl Resolver {
    /// The addresses of a URL's host, at least one.
    pub(super) async fn look_up(&self, url: &Url) -> Result<Vec<SocketAddr>, Failure> {
        let port = url.port_or_known_default().unwrap_or_default();
        let name = match url.host() {
            Some(Host::Ipv4(address)) => return Ok(vec![(address, port).into()]),
            Some(Host::Ipv6(address)) => return Ok(vec![(address, port).into()]),
            Some(Host::Domain(name)) => name,
            None => return Err(Failure::NotResolved("there is no host".to_owned())),
        };
        let failed = |cause: std::io::Error| Failure::NotResolved(cause.to_string());
        let found: Vec<SocketAddr> = match self {
            Self::System => {
                let found = tokio::net::lookup_host((name, port))
                    .await
                    .map_err(failed)?;
                found.take(MOST_ADDRESSES).collect()
            }
            Self::Told(answer) => {
                let found = answer(name).into_iter();
                found.map(|address| (address, port).into()).collect()
            }
        };
        if found.is_empty() {
            return Err(Failure::NotResolved("it has no address".to_owned()));
        }
        Ok(found)
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
