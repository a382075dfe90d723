//! The queue in front of the reading threads.

use std::sync::Arc;

use loom::thread;

use crate::turns::{Refused, Turns};

/// Takes all there is until the queue is closed.
fn work(turns: &Turns<u8>) -> Vec<u8> {
    std::iter::from_fn(|| turns.pop()).collect()
}

#[test]
fn projects_take_turns_and_each_keeps_its_order() {
    loom::model(|| {
        let turns = Turns::new(100);
        for (project, work) in [(1, 10), (1, 11), (1, 12), (2, 20), (3, 30), (2, 21)] {
            turns.push(project, work).expect("there is room");
        }
        let all: Vec<_> = std::iter::from_fn(|| turns.try_pop()).collect();
        assert_eq!(all, [10, 20, 30, 11, 21, 12]);
        assert_eq!(turns.len(), 0);
    });
}

#[test]
fn what_is_full_or_closed_takes_no_more_and_loses_nothing() {
    loom::model(|| {
        let turns = Turns::new(2);
        turns.push(1, 1).expect("there is room");
        turns.push(2, 2).expect("there is room");
        assert_eq!(turns.push(3, 3), Err(Refused::Full));
        assert_eq!(turns.pop(), Some(1));
        turns.close();
        assert_eq!(turns.push(1, 4), Err(Refused::Closed));
        assert_eq!(turns.pop(), Some(2));
        assert_eq!(turns.pop(), None);
    });
}

/// Whoever waits is woken, by work and by the end: a model that hangs fails.
#[test]
fn every_piece_of_work_is_done_once_by_whoever_works() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(crate::SWITCHES);
    model.check(|| {
        let turns = Arc::new(Turns::new(10));
        let workers: Vec<_> = (0..2)
            .map(|_| {
                let turns = Arc::clone(&turns);
                thread::spawn(move || work(&turns))
            })
            .collect();
        turns.push(1, 1).expect("there is room");
        turns.push(2, 2).expect("there is room");
        turns.close();
        let done = workers
            .into_iter()
            .flat_map(|worker| worker.join().expect("it ends"));
        let mut done: Vec<_> = done.collect();
        done.sort_unstable();
        assert_eq!(done, [1, 2]);
    });
}

#[test]
fn work_that_came_before_the_end_is_done_and_later_work_is_refused() {
    loom::model(|| {
        let turns = Arc::new(Turns::new(1));
        let asked = {
            let turns = Arc::clone(&turns);
            thread::spawn(move || [turns.push(1, 1), turns.push(1, 2)])
        };
        let ended = {
            let turns = Arc::clone(&turns);
            thread::spawn(move || turns.close())
        };
        let done = work(&turns);
        let asked = asked.join().expect("it ends");
        ended.join().expect("it ends");
        let taken = asked.iter().filter(|outcome| outcome.is_ok()).count();
        assert_eq!(done.len(), taken, "{asked:?}");
        assert_eq!(turns.len(), 0);
    });
}
