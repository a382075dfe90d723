//! The list of events keeps the rules of the list of customers.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::support::{Api, Mode, Server, fresh_name, full_customer, on_postgres, sql};

/// Customers of a project beyond which its events are not found through them.
const FEW: usize = 10_000;

/// More rows than are read through at first.
const MANY: usize = 1_200;

/// Threads that create.
const CREATORS: usize = 4;

fn page(api: &Api, query: &str) -> Value {
    api.get(&format!("/events{query}")).wants(200).json()
}

fn data(page: &Value) -> &Vec<Value> {
    page["data"].as_array().expect("a list")
}

/// The names of the events on a page.
pub fn names(page: &Value) -> Vec<Value> {
    data(page).iter().map(|one| one["event"].clone()).collect()
}

fn ids(page: &Value) -> Vec<String> {
    let id = |one: &Value| one["id"].as_str().expect("an id").to_owned();
    data(page).iter().map(id).collect()
}

#[test]
fn a_page_is_stable_while_others_write() {
    let api = Server::shared().sandbox();
    for _ in 0..5 {
        api.create(&full_customer());
    }
    let all = ids(&page(&api, "?limit=100"));
    assert_eq!(all.len(), 20);
    let mut walked = Vec::new();
    let mut query = "?limit=3".to_owned();
    loop {
        let page = page(&api, &query);
        walked.extend(ids(&page));
        api.create(&full_customer());
        assert_eq!(page["hasMore"], json!(page["cursor"].is_string()), "{page}");
        let Some(cursor) = page["cursor"].as_str() else {
            break;
        };
        assert_eq!(data(&page).len(), 3);
        query = format!("?limit=3&cursor={cursor}");
    }
    assert_eq!(
        walked, all,
        "newest first, none twice, none missed, none that is new"
    );
}

/// Every page of a list, from the first to the last.
fn walk(api: &Api, filters: &str) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut query = format!("?limit=100{filters}");
    loop {
        let page = page(api, &query);
        pages.push(ids(&page));
        let Some(cursor) = page["cursor"].as_str() else {
            return pages;
        };
        query = format!("?limit=100{filters}&cursor={cursor}");
    }
}

fn make_many(api: &Api) {
    std::thread::scope(|scope| {
        for _ in 0..CREATORS {
            scope.spawn(|| {
                for _ in 0..MANY / CREATORS {
                    api.create(&json!({"type": "individual", "endorsements": []}));
                }
            });
        }
    });
}

#[test]
fn a_few_events_are_found_behind_very_many_of_others() {
    let server = Server::start(&[]);
    let (few, many) = (server.sandbox(), server.sandbox());
    let early = few.create(&full_customer());
    let webhook = json!({"url": "http://127.0.0.1:9/"});
    let webhook = few.post("/webhooks", &webhook).wants(201).id();
    make_many(&many);
    few.change(&early.id(), &json!({"middleName": "King"}))
        .wants(200);
    few.post(&format!("/webhooks/{webhook}/test"), &json!({}))
        .wants(200);
    make_many(&many);
    let pages = walk(&few, "");
    assert_eq!(pages.len(), 1, "{pages:?}");
    let active = "endorsement.active";
    assert_eq!(
        names(&page(&few, "")),
        [
            "webhook.test",
            "customer.updated",
            active,
            active,
            active,
            "customer.created"
        ]
    );
    assert_eq!(walk(&few, "&type=customer.*").concat().len(), 2);
    let all = walk(&many, "").concat();
    assert_eq!(all.len(), 2 * MANY);
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), 2 * MANY);

    // With very many customers of its own they are not asked one by one, and nothing is missed.
    add_silent_customers(&server);
    let through = walk(&few, "");
    assert_eq!(through.concat(), pages.concat());
    assert_eq!(walk(&many, "").concat(), all);
}

/// Customers without events, in the only project where one was changed.
fn add_silent_customers(server: &Server) {
    let numbers = if on_postgres() {
        format!("SELECT decode(md5(i::text), 'hex') AS id FROM generate_series(1, {FEW}) AS i")
    } else {
        format!(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {FEW})
             SELECT randomblob(16) AS id FROM n"
        )
    };
    let project = "SELECT project FROM events WHERE kinds LIKE '%customer.updated%'";
    let insert = format!(
        "INSERT INTO customers (project, id, version, status, updated_at, data_key, endorsements,
                                profile, identity)
         SELECT ({project}), n.id, 1, 0, 0, 0, 0, '', '' FROM ({numbers}) AS n"
    );
    sql(&server.data, &insert);
}

#[test]
fn filters_narrow_and_a_cursor_is_of_no_use_elsewhere() {
    let (api, stranger) = (Server::shared().sandbox(), Server::shared().sandbox());
    let empty = page(&api, "");
    assert_eq!(empty, json!({"data": [], "hasMore": false, "cursor": null}));
    let customers: Vec<_> = (0..3).map(|_| api.create(&full_customer()).id()).collect();
    stranger.create(&full_customer());
    let all = page(&api, "");
    let own: HashSet<_> = data(&all).iter().map(|one| &one["resourceId"]).collect();
    assert_eq!(own.len(), 3);
    for (query, count) in [
        ("?type=customer.created", 3),
        ("?type=endorsement.*", 9),
        ("?type=endorsement.updated", 0),
        ("?type=transaction.*", 0),
        ("?type=wallet.provisioned", 0),
        (&format!("?resource={}", customers[1]), 4),
        (
            &format!("?resource={}&type=endorsement.active", customers[1]),
            3,
        ),
        ("?createdAfter=2100-01-01T00:00:00Z", 0),
        ("?createdBefore=2020-01-01T00:00:00Z", 0),
    ] {
        let found = page(&api, query);
        assert_eq!(data(&found).len(), count, "{query}: {found}");
        assert_eq!(found["hasMore"], false, "{query}");
    }
    // Both ends are part of it.
    let moment = data(&all)[6]["createdAt"].as_str().expect("a moment");
    for (query, end) in [
        (format!("?createdAfter={moment}"), "after"),
        (format!("?createdBefore={moment}"), "before"),
    ] {
        let found = page(&api, &query);
        let holds = |one: &Value| one["createdAt"] == moment;
        assert!(data(&found).iter().any(holds), "{end}: {found}");
    }
    let cursor = page(&api, "?limit=2")["cursor"]
        .as_str()
        .expect("more")
        .to_owned();
    for query in [
        format!("?type=customer.*&cursor={cursor}"),
        format!("?resource={}&cursor={cursor}", customers[0]),
        format!("?createdAfter=2020-01-01T00:00:00Z&cursor={cursor}"),
        format!("?cursor={cursor}x"),
        "?limit=0".to_owned(),
        "?limit=101".to_owned(),
        "?limit=ten".to_owned(),
        "?type=customer.*&type=customer.*".to_owned(),
        "?types=customer.*".to_owned(),
        "?resource=nonsense".to_owned(),
        "?createdAfter=yesterday".to_owned(),
    ] {
        api.get(&format!("/events{query}"))
            .problem(400, "queryInvalid");
    }
    let foreign = stranger.get(&format!("/events?cursor={cursor}"));
    foreign.problem(400, "queryInvalid");
}

#[test]
fn an_event_is_read_by_whoever_owns_it_and_by_nobody_else() {
    let server = Server::shared();
    let project = fresh_name("project");
    let [api, live] =
        [Mode::Sandbox, Mode::Live].map(|mode| server.connect(&server.key(&project, mode, None)));
    let stranger = server.sandbox();
    api.create(&full_customer());
    for event in data(&page(&api, "")) {
        let path = format!("/events/{}", event["id"].as_str().expect("an id"));
        assert_eq!(api.get(&path).wants(200).json(), *event);
        live.get(&path).problem(404, "notFound");
        stranger.get(&path).problem(404, "notFound");
    }
    assert_eq!(page(&live, "")["data"], json!([]));
    api.get("/events/evt_nonsense").problem(404, "notFound");
    let unknown = "/events/evt_01h2xcejqtf2nbrexx3vqjhp41";
    api.get(unknown).problem(404, "notFound");
}

#[test]
fn a_test_is_listed_with_its_webhook_and_what_is_for_auditors_is_not() {
    let api = Server::shared().sandbox();
    let body = json!({"url": "http://127.0.0.1:9/"});
    let id = api.post("/webhooks", &body).wants(201).id();
    api.patch(
        &format!("/webhooks/{id}"),
        &json!({"events": ["customer.*"]}),
    )
    .wants(200);
    api.post(&format!("/webhooks/{id}/test"), &json!({}))
        .wants(200);
    let all = page(&api, "");
    assert_eq!(data(&all).len(), 1, "{all}");
    let event = &data(&all)[0];
    assert_eq!(event["event"], "webhook.test");
    assert_eq!(
        (&event["resourceId"], &event["data"]),
        (&json!(id), &Value::Null)
    );
    assert_eq!(page(&api, "?type=webhook.test"), all);
    assert_eq!(page(&api, &format!("?resource={id}"))["data"], all["data"]);
}
