//! The `OpenAPI` document, the page for people, the public keys, the list of errors.

use std::fs;

use oms::error::{Code, FieldCode};
use serde_json::Value;

use crate::support::{Answer, Server};

fn document() -> Value {
    Server::shared()
        .call("GET", "/openapi.json")
        .send()
        .wants(200)
        .json()
}

#[test]
fn openapi_is_version_3_1_and_needs_no_token() {
    let answer = Server::shared()
        .call("GET", "/openapi.json")
        .send()
        .wants(200);
    assert!(
        answer
            .wants_header("content-type")
            .starts_with("application/json"),
        "{answer}"
    );
    let version = answer.text_at("/openapi");
    assert!(version.starts_with("3.1."), "{version}");
}

#[test]
fn document_and_page_are_compressed_and_kept() {
    let server = Server::shared();
    for path in [
        "/openapi.json",
        "/docs",
        "/docs/swagger-ui-bundle.js",
        "/docs/docs.js",
    ] {
        let plain = server.call("GET", path).send().wants(200);
        assert!(plain.header("content-encoding").is_none(), "{path}");
        let zipped = server
            .call("GET", path)
            .header("Accept-Encoding", "br, gzip");
        let zipped = zipped.send().wants(200);
        assert_eq!(zipped.wants_header("content-encoding"), "gzip", "{path}");
        assert_eq!(zipped.wants_header("vary"), "Accept-Encoding");
        assert_eq!(zipped.wants_header("cache-control"), "no-cache");
        assert!(zipped.body.len() < plain.body.len(), "{path}");
        let kind = |answer: &Answer| answer.wants_header("content-type").to_owned();
        assert_eq!(kind(&zipped), kind(&plain));
        assert_ne!(zipped.wants_header("etag"), plain.wants_header("etag"));
        let again = server.call("GET", path).header("Accept-Encoding", "gzip");
        let again = again.header("If-None-Match", zipped.wants_header("etag"));
        let again = again.send().wants(304);
        assert!(again.body.is_empty(), "{path}");
    }
    let document = server.call("GET", "/openapi.json");
    let document = document.header("Accept-Encoding", "gzip").send();
    assert!(document.body.len() < 40_000, "{}", document.body.len());
}

#[test]
fn the_root_leads_to_the_page() {
    let server = Server::shared();
    let answer = server.call("GET", "/").send().wants(307);
    assert_eq!(answer.wants_header("location"), "/docs");
}

#[test]
fn what_stands_below_no_version_stands_below_each_as_well() {
    let server = Server::shared();
    for path in [
        "/healthz",
        "/readyz",
        "/.well-known/jwks.json",
        "/openapi.json",
    ] {
        let bare = server.call("GET", path).send().wants(200);
        let below = server.call("GET", &format!("/v0.9{path}")).send();
        assert_eq!(below.wants(200).body, bare.body, "{path}");
    }
}

#[test]
fn openapi_describes_every_call_of_the_contract() {
    let document = document();
    let paths = document["paths"].as_object().expect("paths");
    let described = |method: &str, path: &str| {
        paths
            .iter()
            .any(|(known, item)| known.ends_with(path) && item.get(method).is_some())
    };
    for (method, path) in [
        ("post", "/auth/token"),
        ("post", "/customers"),
        ("get", "/customers"),
        ("get", "/customers/{customerId}"),
        ("patch", "/customers/{customerId}"),
        ("delete", "/customers/{customerId}"),
    ] {
        assert!(described(method, path), "{method} {path} is not described");
    }
}

#[test]
fn openapi_holds_every_code() {
    let document = document().to_string();
    let fields = FieldCode::ALL.iter().map(|code| code.name());
    for name in Code::ALL.iter().map(|code| code.name()).chain(fields) {
        assert!(
            document.contains(&format!("\"{name}\"")),
            "{name} is not in the document"
        );
    }
}

#[test]
fn the_list_of_errors_gives_code_status_meaning_and_remedy() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/errors.md");
    let text = fs::read_to_string(path).expect("docs/errors.md is there");
    for code in Code::ALL {
        let name = format!("`{}`", code.name());
        let row = text
            .lines()
            .find(|line| line.contains(&name) && line.contains(code.title()));
        let row = row.unwrap_or_else(|| panic!("{name} has no line with its meaning"));
        assert!(row.contains(code.remedy()), "what to do is missing: {row}");
        let status = row
            .split(|c: char| !c.is_ascii_digit())
            .find_map(|part| part.parse::<u16>().ok());
        assert!(
            status.is_some_and(|status| (400..600).contains(&status)),
            "no status: {row}"
        );
    }
    for code in FieldCode::ALL {
        let name = format!("`{}`", code.name());
        let row = text
            .lines()
            .find(|line| line.contains(&name) && line.contains(code.meaning()));
        assert!(row.is_some(), "{name} has no line with its meaning");
    }
}

/// Every address in an attribute that makes a browser load something.
fn loaded_by(page: &Answer) -> Vec<String> {
    let text = page.text();
    let mut found = Vec::new();
    for tag in text.split('<').filter(|tag| {
        [
            "script", "link", "img", "iframe", "source", "embed", "object", "video",
        ]
        .iter()
        .any(|name| tag.to_ascii_lowercase().starts_with(name))
    }) {
        let tag = tag.split('>').next().unwrap_or_default();
        for attribute in ["src=", "href=", "data="] {
            if let Some((_, rest)) = tag.split_once(attribute) {
                let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''));
                let value = quote.map_or_else(
                    || rest.split_whitespace().next(),
                    |quote| rest[1..].split(quote).next(),
                );
                found.extend(value.map(str::to_owned));
            }
        }
    }
    found
}

/// The page at `/docs`, wherever it sends a browser on the same server.
fn docs_page() -> (String, Answer) {
    let server = Server::shared();
    let first = server.call("GET", "/docs").send();
    if first.status == 200 {
        return ("/docs".to_owned(), first);
    }
    assert!((301..309).contains(&first.status), "{first}");
    let path = first.wants_header("location").to_owned();
    assert!(path.starts_with('/') && !path.starts_with("//"), "{first}");
    let page = server.call("GET", &path).send().wants(200);
    (path, page)
}

#[test]
fn docs_is_a_page_for_people_that_needs_no_token() {
    let (_, page) = docs_page();
    assert!(
        page.wants_header("content-type").starts_with("text/html"),
        "{page}"
    );
    assert!(page.text().to_ascii_lowercase().contains("<html"), "{page}");
}

#[test]
fn docs_loads_nothing_from_elsewhere() {
    let (path, page) = docs_page();
    let folder = &path[..=path.rfind('/').expect("a path")];
    let mut everything = page.text();
    for address in loaded_by(&page) {
        if address.starts_with("data:") {
            continue;
        }
        assert!(!address.contains("//"), "{address} is elsewhere: {page}");
        let own = if address.starts_with('/') {
            address.clone()
        } else {
            format!("{folder}{}", address.trim_start_matches("./"))
        };
        let asset = Server::shared().call("GET", &own).send().wants(200);
        if asset.wants_header("content-type").starts_with("text/css") {
            assert!(!asset.text().contains("@import"), "{own} imports");
        }
        everything.push_str(&asset.text());
    }
    // A page that carries the code to ask a validator elsewhere must forbid itself to.
    let policy = page.header("content-security-policy").unwrap_or_default();
    assert!(
        !everything.contains("validator.swagger.io") || policy.contains("default-src"),
        "nothing keeps the page from asking elsewhere: {policy:?}"
    );
}

#[test]
fn the_public_keys_are_elliptic_and_hold_nothing_private() {
    let answer = Server::shared()
        .call("GET", "/.well-known/jwks.json")
        .send()
        .wants(200);
    let body = answer.json();
    let keys = body["keys"]
        .as_array()
        .unwrap_or_else(|| panic!("{answer}"));
    assert!(!keys.is_empty(), "{answer}");
    for key in keys {
        assert_eq!(key["kty"], "EC", "{answer}");
        assert_eq!(key["crv"], "P-256", "{answer}");
        assert_eq!(key["alg"], "ES256", "{answer}");
        assert!(
            key["kid"].as_str().is_some_and(|kid| !kid.is_empty()),
            "{answer}"
        );
        assert!(key.get("d").is_none(), "{answer}");
    }
}
