//! The payloads that docs/verification.md shows are made by the code.
//! `OMS_UPDATE=1 cargo test --test verification` writes them anew.

use std::path::Path;

use oms::context::Time;
use oms::http::examples;
use oms::vault::MessageKeys;
use serde_json::Value;

/// The secret of the example, which is nobody's.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// When the example was signed: 2026-01-31T12:00:00Z.
const AT: Time = Time::from_millis(1_769_860_800_000);

/// The message as it goes over the wire, with what signs it.
fn message(path: &str, id: &str, body: &Value) -> String {
    let text = serde_json::to_string_pretty(body).expect("JSON");
    let keys = MessageKeys::parse(SECRET).expect("a secret");
    let signature = keys.sign(id, AT, text.as_bytes());
    format!(
        "```http\nPOST {path}\ncontent-type: application/json\nwebhook-id: {id}\n\
         webhook-timestamp: {}\nwebhook-signature: {signature}\n\n{text}\n```\n",
        AT.as_seconds()
    )
}

#[test]
fn the_documented_messages_are_those_of_the_code() {
    let request = examples::verification_request();
    let id = request["verificationId"].as_str().expect("an id");
    let result = examples::result_of_verification();
    let path = request["resultPath"].as_str().expect("a path");
    let made = [
        ("request", message("/verify", id, &request)),
        (
            "result",
            message(path, "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W", &result),
        ),
    ];
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/verification.md");
    let stored = std::fs::read_to_string(&file).expect("the page is there");
    let mut text = stored.clone();
    for (name, message) in made {
        let (begin, end) = (
            format!("<!-- {name} -->\n"),
            format!("<!-- end of {name} -->\n"),
        );
        let from = text.find(&begin).expect("where it begins") + begin.len();
        let to = text.find(&end).expect("where it ends");
        text.replace_range(from..to, &message);
    }
    if std::env::var_os("OMS_UPDATE").is_some() {
        std::fs::write(&file, &text).expect("the page can be written");
    }
    assert!(
        text == stored || std::env::var_os("OMS_UPDATE").is_some(),
        "docs/verification.md shows other messages; OMS_UPDATE=1 cargo test --test verification"
    );
}
