//! The requests that run now, by idempotency key.

use std::sync::Arc;

use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use loom::thread;
use oms::error::Code;

use crate::in_flight::InFlight;
use crate::store::idempotency::Claim;

const fn claim(key: u8, fingerprint: u8) -> Claim {
    Claim {
        project: 1,
        key_hash: [key; 16],
        fingerprint: [fingerprint; 16],
    }
}

/// Of three that send the same, however their steps lie, one at a time runs; those that are
/// refused are told so; and in the end the key is free.
#[test]
fn one_request_of_a_key_runs_at_a_time() {
    loom::model(|| {
        let (in_flight, running) = (Arc::new(InFlight::default()), Arc::new(AtomicUsize::new(0)));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let (in_flight, running) = (Arc::clone(&in_flight), Arc::clone(&running));
                thread::spawn(move || match in_flight.try_enter(claim(1, 1)) {
                    Ok(entered) => {
                        assert!(entered.is_ok(), "the same request is not waited for");
                        assert_eq!(running.fetch_add(1, Relaxed), 0, "two at once");
                        running.fetch_sub(1, Relaxed);
                    }
                    Err(refused) => assert_eq!(refused.code(), Code::IdempotencyInProgress),
                })
            })
            .collect();
        for thread in threads {
            thread.join().expect("it ends");
        }
        assert!(matches!(in_flight.try_enter(claim(1, 1)), Ok(Ok(_))));
    });
}

/// Another request with the key gets the end of the first to wait for, and not a moment after
/// that end the key is free for it.
#[test]
fn another_request_of_the_key_waits_for_the_end_of_the_first() {
    loom::model(|| {
        let in_flight = Arc::new(InFlight::default());
        let first = in_flight.try_enter(claim(1, 1));
        let Ok(Ok(first)) = first else {
            panic!("the key is free")
        };
        let other = {
            let in_flight = Arc::clone(&in_flight);
            thread::spawn(move || match in_flight.try_enter(claim(1, 2)) {
                Ok(Ok(_)) => {}
                Ok(Err(end)) => {
                    while end.has_changed().is_ok() {
                        thread::yield_now();
                    }
                    let again = in_flight.try_enter(claim(1, 2));
                    assert!(matches!(again, Ok(Ok(_))), "the end was told too early");
                }
                Err(refused) => panic!("another request is not refused: {refused}"),
            })
        };
        let neighbour = in_flight.try_enter(claim(2, 1));
        assert!(matches!(neighbour, Ok(Ok(_))), "another key is free");
        drop(first);
        other.join().expect("it ends");
    });
}
