//! The gauge that says whether a write would wait too long.

use loom::thread;

use crate::gauge::{Counted, Gauge};

/// Whatever comes and goes at once, nobody is forgotten or counted for ever.
#[test]
fn in_the_end_nothing_is_under_way() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(crate::SWITCHES);
    model.check(|| {
        let gauge = Gauge::new();
        let other = {
            let gauge = gauge.clone();
            thread::spawn(move || {
                let (waiting, unfinished) = Counted::queued(&gauge, || 2);
                drop(waiting);
                let still = gauge.stood_still_ns(|| u64::MAX);
                assert!(still > 0, "its own job has no result yet");
                drop(unfinished);
            })
        };
        let admitted = Counted::admitted(&gauge, || 1);
        assert!(gauge.ahead() >= 1, "it comes before whoever comes now");
        gauge.batch_ended(1, 3);
        drop(admitted);
        other.join().expect("it ends");
        assert_eq!(gauge.ahead(), 0);
        assert_eq!(gauge.stood_still_ns(|| u64::MAX), 0);
    });
}
