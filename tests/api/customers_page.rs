//! Section 5: the pages of `GET /customers`.

use serde_json::json;

use crate::support::{Api, Mode, Server, fresh_name, ids, minimal_customer};

/// A project with so many customers; their ids, newest first.
fn with_customers(api: &Api, count: usize) -> Vec<String> {
    let mut made: Vec<String> = (0..count)
        .map(|_| api.create(&minimal_customer()).id())
        .collect();
    made.reverse();
    made
}

/// The ids of every page of this size.
fn pages(api: &Api, limit: usize) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut query = format!("?limit={limit}");
    loop {
        let page = api.list(&query);
        pages.push(ids(&page));
        let body = page.json();
        if body["hasMore"] == false {
            assert_eq!(body["cursor"], json!(null), "{page}");
            return pages;
        }
        assert_eq!(body["hasMore"], true, "{page}");
        query = format!("?limit={limit}&cursor={}", page.text_at("/cursor"));
    }
}

#[test]
fn pages_of_any_size_hold_every_customer_once_and_in_order() {
    let api = Server::shared().sandbox();
    let made = with_customers(&api, 7);
    for (limit, sizes) in [
        (1, vec![1; 7]),
        (2, vec![2, 2, 2, 1]),
        (6, vec![6, 1]),
        (7, vec![7]),
        (100, vec![7]),
    ] {
        let pages = pages(&api, limit);
        assert_eq!(
            pages.iter().map(Vec::len).collect::<Vec<_>>(),
            sizes,
            "limit {limit}"
        );
        assert_eq!(pages.concat(), made, "limit {limit}");
    }
}

#[test]
fn the_default_is_fifty_and_the_most_is_a_hundred() {
    let api = Server::shared().sandbox();
    let made = with_customers(&api, 101);
    let page = api.list("");
    assert_eq!(ids(&page), made[..50], "{page}");
    assert_eq!(page.json()["hasMore"], true);
    let page = api.list("?limit=100");
    assert_eq!(ids(&page), made[..100]);
    assert_eq!(page.json()["hasMore"], true);
}

#[test]
fn a_page_is_stable_while_others_write() {
    let api = Server::shared().sandbox();
    let made = with_customers(&api, 6);
    let first = api.list("?limit=2");
    with_customers(&api, 3);
    let cursor = first.text_at("/cursor");
    let second = api.list(&format!("?limit=2&cursor={cursor}"));
    assert_eq!(ids(&second), made[2..4]);
    api.change(&made[5], &json!({ "firstName": "Ada" }))
        .wants(200);
    api.delete(&format!("/customers/{}", made[4])).wants(200);
    let again = api.list(&format!("?limit=2&cursor={cursor}"));
    assert_eq!(ids(&again), made[2..4]);
    let third = api.list(&format!("?limit=2&cursor={}", second.text_at("/cursor")));
    assert_eq!(ids(&third), made[4..6]);
}

#[test]
fn a_cursor_goes_on_within_its_filter() {
    let api = Server::shared().sandbox();
    let with = |external: &str| {
        api.create(&json!({ "type": "individual", "externalId": external }))
            .id()
    };
    let mut wanted = Vec::new();
    for _ in 0..4 {
        wanted.insert(0, with("a"));
        with("b");
    }
    let first = api.list("?externalId=a&limit=3");
    assert_eq!(ids(&first), wanted[..3]);
    let next = api.list(&format!(
        "?externalId=a&limit=3&cursor={}",
        first.text_at("/cursor")
    ));
    assert_eq!(ids(&next), wanted[3..]);
    assert_eq!(next.json()["hasMore"], false, "{next}");
}

#[test]
fn a_cursor_goes_on_with_another_limit() {
    let api = Server::shared().sandbox();
    let made = with_customers(&api, 5);
    let cursor = api.list("?limit=1").text_at("/cursor");
    assert_eq!(api.listed(&format!("?limit=3&cursor={cursor}")), made[1..4]);
}

#[test]
fn a_cursor_with_other_filters_is_refused() {
    let api = Server::shared().sandbox();
    with_customers(&api, 3);
    let plain = api.list("?limit=1").text_at("/cursor");
    let active = api.list("?limit=1&status=active").text_at("/cursor");
    for query in [
        format!("status=active&cursor={plain}"),
        format!("cursor={active}"),
        format!("status=inactive&cursor={active}"),
        format!("status=active&email=a@example.com&cursor={active}"),
    ] {
        api.get(&format!("/customers?limit=1&{query}"))
            .problem(400, "queryInvalid");
    }
    api.list(&format!("?limit=1&status=active&cursor={active}"));
}

#[test]
fn a_cursor_with_any_character_changed_is_refused() {
    let api = Server::shared().sandbox();
    with_customers(&api, 3);
    let cursor = api.list("?limit=1").text_at("/cursor");
    api.list(&format!("?limit=1&cursor={cursor}"));
    for at in 0..cursor.len() {
        let mut bytes = cursor.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).expect("ASCII");
        api.get(&format!("/customers?limit=1&cursor={changed}"))
            .problem(400, "queryInvalid");
    }
    for changed in [
        &cursor[1..],
        &cursor[..cursor.len() - 1],
        &format!("{cursor}A"),
    ] {
        api.get(&format!("/customers?limit=1&cursor={changed}"))
            .problem(400, "queryInvalid");
    }
}

#[test]
fn a_cursor_is_opaque() {
    let api = Server::shared().sandbox();
    let made = with_customers(&api, 2);
    let cursor = api.list("?limit=1").text_at("/cursor");
    let suffix = made[0].trim_start_matches("cst_");
    assert!(!cursor.contains(suffix), "{cursor}");
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.~".contains(c);
    assert!(
        cursor.chars().all(plain),
        "it needs escaping in a query: {cursor}"
    );
}

#[test]
fn a_cursor_of_another_project_or_mode_is_refused() {
    let server = Server::shared();
    let project = fresh_name("project");
    let api = server.connect(&server.key(&project, Mode::Sandbox, None));
    with_customers(&api, 2);
    let cursor = api.list("?limit=1").text_at("/cursor");
    let live = server.connect(&server.key(&project, Mode::Live, None));
    for other in [server.sandbox(), live] {
        with_customers(&other, 2);
        other
            .get(&format!("/customers?limit=1&cursor={cursor}"))
            .problem(400, "queryInvalid");
    }
}

#[test]
fn a_cursor_lives_on_over_a_restart() {
    let server = Server::start(&[]);
    let api = server.sandbox();
    let made = with_customers(&api, 2);
    let cursor = api.list("?limit=1").text_at("/cursor");
    let server = Server::start_owning(server.into_folder());
    assert_eq!(
        api.at(&server.base)
            .listed(&format!("?limit=1&cursor={cursor}")),
        made[1..]
    );
}

/// One request looks at a bounded number of customers, and says where to go on.
#[test]
fn a_filter_that_few_fit_gives_short_pages_and_finds_everybody() {
    let api = Server::shared().sandbox();
    let mut wanted = minimal_customer();
    wanted["endorsements"] = json!(["usd"]);
    let oldest = api.create(&wanted).id();
    let mut other = minimal_customer();
    other["endorsements"] = json!([]);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..300 {
                    api.create(&other);
                }
            });
        }
    });
    let newest = api.create(&wanted).id();
    let (mut found, mut requests) = (Vec::new(), 0);
    let mut query = "?endorsement=usd&limit=2".to_owned();
    loop {
        let page = api.list(&query);
        found.extend(ids(&page));
        requests += 1;
        if page.json()["hasMore"] == false {
            break;
        }
        let cursor = page.text_at("/cursor");
        query = format!("?endorsement=usd&limit=2&cursor={cursor}");
    }
    assert_eq!(found, [newest, oldest]);
    assert!((2..10).contains(&requests), "{requests} requests");
}
