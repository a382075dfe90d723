//! A server that speaks as much of the transit protocol as its documentation
//! shows for encrypt and decrypt: paths, token header, bodies, errors.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

/// The token that may use every key.
pub const TOKEN: &str = "hvs.a-token-of-the-test";

/// What was encrypted, by its ciphertext, and how often it was called.
#[derive(Default)]
struct Kept {
    plaintexts: HashMap<String, String>,
    calls: usize,
}

/// The server; its thread ends with the test process.
pub struct Transit {
    /// `http://127.0.0.1:PORT`.
    pub url: String,
    kept: Arc<Mutex<Kept>>,
}

impl Transit {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let kept = Arc::<Mutex<Kept>>::default();
        let shared = Arc::clone(&kept);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&shared);
                thread::spawn(move || serve(stream, &shared));
            }
        });
        Self { url, kept }
    }

    /// How often it was called.
    pub fn calls(&self) -> usize {
        self.kept.lock().expect("no panic holds this").calls
    }
}

fn serve(stream: TcpStream, kept: &Mutex<Kept>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let request = line.trim().to_owned();
        let (mut length, mut token) = (0, String::new());
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).ok()?;
            let Some((name, value)) = header.trim().split_once(": ") else {
                break;
            };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().ok()?,
                "x-vault-token" => value.clone_into(&mut token),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let body = serde_json::from_slice(&body).unwrap_or_default();
        let (status, answer) = answer(&request, &token, &body, kept);
        let text = answer.to_string();
        let length = text.len();
        let head = format!(
            "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        reader.get_mut().write_all((head + &text).as_bytes()).ok()?;
    }
}

fn answer(request: &str, token: &str, body: &Value, kept: &Mutex<Kept>) -> (u16, Value) {
    let mut kept = kept.lock().expect("no panic holds this");
    kept.calls += 1;
    if token != TOKEN {
        return (403, json!({ "errors": ["permission denied"] }));
    }
    match request {
        "POST /v1/transit/encrypt/oms HTTP/1.1" => {
            let ciphertext = format!("vault:v1:{}", kept.plaintexts.len());
            let plaintext = body["plaintext"].as_str().expect("a plaintext").to_owned();
            kept.plaintexts.insert(ciphertext.clone(), plaintext);
            let data = json!({ "ciphertext": ciphertext, "key_version": 1 });
            (
                200,
                json!({ "request_id": "1", "renewable": false, "data": data }),
            )
        }
        "POST /v1/transit/decrypt/oms HTTP/1.1" => {
            match body["ciphertext"]
                .as_str()
                .and_then(|text| kept.plaintexts.get(text))
            {
                Some(plaintext) => (
                    200,
                    json!({ "request_id": "1", "data": { "plaintext": plaintext } }),
                ),
                None => (
                    400,
                    json!({ "errors": ["cipher: message authentication failed"] }),
                ),
            }
        }
        _ => (404, json!({ "errors": [] })),
    }
}
