//! Files that are generated from the code and checked in: a change on the wire
//! shows up in review. `OMS_UPDATE=1 cargo test --test openapi` writes them anew.

mod shape;

use std::fmt::Write;
use std::path::Path;

use oms::core::event::EventKind;
use oms::error::{Code, FieldCode};
use oms::http::error::status;
use oms::http::{examples, router};
use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{PrettyFormatter, Serializer};

fn compare(file: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if std::env::var_os("OMS_UPDATE").is_some() {
        std::fs::write(&path, text).expect("the file can be written");
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        stored == text,
        "{file} is not what the code says; look at the change, then run OMS_UPDATE=1 cargo test --test openapi"
    );
}

fn document() -> Value {
    router::document().expect("the document is JSON")
}

#[test]
fn the_openapi_document_is_the_one_checked_in() {
    let mut text = Vec::new();
    let format = PrettyFormatter::with_indent(b" ");
    document()
        .serialize(&mut Serializer::with_formatter(&mut text, format))
        .unwrap();
    let text = String::from_utf8(text).unwrap() + "\n";
    assert!(text.len() <= 250 * 1024, "{} bytes", text.len());
    compare("openapi.json", &text);
}

#[test]
fn the_list_of_errors_is_the_one_checked_in() {
    let mut text = String::from(
        "# Errors\n\n\
         Every error is an RFC 9457 problem, `application/problem+json`. Act on `code`; `detail` is for people.\n\
         This list is made from the code; there may be more codes later, so treat one that you do not know by its status.\n\n\
         | code | status | meaning | what to do |\n|---|---|---|---|\n",
    );
    for code in Code::ALL {
        let status = status(code).as_u16();
        writeln!(
            text,
            "| `{}` | {status} | {} | {} |",
            code.name(),
            code.title(),
            code.remedy()
        )
        .unwrap();
    }
    text += "\n## Fields\n\n\
             `validationFailed` names every invalid field in `errors`, each with a JSON Pointer, a message that says\n\
             what is accepted, and one of these codes:\n\n| code | meaning |\n|---|---|\n";
    for code in FieldCode::ALL {
        writeln!(text, "| `{}` | {} |", code.name(), code.meaning()).unwrap();
    }
    compare("docs/errors.md", &text);
}

#[test]
fn every_call_has_an_example_of_what_it_takes_and_of_every_answer() {
    let document = document();
    let mut calls = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, call) in item.as_object().unwrap() {
            let Some(answers) = call["responses"].as_object() else {
                continue;
            };
            calls += 1;
            let contents = answers.values().chain([&call["requestBody"]]);
            for content in contents.filter_map(|part| part["content"].as_object()) {
                for (kind, media) in content {
                    let has = media.get("example").is_some() || media["examples"].is_object();
                    assert!(has, "{method} {path} {kind} has no example: {media:#}");
                }
            }
        }
    }
    assert!(calls >= 10, "only {calls} calls are documented");
}

#[test]
fn every_error_code_has_an_example_somewhere() {
    let text = document().to_string();
    for code in Code::ALL {
        let quoted = format!("\"code\":\"{}\"", code.name());
        assert!(text.contains(&quoted), "{quoted} has no example");
    }
}

#[test]
fn every_event_that_is_told_has_a_payload_made_by_the_code_that_sends_it() {
    let document = document();
    let kinds = EventKind::ALL
        .into_iter()
        .filter(|kind| kind.is_published());
    for kind in kinds {
        let body = &document["webhooks"][kind.name()]["post"]["requestBody"];
        let example = &body["content"]["application/json"]["example"];
        assert_eq!(*example, examples::payload(kind, kind.name()));
        assert_eq!(example["event"], kind.name());
        let names: Vec<_> = example
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        let wanted = [
            "event",
            "id",
            "eventId",
            "createdAt",
            "occurredAt",
            "sequence",
            "changed",
            "data",
        ];
        assert!(wanted.iter().all(|name| names.contains(name)) && names.len() == wanted.len());
    }
}
