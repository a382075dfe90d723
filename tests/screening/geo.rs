//! The country of an address, from the real database that `OMS_GEO_TEST_DATABASE`
//! names (tests/conformance/geo fetches one). Without it nothing is tested here,
//! and that is said.

use std::path::Path;

use oms::core::checks::{CheckResult, geo};
use oms::core::country::Country;
use oms::core::geo::{GeoDatabase, GeoPolicy};

#[test]
fn a_real_database_gives_the_country_of_an_address() {
    let Some(path) = std::env::var_os("OMS_GEO_TEST_DATABASE") else {
        println!("not tested: OMS_GEO_TEST_DATABASE names no database");
        return;
    };
    let database = GeoDatabase::open(Path::new(&path)).expect("a sound database");
    let address = |text: &str| text.parse().expect("an address");
    let policy = GeoPolicy::new([Country::US]);
    let check = |text| geo(&policy, None, None, Some((&database, address(text))));
    assert!(matches!(
        check("8.8.8.8"),
        CheckResult::Issue {
            code: "countryRefused",
            ..
        }
    ));
    assert!(matches!(check("::ffff:8.8.8.8"), CheckResult::Issue { .. }));
    assert_eq!(check("127.0.0.1"), CheckResult::Passed);
    let german = database.country(address("193.99.144.80")).expect("sound");
    assert_eq!(german.map(Country::code), Some("DE"));
}
