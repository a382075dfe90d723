//! Opens HTTP/1.1 connections to checked addresses, and to no others.

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio_rustls::TlsConnector;

use super::Failure;
use super::pool::Place;

/// What sends requests over one connection.
pub(super) type Sender = SendRequest<Full<Bytes>>;

/// Connects to the first of the places that takes the connection, which keeps its room until it
/// is closed.
pub(super) async fn open(
    places: &[Place],
    tls: &TlsConnector,
    room: OwnedSemaphorePermit,
) -> Result<(Place, Sender), Failure> {
    let mut room = Some(room);
    let mut last = Failure::NotConnected("there is no address".to_owned());
    for place in places {
        match connect(place, tls, &mut room).await {
            Ok(sender) => return Ok((place.clone(), sender)),
            Err(failure) => last = failure,
        }
    }
    Err(last)
}

async fn connect(
    place: &Place,
    tls: &TlsConnector,
    room: &mut Option<OwnedSemaphorePermit>,
) -> Result<Sender, Failure> {
    let failed = |cause: std::io::Error| Failure::NotConnected(cause.to_string());
    let stream = TcpStream::connect(place.address).await.map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    if !place.secure {
        return start(stream, room).await;
    }
    // The brackets of an IPv6 host belong to the URL, not to the name.
    let name = place.host.trim_matches(['[', ']']).to_owned();
    let name = ServerName::try_from(name)
        .map_err(|_| Failure::NotConnected("no certificate can name the host".to_owned()))?;
    start(tls.connect(name, stream).await.map_err(failed)?, room).await
}

async fn start(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    room: &mut Option<OwnedSemaphorePermit>,
) -> Result<Sender, Failure> {
    let started = handshake(TokioIo::new(stream)).await;
    let (sender, connection) = started.map_err(|cause| Failure::NotConnected(cause.to_string()))?;
    // It ends when the sender is dropped or the peer closes; whoever sends learns why.
    let room = room.take();
    tokio::spawn(async move {
        _ = connection.await;
        drop(room);
    });
    Ok(sender)
}
