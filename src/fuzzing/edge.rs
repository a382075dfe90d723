//! Requests through the whole edge: the outermost layer, the router, the handlers and a store.
//!
//! Whatever is asked, the answer is no failure of the server, and a refusal has the shape that
//! the contract gives it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::config::Config;
use crate::context::{Clock, Context, Random};
use crate::error::{Code, Result};
use crate::http::app::App;
use crate::http::idempotency::{KEY_HEADER, REPLAYED_HEADER};
use crate::http::request_id::{Edge, X_REQUEST_ID};
use crate::http::router;
use crate::outbound::Outbound;

/// When it is in here: 2027-01-15T08:00:00Z.
const MOMENT_MS: i64 = 1_800_000_000_000;

/// So many requests may write; after that all of them read, so that the disk does not fill.
const WRITES: usize = 20_000;

/// No answer is larger: a page of the largest customers.
const LARGEST_ANSWER: usize = 8 << 20;

/// Words of a seed that stand for what is only known at run time.
const CUSTOMER: &[u8] = b"CUSTOMER";
const CURSOR: &[u8] = b"CURSOR";

/// Sends bytes like `METHOD target`, lines of headers, an empty line and the body.
pub(super) fn ask_any(data: &[u8]) {
    let door = &*DOOR;
    let data = replace(data, CUSTOMER, door.customer.as_bytes());
    let data = replace(&data, CURSOR, door.cursor.as_bytes());
    let at = data.windows(2).position(|pair| pair == b"\n\n");
    let (head, body) = data.split_at(at.unwrap_or(data.len()));
    let mut lines = head.split(|byte| *byte == b'\n');
    let first = lines.next().unwrap_or_default();
    let at = first.iter().position(|byte| *byte == b' ');
    let (method, target) = first.split_at(at.unwrap_or(first.len()));
    let (Ok(mut method), Ok(target)) = (
        Method::from_bytes(method),
        Uri::try_from(target.get(1..).unwrap_or_default()),
    ) else {
        return;
    };
    let mut headers = HeaderMap::new();
    for line in lines {
        let at = line.iter().position(|byte| *byte == b':');
        let (name, value) = line.split_at(at.unwrap_or(line.len()));
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name), HeaderValue::from_bytes(value))
        {
            headers.append(name, value);
        }
    }
    if !method.is_safe() && door.writes.fetch_add(1, Ordering::Relaxed) >= WRITES {
        method = Method::GET;
    }
    let body = Bytes::copy_from_slice(body.get(2..).unwrap_or_default());
    let ask = || door.ask(&method, &target, &headers, body.clone());
    let first = ask();
    let makes_customer = method == Method::POST && target.path().ends_with("/customers");
    if makes_customer && first.status == StatusCode::CREATED {
        assert!(headers.contains_key(KEY_HEADER));
        let again = ask();
        assert_eq!((first.status, first.body), (again.status, again.body));
        assert_eq!(again.headers[REPLAYED_HEADER], "true");
    }
}

/// Asks for pages with any query and any cursor.
pub(super) fn page_any(data: &[u8]) {
    let Some((kind, data)) = data.split_first() else {
        return;
    };
    let list = ["customers", "events"][usize::from(kind / 4 % 2)];
    let encoded: String = form_urlencoded::byte_serialize(data).collect();
    let door = &*DOOR;
    let (query, is_true) = match kind % 4 {
        0 => (format!("cursor={encoded}"), data == door.cursor.as_bytes()),
        1 => (String::from_utf8_lossy(data).into_owned(), true),
        2 => (
            format!("cursor={}", URL_SAFE_NO_PAD.encode(data)),
            *data == *door.sealed_cursor(),
        ),
        _ => {
            let mut sealed = door.sealed_cursor();
            for (byte, change) in sealed.iter_mut().zip(data) {
                *byte ^= change;
            }
            let altered = URL_SAFE_NO_PAD.encode(&sealed);
            (format!("cursor={altered}"), altered == door.cursor)
        }
    };
    let Ok(target) = Uri::try_from(format!("/v0.9/{list}?{query}")) else {
        return;
    };
    let answer = door.ask(&Method::GET, &target, &HeaderMap::new(), Bytes::new());
    if !is_true {
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "a forged cursor");
    }
}

/// Reads with bytes as the token.
pub(super) fn show_token(token: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(&[b"Bearer ", token].concat()) else {
        return;
    };
    let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value)]);
    let target = Uri::from_static("/v0.9/customers");
    let answer = DOOR.ask(&Method::GET, &target, &headers, Bytes::new());
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

/// Where the data of the requests lies; removed by the tests.
pub(super) fn folder() -> PathBuf {
    std::env::temp_dir().join(format!("oms-fuzzing-{}", std::process::id()))
}

static DOOR: LazyLock<Door> = LazyLock::new(|| Door::open().expect("a store on an empty folder"));

/// A server without its sockets.
struct Door {
    runtime: Runtime,
    edge: Edge,
    token: HeaderValue,
    customer: String,
    cursor: String,
    writes: AtomicUsize,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Door {
    fn open() -> Result<Self> {
        let mut config = Config::for_data(&folder());
        config.request_timeout = Duration::from_secs(20);
        let clock = Clock::Manual(Arc::new(AtomicI64::new(MOMENT_MS)));
        let context = Context::new(clock, Random::System);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a thread can be had");
        let document = Bytes::from_static(b"{}");
        let opened = App::open(
            config.clone(),
            context.clone(),
            document,
            Outbound::new(None)?,
        );
        let (app, key) = runtime.block_on(opened)?;
        let key = key.expect("the first start makes a key");
        let metrics = Arc::clone(&app.metrics);
        let edge = Edge::new(router::public(app), context, &config, metrics, None);
        let mut door = Self {
            runtime,
            edge,
            token: HeaderValue::from_static(""),
            customer: String::new(),
            cursor: String::new(),
            writes: AtomicUsize::new(0),
        };
        let login = json!({"apiKey": key.key.api_key, "apiSecret": key.api_secret});
        let answer = door.post("/v0.9/auth/token", "login", &login);
        let token = format!(
            "Bearer {}",
            answer["accessToken"].as_str().expect("a token")
        );
        door.token = token.parse().expect("visible ASCII");
        for name in ["Ada", "Grace"] {
            let body = json!({"type": "individual", "firstName": name});
            let made = door.post("/v0.9/customers", name, &body);
            made["id"]
                .as_str()
                .expect("an id")
                .clone_into(&mut door.customer);
        }
        let target = Uri::from_static("/v0.9/customers?limit=1");
        let page = door.ask(&Method::GET, &target, &HeaderMap::new(), Bytes::new());
        let page: Value = serde_json::from_slice(&page.body).expect("a page");
        page["cursor"]
            .as_str()
            .expect("one of two")
            .clone_into(&mut door.cursor);
        Ok(door)
    }

    fn post(&self, path: &'static str, key: &str, body: &Value) -> Value {
        let json = HeaderValue::from_static("application/json");
        let mut headers = HeaderMap::from_iter([(header::CONTENT_TYPE, json)]);
        headers.insert(KEY_HEADER, key.parse().expect("visible ASCII"));
        let target = Uri::from_static(path);
        let answer = self.ask(&Method::POST, &target, &headers, body.to_string().into());
        serde_json::from_slice(&answer.body).expect("JSON")
    }

    /// The bytes of a true cursor of customers.
    fn sealed_cursor(&self) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(&self.cursor).expect("base64")
    }

    /// Asks, and checks what every answer must be. A token and a host are put in where they
    /// are missing.
    fn ask(&self, method: &Method, target: &Uri, headers: &HeaderMap, body: Bytes) -> Answer {
        let mut request = Request::new(Body::from(body));
        *request.method_mut() = method.clone();
        *request.uri_mut() = target.clone();
        *request.headers_mut() = headers.clone();
        let headers = request.headers_mut();
        headers
            .entry(header::AUTHORIZATION)
            .or_insert_with(|| self.token.clone());
        headers
            .entry(header::HOST)
            .or_insert(HeaderValue::from_static("localhost"));
        let answer = self.runtime.block_on(async {
            let (parts, body) = self.edge.answer(request).await.into_parts();
            let body = body.collect().await.expect("a body that is there");
            Answer {
                status: parts.status,
                headers: parts.headers,
                body: body.to_bytes(),
            }
        });
        check(method, &answer);
        answer
    }
}

fn check(method: &Method, answer: &Answer) {
    let Answer {
        status,
        headers,
        body,
    } = answer;
    let text = String::from_utf8_lossy(body);
    assert!(!status.is_server_error(), "{status} {text}");
    assert!(headers.contains_key(X_REQUEST_ID));
    assert!(body.len() <= LARGEST_ANSWER);
    let refused = status.is_client_error() && method != Method::HEAD;
    if refused {
        assert_eq!(headers[header::CONTENT_TYPE], "application/problem+json");
        let problem: Value = serde_json::from_slice(body).expect("JSON");
        assert_eq!(problem["status"], status.as_u16(), "{text}");
        let known = Code::ALL.iter().any(|code| problem["code"] == code.name());
        assert!(known, "{text}");
    }
}

fn replace(data: &[u8], word: &[u8], with: &[u8]) -> Vec<u8> {
    match data.windows(word.len()).position(|part| part == word) {
        Some(at) => [&data[..at], with, &data[at + word.len()..]].concat(),
        None => data.to_vec(),
    }
}
