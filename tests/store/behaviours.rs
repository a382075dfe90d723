//! The behaviours. Each begins with an empty store.

use std::collections::{BTreeSet, HashMap};

use oms::context::{Random, Time};
use oms::error::{Error, Result};
use oms::id::CustomerId;
use oms::store::customer::{self, CustomerRow, Filter, Status};
use oms::store::event::{self, Edge, EventRow};
use oms::store::idempotency::{self, Claim, Record};
use oms::store::{Head, Store, Tx, lookup};

use crate::place::{Place, chain_key};

const PROJECT: i64 = 1;

/// Requests that come at once.
const AT_ONCE: usize = 40;

pub fn id_at(ms: u64, random: &Random) -> [u8; 16] {
    let mut id: [u8; 16] = random.bytes();
    id[..6].copy_from_slice(&ms.to_be_bytes()[2..]);
    id
}

pub fn customer_of(id: [u8; 16]) -> CustomerRow {
    CustomerRow {
        project: PROJECT,
        id: CustomerId::from_bytes(id),
        created_at: None,
        version: 1,
        status: Status::Active,
        signed_at: None,
        updated_at: Time::from_millis(1),
        data_key: 5,
        endorsements: [None; 3],
        profile: vec![1, 2, 3],
        identity: vec![],
        review: None,
    }
}

pub fn event_of(id: [u8; 16], resource: [u8; 16]) -> EventRow {
    EventRow {
        id,
        happened_at: None,
        project: PROJECT,
        resource,
        sequence: 0,
        count: 1,
        kinds: "kind".into(),
        actor: "actor".into(),
        request_id: "request".into(),
        data_key: 0,
        detail: id.to_vec(),
        state: None,
    }
}

fn make_project(tx: &mut Tx<'_>) -> Result<()> {
    let mode = oms::core::api_key::Mode::Sandbox;
    let now = Time::from_millis(1);
    let rows = oms::vault::Secrets::derive(&[1; 32]).rows;
    oms::store::api_key::ensure_project(tx, ("test", mode), now, &rows).map(drop)
}

/// Runs the same work many times at once and gives the results in their order.
fn at_once<T: Send + 'static>(
    place: &Place,
    stores: &[Store],
    work: impl Fn(usize, &mut Tx<'_>) -> Result<T> + Clone + Send + 'static,
) -> Vec<Result<T>> {
    place.runtime.block_on(async {
        let mut running = Vec::new();
        for number in 0..AT_ONCE {
            let (store, work) = (stores[number % stores.len()].clone(), work.clone());
            running.push(tokio::spawn(async move {
                store.write(move |tx| work(number, tx)).await
            }));
        }
        let mut results = Vec::new();
        for one in running {
            results.push(one.await.expect("nothing panics"));
        }
        results
    })
}

pub fn read<T: Send + 'static>(
    place: &Place,
    store: &Store,
    work: impl Fn(&mut Tx<'_>) -> Result<T> + Send + 'static,
) -> T {
    place.runtime.block_on(store.read(work)).expect("it reads")
}

pub fn write<T: Send + 'static>(
    place: &Place,
    store: &Store,
    work: impl Fn(&mut Tx<'_>) -> Result<T> + Send + 'static,
) -> T {
    place
        .runtime
        .block_on(store.write(work))
        .expect("it writes")
}

fn ids_of_page(place: &Place, store: &Store, filter: Filter) -> Vec<[u8; 16]> {
    let page = read(place, store, move |tx| customer::page(tx, &filter));
    page.rows
        .iter()
        .map(|(row, _)| *row.id.as_bytes())
        .collect()
}

pub fn everything(limit: usize) -> Filter {
    Filter {
        project: PROJECT,
        before: [0xff; 16],
        from: [0; 16],
        created_after: None,
        created_before: None,
        status: None,
        endorsement: None,
        hashes: None,
        limit,
    }
}

pub use crate::pages::{
    a_filter_that_few_fit_is_read_in_bounded_pages,
    deliveries_of_a_state_that_few_have_are_read_in_bounded_pages,
};

pub fn what_a_failed_closure_wrote_is_gone_and_what_others_wrote_stays(place: &Place) {
    let store = place.open();
    let random = std::sync::Arc::new(Random::seeded(1));
    let ids: Vec<_> = (0..AT_ONCE as u64).map(|ms| id_at(ms, &random)).collect();
    let wanted: Vec<_> = ids.iter().skip(1).step_by(2).rev().copied().collect();
    let results = at_once(place, std::slice::from_ref(&store), move |number, tx| {
        customer::insert(tx, &customer_of(ids[number]))?;
        lookup::insert(tx, 9, &ids[number])?;
        event::append(tx, &event_of(ids[number], ids[number]), true)?;
        if number.is_multiple_of(2) {
            return Err(Error::internal("on purpose"));
        }
        Ok(())
    });
    for (number, result) in results.iter().enumerate() {
        assert_eq!(result.is_ok(), number % 2 == 1, "{number}: {result:?}");
    }
    assert_eq!(ids_of_page(place, &store, everything(100)), wanted);
    let found = read(place, &store, |tx| {
        lookup::targets(tx, 9, lookup::EVERYWHERE, 100)
    });
    assert_eq!(found, wanted);
    store.close();
}

fn record_of(id: [u8; 16], key: u8) -> Record {
    Record {
        id,
        claim: Claim {
            project: PROJECT,
            key_hash: [key; 16],
            fingerprint: [3; 16],
        },
        resource: "cst_some".into(),
        data_key: 5,
        status: 201,
        answer: vec![4, 5],
    }
}

/// As the edge does it: look, write, keep.
fn once(tx: &mut Tx<'_>, record: &Record) -> Result<Option<[u8; 16]>> {
    let hash = i64::from(record.claim.key_hash[0]);
    if let Some((known, _)) = idempotency::find(tx, &record.claim, hash)? {
        return Ok(Some(known.id));
    }
    customer::insert(tx, &customer_of(record.id))?;
    event::append(tx, &event_of(record.id, record.id), true)?;
    idempotency::insert(tx, record, hash)?;
    Ok(None)
}

pub fn a_key_that_two_servers_are_sent_at_once_is_used_once(place: &Place) {
    let stores = [place.open(), place.open()];
    let random = Random::seeded(2);
    for round in 0..5u8 {
        let ids: Vec<_> = (0..AT_ONCE as u64).map(|ms| id_at(ms, &random)).collect();
        let made = ids.clone();
        // Four keys, each by both servers.
        let results = at_once(place, &stores, move |number, tx| {
            let key = round * 4 + u8::try_from(number / 2 % 4).unwrap_or_default();
            once(tx, &record_of(ids[number], key))
        });
        let results: Vec<_> = results
            .into_iter()
            .map(|one| one.expect("it writes"))
            .collect();
        let first: BTreeSet<_> = (0..AT_ONCE)
            .filter(|number| results[*number].is_none())
            .map(|number| made[number])
            .collect();
        assert_eq!(first.len(), 4, "round {round}");
        assert!(results.iter().flatten().all(|known| first.contains(known)));
        let count = read(place, &stores[0], customer::count);
        assert_eq!(count, i64::from(round + 1) * 4);
    }
    for store in stores {
        store.close();
    }
}

pub fn a_key_is_free_again_once_it_is_swept_and_not_before(place: &Place) {
    let store = place.open();
    let random = Random::seeded(3);
    let (old, new) = (id_at(1_000, &random), id_at(2_000, &random));
    let use_key = |id| write(place, &store, move |tx| once(tx, &record_of(id, 8)));
    // The sweep finds by age and forgets.
    let sweep = |edge_ms| {
        let edge = id_at(edge_ms, &random);
        write(place, &store, move |tx| {
            let old = idempotency::older_than(tx, &edge, 10)?;
            for one in &old {
                idempotency::delete(tx, one, 8)?;
            }
            Ok(old.len())
        })
    };
    assert_eq!(use_key(old), None);
    assert_eq!(use_key(new), Some(old));
    assert_eq!(sweep(500), 0);
    assert_eq!(use_key(new), Some(old));
    assert_eq!(sweep(1_500), 1);
    assert_eq!(use_key(new), None);
    assert_eq!(use_key(old), Some(new));
    assert_eq!(sweep(3_000), 1);
    let found = read(place, &store, |tx| {
        idempotency::find(tx, &record_of([0; 16], 8).claim, 8)
    });
    assert!(found.is_none());
    store.close();
}

pub fn of_two_changes_of_one_version_one_stays(place: &Place) {
    let stores = [place.open(), place.open()];
    let id = id_at(1, &Random::seeded(4));
    write(place, &stores[0], move |tx| {
        customer::insert(tx, &customer_of(id))
    });
    for version in 2..6 {
        let results = at_once(place, &stores, move |number, tx| {
            let mut row = customer_of(id);
            row.version = version;
            row.profile = vec![u8::try_from(number).unwrap_or_default()];
            customer::replace(tx, &row)
        });
        let won: Vec<_> = (0u8..)
            .zip(results)
            .filter(|(_, result)| *result.as_ref().expect("it writes"))
            .map(|(number, _)| number)
            .collect();
        let found = read(place, &stores[1], move |tx| {
            customer::find(tx, PROJECT, CustomerId::from_bytes(id))
        });
        let row = found.expect("it is there").0;
        assert_eq!((row.version, &row.profile), (version, &won));
    }
    for store in stores {
        store.close();
    }
}

pub fn customers_come_newest_first_whatever_their_ids(place: &Place) {
    let store = place.open();
    let random = Random::seeded(5);
    let mut ids: Vec<_> = (0..120).map(|ms| id_at(ms / 3, &random)).collect();
    let rows: Vec<_> = ids
        .iter()
        .enumerate()
        .map(|(place, id)| {
            let mut row = customer_of(*id);
            if place % 5 == 0 {
                row.status = Status::Inactive;
            }
            row
        })
        .collect();
    let mut inactive: Vec<_> = ids.iter().step_by(5).copied().collect();
    write(place, &store, move |tx| {
        make_project(tx)?;
        rows.iter().try_for_each(|row| customer::insert(tx, row))
    });
    ids.sort_unstable_by(|a, b| b.cmp(a));
    inactive.sort_unstable_by(|a, b| b.cmp(a));
    let mut listed = Vec::new();
    let mut filter = everything(7);
    loop {
        let page = ids_of_page(place, &store, filter.clone());
        let Some(last) = page.last() else { break };
        filter.before = *last;
        listed.extend(page);
    }
    assert_eq!(listed, ids);
    let only_inactive = Filter {
        status: Some(Status::Inactive),
        ..everything(100)
    };
    assert_eq!(ids_of_page(place, &store, only_inactive), inactive);
    let between = Filter {
        before: ids[10],
        from: ids[20],
        ..everything(100)
    };
    assert_eq!(ids_of_page(place, &store, between), ids[11..=20]);
    let upwards = read(place, &store, |tx| {
        customer::page_upwards(tx, PROJECT, &[0; 16], 30)
    });
    let upwards: Vec<_> = upwards.iter().map(|(row, _)| *row.id.as_bytes()).collect();
    let oldest: Vec<_> = ids.iter().rev().take(30).copied().collect();
    assert_eq!(upwards, oldest);
    assert_eq!(read(place, &store, customer::newest), Some(ids[0]));
    let mut walked = BTreeSet::new();
    let mut edge = (i64::MIN, [0; 16]);
    loop {
        let page = read(place, &store, move |tx| customer::after(tx, edge, 11));
        let Some((last, _)) = page.last() else { break };
        edge = (last.project, *last.id.as_bytes());
        walked.extend(page.iter().map(|(row, _)| *row.id.as_bytes()));
    }
    assert_eq!(walked, ids.into_iter().collect());
    store.close();
}

pub fn lookups_lead_where_they_were_told_to(place: &Place) {
    let store = place.open();
    let random = Random::seeded(6);
    let mut model: BTreeSet<(i64, [u8; 16])> = BTreeSet::new();
    let targets: Vec<_> = (0..6).map(|ms| id_at(ms, &random)).collect();
    for _ in 0..150 {
        let [what, hash, target]: [u8; 3] = random.bytes();
        let pair = (i64::from(hash % 9), targets[usize::from(target % 6)]);
        if what % 3 == 0 {
            model.remove(&pair);
            write(place, &store, move |tx| lookup::delete(tx, pair.0, &pair.1));
        } else {
            model.insert(pair);
            write(place, &store, move |tx| lookup::insert(tx, pair.0, &pair.1));
        }
    }
    for hash in 0..9 {
        let found = read(place, &store, move |tx| {
            lookup::targets(tx, hash, lookup::EVERYWHERE, 100)
        });
        let mut wanted: Vec<_> = model.iter().filter(|pair| pair.0 == hash).collect();
        wanted.reverse();
        let wanted: Vec<_> = wanted.into_iter().map(|pair| pair.1).collect();
        assert_eq!(found, wanted, "hash {hash}");
    }
    let gone = targets[0];
    write(place, &store, move |tx| lookup::delete_all(tx, &gone));
    let left = read(place, &store, move |tx| {
        (0..9).try_fold(0, |count, hash| {
            Ok(count + usize::from(lookup::leads(tx, hash, &gone)?))
        })
    });
    assert_eq!(left, 0);
    store.close();
}

pub fn the_history_of_a_resource_has_no_gaps(place: &Place) {
    let stores = [place.open(), place.open()];
    let random = Random::seeded(7);
    let resource = id_at(1, &random);
    let ids: Vec<_> = (0..AT_ONCE as u64).map(|ms| id_at(ms, &random)).collect();
    let results = at_once(place, &stores, move |number, tx| {
        event::append(tx, &event_of(ids[number], resource), false)
    });
    let written = results.iter().filter(|result| result.is_ok()).count();
    let rows = read(place, &stores[0], move |tx| {
        event::of_resource(tx, PROJECT, &resource, 1_000)
    });
    let sequences: Vec<_> = rows.iter().map(|row| row.sequence).collect();
    let wanted: Vec<_> = (1..).take(written).collect();
    assert_eq!(sequences, wanted);
    // On the embedded engine nobody meets anybody; elsewhere a few may be told to come again.
    assert!(written > AT_ONCE / 2, "only {written} were written");
    for store in stores {
        store.close();
    }
}

/// Follows every chain from its beginning; gives the last head of each.
fn verified_heads(place: &Place, store: &Store) -> HashMap<i64, Head> {
    let key = chain_key();
    let mut heads: HashMap<i64, Head> = HashMap::new();
    let mut at = Edge::START;
    loop {
        let page = read(place, store, move |tx| event::behind(tx, at, 13));
        let Some(last) = page.last() else {
            return heads;
        };
        at = last.edge();
        for linked in &page {
            let writer = linked.head.writer;
            let before = heads
                .remove(&writer)
                .unwrap_or_else(|| Head::begin(writer, &key));
            assert_eq!(linked.head.position, before.position + 1);
            assert_eq!(linked.head.hash, linked.row.link(&key, &before));
            heads.insert(writer, linked.head);
        }
    }
}

pub fn every_chain_holds_and_every_head_is_told(place: &Place) {
    let random = Random::seeded(8);
    let mut through = 0;
    for round in 0..3 {
        let stores = [place.open(), place.open()];
        let ids: Vec<_> = (0..AT_ONCE as u64)
            .map(|ms| id_at(round * 1_000 + ms, &random))
            .collect();
        let results = at_once(place, &stores, move |number, tx| {
            event::append(tx, &event_of(ids[number], ids[number]), true)?;
            if number.is_multiple_of(7) {
                return Err(Error::internal("on purpose"));
            }
            Ok(())
        });
        let failed = results.iter().filter(|result| result.is_err()).count();
        assert_eq!(failed, AT_ONCE.div_ceil(7));
        let heads = verified_heads(place, &stores[0]);
        let (fresh, next) = read(place, &stores[1], move |tx| event::fresh_heads(tx, through));
        assert!(next > through);
        through = next;
        for head in &fresh {
            assert_eq!(heads.get(&head.writer), Some(head), "round {round}");
        }
        if round == 0 {
            assert_eq!(fresh.len(), heads.len(), "every writer is fresh at first");
        }
        let end = read(place, &stores[0], event::end);
        let every = read(place, &stores[0], |tx| {
            event::behind(tx, Edge::START, 1_000)
        });
        assert!(every.iter().all(|row| end.holds(row)));
        for store in stores {
            store.close();
        }
    }
}

pub fn a_store_that_was_closed_is_found_again(place: &Place) {
    assert!(!Store::exists(&place.config).expect("it can be asked"));
    let id = id_at(1, &Random::seeded(9));
    let store = place.open();
    write(place, &store, move |tx| {
        customer::insert(tx, &customer_of(id))
    });
    store.close();
    let refused = place.runtime.block_on(store.write(|_| Ok(())));
    assert!(refused.is_err());
    assert!(Store::exists(&place.config).expect("it can be asked"));
    let store = place.open();
    assert_eq!(ids_of_page(place, &store, everything(10)), [id]);
    store.close();
}
