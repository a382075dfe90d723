//! Reads that wait together go to the database together: each gets its own answer, also when
//! a connection breaks under them.

use serde_json::json;

use crate::cluster;
use crate::fleet::Fleet;
use crate::support::{Answer, Api, Call, send_at_once};

const CUSTOMERS: usize = 16;
const ROUNDS: usize = 6;

/// A call, and what it must be answered with.
type Expected = (Call, Box<dyn Fn(&Answer)>);

/// For each customer: its owner reads it, its owner finds it, and another project does not.
fn expected(own: &Api, other: &Api, made: &[Answer]) -> Vec<Expected> {
    let of = |customer: &Answer| -> [Expected; 3] {
        let (body, id) = (customer.body.clone(), customer.id());
        let (path, name) = (format!("/customers/{id}"), customer.text_at("/externalId"));
        [
            (
                own.call("GET", &path),
                Box::new(move |answer| assert_eq!(answer.body, body, "{answer}")),
            ),
            (
                own.call("GET", &format!("/customers?externalId={name}")),
                Box::new(move |answer| assert_eq!(answer.text_at("/data/0/id"), id)),
            ),
            (
                other.call("GET", &path),
                Box::new(|answer| drop(answer.problem(404, "notFound"))),
            ),
        ]
    };
    made.iter().flat_map(of).collect()
}

#[test]
fn readers_at_the_same_moment_each_get_their_own_answer() {
    let Some(cluster) = cluster() else { return };
    let url = cluster.new_database();
    // The fewer connections, the more reads wait for each.
    let fleet = Fleet::start(&url, 1, &[("OMS_READ_THREADS", "2")]);
    let (own, other) = (fleet.sandbox(), fleet.sandbox());
    let made: Vec<_> = (0..CUSTOMERS)
        .map(|number| {
            let name = format!("reader-{number}");
            own.create(&json!({"type": "individual", "externalId": name}))
        })
        .collect();
    let name = url.rsplit('/').next().expect("a URL has a path");
    for round in 0..ROUNDS {
        let (calls, checks): (Vec<_>, Vec<_>) = expected(&own, &other, &made).into_iter().unzip();
        let answers = std::thread::scope(|scope| {
            let reading = scope.spawn(|| send_at_once(calls));
            if round % 2 == 1 {
                // Whatever each connection is doing.
                let ended = "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity
                     WHERE application_name = 'oms' AND datname = current_database()";
                cluster.sql(name, ended).expect("a superuser may");
            }
            reading.join().expect("everybody is answered")
        });
        for (answer, check) in answers.iter().zip(checks) {
            check(answer);
        }
    }
}
