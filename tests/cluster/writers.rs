//! What a connection that writes has to itself: a row of `writers` and a chain of the audit
//! log. Where these turn out not to be its own, it takes others; where it cannot write at all,
//! the server says so and the others do the work.

use std::thread;
use std::time::Duration;

use crate::cluster;
use crate::fleet::Fleet;
use crate::support::{Cluster, eventually, fresh_name, full_customer, minimal_customer, name_of};

const A_WHILE: Duration = Duration::from_mins(1);

const ONE: [(&str, &str); 1] = [("OMS_DATABASE_WRITE_CONNECTIONS", "1")];
const TWO: [(&str, &str); 1] = [("OMS_DATABASE_WRITE_CONNECTIONS", "2")];

/// Puts a record at the next place of every chain, as another writer of the same number would.
const TAKE_PLACES: &str = "
    INSERT INTO events (writer, position, id, project, resource, sequence, count, kinds, actor,
                        request_id, data_key, detail, hash)
    SELECT DISTINCT ON (writer) writer, position + 1, id || 'x'::bytea, project,
           resource || 'x'::bytea, sequence, count, kinds, actor, request_id, data_key, detail, hash
    FROM events ORDER BY writer, position DESC";

/// Forgets every writer's row but puts another one in its place before it is made again.
const TAKE_ROWS: &str = "
    CREATE FUNCTION take() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF nextval('taken') = 1 THEN
            RAISE EXCEPTION 'taken by a test'
            USING ERRCODE = '23505', CONSTRAINT = 'writers_pkey';
        END IF;
        RETURN NEW;
    END $$;
    CREATE SEQUENCE taken;
    CREATE TRIGGER take BEFORE INSERT OR UPDATE ON writers FOR EACH ROW EXECUTE FUNCTION take()";

fn run(cluster: &Cluster, name: &str, sql: &str) -> String {
    eventually(A_WHILE, "it is done", || cluster.sql(name, sql).ok())
}

#[test]
fn a_writer_whose_number_turns_out_to_be_taken_takes_another_and_nobody_is_refused() {
    let Some(cluster) = cluster() else { return };
    for taking in [TAKE_PLACES, TAKE_ROWS] {
        let url = cluster.new_database();
        let fleet = Fleet::start(&url, 1, &ONE);
        let api = fleet.sandbox();
        api.create(&full_customer());
        let met = cluster.met(name_of(&url), "23505");
        run(cluster, name_of(&url), taking);
        for _ in 0..5 {
            api.create(&full_customer());
        }
        assert_eq!(cluster.met(name_of(&url), "23505"), met + 1, "it was taken");
        assert_eq!(api.all_customers().len(), 6);
    }
}

#[test]
fn a_commit_that_was_lost_is_not_taken_for_done_because_of_a_row_that_another_wrote() {
    let Some(cluster) = cluster() else { return };
    let url = cluster.new_database();
    let name = name_of(&url);
    let fleet = Fleet::start(&url, 1, &ONE);
    let api = fleet.sandbox();
    api.create(&minimal_customer());
    let slow_commit = "
        CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            PERFORM pg_advisory_xact_lock(1);
            RETURN NULL;
        END $$;
        CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON customers DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION wait()";
    run(cluster, name, slow_commit);
    let [mut holding, mut another] =
        [(); 2].map(|()| cluster.session(name).expect("psql connects"));
    holding.run("SELECT pg_advisory_lock(1)");
    let waiting = |count: &str| {
        let sql = format!(
            "SELECT COUNT(*) FROM pg_stat_activity
             WHERE datname = '{name}' AND wait_event_type = 'Lock'"
        );
        eventually(A_WHILE, "they wait", || {
            (run(cluster, "postgres", &sql) == count).then_some(())
        });
    };
    let made = thread::scope(|scope| {
        let making = scope.spawn(|| api.post("/customers", &minimal_customer()));
        waiting("1");
        another.begin(
            "UPDATE writers SET before = turn, turn = turn + 1, position = position + 1,
                    hash = sha256(hash)",
        );
        waiting("2");
        let lost = format!(
            "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity
             WHERE datname = '{name}' AND application_name = 'oms' AND wait_event_type = 'Lock'"
        );
        assert_eq!(run(cluster, "postgres", &lost), "1");
        another.end().expect("it changes the rows");
        holding.run("SELECT pg_advisory_unlock(1)");
        making.join().expect("the server answers")
    });
    let made = made.wants(201);
    assert_eq!(api.read(&made.id()).body, made.body);
    assert_eq!(api.all_customers().len(), 2);
}

/// Lets write only who is listed, and lists those who wrote.
const LIST: &str = "
    CREATE TABLE able (pid BIGINT);
    CREATE FUNCTION list() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO able VALUES (pg_backend_pid());
        RETURN NEW;
    END $$;
    CREATE TRIGGER list BEFORE INSERT OR UPDATE ON writers FOR EACH ROW EXECUTE FUNCTION list()";
const REFUSE: &str = "
    DELETE FROM able WHERE pid = (SELECT MIN(pid) FROM able);
    CREATE OR REPLACE FUNCTION list() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF NOT EXISTS (SELECT FROM able WHERE pid = pg_backend_pid()) THEN
            RAISE EXCEPTION 'refused by a test' USING ERRCODE = '55000';
        END IF;
        RETURN NEW;
    END $$";

#[test]
fn a_writer_that_cannot_write_is_told_of_and_the_others_do_the_work() {
    let Some(cluster) = cluster() else { return };
    let url = cluster.new_database();
    let name = name_of(&url);
    let fleet = Fleet::start(&url, 1, &TWO);
    let server = fleet.living().next().expect("it lives");
    let api = fleet.sandbox();
    run(cluster, name, LIST);
    let make_some = || {
        thread::scope(|scope| {
            let making = (0..8).map(|_| {
                scope
                    .spawn(|| api.post_keyed("/customers", &fresh_name("key"), &minimal_customer()))
            });
            let making: Vec<_> = making.collect();
            let made = making.into_iter().map(thread::ScopedJoinHandle::join);
            made.map(|made| made.expect("the server answers").status)
                .collect::<Vec<_>>()
        })
    };
    eventually(A_WHILE, "both have written", || {
        make_some();
        let count = run(cluster, name, "SELECT COUNT(DISTINCT pid) FROM able");
        (count == "2").then_some(())
    });
    server.call("GET", "/readyz").send().wants(200);
    run(cluster, name, REFUSE);
    let told = eventually(A_WHILE, "the server tells of it", || {
        make_some();
        let ready = server.call("GET", "/readyz").send();
        (ready.status != 200 && ready.status != 500).then_some(ready)
    });
    told.problem(503, "serviceUnavailable");
    assert!(told.to_string().contains("cannot write"), "{told}");
    for _ in 0..5 {
        assert_eq!(make_some(), [201; 8], "the other one writes");
    }
    assert_eq!(server.call("GET", "/readyz").send().status, 503);
    run(cluster, name, "DROP TRIGGER list ON writers");
    eventually(A_WHILE, "it can write again", || {
        let ready = server.call("GET", "/readyz").send();
        (ready.status == 200).then_some(())
    });
    fleet.check_audit();
}
