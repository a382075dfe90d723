//! Pages of filters that few customers fit: bounded, and nothing is left out.

use oms::context::Random;
use oms::core::endorsement::{EndorsementName, EndorsementStatus};
use oms::store::customer::{self, Filter, Page, SEEN_AT_MOST, Status};
use oms::store::lookup;

use crate::behaviours::{customer_of, everything, id_at, read, write};
use crate::place::Place;

/// Customers, of whom every 400th is inactive and has an endorsement.
const CUSTOMERS: usize = 1_300;

/// Customers on a page.
const LIMIT: usize = 7;

/// Follows a filter to its end; gives whom it found, newest first, and what each page looked at.
fn walk(place: &Place, ids: &[[u8; 16]], mut filter: Filter) -> (Vec<[u8; 16]>, Vec<usize>) {
    let store = place.open();
    let (mut found, mut looked_at) = (Vec::new(), Vec::new());
    loop {
        let now = filter.clone();
        let page: Page = read(place, &store, move |tx| customer::page(tx, &now));
        assert!(page.rows.len() <= LIMIT);
        found.extend(page.rows.iter().map(|(row, _)| *row.id.as_bytes()));
        let end = page.next.unwrap_or_default();
        let seen = ids.iter().filter(|id| **id < filter.before && **id >= end);
        looked_at.push(seen.count());
        let Some(next) = page.next else { break };
        assert!(next < filter.before, "each page goes on");
        filter.before = next;
    }
    store.close();
    (found, looked_at)
}

pub fn a_filter_that_few_fit_is_read_in_bounded_pages(place: &Place) {
    let (store, random) = (place.open(), Random::seeded(4));
    let ids: Vec<_> = (0..CUSTOMERS as u64).map(|ms| id_at(ms, &random)).collect();
    let made = ids.clone();
    write(place, &store, move |tx| {
        for (number, id) in made.iter().enumerate() {
            let mut row = customer_of(*id);
            if number.is_multiple_of(400) {
                row.status = Status::Inactive;
                row.endorsements = [Some(EndorsementStatus::Issues), None, None];
            }
            customer::insert(tx, &row)?;
            lookup::insert(tx, 9, id)?;
        }
        Ok(())
    });
    store.close();
    let wanted: Vec<_> = ids.iter().step_by(400).rev().copied().collect();
    let with = |endorsement, status, hash| Filter {
        endorsement,
        status,
        hash,
        ..everything(LIMIT)
    };
    let basic = |status| Some((EndorsementName::Basic, status));
    let usd = Some((EndorsementName::Usd, None));
    let inactive = Some(Status::Inactive);
    for (filter, wanted, bound) in [
        (with(basic(None), None, None), &wanted[..], SEEN_AT_MOST),
        (
            with(basic(Some(EndorsementStatus::Issues)), None, None),
            &wanted,
            SEEN_AT_MOST,
        ),
        (
            with(basic(Some(EndorsementStatus::Active)), None, None),
            &[],
            SEEN_AT_MOST,
        ),
        (with(usd, None, None), &[], SEEN_AT_MOST),
        (with(basic(None), inactive, None), &wanted, CUSTOMERS),
        (with(usd, inactive, None), &[], CUSTOMERS),
        (with(None, inactive, Some(9)), &wanted, 100),
        (with(usd, None, Some(9)), &[], 100),
    ] {
        let shown = format!("{filter:?}");
        let (found, looked_at) = walk(place, &ids, filter);
        assert_eq!(found, wanted, "{shown}");
        let most = looked_at.iter().max().expect("a page");
        assert!(*most <= bound + LIMIT, "{most} for {shown}");
    }
    // All fit: every page but the last is full.
    for hash in [None, Some(9)] {
        let active = with(None, Some(Status::Active), hash);
        let (found, looked_at) = walk(place, &ids, active);
        assert_eq!(found.len(), CUSTOMERS - wanted.len());
        assert_eq!(looked_at.len(), found.len().div_ceil(LIMIT));
    }
}
