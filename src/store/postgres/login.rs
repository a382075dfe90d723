//! Proves to a server who we are: SCRAM-SHA-256 (RFC 5802, RFC 7677), by which the
//! password is never sent, or a plain password where nobody can listen. How SCRAM goes is
//! `postgres-protocol`'s; here is what a server may ask, and in which order.

use std::io;

use fallible_iterator::FallibleIterator;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::backend::{AuthenticationSaslBody, Message};
use postgres_protocol::message::frontend;

use super::stream::Stream;
use super::wire::{Failure, Inbox, Outbox};
use crate::config::{Database, Secret, Tls};

/// A conversation with a server that is not convinced yet.
pub(super) struct Login<'a> {
    pub(super) database: &'a Database,
    pub(super) stream: &'a mut Stream,
    pub(super) outbox: &'a mut Outbox,
    pub(super) inbox: &'a mut Inbox,
}

impl Login<'_> {
    /// Goes on until the server is convinced.
    pub(super) fn log_in(mut self) -> io::Result<()> {
        match self.hear()? {
            Message::AuthenticationOk => return Ok(()),
            Message::AuthenticationCleartextPassword => self.show_password()?,
            Message::AuthenticationSasl(offered) => self.prove_password(&offered)?,
            _ => {
                return Err(io::Error::other(
                    "the server wants a login other than SCRAM-SHA-256 or a password",
                ));
            }
        }
        match self.hear()? {
            Message::AuthenticationOk => Ok(()),
            _ => Err(out_of_turn()),
        }
    }

    fn show_password(&mut self) -> io::Result<()> {
        if !is_private(self.database, self.stream) {
            return Err(io::Error::other(
                "the server asks for the password in the clear, which goes only over TLS",
            ));
        }
        let password = password(self.database)?.reveal().as_bytes();
        self.outbox
            .put(|out| frontend::password_message(password, out))?;
        self.outbox.send(self.stream)
    }

    /// Both sides show that they know the password; a server that does not is left.
    fn prove_password(&mut self, offered: &AuthenticationSaslBody) -> io::Result<()> {
        if !offered.mechanisms().any(|name| Ok(name == SCRAM_SHA_256))? {
            return Err(io::Error::other("the server offers no SCRAM-SHA-256"));
        }
        let password = password(self.database)?.reveal().as_bytes();
        // Whom we speak to over TLS is known by its certificate.
        let mut scram = ScramSha256::new(password, ChannelBinding::unsupported());
        let first =
            |out: &mut _| frontend::sasl_initial_response(SCRAM_SHA_256, scram.message(), out);
        self.outbox.put(first)?;
        self.outbox.send(self.stream)?;
        let Message::AuthenticationSaslContinue(salt) = self.hear()? else {
            return Err(out_of_turn());
        };
        scram.update(salt.data())?;
        self.outbox
            .put(|out| frontend::sasl_response(scram.message(), out))?;
        self.outbox.send(self.stream)?;
        let Message::AuthenticationSaslFinal(proof) = self.hear()? else {
            return Err(out_of_turn());
        };
        scram.finish(proof.data())
    }

    fn hear(&mut self) -> io::Result<Message> {
        match self.inbox.next(self.stream)? {
            Message::ErrorResponse(body) => Err(io::Error::other(Failure::read(&body))),
            message => Ok(message),
        }
    }
}

fn password(database: &Database) -> io::Result<&Secret> {
    database
        .password
        .as_ref()
        .ok_or_else(|| io::Error::other("the server wants a password, and none is set"))
}

/// Whether nobody stands between.
fn is_private(database: &Database, stream: &Stream) -> bool {
    match stream {
        Stream::Tls(_) | Stream::Socket(_) => true,
        Stream::Tcp(tcp) => {
            matches!(database.tls, Tls::Off)
                && tcp.peer_addr().is_ok_and(|peer| peer.ip().is_loopback())
        }
    }
}

fn out_of_turn() -> io::Error {
    io::Error::other("the login is out of turn")
}
