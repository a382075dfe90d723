//! Who may post a result: nobody but the provider, and not a message of yesterday.

use oms::context::Context;
use serde_json::json;

use crate::process::{Asking, Provider, SECRET, approved, signed, with_document};
use crate::support::{Answer, Mode, Server};

const FOREIGN: &str = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

#[track_caller]
fn refused(answer: &Answer) {
    answer.problem(401, "signatureInvalid");
    let challenge = answer.wants_header("www-authenticate");
    assert!(challenge.starts_with("StandardWebhooks"), "{answer}");
}

#[test]
fn a_bad_old_or_foreign_signature_changes_nothing() {
    let asking = Asking::start(&[]);
    let provider = Provider::start(asking.port, None);
    let api = asking.server.project(Mode::Live);
    let made = api.create(&with_document("AB-1234561"));
    let ver = provider.requests(1)[0].clone();
    api.create(&with_document("AB-1234562"));
    let other = provider.requests(2)[1].clone();
    let (server, now) = (&asking.server, Context::system().now());
    let body = approved(&ver).to_string();
    let good = || asking.result(&ver, &approved(&ver));
    // Bad.
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        refused(&good().without(name).send());
        refused(&good().header(name, "x").send());
        refused(&good().without(name).header(name, "x").send());
    }
    refused(&good().text(&body.replace("approved", "rejected")).send());
    refused(&good().text(&format!("{body} ")).send());
    refused(
        &good()
            .without("webhook-signature")
            .header("webhook-signature", "v1,")
            .send(),
    );
    // Old, or from the future.
    for seconds in [-301, 302, -86_400] {
        let at = (SECRET, now.plus_seconds(seconds));
        refused(&signed(server, &ver, &body, at).send());
    }
    // Foreign: by another secret, and by the right one for another customer.
    refused(&signed(server, &ver, &body, (FOREIGN, now)).send());
    refused(&signed(server, &ver, &approved(&other).to_string(), (SECRET, now)).send());
    // A bearer token is no signature.
    let token = format!("Bearer {}", api.token);
    let call = server.call("POST", &format!("/v0.9/verifications/{ver}/result"));
    refused(&call.header("authorization", token).text(&body).send());
    assert_eq!(api.read(&made.id()).json(), made.json());
    // It was the signature, each time.
    signed(server, &ver, &body, (SECRET, now.plus_seconds(-290)))
        .send()
        .wants(200);
}

#[test]
fn a_signed_message_is_judged_like_any_other() {
    let asking = Asking::start(&[]);
    let (server, now) = (&asking.server, Context::system().now());
    let unknown = "ver_01h2xcejqtf2nbrexx3vqjhp41";
    let send = |id: &str, body: &str| signed(server, id, body, (SECRET, now)).send();
    send(unknown, &approved(unknown).to_string()).problem(404, "notFound");
    send("ver_x", &approved("ver_x").to_string()).problem(404, "notFound");
    send(unknown, "{").problem(400, "bodyNotJson");
    send(unknown, "[]").problem(400, "bodyNotObject");
    send(unknown, "{}").field_error("/verificationId", "required");
    let call = asking.result(unknown, &approved(unknown));
    let plain = call
        .clone()
        .without("content-type")
        .header("content-type", "text/plain");
    plain.send().problem(415, "unsupportedMediaType");
    let long = json!({ "verificationId": unknown, "result": "x".repeat(70_000) });
    asking
        .result(unknown, &long)
        .send()
        .problem(413, "bodyTooLarge");
    let get = server.call("GET", &format!("/v0.9/verifications/{unknown}/result"));
    get.send().problem(405, "methodNotAllowed");
}

#[test]
fn without_a_provider_nobody_can_sign() {
    let now = Context::system().now();
    let id = "ver_01h2xcejqtf2nbrexx3vqjhp41";
    let call = signed(
        Server::shared(),
        id,
        &approved(id).to_string(),
        (SECRET, now),
    );
    refused(&call.send());
}

#[test]
fn while_the_secret_is_changed_the_old_one_is_good_too() {
    let folder = crate::support::Folder::new();
    let file = folder.path().join("secret");
    std::fs::write(&file, format!("{FOREIGN}\n{SECRET}\n")).expect("a file");
    let settings = [
        ("OMS_VERIFICATION_PROVIDER_SECRET", ""),
        (
            "OMS_VERIFICATION_PROVIDER_SECRET_FILE",
            file.to_str().expect("a plain path"),
        ),
    ];
    let asking = Asking::start(&settings);
    let provider = Provider::start(asking.port, None);
    let api = asking.server.project(Mode::Live);
    api.create(&with_document("AB-1234561"));
    // The provider, which knows the old one only, accepts the request.
    let ver = provider.requests(1)[0].clone();
    let (body, now) = (approved(&ver).to_string(), Context::system().now());
    for secret in [SECRET, FOREIGN] {
        signed(&asking.server, &ver, &body, (secret, now))
            .send()
            .wants(200);
    }
}
