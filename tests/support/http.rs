//! The HTTP client of the tests: every status is an answer, not an error.

use std::fmt;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use oms::error::Code;
use serde_json::Value;
use socket2::{Domain, Socket, Type};
use ureq::http::{HeaderName, HeaderValue, Request};

/// One answer, whole.
#[derive(Clone)]
pub struct Answer {
    /// Method and path it answers.
    pub asked: String,
    /// HTTP status.
    pub status: u16,
    /// Headers in their order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body as it came.
    pub body: Vec<u8>,
}

impl fmt::Display for Answer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{} answered {}", self.asked, self.status)?;
        for (name, value) in &self.headers {
            writeln!(out, "{name}: {value}")?;
        }
        write!(out, "\n{}", self.text())
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{self}")
    }
}

impl Answer {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The header, which must be there.
    #[track_caller]
    pub fn wants_header(&self, name: &str) -> &str {
        self.header(name)
            .unwrap_or_else(|| panic!("no {name} header: {self}"))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {self}"))
    }

    /// The answer, if it has this status.
    #[track_caller]
    pub fn wants(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self}");
        self
    }

    /// A text field of the body.
    #[track_caller]
    pub fn text_at(&self, pointer: &str) -> String {
        match self.json().pointer(pointer) {
            Some(Value::String(text)) => text.clone(),
            other => panic!("{pointer} is {other:?}: {self}"),
        }
    }

    /// The id of the resource in the body.
    #[track_caller]
    pub fn id(&self) -> String {
        self.text_at("/id")
    }

    /// The problem in the body, if it is one of this status and code, in the
    /// form that every problem has.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{self}");
        let kind = self.wants_header("content-type");
        assert!(kind.starts_with("application/problem+json"), "{self}");
        let problem = self.json();
        assert_eq!(problem["code"], code, "{self}");
        assert!(Code::ALL.iter().any(|known| known.name() == code), "{self}");
        assert_eq!(problem["status"], status, "{self}");
        let kind = problem["type"].as_str().unwrap_or_default();
        assert!(kind.starts_with("https://"), "{self}");
        assert!(kind.ends_with(&format!("/errors/{code}")), "{self}");
        for name in ["title", "detail"] {
            assert!(
                problem[name].as_str().is_some_and(|text| !text.is_empty()),
                "{self}"
            );
        }
        assert_eq!(
            problem["requestId"],
            self.wants_header("x-request-id"),
            "{self}"
        );
        problem
    }

    /// The message of the one field error with this pointer and code.
    #[track_caller]
    pub fn field_error(&self, pointer: &str, code: &str) -> String {
        let problem = self.problem(422, "validationFailed");
        let found = problem["errors"]
            .as_array()
            .unwrap_or_else(|| panic!("no errors: {self}"))
            .iter()
            .find(|error| error["pointer"] == pointer && error["code"] == code)
            .unwrap_or_else(|| panic!("no {code} at {pointer}: {self}"));
        let message = found["message"].as_str().unwrap_or_default();
        assert!(!message.is_empty(), "{self}");
        message.to_owned()
    }
}

/// Connections to servers, reused where possible.
#[derive(Clone)]
pub struct Client(ureq::Agent);

impl Client {
    /// A client without any connection yet.
    pub fn new() -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(Duration::from_mins(1)))
            .max_response_header_size(256 * 1024)
            .build();
        Self(config.into())
    }

    /// Begins a call.
    pub fn call(&self, method: &str, url: &str) -> Call {
        Call {
            client: self.clone(),
            method: method.to_owned(),
            url: url.to_owned(),
            headers: Vec::new(),
            body: None,
        }
    }
}

/// Sends calls at the same moment; gives their answers in the same order.
pub fn send_at_once(calls: Vec<Call>) -> Vec<Answer> {
    let start = Barrier::new(calls.len());
    thread::scope(|scope| {
        let clients: Vec<_> = calls
            .into_iter()
            .map(|call| {
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    call.send()
                })
            })
            .collect();
        clients
            .into_iter()
            .map(|client| client.join().expect("the server answers"))
            .collect()
    })
}

/// One call on its way.
#[derive(Clone)]
pub struct Call {
    client: Client,
    method: String,
    url: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Option<Vec<u8>>,
}

impl Call {
    /// Adds a header, beside others of the same name.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers
            .push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// Removes what was set for a header.
    pub fn without(mut self, name: &str) -> Self {
        self.headers
            .retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self
    }

    /// Sends JSON.
    pub fn json(self, body: &Value) -> Self {
        self.text(&body.to_string())
    }

    /// Sends text that claims to be JSON.
    pub fn text(self, body: &str) -> Self {
        self.body("application/json", body)
    }

    /// Sends any bytes with any content type.
    pub fn body(mut self, content_type: &str, body: impl AsRef<[u8]>) -> Self {
        self.body = Some(body.as_ref().to_vec());
        self.without("content-type")
            .header("content-type", content_type)
    }

    /// Sends it; a connection that breaks is an error.
    pub fn try_send(&self) -> Result<Answer, String> {
        let mut request = Request::builder()
            .method(self.method.as_str())
            .uri(&self.url);
        for (name, value) in &self.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a header name");
            let value = HeaderValue::from_bytes(value).expect("a value that HTTP can carry");
            request = request.header(name, value);
        }
        let agent = &self.client.0;
        let empty = matches!(self.method.as_str(), "POST" | "PUT" | "PATCH").then(Vec::new);
        let sent = match self.body.as_ref().or(empty.as_ref()) {
            Some(body) => agent.run(request.body(body.as_slice()).expect("a request")),
            None => agent.run(request.body(()).expect("a request")),
        };
        let mut response = sent.map_err(|error| error.to_string())?;
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                (name.as_str().to_owned(), value)
            })
            .collect();
        let answer = Answer {
            asked: format!("{} {}", self.method, self.url),
            status: response.status().as_u16(),
            headers,
            body: response
                .body_mut()
                .read_to_vec()
                .map_err(|error| error.to_string())?,
        };
        match answer.header("content-length").map(str::parse::<usize>) {
            Some(Ok(length)) if length != answer.body.len() && self.method != "HEAD" => {
                Err(format!("cut short: {answer}"))
            }
            _ => Ok(answer),
        }
    }

    /// Sends it to a server that must answer.
    #[track_caller]
    pub fn send(&self) -> Answer {
        match self.try_send() {
            Ok(answer) => answer,
            Err(error) => panic!("{} {}: {error}", self.method, self.url),
        }
    }
}

/// Writes these bytes to a server, from this address if one is named, and
/// reads until it closes; so the bytes should ask for `Connection: close`.
#[track_caller]
pub fn raw(server: SocketAddr, from: Option<IpAddr>, request: &[u8]) -> Answer {
    let mut stream = connect_from(server, from);
    stream.write_all(request).expect("the server reads");
    read_answer(stream, request)
}

/// A connection to a server, from this address if one is named.
#[track_caller]
pub fn connect_from(server: SocketAddr, from: Option<IpAddr>) -> TcpStream {
    let socket = Socket::new(Domain::for_address(server), Type::STREAM, None).expect("a socket");
    if let Some(from) = from {
        socket
            .bind(&SocketAddr::new(from, 0).into())
            .expect("an address of this machine");
    }
    socket.connect(&server.into()).expect("the server listens");
    let stream = TcpStream::from(socket);
    let patience = Some(Duration::from_secs(30));
    stream
        .set_read_timeout(patience)
        .expect("a timeout can be set");
    stream
}

/// Reads the answer to a request until the server closes.
#[track_caller]
pub fn read_answer(mut stream: TcpStream, request: &[u8]) -> Answer {
    let mut bytes = Vec::new();
    stream
        .read_to_end(&mut bytes)
        .expect("the server answers and closes");
    let asked = String::from_utf8_lossy(request)
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned();
    parse(asked, &bytes)
}

/// Reads an answer with a body of plain length.
#[track_caller]
fn parse(asked: String, bytes: &[u8]) -> Answer {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("no head in {:?}", String::from_utf8_lossy(bytes)));
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1))
        .and_then(|code| code.parse().ok());
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    Answer {
        asked,
        status: status.unwrap_or_else(|| panic!("no status in {head:?}")),
        headers,
        body: bytes[end + 4..].to_vec(),
    }
}
