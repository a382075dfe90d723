//! JSON bodies: read, compared by value, made into customers, sealed and opened, screened.

use std::sync::LazyLock;

use jiff::civil::{Date, date};

use crate::config::UnknownFields;
use crate::core::customer::{Identity, NewCustomer, Profile};
use crate::core::email::Email;
use crate::core::evaluation::Facts;
use crate::core::external_id::ExternalId;
use crate::core::name::PersonName;
use crate::core::phone::Phone;
use crate::core::policy::Policy;
use crate::core::screening::{Screener, Subject};
use crate::core::watchlist::{Entry, Kind, ListName, Name, NameKind, WatchList};
use crate::http::customer_body::{read_create, read_update};
use crate::http::json::{canonical_object, parse_object};

/// Fields of which nobody learns whether they changed.
const WRITE_ONLY: [&str; 4] = [
    "birthDate",
    "ipAddress",
    "residentialAddress",
    "identifyingInformation",
];

const TODAY: Date = date(2027, 1, 15);

/// Reads any bytes as each of the two bodies of a customer.
pub(super) fn read_any(data: &[u8]) {
    let Ok(object) = parse_object(data) else {
        return;
    };
    let mut canonical = Vec::new();
    canonical_object(&object, &mut canonical);
    let again = parse_object(&canonical).expect("the canonical form is JSON");
    let mut canonical_again = Vec::new();
    canonical_object(&again, &mut canonical_again);
    assert!(canonical == canonical_again, "one value has two forms");
    for unknown in [UnknownFields::Refuse, UnknownFields::Ignore] {
        if let Ok(customer) = read_create(&object, TODAY, unknown) {
            check_customer(&customer);
        }
        if let Ok(patch) = read_update(&object, TODAY, unknown) {
            let (mut profile, mut identity) = (Profile::default(), Identity::default());
            if patch.clone().apply(&mut profile, &mut identity).is_ok() {
                let changed = patch.apply(&mut profile, &mut identity);
                let mut changed = changed.expect("the same patch fits again");
                changed.retain(|name| !WRITE_ONLY.contains(name));
                assert_eq!(changed, [""; 0], "the same patch again changes it");
            }
        }
    }
}

/// What was taken comes out of its seal as it went in, is taken again as it stands, and can be
/// looked at by every check.
fn check_customer(customer: &NewCustomer) {
    let NewCustomer {
        profile, identity, ..
    } = customer;
    let opened = Profile::from_opened(&profile.to_sealable()).expect("ours");
    assert!(opened == *profile, "a profile is stored as another one");
    let opened = Identity::from_opened(&identity.to_sealable()).expect("ours");
    assert!(opened == *identity, "an identity is stored as another one");
    for name in [
        &profile.first_name,
        &profile.middle_name,
        &profile.last_name,
    ] {
        let again = name.as_ref().map(|name| PersonName::parse(name.expose()));
        assert_eq!(again.transpose().as_ref(), Ok(name));
    }
    let email = profile.email.as_ref();
    let again = email.map(|email| Email::parse(email.expose()));
    assert_eq!(again.transpose().as_ref(), Ok(&profile.email));
    let again = profile.phone.as_ref().map(|one| Phone::parse(one.expose()));
    assert_eq!(again.transpose().as_ref(), Ok(&profile.phone));
    let external_id = profile.external_id.as_ref();
    let again = external_id.map(|id| ExternalId::parse(id.expose()));
    assert_eq!(again.transpose().as_ref(), Ok(&profile.external_id));

    let facts = Facts::of(profile, identity, customer.signed_agreement);
    for name in customer.endorsements.iter() {
        let policy = Policy::built_in();
        let asked = policy.asked(name, facts.residence, facts.nationality);
        assert!(!asked.is_empty());
    }
    for hit in SCREENER.screen_above(&Subject::of(profile, identity), 0.0) {
        assert!((0.0..=1.0).contains(&hit.score), "{}", hit.score);
    }
}

static SCREENER: LazyLock<Screener> = LazyLock::new(|| {
    let names = [
        "IVANOV, Ivan Ivanovich",
        "AL-RASHID, Muhammad",
        "王, 小明",
        "NGUYEN, Van A",
        "SANTOSO",
        "D'ARCY-O'BRIEN, José María",
    ];
    let entry = |(id, name): (u64, &&str)| Entry {
        id,
        kind: Kind::Individual,
        names: vec![Name {
            text: (*name).to_owned(),
            kind: NameKind::Primary,
        }],
        births: Vec::new(),
        countries: Vec::new(),
        programs: Vec::new(),
    };
    let entries = (1..).zip(names.iter()).map(entry).collect();
    Screener::new(ListName::OFAC_SDN, &WatchList { entries })
});
