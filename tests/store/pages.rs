//! Pages of filters that few customers fit: bounded, and nothing is left out.

use oms::context::Random;
use oms::core::endorsement::{EndorsementName, EndorsementStatus};
use oms::id::{DeliveryId, EventId, WebhookId};
use oms::store::customer::{self, Filter, Page, SEEN_AT_MOST, Status};
use oms::store::delivery::{self, DeliveryRow, State};
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
    let with = |endorsement, status, hash: Option<i64>| Filter {
        endorsement,
        status,
        hashes: hash.map(|hash| vec![hash]),
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

pub fn deliveries_of_a_state_that_few_have_are_read_in_bounded_pages(place: &Place) {
    let (store, random) = (place.open(), Random::seeded(5));
    let webhook = WebhookId::from_bytes(id_at(0, &random));
    let other = WebhookId::from_bytes(id_at(0, &random));
    let ids: Vec<_> = (0..CUSTOMERS as u64).map(|ms| id_at(ms, &random)).collect();
    let made = ids.clone();
    write(place, &store, move |tx| {
        for (number, id) in made.iter().enumerate() {
            let state = match number % 400 {
                0 => State::Failed,
                _ => State::Delivered,
            };
            let row = |webhook, state| DeliveryRow {
                webhook,
                id: DeliveryId::from_bytes(*id),
                happened_at: None,
                event: EventId::from_bytes(*id),
                kind: "webhook.test".to_owned(),
                state,
                attempts: 1,
                last_at: None,
                next_at: None,
                status: None,
                error: None,
            };
            delivery::record(tx, &row(webhook, state))?;
            delivery::record(tx, &row(other, State::Failed))?;
        }
        Ok(())
    });
    let walk = |state| {
        let mut filter = delivery::Filter {
            webhook,
            before: [0xff; 16],
            state,
            limit: LIMIT,
        };
        let (mut found, mut most) = (Vec::new(), 0);
        loop {
            let now = filter;
            let page = read(place, &store, move |tx| delivery::page(tx, &now));
            found.extend(page.rows.iter().map(|row| *row.id.as_bytes()));
            let end = page.next.unwrap_or_default();
            let seen = ids.iter().filter(|id| **id < filter.before && **id >= end);
            most = most.max(seen.count());
            let Some(next) = page.next else { break };
            assert!(next < filter.before, "each page goes on");
            filter.before = next;
        }
        (found, most)
    };
    let newest = |step: usize| -> Vec<_> { ids.iter().step_by(step).rev().copied().collect() };
    for (state, wanted, bound) in [
        (
            Some(State::Failed),
            newest(400),
            delivery::SEEN_AT_MOST + LIMIT,
        ),
        (
            Some(State::Pending),
            Vec::new(),
            delivery::SEEN_AT_MOST + LIMIT,
        ),
        (None, newest(1), LIMIT),
    ] {
        let (found, most) = walk(state);
        assert_eq!(found, wanted, "{state:?}");
        assert!(most <= bound, "{most} for {state:?}");
    }
    let (delivered, _) = walk(Some(State::Delivered));
    assert_eq!(delivered.len(), CUSTOMERS - newest(400).len());
    store.close();
}
