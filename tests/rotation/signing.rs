//! `oms keys rotate-signing`.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oms::core::event::{Order, Origin};
use oms::core::signing::OldKey;
use serde_json::Value;

use crate::support::{Api, Call, InProcess, Server, eventually, minimal_customer};

const A_WHILE: Duration = Duration::from_secs(10);

fn kid(token: &str) -> String {
    let head = token.split('.').next().expect("a head");
    let head = URL_SAFE_NO_PAD.decode(head).expect("base64");
    let head: Value = serde_json::from_slice(&head).expect("JSON");
    head["kid"].as_str().expect("a kid").to_owned()
}

fn published(call: &Call) -> Vec<String> {
    let set = call.send().wants(200).json();
    let keys = set["keys"].as_array().expect("keys").clone();
    keys.iter()
        .map(|key| key["kid"].as_str().expect("a kid").to_owned())
        .collect()
}

fn by_a_test() -> Order {
    Order {
        origin: Origin {
            actor: "test".into(),
            request_id: "req_test".into(),
        },
        reason: None,
    }
}

fn status(api: &Api) -> u16 {
    api.get("/customers").status
}

#[test]
fn the_old_key_verifies_and_the_new_one_signs_without_a_restart() {
    let server = Server::start(&[]);
    let old = server.sandbox();
    let jwks = server.call("GET", "/.well-known/jwks.json");
    assert_eq!(published(&jwks), [kid(&old.token)]);
    let output = server.keys(&["rotate-signing"]);
    assert!(output.status.success(), "{output:?}");
    eventually(Duration::from_secs(2), "both are published", || {
        (published(&jwks).len() == 2).then_some(())
    });
    let new = eventually(A_WHILE, "the new key signs", || {
        let api = server.connect(&old.key);
        (kid(&api.token) != kid(&old.token)).then_some(api)
    });
    assert_eq!(published(&jwks), [kid(&new.token), kid(&old.token)]);
    old.create(&minimal_customer());
    new.create(&minimal_customer());

    let refused = server.keys(&["rotate-signing"]);
    assert!(!refused.status.success(), "{refused:?}");
    assert!(refused.stderr.contains("--end-old-now"), "{refused:?}");
    let ended = server.keys(&["rotate-signing", "--end-old-now"]);
    assert!(ended.status.success(), "{ended:?}");
    eventually(A_WHILE, "the tokens of the old keys end", || {
        (status(&old) == 401 && status(&new) == 401).then_some(())
    });
    assert_eq!(published(&jwks).len(), 1);
    server.connect(&old.key).create(&minimal_customer());
}

#[test]
fn a_retired_key_goes_when_its_last_token_has_expired() {
    let server = InProcess::start(|config| config.token_lifetime = Duration::from_mins(10));
    let key = server.key("shop", crate::support::Mode::Sandbox, None);
    let old = server.connect(&key);
    let running = server.server();
    running
        .block_on(
            running
                .app()
                .installation
                .rotate_signing(OldKey::Retires, &by_a_test()),
        )
        .expect("a new key");
    let jwks = server.call("GET", "/.well-known/jwks.json");
    eventually(A_WHILE, "both are published", || {
        (published(&jwks).len() == 2).then_some(())
    });
    let last = server.connect(&key);
    assert_eq!(
        kid(&last.token),
        kid(&old.token),
        "the new one waits a little"
    );
    server.advance(590);
    assert_eq!(status(&last), 200);
    let new = server.connect(&key);
    assert_ne!(kid(&new.token), kid(&old.token));
    server.advance(13);
    eventually(A_WHILE, "the old one is gone", || {
        (published(&jwks) == [kid(&new.token)]).then_some(())
    });
    assert_eq!((status(&last), status(&new)), (401, 200));
    running
        .block_on(
            running
                .app()
                .installation
                .rotate_signing(OldKey::Retires, &by_a_test()),
        )
        .expect("two in force again");
}
