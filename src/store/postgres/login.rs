//! Proves to a server who we are: SCRAM-SHA-256 (RFC 5802, RFC 7677), by which the
//! password is never sent, or a plain password where nobody can listen.

use std::io;
use std::num::NonZeroU32;

use aws_lc_rs::{constant_time, digest, hmac, pbkdf2};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use super::stream::Stream;
use super::wire::{Failure, Inbox, Outbox};
use crate::config::{Database, Secret, Tls};
use crate::context::Random;

const SHA_256: &str = "SCRAM-SHA-256";

/// A server that wants more rounds than this wants to keep us busy.
const MOST_ROUNDS: u32 = 10_000_000;

/// How the server wants to be convinced.
const ASKS_PLAIN: u32 = 3;
const ASKS_SASL: u32 = 10;
const SASL_GOES_ON: u32 = 11;
const SASL_ENDS: u32 = 12;
const IS_CONVINCED: u32 = 0;

/// Goes through the login until the server is convinced.
pub(super) fn log_in(
    database: &Database,
    stream: &mut Stream,
    outbox: &mut Outbox,
    inbox: &mut Inbox,
) -> io::Result<()> {
    let mut scram = None;
    loop {
        let (tag, place) = inbox.next(stream)?;
        let body = inbox.body(place);
        if tag == b'E' {
            return Err(io::Error::other(Failure::read(body)));
        }
        let (b'R', Some((kind, rest))) = (tag, body.split_first_chunk::<4>()) else {
            return Err(io::Error::other("the server does not speak of the login"));
        };
        match u32::from_be_bytes(*kind) {
            IS_CONVINCED => return Ok(()),
            ASKS_PLAIN => {
                if !is_private(database, stream) {
                    return Err(io::Error::other(
                        "the server asks for the password in the clear, which goes only over TLS",
                    ));
                }
                let mut text = Zeroizing::new(password(database)?.reveal().as_bytes().to_vec());
                text.push(0);
                outbox.answer_login(&text);
            }
            ASKS_SASL => {
                let offers_ours = rest
                    .split(|byte| *byte == 0)
                    .any(|name| name == SHA_256.as_bytes());
                if !offers_ours {
                    return Err(io::Error::other("the server offers no SCRAM-SHA-256"));
                }
                let begun = Scram::begin(password(database)?.reveal(), &Random::System);
                outbox.answer_login(&begun.first_message());
                scram = Some(begun);
            }
            SASL_GOES_ON => {
                let scram = scram.as_mut().ok_or_else(out_of_turn)?;
                let message = scram.prove(text_of(rest)?)?;
                outbox.answer_login(message.as_bytes());
            }
            SASL_ENDS => scram
                .as_ref()
                .ok_or_else(out_of_turn)?
                .check_server(text_of(rest)?)?,
            _ => {
                return Err(io::Error::other(
                    "the server wants a login other than SCRAM-SHA-256 or a password",
                ));
            }
        }
        outbox.send(stream)?;
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

fn text_of(bytes: &[u8]) -> io::Result<&str> {
    std::str::from_utf8(bytes).map_err(io::Error::other)
}

fn out_of_turn() -> io::Error {
    io::Error::other("the login is out of turn")
}

/// A conversation by which both sides show that they know the password.
struct Scram {
    password: Zeroizing<String>,
    nonce: String,
    /// What the server must sign; known once the proof was made.
    expected: Option<hmac::Tag>,
}

impl Scram {
    fn begin(password: &str, random: &Random) -> Self {
        Self::with_nonce(password, STANDARD.encode(random.bytes::<18>()))
    }

    fn with_nonce(password: &str, nonce: String) -> Self {
        // What SASLprep comes to for passwords that people choose.
        let password = Zeroizing::new(password.nfkc().collect());
        Self {
            password,
            nonce,
            expected: None,
        }
    }

    /// The name of the mechanism and the first message, as SASL's first answer holds them.
    /// The user's name stands in the start of the connection already.
    fn first_message(&self) -> Vec<u8> {
        let first = format!("n,,n=,r={}", self.nonce);
        let mut message = SHA_256.as_bytes().to_vec();
        message.push(0);
        let length = u32::try_from(first.len()).unwrap_or_default();
        message.extend(length.to_be_bytes());
        message.extend(first.as_bytes());
        message
    }

    /// The answer to the server's salt.
    fn prove(&mut self, challenge: &str) -> io::Result<String> {
        let part = |name| {
            challenge
                .split(',')
                .find_map(|part: &str| part.strip_prefix(name))
                .ok_or_else(|| io::Error::other("the login lacks a part"))
        };
        let nonce = part("r=")?;
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err(io::Error::other("the server answers another login"));
        }
        let salt = STANDARD.decode(part("s=")?).map_err(io::Error::other)?;
        let rounds = part("i=")?.parse().ok().filter(|n| *n <= MOST_ROUNDS);
        let rounds = rounds
            .and_then(NonZeroU32::new)
            .ok_or_else(|| io::Error::other("the login has no number of rounds"))?;
        let mut salted = Zeroizing::new([0; 32]);
        let password = self.password.as_bytes();
        pbkdf2::derive(
            pbkdf2::PBKDF2_HMAC_SHA256,
            rounds,
            &salt,
            password,
            &mut *salted,
        );
        let salted = hmac::Key::new(hmac::HMAC_SHA256, &*salted);
        let client_key = hmac::sign(&salted, b"Client Key");
        let stored_key = digest::digest(&digest::SHA256, client_key.as_ref());
        let last = format!("c=biws,r={nonce}");
        let whole = format!("n=,r={},{challenge},{last}", self.nonce);
        let stored_key = hmac::Key::new(hmac::HMAC_SHA256, stored_key.as_ref());
        let signature = hmac::sign(&stored_key, whole.as_bytes());
        let proof: Vec<u8> = client_key
            .as_ref()
            .iter()
            .zip(signature.as_ref())
            .map(|(key, signed)| key ^ signed)
            .collect();
        let server_key = hmac::sign(&salted, b"Server Key");
        let server_key = hmac::Key::new(hmac::HMAC_SHA256, server_key.as_ref());
        self.expected = Some(hmac::sign(&server_key, whole.as_bytes()));
        Ok(format!("{last},p={}", STANDARD.encode(proof)))
    }

    /// Whether the server knows the password as well.
    fn check_server(&self, last: &str) -> io::Result<()> {
        let signed = last
            .strip_prefix("v=")
            .and_then(|text| STANDARD.decode(text).ok());
        let same = |signed: &[u8]| {
            let expected = self.expected.as_ref();
            expected.is_some_and(|expected| {
                constant_time::verify_slices_are_equal(expected.as_ref(), signed).is_ok()
            })
        };
        if signed.is_some_and(|signed| same(&signed)) {
            Ok(())
        } else {
            Err(io::Error::other("the server does not know the password"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 7677, with the user's name left out as here; what it comes to was
    /// computed with Python's hashlib.
    #[test]
    fn a_conversation_convinces_both_sides() {
        let mut scram = Scram::with_nonce("pencil", "rOprNGfwEbeRWgbNEkqO".into());
        let challenge = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                         s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        let last = scram.prove(challenge).unwrap();
        assert_eq!(
            last,
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             p=qvT2SWdEH5Q06albL+hjSYuUhCG7VndFyzIb7CK4n9k="
        );
        scram
            .check_server("v=3HO6Qt1M4MKJrmlKaoOqLAI0/0TV0HZe7J9H3MBtSOg=")
            .unwrap();
        assert!(scram.check_server("v=AAAA").is_err());
    }

    #[test]
    fn a_server_that_answers_another_login_is_refused() {
        let mut scram = Scram::with_nonce("pencil", "mine".into());
        for challenge in [
            "r=yours,s=W22Z,i=4096",
            "r=mine,s=W22Z,i=4096",
            "r=mine+,s=W22Z,i=0",
        ] {
            assert!(scram.prove(challenge).is_err(), "{challenge}");
        }
    }
}
