//! A database that takes too long, says nothing, or lets nobody in: servers say so in time, and
//! go on when it is over.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use crate::cluster;
use crate::fleet::Fleet;
use crate::support::{
    Api, Cluster, check_told_to_come_again, eventually, fresh_name, full_customer,
    minimal_customer, name_of,
};
use crate::way::Way;

const A_WHILE: Duration = Duration::from_mins(2);

/// Nobody but the store itself ends a request, which it does within seconds.
const ALONE: (&str, &str) = ("OMS_REQUEST_TIMEOUT_S", "3600");

/// As few connections as there may be.
const CONNECTIONS: usize = 3;
const FEW: [(&str, &str); 4] = [
    ALONE,
    ("OMS_DATABASE_STATEMENT_TIMEOUT_S", "2"),
    ("OMS_DATABASE_WRITE_CONNECTIONS", "1"),
    ("OMS_READ_THREADS", "2"),
];

/// How long a login may take, also on a busy machine.
const LOGIN: &str = "?connect_timeout=3";

/// How often a connection may be lost because the machine stood still.
const ROUNDS: usize = 5;

/// The sessions of servers in a database.
fn sessions(cluster: &Cluster, name: &str) -> BTreeSet<String> {
    let sql = format!(
        "SELECT pid FROM pg_stat_activity WHERE datname = '{name}' AND application_name = 'oms'"
    );
    let found = cluster.sql("postgres", &sql).expect("it answers");
    found.lines().map(str::to_owned).collect()
}

/// Makes and reads a customer when it can be done again.
fn wait_until_back(api: &Api, key: &str) {
    let call = api
        .call("POST", "/customers")
        .header("idempotency-key", key)
        .json(&minimal_customer());
    let made = eventually(A_WHILE, "it can be written", || {
        let answer = call.send();
        (answer.status != 503).then(|| answer.wants(201))
    });
    eventually(A_WHILE, "it can be read", || {
        let answer = api.get(&format!("/customers/{}", made.id()));
        (answer.status != 503).then(|| answer.wants(200))
    });
}

#[test]
fn a_statement_that_takes_too_long_is_given_up_and_its_connection_goes_on() {
    let Some(cluster) = cluster() else { return };
    let url = cluster.new_database();
    let name = name_of(&url);
    let fleet = Fleet::start(&url, 1, &FEW);
    let api = fleet.sandbox();
    let id = api.create(&full_customer()).id();
    let told = || cluster.met(name, "57014") + cluster.met(name, "55P03");
    for made in 1..=ROUNDS {
        let before = (sessions(cluster, name), told());
        let mut other = cluster.session(name).expect("psql connects");
        other.run("BEGIN; LOCK TABLE customers IN ACCESS EXCLUSIVE MODE");
        let key = fresh_name("late");
        check_told_to_come_again(&api.post_keyed("/customers", &key, &minimal_customer()));
        check_told_to_come_again(&api.get(&format!("/customers/{id}")));
        assert!(told() >= before.1 + 2, "no statement was given up");
        drop(other);
        wait_until_back(&api, &key);
        assert_eq!(api.all_customers().len(), 1 + made);
        if before.0.is_subset(&sessions(cluster, name)) {
            return;
        }
    }
    panic!("the connections are not used any more");
}

#[test]
fn a_database_that_says_nothing_is_not_waited_for_at_a_start() {
    let Some(cluster) = cluster() else { return };
    // The system takes connections for it, and nobody speaks.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let silent = silent.local_addr().map(|address| (silent, address));
    let (_silent, address) = silent.expect("it has an address");
    let nobody = format!("postgres://oms@{address}/money?connect_timeout=1");
    let alone = Fleet::prepare(&nobody, &[]);
    for command in [&["migrate"][..], &["keys", "list"], &["doctor"]] {
        let refused = alone.run(command);
        assert!(!refused.status.success(), "{command:?}: {refused:?}");
        let said = refused.stdout + &refused.stderr;
        let why = format!("{address}: the server says nothing");
        assert!(said.contains(&why), "{command:?}: {said}");
    }
    // Beside one that speaks it costs a moment, and nothing else.
    let both = format!("{address},{}", cluster.address());
    let url = cluster.new_database().replace(&cluster.address(), &both) + LOGIN;
    let fleet = Fleet::start(&url, 1, &FEW);
    fleet.sandbox().create(&full_customer());
}

#[test]
fn a_database_that_falls_silent_is_waited_for_as_long_as_a_statement_and_comes_back() {
    let Some(cluster) = cluster() else { return };
    let way = Way::to(&cluster.address());
    let url = cluster.new_database();
    let name = name_of(&url).to_owned();
    let url = url.replace(&cluster.address(), &way.address()) + LOGIN;
    let fleet = Fleet::start(&url, 1, &FEW);
    let api = fleet.sandbox();
    let id = api.create(&full_customer()).id();
    let key = fresh_name("silence");
    way.close();
    check_told_to_come_again(&api.get(&format!("/customers/{id}")));
    // Its commit is on its way, and arrives when nobody counts on it any more.
    check_told_to_come_again(&api.post_keyed("/customers", &key, &minimal_customer()));
    for server in fleet.living() {
        let ready = server.call("GET", "/readyz").send();
        ready.problem(503, "serviceUnavailable");
        server.call("GET", "/healthz").send().wants(200);
    }
    way.open();
    wait_until_back(&api, &key);
    eventually(A_WHILE, "what waited has arrived", || {
        (sessions(cluster, &name).len() <= CONNECTIONS).then_some(())
    });
    assert_eq!(api.all_customers().len(), 2);
    fleet.check_audit();
}

/// A database of a role of its own, which may have so many connections as is said later.
fn of_a_role(cluster: &Cluster) -> (String, String) {
    let (url, role) = (cluster.new_database(), fresh_name("role").replace('-', "_"));
    let name = name_of(&url);
    for sql in [
        format!("CREATE ROLE {role} LOGIN"),
        format!("ALTER DATABASE {name} OWNER TO {role}"),
    ] {
        cluster.sql("postgres", &sql).expect("it is done");
    }
    let url = url.replace("oms@", &format!("{role}@"));
    (url, role)
}

/// Lets so many in from now on, and puts all others out.
fn let_in(cluster: &Cluster, (url, role): (&str, &str), count: i32) {
    let limit = format!("ALTER ROLE {role} CONNECTION LIMIT {count}");
    cluster.sql("postgres", &limit).expect("it is done");
    let out = format!(
        "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{}'",
        name_of(url)
    );
    cluster.sql("postgres", &out).expect("it is done");
    eventually(A_WHILE, "they are out", || {
        let most = usize::try_from(count).unwrap_or(usize::MAX);
        let left = sessions(cluster, name_of(url)).len();
        (left <= most).then_some(())
    });
}

#[test]
fn a_server_that_is_let_in_no_more_says_so_and_goes_on_when_it_is_let_in_again() {
    let Some(cluster) = cluster() else { return };
    let (url, role) = of_a_role(cluster);
    let fleet = Fleet::start(&url, 1, &FEW);
    let api = fleet.sandbox();
    let id = api.create(&full_customer()).id();
    let_in(cluster, (&url, &role), 0);
    let key = fresh_name("outside");
    check_told_to_come_again(&api.post_keyed("/customers", &key, &minimal_customer()));
    check_told_to_come_again(&api.get(&format!("/customers/{id}")));
    for server in fleet.living() {
        let ready = server.call("GET", "/readyz").send();
        ready.problem(503, "serviceUnavailable");
    }
    let refused = fleet.run(&["keys", "list"]);
    let why = "too many connections";
    assert!(refused.stderr.contains(why), "{refused:?}");
    eventually(A_WHILE, "the log says why", || {
        fleet.logged().contains(why).then_some(())
    });
    let_in(cluster, (&url, &role), -1);
    wait_until_back(&api, &key);
    assert_eq!(api.all_customers().len(), 2);
}

/// Requests at a time.
const CLIENTS: usize = 12;

#[test]
fn a_server_that_is_given_fewer_connections_than_it_wants_serves_by_those() {
    let Some(cluster) = cluster() else { return };
    let (url, role) = of_a_role(cluster);
    let settings = [
        ALONE,
        ("OMS_DATABASE_WRITE_CONNECTIONS", "2"),
        ("OMS_READ_THREADS", "4"),
    ];
    let fleet = Fleet::start(&url, 1, &settings);
    let api = fleet.sandbox();
    // Whoever takes them, there is one of each kind at least.
    let_in(cluster, (&url, &role), 5);
    let all_served = || {
        thread::scope(|scope| {
            let asking: Vec<_> = (0..CLIENTS)
                .map(|_| scope.spawn(|| (0..5).all(|_| is_served(&api))))
                .collect();
            asking
                .into_iter()
                .all(|one| one.join().expect("it is answered"))
        })
    };
    // Who has none has to notice.
    eventually(A_WHILE, "everybody is served", || {
        all_served().then_some(())
    });
    for _ in 0..3 {
        assert!(all_served(), "those who have no connection refuse work");
    }
}

fn is_served(api: &Api) -> bool {
    let made = api.post("/customers", &minimal_customer());
    if made.status != 201 {
        check_told_to_come_again(&made);
        return false;
    }
    let read = api.get(&format!("/customers/{}", made.id()));
    if read.status != 200 {
        check_told_to_come_again(&read);
    }
    read.status == 200
}
