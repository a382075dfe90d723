//! Writes that meet somebody else, for certain and one by one: they run again, a stated number
//! of times, and leave nothing when that does not help.

use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::cluster;
use crate::fleet::Fleet;
use crate::support::{
    Api, Cluster, Session, check_told_to_come_again, eventually, fresh_name, full_customer, keyed,
    minimal_customer, name_of,
};

const A_WHILE: Duration = Duration::from_mins(2);

/// How often a write runs alone before it is refused, and how often at most with others before.
const TRIES: u32 = 10;
const TOGETHER: u32 = 2;

/// Not to be able to serialize, a deadlock, and what a constraint guards.
const CODES: [&str; 3] = ["40001", "40P01", "23505"];

/// How often two have to be brought to wait for each other.
const ROUNDS: usize = 10;

/// Refuses so many inserts of customers. What is counted by a sequence is not rolled back.
fn refuse(cluster: &Cluster, name: &str, code: &str, times: u32) {
    let sql = format!(
        "CREATE SEQUENCE tried;
         CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF nextval('tried') <= {times} THEN
                 RAISE EXCEPTION 'refused by a test' USING ERRCODE = '{code}';
             END IF;
             RETURN NEW;
         END $$;
         CREATE TRIGGER refuse BEFORE INSERT ON customers FOR EACH ROW EXECUTE FUNCTION refuse()"
    );
    eventually(A_WHILE, "inserts are refused", || {
        cluster.sql(name, &sql).ok()
    });
}

/// Refuses no more; gives how often an insert was tried.
fn allow(cluster: &Cluster, name: &str) -> u32 {
    let tried = cluster.sql(name, "SELECT last_value FROM tried");
    let sql = "DROP TRIGGER refuse ON customers; DROP FUNCTION refuse; DROP SEQUENCE tried";
    eventually(A_WHILE, "inserts are allowed", || {
        cluster.sql(name, sql).ok()
    });
    let tried = tried.expect("it was tried");
    tried.parse().expect("a number")
}

/// Rows of everything that a create writes.
fn written(cluster: &Cluster, name: &str) -> String {
    let sql = "SELECT (SELECT COUNT(*) FROM customers), (SELECT COUNT(*) FROM idempotency),
                      (SELECT COUNT(*) FROM events WHERE resource IS NOT NULL),
                      (SELECT COUNT(*) FROM lookups)";
    cluster.sql(name, sql).expect("it answers")
}

#[test]
fn a_write_that_is_refused_a_few_times_is_run_again_and_succeeds() {
    let Some(cluster) = cluster() else { return };
    let url = cluster.new_database();
    let name = name_of(&url);
    let fleet = Fleet::start(&url, 1, &[]);
    let api = fleet.sandbox();
    api.create(&full_customer());
    for code in CODES {
        for times in [1, TRIES - 1] {
            refuse(cluster, name, code, times);
            let key = fresh_name("refused");
            let made = api.post_keyed("/customers", &key, &full_customer());
            let tried = allow(cluster, name);
            let made = made.wants(201);
            assert_eq!(made.header("idempotent-replayed"), None, "{made}");
            assert_eq!(tried, times + 1, "{code}");
            assert_eq!(api.read(&made.id()).body, made.body);
            let again = api.post_keyed("/customers", &key, &full_customer());
            assert_eq!(again.wants(201).body, made.body);
        }
    }
    assert_eq!(api.all_customers().len(), 1 + 2 * CODES.len());
    fleet.check_audit();
}

#[test]
fn a_write_that_is_refused_again_and_again_leaves_nothing_and_may_come_later() {
    let Some(cluster) = cluster() else { return };
    let url = cluster.new_database();
    let name = name_of(&url);
    let fleet = Fleet::start(&url, 1, &[]);
    let api = fleet.sandbox();
    let present = api.create(&full_customer()).id();
    for (place, code) in CODES.into_iter().enumerate() {
        let before = written(cluster, name);
        refuse(cluster, name, code, u32::MAX);
        let key = fresh_name("refused");
        let refused = api.post_keyed("/customers", &key, &full_customer());
        check_told_to_come_again(&refused);
        assert_eq!(written(cluster, name), before, "{code}");
        // Nobody else is held up.
        let step = json!({"metadata": {"step": place}});
        api.change(&present, &step).wants(200);
        let tried = allow(cluster, name);
        assert!(
            (TRIES..=TRIES + TOGETHER).contains(&tried),
            "{code}: {tried} tries"
        );
        let made = api
            .post_keyed("/customers", &key, &full_customer())
            .wants(201);
        assert_eq!(made.header("idempotent-replayed"), None, "{made}");
        assert_eq!(api.all_customers().len(), place + 2);
    }
    fleet.check_audit();
}

/// Writes the rows of all customers anew and keeps them.
fn hold(session: &mut Session) {
    session.run("BEGIN; UPDATE customers SET version = version");
}

fn wait_for_waiting(cluster: &Cluster, name: &str, count: usize) {
    eventually(A_WHILE, "servers wait for a lock", || {
        (cluster.waiting(name) == count).then_some(())
    });
}

#[test]
fn whoever_waited_for_a_row_that_was_changed_meanwhile_changes_it_after_all() {
    let Some(cluster) = cluster() else { return };
    let url = cluster.new_database();
    let name = name_of(&url);
    let fleet = Fleet::start(&url, 1, &[]);
    let api = fleet.sandbox();
    let id = api.create(&full_customer()).id();
    let mut other = cluster.session(name).expect("psql connects");
    hold(&mut other);
    let before = cluster.met(name, "40001");
    let changed = thread::scope(|scope| {
        let change = scope.spawn(|| api.change(&id, &json!({"firstName": "Augusta"})));
        wait_for_waiting(cluster, name, 1);
        other.run("COMMIT");
        change.join().expect("the server answers")
    });
    assert!(cluster.met(name, "40001") > before, "nobody was in the way");
    assert_eq!(api.read(&id).body, changed.wants(200).body);
}

/// Has a change of a customer wait for us while we wait for it; whether the change was told so.
fn wait_for_each_other(cluster: &Cluster, name: &str, api: &Api, id: &str, step: usize) -> bool {
    let mut other = cluster.session(name).expect("psql connects");
    // The other side is the one that notices.
    other.run("SET deadlock_timeout = '1h'");
    hold(&mut other);
    let changed = thread::scope(|scope| {
        let change = scope.spawn(|| api.change(id, &json!({"metadata": {"step": step}})));
        wait_for_waiting(cluster, name, 1);
        other.run("LOCK TABLE customers IN SHARE MODE");
        other.run("COMMIT");
        change.join().expect("the server answers")
    });
    if cluster.met(name, "40P01") == 0 {
        // It waited for long before we did, and gave up.
        check_told_to_come_again(&changed);
        return false;
    }
    assert_eq!(api.read(id).body, changed.wants(200).body);
    true
}

#[test]
fn of_two_that_wait_for_each_other_the_server_gives_way_and_comes_again() {
    let Some(cluster) = cluster() else { return };
    let url = cluster.new_database();
    let name = name_of(&url);
    let late = format!("ALTER DATABASE {name} SET deadlock_timeout = '2s'");
    cluster.sql("postgres", &late).expect("it can be set");
    let fleet = Fleet::start(&url, 1, &[]);
    let api = fleet.sandbox();
    let id = api.create(&full_customer()).id();
    let met = (0..ROUNDS).any(|step| wait_for_each_other(cluster, name, &api, &id, step));
    assert!(met, "they never waited for each other");
}

#[test]
fn of_two_servers_that_make_the_same_thing_at_once_the_second_answers_with_the_first_one_s() {
    let Some(cluster) = cluster() else { return };
    let url = cluster.new_database();
    let name = name_of(&url);
    let fleet = Fleet::start(&url, 2, &[]);
    let api = fleet.sandbox();
    let gate = "CREATE TABLE gate (); INSERT INTO gate DEFAULT VALUES;
         CREATE FUNCTION pass() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             PERFORM FROM gate FOR KEY SHARE;
             RETURN NEW;
         END $$;
         CREATE TRIGGER pass BEFORE INSERT ON idempotency FOR EACH ROW EXECUTE FUNCTION pass()";
    eventually(A_WHILE, "there is a gate", || cluster.sql(name, gate).ok());
    let mut other = cluster.session(name).expect("psql connects");
    other.run("BEGIN; SELECT FROM gate FOR UPDATE");
    let (key, before) = (fresh_name("same"), cluster.met(name, "23505"));
    let apis: Vec<_> = fleet.living().map(|server| api.at(&server.base)).collect();
    let mut answers: Vec<_> = thread::scope(|scope| {
        let ask = |api| keyed(api, "POST", "/customers", &key).json(&minimal_customer());
        let asking: Vec<_> = apis
            .iter()
            .map(|api| {
                scope.spawn({
                    let call = ask(api);
                    move || call.send()
                })
            })
            .collect();
        // Both have found nothing, and are about to write.
        wait_for_waiting(cluster, name, 2);
        other.run("COMMIT");
        asking
            .into_iter()
            .map(|one| one.join().expect("the server answers").wants(201))
            .collect()
    });
    assert!(cluster.met(name, "23505") > before, "nobody was in the way");
    answers.sort_by_key(|one| one.header("idempotent-replayed").is_some());
    assert_eq!(answers[0].header("idempotent-replayed"), None);
    assert_eq!(answers[1].header("idempotent-replayed"), Some("true"));
    assert_eq!(answers[0].body, answers[1].body);
    assert_eq!(api.all_customers().len(), 1);
}
