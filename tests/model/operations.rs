//! What a client may do, chosen at random; customers and earlier requests are named by their
//! place among those there are, so that a shorter list of operations still means something.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

/// One step of a client.
#[derive(Clone, Debug)]
pub enum Operation {
    /// Makes a customer.
    Create(Value),
    /// Makes a customer whose request is cut off by SIGKILL after so many microseconds, and
    /// asks again.
    CreateInACrash(Value, u64),
    /// Changes one, perhaps with a key, perhaps with a condition.
    Patch(Index, Value, bool, Condition),
    /// Deactivates one, perhaps with a key.
    Delete(Index, bool),
    /// Reads one with a condition.
    Get(Index, Condition),
    /// Sends an earlier request again, byte for byte or spelt in another way.
    Retry(Index, bool),
    /// Sends another body with the key of an earlier request.
    Reuse(Index),
    /// Drives an endorsement of a customer.
    Simulate(Index, usize, &'static str, bool),
    /// Asks for what is required of one.
    Requirements(Index),
    /// Lists by a filter, in pages of so many.
    List(Filter, usize),
    /// Asks what an earlier request made.
    Find(Index),
    /// Sends what no create takes, with a key that may be used afterwards.
    Refused(Value),
    /// Kills the server and starts it again.
    Crash,
}

/// A version that a request speaks of.
#[derive(Clone, Copy, Debug)]
pub enum Condition {
    None,
    Present,
    Other,
    Any,
}

/// What a list is narrowed by.
#[derive(Clone, Debug)]
pub enum Filter {
    All,
    Status(&'static str),
    Email(String),
    ExternalId(String),
    Endorsement(usize, Option<&'static str>),
    Made(Index),
}

const EMAILS: [&str; 3] = ["ada@example.com", "Grace@Example.com", "joan@example.com"];
const IDS: [&str; 2] = ["user-1", "User-1"];
const SURNAMES: [&str; 8] = [
    "Lovelace",
    "Hopper",
    "Pending",
    "ISSUES",
    "rejected",
    "Revoked",
    "Offboarded",
    "Clarke",
];

fn field(values: &'static [&'static str]) -> BoxedStrategy<Value> {
    prop_oneof![3 => select(values).prop_map(Value::from), 1 => Just(Value::Null)].boxed()
}

fn endorsements() -> impl Strategy<Value = Value> {
    let name = select(&super::rules::NAMES[..]);
    prop::collection::vec(name, 0..3).prop_map(|names| json!(names))
}

/// Some fields of a body, those of create and change alike.
fn fields() -> impl Strategy<Value = Value> {
    let metadata = prop::collection::btree_map(
        select(&["plan", "seats", "note"][..]),
        select(vec![
            json!("gold"),
            json!(3),
            json!(1.5),
            json!(true),
            Value::Null,
        ]),
        0..3,
    );
    let one = prop_oneof![
        2 => field(&["Ada", "José", "小明"]).prop_map(|value| ("firstName", value)),
        4 => field(&SURNAMES).prop_map(|value| ("lastName", value)),
        2 => field(&EMAILS).prop_map(|value| ("email", value)),
        2 => field(&IDS).prop_map(|value| ("externalId", value)),
        1 => (1..29u8).prop_map(|day| ("birthDate", json!(format!("1990-05-{day:02}")))),
        1 => any::<u8>().prop_map(|last| ("ipAddress", json!(format!("203.0.113.{last}")))),
        1 => any::<bool>().prop_map(|signed| ("signedAgreement", json!(signed))),
        2 => endorsements().prop_map(|names| ("endorsements", names)),
        1 => metadata.prop_map(|entries| ("metadata", json!(entries))),
    ];
    prop::collection::vec(one, 0..4).prop_map(|fields| {
        let mut body = json!({});
        for (name, value) in fields {
            body[name] = value;
        }
        body
    })
}

fn new_customer() -> impl Strategy<Value = Value> {
    fields().prop_map(|mut body| {
        body["type"] = json!("individual");
        body
    })
}

fn condition() -> impl Strategy<Value = Condition> {
    prop_oneof![
        3 => Just(Condition::None),
        2 => Just(Condition::Present),
        1 => Just(Condition::Other),
        1 => Just(Condition::Any),
    ]
}

fn filter() -> impl Strategy<Value = Filter> {
    let status = select(&super::rules::STATUSES[..]);
    prop_oneof![
        2 => Just(Filter::All),
        1 => select(&["active", "inactive"][..]).prop_map(Filter::Status),
        1 => select(&EMAILS[..]).prop_map(|email| Filter::Email(email.to_uppercase())),
        1 => select(&IDS[..]).prop_map(|id| Filter::ExternalId(id.to_owned())),
        2 => (0..3usize, prop::option::of(status)).prop_map(|(name, status)| {
            Filter::Endorsement(name, status)
        }),
        1 => any::<Index>().prop_map(Filter::Made),
    ]
}

/// One step; a crash is rare, for it costs a start.
pub fn operation() -> impl Strategy<Value = Operation> {
    let who = any::<Index>;
    let status = || select(&super::rules::STATUSES[..]);
    let invalid = select(vec![
        json!({}),
        json!({"type": "individual", "lastName": ""}),
        json!({"type": "individual", "birthdate": "1990-05-15"}),
        json!({"type": "individual", "endorsements": ["gold"]}),
    ]);
    prop_oneof![
        24 => new_customer().prop_map(Operation::Create),
        1 => (new_customer(), 0..4000u64)
            .prop_map(|(body, after)| Operation::CreateInACrash(body, after)),
        24 => (who(), fields(), any::<bool>(), condition())
            .prop_map(|(who, body, keyed, when)| Operation::Patch(who, body, keyed, when)),
        5 => (who(), any::<bool>()).prop_map(|(who, keyed)| Operation::Delete(who, keyed)),
        8 => (who(), condition()).prop_map(|(who, when)| Operation::Get(who, when)),
        10 => (who(), any::<bool>()).prop_map(|(which, same)| Operation::Retry(which, same)),
        4 => who().prop_map(Operation::Reuse),
        24 => (who(), 0..3usize, status(), any::<bool>())
            .prop_map(|(who, name, to, reasons)| Operation::Simulate(who, name, to, reasons)),
        6 => who().prop_map(Operation::Requirements),
        10 => (filter(), 1..5usize).prop_map(|(filter, limit)| Operation::List(filter, limit)),
        3 => who().prop_map(Operation::Find),
        3 => invalid.prop_map(Operation::Refused),
        1 => Just(Operation::Crash),
    ]
}
