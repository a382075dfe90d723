//! The way to a server: TCP, TLS over it, or a socket in the file system.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use postgres_protocol::message::frontend;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::config::{Database, Host, Tls};

/// Silence after which a connection is tested.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);

/// How long a peer may leave what was sent unacknowledged.
const UNACKNOWLEDGED_MS: u32 = 20_000;

/// An open way to a server.
pub(super) enum Stream {
    Tcp(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
    Socket(UnixStream),
}

impl Stream {
    /// Connects within `connect_timeout`, which each answer may take too until
    /// [`Self::wait_at_most`] says otherwise.
    pub(super) fn connect(host: &Host, database: &Database) -> io::Result<Self> {
        let patience = database.connect_timeout;
        match host {
            Host::Socket { folder, port } => {
                let socket = UnixStream::connect(folder.join(format!(".s.PGSQL.{port}")))?;
                socket.set_read_timeout(Some(patience))?;
                socket.set_write_timeout(Some(patience))?;
                Ok(Self::Socket(socket))
            }
            Host::Tcp { name, port } => {
                let stream = connect_tcp(name, *port, patience)?;
                stream.set_nodelay(true)?;
                limit(&stream, Some(patience))?;
                notice_silence(&stream)?;
                match &database.tls {
                    Tls::Off => Ok(Self::Tcp(stream)),
                    Tls::Verified { roots } => {
                        let config = client_config(roots.as_deref())?;
                        secure(stream, name, config)
                    }
                }
            }
        }
    }

    /// How long to wait for each answer from now on.
    pub(super) fn wait_at_most(&self, patience: Duration) -> io::Result<()> {
        let patience = Some(patience);
        match self {
            Self::Tcp(stream) => limit(stream, patience),
            Self::Tls(stream) => limit(&stream.sock, patience),
            Self::Socket(stream) => {
                stream.set_read_timeout(patience)?;
                stream.set_write_timeout(patience)
            }
        }
    }
}

fn limit(stream: &TcpStream, patience: Option<Duration>) -> io::Result<()> {
    stream.set_read_timeout(patience)?;
    stream.set_write_timeout(patience)
}

fn connect_tcp(name: &str, port: u16, limit: Duration) -> io::Result<TcpStream> {
    let mut last = None;
    for address in (name, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, limit) {
            Ok(stream) => return Ok(stream),
            Err(cause) => last = Some(cause),
        }
    }
    Err(last.unwrap_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no address")))
}

/// A server that vanished without a word must not hold a thread for long.
fn notice_silence(stream: &TcpStream) -> io::Result<()> {
    use rustix::net::sockopt;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, KEEPALIVE_IDLE)?;
    sockopt::set_tcp_keepintvl(stream, KEEPALIVE_IDLE / 5)?;
    sockopt::set_tcp_user_timeout(stream, UNACKNOWLEDGED_MS)?;
    Ok(())
}

/// Trusts the certificates of a file, or those that the machine trusts.
fn client_config(roots: Option<&Path>) -> io::Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    let mut store = RootCertStore::empty();
    let Some(path) = roots else {
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return Ok(builder.with_root_certificates(store).with_no_client_auth());
    };
    let shown = |cause: &dyn std::fmt::Display| {
        io::Error::other(format!("sslrootcert {}: {cause}", path.display()))
    };
    for certificate in CertificateDer::pem_file_iter(path).map_err(|cause| shown(&cause))? {
        let certificate = certificate.map_err(|cause| shown(&cause))?;
        store.add(certificate).map_err(|cause| shown(&cause))?;
    }
    if store.is_empty() {
        return Err(shown(&"holds no certificate"));
    }
    Ok(builder.with_root_certificates(store).with_no_client_auth())
}

/// Asks for TLS, and goes no further without.
fn secure(mut stream: TcpStream, name: &str, config: ClientConfig) -> io::Result<Stream> {
    let mut question = BytesMut::new();
    frontend::ssl_request(&mut question);
    stream.write_all(&question)?;
    let mut answer = [0];
    stream.read_exact(&mut answer)?;
    if answer != *b"S" {
        return Err(io::Error::other(
            "the server offers no TLS; sslmode=disable goes on in the clear",
        ));
    }
    let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
    let mut tls = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    while tls.is_handshaking() {
        tls.complete_io(&mut stream)?;
    }
    Ok(Stream::Tls(Box::new(StreamOwned::new(tls, stream))))
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
            Self::Socket(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
            Self::Socket(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
            Self::Socket(stream) => stream.flush(),
        }
    }
}
