//! Where the database is and how to get in: a `postgres://` URL, as libpq reads it.

use std::fmt::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use super::Secret;

/// The port of a URL that names none.
const DEFAULT_PORT: u16 = 5432;

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// On a network.
    Tcp {
        /// A name or an address.
        name: String,
        /// The port.
        port: u16,
    },
    /// In the file system.
    Socket {
        /// The folder of the socket.
        folder: PathBuf,
        /// The number in the socket's name.
        port: u16,
    },
}

/// Whether the connection is secured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tls {
    /// It is not.
    Off,
    /// By TLS with a certificate that is checked against the host's name.
    Verified {
        /// The file of trusted certificates; without it those that the machine trusts.
        roots: Option<PathBuf>,
    },
}

/// A PostgreSQL database, or one of a relative. Its `Debug` shows no password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    /// Its servers; the first that takes writes is used.
    pub hosts: Vec<Host>,
    /// Who we are there.
    pub user: String,
    /// How we show it.
    pub password: Option<Secret>,
    /// The name of the database.
    pub name: String,
    /// Whether the connection is secured.
    pub tls: Tls,
    /// How long to wait for a connection.
    pub connect_timeout: Duration,
    /// How long the server may work on one statement, or wait for a lock.
    pub statement_timeout: Duration,
    /// Connections that write.
    pub write_connections: usize,
}

impl Database {
    /// Whether a text that names a place is the URL of a database.
    #[must_use]
    pub fn is_url(text: &str) -> bool {
        behind_scheme(text).is_some()
    }

    /// Reads a URL; what it does not say is at its default.
    ///
    /// # Errors
    /// With what is wrong, in words that complete "must be …" and repeat no password.
    pub fn parse(url: &str) -> Result<Self, String> {
        let rest = behind_scheme(url).ok_or("a URL that begins with postgres://")?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, name) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, hosts) = authority
            .rsplit_once('@')
            .map_or(("", authority), |(login, hosts)| (login, hosts));
        let (user, password) = login
            .split_once(':')
            .map_or((login, None), |(user, password)| (user, Some(password)));
        let mut database = Self {
            hosts: hosts
                .split(',')
                .filter(|host| !host.is_empty())
                .map(parse_host)
                .collect::<Result<_, _>>()?,
            user: decode(user)?,
            password: password.map(decode).transpose()?.map(Secret::new),
            name: decode(name)?,
            tls: Tls::Off,
            connect_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(30),
            write_connections: 4,
        };
        database.read_query(query)?;
        if database.user.is_empty() {
            return Err("a URL with a user: postgres://USER:PASSWORD@HOST/DATABASE".into());
        }
        if database.name.is_empty() {
            database.name.clone_from(&database.user);
        }
        Ok(database)
    }

    /// A URL that leads here, without the password.
    #[must_use]
    pub fn url(&self) -> String {
        let mut url = form_urlencoded::Serializer::new(String::new());
        let mut hosts = Vec::new();
        for host in &self.hosts {
            match host {
                Host::Tcp { name, port } if name.contains(':') => {
                    hosts.push(format!("[{name}]:{port}"));
                }
                Host::Tcp { name, port } => hosts.push(format!("{name}:{port}")),
                Host::Socket { folder, port } => {
                    url.append_pair("host", &folder.to_string_lossy());
                    if *port != DEFAULT_PORT {
                        url.append_pair("port", &port.to_string());
                    }
                }
            }
        }
        match &self.tls {
            Tls::Off if self.hosts.iter().all(Host::is_here) => {}
            Tls::Off => drop(url.append_pair("sslmode", "disable")),
            Tls::Verified { roots: Some(roots) } => {
                url.append_pair("sslrootcert", &roots.to_string_lossy());
            }
            Tls::Verified { roots: None } => {}
        }
        let query = url.finish();
        let mark = if query.is_empty() { "" } else { "?" };
        let (user, name) = (encode(&self.user), encode(&self.name));
        format!("postgres://{user}@{}/{name}{mark}{query}", hosts.join(","))
    }

    fn read_query(&mut self, query: &str) -> Result<(), String> {
        let (mut mode, mut roots) = (None, None);
        let mut port = None;
        let mut named = Vec::new();
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*key {
                "host" => named.extend(value.split(',').map(str::to_owned)),
                "port" => port = Some(value.parse().map_err(|_| "a URL with ports of digits")?),
                "user" => self.user = value.into_owned(),
                "password" => self.password = Some(Secret::new(value.into_owned())),
                "dbname" => self.name = value.into_owned(),
                "sslmode" => mode = Some(value.into_owned()),
                "sslrootcert" => roots = Some(PathBuf::from(&*value)),
                "connect_timeout" => {
                    let seconds = value.parse().ok().filter(|seconds| *seconds > 0);
                    let seconds = seconds.ok_or("a URL with a connect_timeout in seconds")?;
                    self.connect_timeout = Duration::from_secs(seconds);
                }
                // Only a server that takes writes will do, and we have a name already.
                "target_session_attrs" | "application_name" => {}
                other => {
                    return Err(format!(
                        "a URL with these parameters at most: host, port, user, password, dbname, \
                         sslmode, sslrootcert, connect_timeout, target_session_attrs, \
                         application_name; it has {other}"
                    ));
                }
            }
        }
        for name in named {
            self.hosts.push(host_of(name, port.unwrap_or(DEFAULT_PORT)));
        }
        if self.hosts.is_empty() {
            return Err("a URL with a host".into());
        }
        self.tls = self.tls_of(mode.as_deref(), roots)?;
        Ok(())
    }

    /// An encryption that does not know its peer protects from nobody who stands between: so
    /// there are two modes, and every mode of libpq that promises TLS is the stricter one.
    fn tls_of(&self, mode: Option<&str>, roots: Option<PathBuf>) -> Result<Tls, String> {
        match mode {
            Some("disable") => Ok(Tls::Off),
            None if roots.is_none() && self.hosts.iter().all(Host::is_here) => Ok(Tls::Off),
            None | Some("require" | "verify-ca" | "verify-full") => Ok(Tls::Verified { roots }),
            Some(other) => Err(format!(
                "a URL with sslmode disable or verify-full; it has {other}, which would go on \
                 in the clear when somebody interferes"
            )),
        }
    }
}

impl Host {
    /// Whether it is on this machine, where nobody stands between.
    fn is_here(&self) -> bool {
        match self {
            Self::Socket { .. } => true,
            Self::Tcp { name, .. } => {
                name == "localhost"
                    || name
                        .parse()
                        .is_ok_and(|address: std::net::IpAddr| address.is_loopback())
            }
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { name, port } => write!(out, "{name}:{port}"),
            Self::Socket { folder, port } => write!(out, "{} ({port})", folder.display()),
        }
    }
}

/// Where the data is, without the way in.
impl fmt::Display for Database {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "the database {} at ", self.name)?;
        for (place, host) in self.hosts.iter().enumerate() {
            write!(out, "{}{host}", if place > 0 { ", " } else { "" })?;
        }
        Ok(())
    }
}

fn parse_host(text: &str) -> Result<Host, String> {
    let (name, port) = match text.rsplit_once(':') {
        // The colons within brackets belong to an address.
        Some((name, port)) if !port.ends_with(']') => (
            name,
            port.parse().map_err(|_| "a URL with ports of digits")?,
        ),
        _ => (text, DEFAULT_PORT),
    };
    let name = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'))
        .unwrap_or(name);
    Ok(host_of(decode(name)?, port))
}

fn host_of(name: String, port: u16) -> Host {
    if name.starts_with('/') {
        Host::Socket {
            folder: name.into(),
            port,
        }
    } else {
        Host::Tcp { name, port }
    }
}

fn behind_scheme(url: &str) -> Option<&str> {
    url.strip_prefix("postgres://")
        .or_else(|| url.strip_prefix("postgresql://"))
}

/// Percent-encodes what is more than a name.
fn encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

/// Undoes percent-encoding.
fn decode(text: &str) -> Result<String, String> {
    let wrong = "a URL whose special characters are written like %40";
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = rest
            .get(..2)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.ok_or(wrong)?);
        rest = &rest[2..];
    }
    String::from_utf8(bytes).map_err(|_| wrong.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Database {
        Database::parse(url).unwrap()
    }

    fn tcp(name: &str, port: u16) -> Host {
        Host::Tcp {
            name: name.into(),
            port,
        }
    }

    #[test]
    fn every_part_of_a_url_is_read() {
        let url = "postgresql://o%40ms:p%3Aw@db-1:6432,[::1],db.example/money?connect_timeout=3";
        let database = parse(url);
        assert_eq!(database.user, "o@ms");
        assert_eq!(database.password.as_ref().unwrap().reveal(), "p:w");
        assert_eq!(database.name, "money");
        assert_eq!(database.connect_timeout, Duration::from_secs(3));
        let hosts = vec![tcp("db-1", 6432), tcp("::1", 5432), tcp("db.example", 5432)];
        assert_eq!(database.hosts, hosts);
        assert!(!format!("{database:?} {database}").contains("p:w"));
    }

    #[test]
    fn a_url_without_the_password_leads_to_the_same_place() {
        for url in [
            "postgres://o%40ms:p%3Aw@db-1:6432,[::1],db.example/mo%20ney",
            "postgres://oms@/oms?host=/var/run/postgresql&port=6000",
            "postgres://oms:hush@elsewhere/oms?sslmode=disable",
            "postgres://oms@127.0.0.1/oms?sslrootcert=/ca.pem",
        ] {
            let database = parse(url);
            let again = parse(&database.url());
            assert!(!database.url().contains("hush"), "{}", database.url());
            assert_eq!(
                again,
                Database {
                    password: None,
                    ..database
                },
                "{url}"
            );
        }
    }

    #[test]
    fn a_socket_is_named_by_its_folder() {
        let socket = Host::Socket {
            folder: "/var/run/postgresql".into(),
            port: 5432,
        };
        for url in [
            "postgres://oms@/?host=/var/run/postgresql",
            "postgres://oms@%2Fvar%2Frun%2Fpostgresql/oms",
        ] {
            let database = parse(url);
            assert_eq!(database.hosts, std::slice::from_ref(&socket), "{url}");
            assert_eq!(database.name, "oms");
            assert_eq!(database.tls, Tls::Off);
        }
    }

    #[test]
    fn what_leaves_the_machine_is_secured_unless_somebody_says_otherwise() {
        let verified = |roots: Option<&str>| Tls::Verified {
            roots: roots.map(Into::into),
        };
        for (rest, tls) in [
            ("127.0.0.1/oms", Tls::Off),
            ("localhost/oms", Tls::Off),
            ("localhost,elsewhere/oms", verified(None)),
            ("elsewhere/oms", verified(None)),
            ("elsewhere/oms?sslmode=require", verified(None)),
            ("elsewhere/oms?sslmode=disable", Tls::Off),
            (
                "127.0.0.1/oms?sslrootcert=/ca.pem",
                verified(Some("/ca.pem")),
            ),
        ] {
            assert_eq!(parse(&format!("postgres://oms@{rest}")).tls, tls, "{rest}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        for url in [
            "mysql://oms:hush@there/oms",
            "postgres://there/oms",
            "postgres://oms:hush@/oms",
            "postgres://oms:hush@there:port/oms",
            "postgres://oms:hush%@there/oms",
            "postgres://oms:hush@there/oms?sslmode=prefer",
            "postgres://oms:hush@there/oms?keepalive=1",
        ] {
            let wrong = Database::parse(url).unwrap_err();
            assert!(!wrong.contains("hush"), "{wrong}");
        }
    }
}
