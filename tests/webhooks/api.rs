//! The calls: what is accepted, what is shown, what is refused.

use serde_json::{Value, json};

use crate::lists::names;
use crate::receiver::{Act, Receiver};
use crate::support::{Mode, Server, full_customer};

#[test]
fn a_webhook_is_made_listed_changed_and_deleted_and_its_secret_shown_once() {
    let api = Server::shared().sandbox();
    let sent =
        json!({"url": "https://example.com/hooks", "events": ["customer.*", "endorsement.active"]});
    let made = api.post("/webhooks", &sent).wants(201);
    let webhook = made.json();
    assert_eq!(webhook["object"], "webhook", "{made}");
    assert_eq!(webhook["status"], "active");
    assert_eq!(webhook["enabled"], true);
    assert_eq!(webhook["signatureScheme"], "oms");
    assert_eq!(webhook["events"], sent["events"]);
    let secret = made.text_at("/secret");
    assert!(secret.starts_with("whsec_") && secret.len() == 70, "{made}");
    let id = made.id();
    assert!(id.starts_with("whk_"));
    let path = format!("/webhooks/{id}");
    let read = api.get(&path).wants(200);
    assert_eq!(read.json()["secret"], Value::Null, "{read}");
    assert_eq!(
        api.get("/webhooks").wants(200).json()["data"][0],
        read.json()
    );

    let off = api
        .patch(&path, &json!({"enabled": false, "events": []}))
        .wants(200)
        .json();
    assert_eq!(
        (&off["status"], &off["events"]),
        (&json!("disabled"), &json!([]))
    );
    api.post(&format!("{path}/test"), &json!({}))
        .problem(409, "webhookDisabled");
    let rotated = api
        .post(&format!("{path}/rotateSecret"), &json!({}))
        .wants(200);
    assert_ne!(rotated.text_at("/secret"), secret);
    api.delete(&path).wants(200);
    api.get(&path).problem(404, "notFound");
    assert_eq!(api.get("/webhooks").json()["data"], json!([]));
    let standard = json!({"url": "https://example.com/", "signatureScheme": "standard"});
    let secret = api
        .post("/webhooks", &standard)
        .wants(201)
        .text_at("/secret");
    assert_eq!(secret.len(), "whsec_".len() + 44, "{secret}");
}

#[test]
fn where_a_webhook_may_lead_depends_on_the_mode() {
    let server = Server::shared();
    let (sandbox, live) = (server.sandbox(), server.project(Mode::Live));
    let at = |url: &str| json!({ "url": url });
    sandbox
        .post("/webhooks", &at("http://localhost:9/"))
        .wants(201);
    for url in [
        "http://example.com/",
        "http://10.0.0.1/",
        "https://192.168.0.1/",
        "nonsense",
    ] {
        sandbox
            .post("/webhooks", &at(url))
            .field_error("/url", "valueInvalid");
    }
    for url in [
        "http://localhost:9/",
        "https://127.0.0.1/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://0.0.0.0/",
        "https://10.0.0.1/",
        "https://172.16.0.1/",
        "https://192.168.0.1/",
        "https://100.64.0.1/",
        "https://100.100.100.200/",
        "https://168.63.129.16/",
        "https://169.254.169.254/",
        "https://192.0.2.1/",
        "https://198.18.0.1/",
        "https://198.51.100.1/",
        "https://203.0.113.1/",
        "https://224.0.0.1/",
        "https://255.255.255.255/",
        "https://[::]/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[::ffff:8.8.8.8]/",
        "https://[64:ff9b::a00:1]/",
        "https://[64:ff9b:1::1]/",
        "https://[2002:a00:1::]/",
        "https://[2001::1]/",
        "https://[2001:db8::1]/",
        "https://[fc00::1]/",
        "https://[fd00:ec2::254]/",
        "https://[fe80::1]/",
        "https://[ff02::1]/",
        "https://user:password@example.com/",
        "https://example.com/#part",
        "ftp://example.com/",
    ] {
        live.post("/webhooks", &at(url))
            .field_error("/url", "valueInvalid");
    }
    let wrong =
        json!({"url": "https://example.com/", "events": ["customer.created", "customers.*"]});
    sandbox
        .post("/webhooks", &wrong)
        .field_error("/events/1", "valueInvalid");
    let wrong = json!({"url": "https://example.com/", "event": []});
    assert!(
        sandbox
            .post("/webhooks", &wrong)
            .field_error("/event", "unknownField")
            .contains("events")
    );
}

#[test]
fn a_project_has_twenty_webhooks_at_most() {
    let api = Server::shared().sandbox();
    let body = json!({"url": "https://example.com/"});
    for _ in 0..20 {
        api.post("/webhooks", &body).wants(201);
    }
    api.post("/webhooks", &body).problem(409, "tooManyWebhooks");
}

#[test]
fn events_are_listed_and_filtered_and_read_with_the_state_that_they_left() {
    let api = Server::shared().sandbox();
    let made = api.create(&full_customer());
    let id = made.id();
    api.change(&id, &json!({"middleName": "King"})).wants(200);
    api.delete(&format!("/customers/{id}")).wants(200);
    let list = api.get("/events").wants(200).json();
    let active = "endorsement.active";
    assert_eq!(
        names(&list),
        [
            "customer.deactivated",
            "customer.updated",
            active,
            active,
            active,
            "customer.created"
        ]
    );
    let sequences: Vec<_> = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["sequence"].clone())
        .collect();
    assert_eq!(sequences, [6, 5, 4, 3, 2, 1]);
    let of = |place: usize| list["data"][place].clone();
    assert_eq!(
        of(5)["data"],
        made.json(),
        "as the create left it, although it has changed twice"
    );
    assert_eq!(of(1)["data"]["middleName"], "King");
    assert_eq!(of(1)["data"]["status"], "active");
    assert_eq!(of(1)["changed"], json!(["middleName"]));
    assert_eq!(of(0)["data"]["status"], "inactive");
    assert_eq!(of(2)["changed"], json!(["endorsements.usd"]));
    for event in list["data"].as_array().unwrap() {
        let id = event["id"].as_str().unwrap();
        assert_eq!(api.get(&format!("/events/{id}")).wants(200).json(), *event);
    }
    let count = |query: &str| {
        api.get(&format!("/events{query}")).wants(200).json()["data"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(count("?type=customer.*"), 3);
    assert_eq!(count("?type=endorsement.active"), 3);
    assert_eq!(count(&format!("?resource={id}&type=customer.created")), 1);
    assert_eq!(count("?resource=cst_01h2xcejqtf2nbrexx3vqjhp41"), 0);
    let mut walked = Vec::new();
    let mut query = "?limit=2".to_owned();
    loop {
        let page = api.get(&format!("/events{query}")).wants(200).json();
        walked.extend(
            page["data"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| one["id"].clone()),
        );
        let Some(cursor) = page["cursor"].as_str() else {
            break;
        };
        query = format!("?limit=2&cursor={cursor}");
    }
    assert_eq!(walked.len(), 6);
    api.get("/events?type=nonsense")
        .problem(400, "queryInvalid");
    api.get("/events?cursor=abc").problem(400, "queryInvalid");
}

#[test]
fn a_preview_sends_nothing_and_a_diagnosis_says_why() {
    let receiver = Receiver::always(Act::Answer(200));
    let api = Server::shared().sandbox();
    let early = api.create(&full_customer()).id();
    let body = json!({"url": receiver.url(), "events": ["customer.updated"]});
    let id = api.post("/webhooks", &body).wants(201).id();
    let preview = api.post(
        &format!("/webhooks/{id}/preview"),
        &json!({"event": "customer.updated"}),
    );
    assert_eq!(
        preview.wants(200).json()["body"]["event"],
        "customer.updated"
    );
    let refused = api.post(
        &format!("/webhooks/{id}/preview"),
        &json!({"event": "customer.erased"}),
    );
    refused.field_error("/event", "valueInvalid");
    api.change(&early, &json!({"middleName": "King"}))
        .wants(200);
    receiver.wait_for(1);
    let events = api.get("/events").json();
    let outcome = |place: usize| {
        let event = events["data"][place]["id"].as_str().unwrap();
        crate::support::eventually(std::time::Duration::from_secs(10), "it is recorded", || {
            let said = api
                .get(&format!("/webhooks/{id}/diagnose?event={event}"))
                .wants(200)
                .json();
            (said["outcome"] != "waiting").then(|| said["outcome"].clone())
        })
    };
    assert_eq!(outcome(0), "delivered");
    assert_eq!(outcome(1), "notSubscribed");
    assert_eq!(receiver.received().len(), 1);
}
