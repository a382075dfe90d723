//! Section 5: `GET /customers` and its filters.

use serde_json::json;

use crate::support::{InProcess, Mode, Server, fresh_name, full_customer, minimal_customer};

#[test]
fn a_project_without_customers_has_an_empty_page() {
    let page = Server::shared().sandbox().list("");
    assert_eq!(
        page.json(),
        json!({ "data": [], "hasMore": false, "cursor": null }),
        "{page}"
    );
}

#[test]
fn a_page_holds_the_customers_as_they_are_read() {
    let api = Server::shared().sandbox();
    let made = api.create(&full_customer());
    let page = api.list("");
    assert_eq!(
        page.json(),
        json!({ "data": [made.json()], "hasMore": false, "cursor": null }),
        "{page}"
    );
}

#[test]
fn the_newest_is_first() {
    let api = Server::shared().sandbox();
    let mut ids: Vec<String> = (0..5)
        .map(|_| api.create(&minimal_customer()).id())
        .collect();
    ids.reverse();
    assert_eq!(api.listed(""), ids);
}

#[test]
fn status_filters() {
    let api = Server::shared().sandbox();
    let [active, inactive] = [(); 2].map(|()| api.create(&minimal_customer()).id());
    api.delete(&format!("/customers/{inactive}")).wants(200);
    assert_eq!(api.listed("?status=active"), [active]);
    assert_eq!(api.listed("?status=inactive"), [inactive]);
}

#[test]
fn email_filters_exactly_and_in_any_case() {
    let api = Server::shared().sandbox();
    let with = |email: &str| {
        api.create(&json!({ "type": "individual", "email": email }))
            .id()
    };
    let (first, second) = (
        with("Ada.Lovelace@Example.com"),
        with("ada.lovelace@example.com"),
    );
    with("ada.lovelace@example.org");
    for query in [
        "ada.lovelace@example.com",
        "ADA.LOVELACE@EXAMPLE.COM",
        "ada.lovelace%40example.com",
    ] {
        assert_eq!(
            api.listed(&format!("?email={query}")),
            [second.clone(), first.clone()],
            "{query}"
        );
    }
    assert_eq!(api.listed("?email=ada.lovelace@example.co"), [""; 0]);
    assert_eq!(api.listed("?email=lovelace@example.com"), [""; 0]);
}

#[test]
fn external_id_filters_exactly() {
    let api = Server::shared().sandbox();
    let with = |name: &str| {
        api.create(&json!({ "type": "individual", "externalId": name }))
            .id()
    };
    let (upper, lower) = (with("User-1"), with("user-1"));
    with("user-10");
    assert_eq!(api.listed("?externalId=user-1"), [lower]);
    assert_eq!(api.listed("?externalId=User-1"), [upper]);
    assert_eq!(api.listed("?externalId=user"), [""; 0]);
}

#[test]
fn a_filter_follows_the_change_of_what_it_looks_at() {
    let api = Server::shared().sandbox();
    let id = api.create(&full_customer()).id();
    api.change(
        &id,
        &json!({ "email": "new@example.com", "externalId": null }),
    )
    .wants(200);
    assert_eq!(api.listed("?email=ada@example.com"), [""; 0]);
    assert_eq!(api.listed("?externalId=user-1842"), [""; 0]);
    assert_eq!(api.listed("?email=new@example.com"), [id]);
}

#[test]
fn the_idempotency_key_tells_what_it_made() {
    let api = Server::shared().sandbox();
    let key = fresh_name("mine");
    let id = api
        .post_keyed("/customers", &key, &minimal_customer())
        .wants(201)
        .id();
    api.create(&minimal_customer());
    assert_eq!(api.listed(&format!("?idempotencyKey={key}")), [id]);
    assert_eq!(api.listed("?idempotencyKey=never-used"), [""; 0]);
}

#[test]
fn created_after_and_before_include_their_moment() {
    let server = InProcess::start(|_| ());
    let api = server.sandbox();
    let make = || {
        server.advance(60);
        (api.create(&minimal_customer()).id(), server.now())
    };
    let [(first, one), (second, two), (third, three)] = [(); 3].map(|()| make());
    assert_eq!(
        api.listed(&format!("?createdAfter={two}")),
        [third.clone(), second.clone()]
    );
    assert_eq!(
        api.listed(&format!("?createdBefore={two}")),
        [second.clone(), first]
    );
    let same = api.listed(&format!("?createdAfter={two}&createdBefore={two}"));
    assert_eq!(same, std::slice::from_ref(&second));
    assert_eq!(
        api.listed(&format!("?createdAfter={three}&createdBefore={one}")),
        [""; 0]
    );
    // The second moment was 08:02:00Z, here as it is written an hour to the east.
    assert_eq!(two, "2027-01-15T08:02:00.000Z");
    assert_eq!(
        api.listed("?createdAfter=2027-01-15T09:02:00%2B01:00"),
        [third.clone(), second]
    );
    assert_eq!(
        api.listed("?createdAfter=2027-01-15T08:02:00.001Z"),
        [third]
    );
}

#[test]
fn endorsement_and_its_status_filter() {
    let server = Server::shared();
    let project = fresh_name("project");
    for (mode, has, has_not) in [
        (Mode::Sandbox, "ACTIVE", "INACTIVE"),
        (Mode::Live, "INACTIVE", "ACTIVE"),
    ] {
        let api = server.connect(&server.key(&project, mode, None));
        let with = |names: &[&str]| {
            api.create(&json!({ "type": "individual", "endorsements": names }))
                .id()
        };
        let (usd, basic) = (with(&["usd"]), with(&["basic"]));
        with(&[]);
        assert_eq!(api.listed("?endorsement=usd"), std::slice::from_ref(&usd));
        assert_eq!(
            api.listed("?endorsement=basic"),
            [basic.clone(), usd.clone()]
        );
        assert_eq!(api.listed("?endorsement=cryptoCustody"), [""; 0]);
        assert_eq!(
            api.listed(&format!("?endorsement=usd&endorsementStatus={has}")),
            [usd]
        );
        assert_eq!(
            api.listed(&format!("?endorsement=usd&endorsementStatus={has_not}")),
            [""; 0]
        );
    }
}

#[test]
fn filters_combine_with_and() {
    let api = Server::shared().sandbox();
    let with = |email: &str, external: &str| {
        api.create(&json!({ "type": "individual", "email": email, "externalId": external }))
            .id()
    };
    let both = with("a@example.com", "x");
    with("a@example.com", "y");
    with("b@example.com", "x");
    assert_eq!(api.listed("?email=a@example.com&externalId=x"), [both]);
    assert_eq!(api.listed("?email=b@example.com&externalId=y"), [""; 0]);
    assert_eq!(
        api.listed("?email=a@example.com&externalId=x&status=inactive"),
        [""; 0]
    );
}

#[test]
fn a_bad_or_unknown_parameter_is_refused_by_name() {
    let api = Server::shared().sandbox();
    for (query, name) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=-1", "limit"),
        ("limit=abc", "limit"),
        ("limit=", "limit"),
        ("limit=1.5", "limit"),
        ("status=deleted", "status"),
        ("status=ACTIVE", "status"),
        ("createdAfter=yesterday", "createdAfter"),
        ("createdBefore=2027-01-15", "createdBefore"),
        ("endorsement=eur", "endorsement"),
        (
            "endorsement=usd&endorsementStatus=GREAT",
            "endorsementStatus",
        ),
        ("cursor=nonsense", "cursor"),
        ("cursor=", "cursor"),
        ("colour=blue", "colour"),
        ("Limit=5", "Limit"),
        ("limit=5&limit=6", "limit"),
    ] {
        let answer = api.get(&format!("/customers?{query}"));
        let problem = answer.problem(400, "queryInvalid");
        let detail = problem["detail"].as_str().expect("a detail");
        assert!(detail.contains(name), "{query}: {answer}");
    }
}

#[test]
fn a_status_of_an_endorsement_without_its_name_is_refused() {
    let api = Server::shared().sandbox();
    let answer = api.get("/customers?endorsementStatus=ACTIVE");
    let problem = answer.problem(400, "queryInvalid");
    assert!(
        problem["detail"]
            .as_str()
            .is_some_and(|text| text.contains("endorsement")),
        "{answer}"
    );
}
