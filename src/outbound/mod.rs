//! The one client for requests that leave this server to where somebody else says.
//!
//! A name is looked up once for every attempt; every address it leads to must lie within
//! the caller's [`Reach`], and the address that was checked is the one connected to. TLS is
//! verified, redirects are answers like any other, and everything has a limit.

mod connection;
mod pool;
mod resolver;
mod shield;
mod tls;

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::http::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use axum::http::{Method, Uri};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use url::Url;

use connection::Sender;
use pool::{Place, Pool};
use resolver::Names;

pub use resolver::Resolver;
use shield::{Shield, veil};

use crate::core::reach::Reach;
use crate::error::{Error, Result as OmsResult};

/// Connections of one client at most: 256 batches of webhooks with 16 requests each, and some idle.
pub const OPEN_AT_MOST: usize = 5120;

/// Bytes of an answer that are kept; the rest is not read.
pub const LONGEST_ANSWER: usize = 64 * 1024;

/// Who sends what the server sends by itself.
const OURSELVES: &str = concat!("oms/", env!("CARGO_PKG_VERSION"));

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From the look-up's end to an open connection, TLS included.
    pub connect: Duration,
    /// From the beginning to the end of the answer.
    pub total: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            total: Duration::from_secs(15),
        }
    }
}

/// What is sent.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The method.
    pub method: Method,
    /// Where to.
    pub url: &'a Url,
    /// Headers beside those that follow from the rest.
    pub headers: HeaderMap,
    /// The body; empty for none.
    pub body: Bytes,
}

impl<'a> Request<'a> {
    /// JSON that is sent with the headers that sign it.
    ///
    /// # Errors
    /// When a value is no header, which a signature never is.
    pub fn signed(
        url: &'a Url,
        signature: impl IntoIterator<Item = (&'static str, String)>,
        body: Bytes,
    ) -> OmsResult<Self> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in signature {
            let value = HeaderValue::try_from(value).map_err(Error::internal)?;
            headers.insert(HeaderName::from_static(name), value);
        }
        Ok(Self {
            method: Method::POST,
            url,
            headers,
            body,
        })
    }

    /// The same, saying who sends it.
    #[must_use]
    pub fn from_ourselves(mut self) -> Self {
        self.headers
            .insert(USER_AGENT, HeaderValue::from_static(OURSELVES));
        self
    }
}

/// What came back. The status may be any, also that of a redirect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body, at most [`LONGEST_ANSWER`] bytes of it.
    pub body: Vec<u8>,
    /// Whether the body came to its end, within the limits of size and time.
    pub whole: bool,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The URL, or an address that its name leads to, is out of reach.
    NotAllowed(String),
    /// The name leads nowhere.
    NotResolved(String),
    /// Nobody takes the connection, or the certificate does not verify.
    NotConnected(String),
    /// It took too long.
    TimedOut,
    /// The connection ended before the answer began.
    Broken(String),
    /// An address of this machine gave no answer. Why is for the log alone: it would tell which
    /// of its ports are open.
    Here(Box<Self>),
}

impl Failure {
    /// Why, also where it is not told to others.
    #[must_use]
    pub fn cause(&self) -> &Self {
        match self {
            Self::Here(cause) => cause,
            other => other,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAllowed(why) => write!(out, "the address is refused: {why}"),
            Self::NotResolved(why) => write!(out, "the name cannot be looked up: {why}"),
            Self::NotConnected(why) => write!(out, "no connection: {why}"),
            Self::TimedOut => out.write_str("no answer in time"),
            Self::Broken(why) => write!(out, "the connection broke: {why}"),
            Self::Here(_) => out.write_str("an address of this machine gave no answer"),
        }
    }
}

/// The client. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct Outbound {
    parts: Arc<Parts>,
    /// Whose requests they are.
    project: i64,
}

struct Parts {
    tls: TlsConnector,
    names: Names,
    limits: Limits,
    pool: Pool,
    /// A permit for each connection that is open or begins.
    room: Arc<Semaphore>,
    shield: Option<Shield>,
}

impl Outbound {
    /// A client that trusts the machine's authorities and those of a PEM file, if one is given.
    ///
    /// # Errors
    /// When the file cannot be read or holds no certificate.
    pub fn new(extra_authorities: Option<&Path>) -> OmsResult<Self> {
        Self::with(extra_authorities, Resolver::System, Limits::default())
    }

    /// The same with another resolver and other limits.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with(
        extra_authorities: Option<&Path>,
        resolver: Resolver,
        limits: Limits,
    ) -> OmsResult<Self> {
        let tls = tls::connector(extra_authorities)?;
        Ok(Self::of_parts(tls, resolver, limits, OPEN_AT_MOST, None))
    }

    /// A client for where others say, with so many connections at most: it never reaches the
    /// listeners of this server, and its failures tell nothing of this machine's ports.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn for_webhooks(
        extra_authorities: Option<&Path>,
        listeners: Vec<SocketAddr>,
        open_at_most: usize,
    ) -> OmsResult<Self> {
        let tls = tls::connector(extra_authorities)?;
        let shield = Some(Shield::of(listeners));
        let limits = Limits::default();
        Ok(Self::of_parts(
            tls,
            Resolver::System,
            limits,
            open_at_most,
            shield,
        ))
    }

    /// A part of what may be open is for look-ups, which open sockets of their own.
    fn of_parts(
        tls: TlsConnector,
        resolver: Resolver,
        limits: Limits,
        open_at_most: usize,
        shield: Option<Shield>,
    ) -> Self {
        let look_ups = (open_at_most / 4).clamp(1, resolver::IN_ALL);
        let connections = open_at_most.saturating_sub(look_ups).max(1);
        Self {
            parts: Arc::new(Parts {
                tls,
                names: Names::new(resolver, look_ups),
                limits,
                pool: Pool::default(),
                room: Arc::new(Semaphore::new(connections)),
                shield,
            }),
            project: 0,
        }
    }

    /// The same client for a project, whose names hold up its own requests only.
    #[must_use]
    pub fn of_project(&self, project: i64) -> Self {
        Self {
            parts: Arc::clone(&self.parts),
            project,
        }
    }

    /// Sends a request and waits for its answer.
    ///
    /// On a connection that was used before, a request that got no answer at all is sent
    /// again on a fresh one: the peer may have closed the old one meanwhile.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn send(&self, request: &Request<'_>, reach: Reach) -> Result<Answer, Failure> {
        let deadline = Instant::now() + self.parts.limits.total;
        let refused = |why: crate::core::reach::Refused| Failure::NotAllowed(why.0.to_owned());
        reach.check(request.url).map_err(refused)?;
        let places = timeout_at(deadline, self.places(request.url, reach))
            .await
            .map_err(|_| Failure::TimedOut)??;
        // Only now: names that are looked up for long take no room from others.
        let room = self.room(deadline).await?;
        let sent = self.send_to(&places, room, request, deadline).await;
        match &self.parts.shield {
            Some(_) => sent.map_err(|failure| veil(failure, &places)),
            None => sent,
        }
    }

    async fn send_to(
        &self,
        places: &[Place],
        mut room: OwnedSemaphorePermit,
        request: &Request<'_>,
        deadline: Instant,
    ) -> Result<Answer, Failure> {
        if let Some(shield) = &self.parts.shield {
            shield.check(places)?;
        }
        if let Some((place, sender)) = self.parts.pool.take(places) {
            drop(room);
            match self.exchange(place, sender, request, deadline).await {
                Err(Failure::Broken(_)) => room = self.room(deadline).await?,
                outcome => return outcome,
            }
        }
        let connect_by = deadline.min(Instant::now() + self.parts.limits.connect);
        let connecting = connection::open(places, &self.parts.tls, room);
        let connected = timeout_at(connect_by, connecting).await;
        let (place, sender) = connected.map_err(|_| Failure::TimedOut)??;
        self.exchange(place, sender, request, deadline).await
    }

    /// Room for one more connection: an idle one makes it where there is none.
    async fn room(&self, deadline: Instant) -> Result<OwnedSemaphorePermit, Failure> {
        let room = Arc::clone(&self.parts.room);
        if room.available_permits() == 0 {
            self.parts.pool.drop_one();
        }
        match timeout_at(deadline, room.acquire_owned()).await {
            Ok(Ok(room)) => Ok(room),
            Ok(Err(_)) | Err(_) => Err(Failure::TimedOut),
        }
    }

    /// The checked places that a URL leads to: all of them within reach, or none at all.
    async fn places(&self, url: &Url, reach: Reach) -> Result<Vec<Place>, Failure> {
        let addresses = self.parts.names.look_up(self.project, url).await?;
        let secure = url.scheme() == "https";
        let outside = |address: &SocketAddr| !reach.allows(address.ip(), secure);
        if addresses.iter().any(outside) {
            // Whoever may name hosts must not learn where those of the inside are.
            let why = "the host leads to an address that is private or reserved";
            return Err(Failure::NotAllowed(why.to_owned()));
        }
        let host = url.host_str().unwrap_or_default();
        let place = |address| Place {
            secure,
            host: host.to_owned(),
            address,
        };
        Ok(addresses.into_iter().map(place).collect())
    }

    async fn exchange(
        &self,
        place: Place,
        mut sender: Sender,
        request: &Request<'_>,
        deadline: Instant,
    ) -> Result<Answer, Failure> {
        let message = message(request)?;
        let broken = |cause: hyper::Error| Failure::Broken(cause.to_string());
        let answer = timeout_at(deadline, async {
            sender.ready().await?;
            sender.send_request(message).await
        });
        let answer = answer.await.map_err(|_| Failure::TimedOut)?;
        let answer = answer.map_err(broken)?;
        let status = answer.status().as_u16();
        let (body, whole) = read(answer.into_body(), deadline).await;
        if whole {
            self.parts.pool.give_back(place, sender);
        }
        Ok(Answer {
            status,
            body,
            whole,
        })
    }
}

/// As much of a body as the limits let in, and whether that is all of it.
async fn read(mut body: Incoming, deadline: Instant) -> (Vec<u8>, bool) {
    let mut read = Vec::new();
    loop {
        match timeout_at(deadline, body.frame()).await {
            Ok(None) => return (read, true),
            Ok(Some(Ok(frame))) => {
                let Some(data) = frame.data_ref() else {
                    continue;
                };
                let room = LONGEST_ANSWER - read.len();
                read.extend_from_slice(&data[..data.len().min(room)]);
                if data.len() > room {
                    return (read, false);
                }
            }
            Ok(Some(Err(_))) | Err(_) => return (read, false),
        }
    }
}

fn message(request: &Request<'_>) -> Result<hyper::Request<Full<Bytes>>, Failure> {
    let url = request.url;
    let unsound = |_| Failure::NotAllowed("the URL is no address of a request".to_owned());
    let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let mut message = hyper::Request::new(Full::new(request.body.clone()));
    *message.method_mut() = request.method.clone();
    *message.uri_mut() = path.parse::<Uri>().map_err(unsound)?;
    *message.headers_mut() = request.headers.clone();
    let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let host = HeaderValue::from_str(host)
        .map_err(|_| Failure::NotAllowed("the host is no header".to_owned()))?;
    message.headers_mut().insert(HOST, host);
    Ok(message)
}

impl fmt::Debug for Outbound {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Outbound")
    }
}
