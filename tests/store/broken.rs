//! Connections to a database that break where it hurts: in a commit, before the server has
//! seen it or after it has carried it out. Whatever was answered, it took place once.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;

use oms::config::{Database, Host};
use oms::context::Random;
use oms::store::{customer, event};

use crate::behaviours::{customer_of, event_of, id_at};
use crate::place::Place;

/// Transactions of the test.
const WRITES: u64 = 150;

/// A way to the server that breaks now and then.
struct Breaking {
    port: u16,
    broken: Arc<AtomicUsize>,
}

/// Where a connection breaks.
#[derive(Clone, Copy)]
enum Cut {
    /// What was asked never arrives.
    Before,
    /// It arrives; the answer does not.
    After,
}

impl Breaking {
    /// Cuts a connection for one in so many commits.
    fn start(to: (String, u16), one_in: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let (broken, commits) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicU64::new(0)));
        let counted = Arc::clone(&broken);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect((to.0.as_str(), to.1)) else {
                    break;
                };
                let (commits, broken) = (Arc::clone(&commits), Arc::clone(&counted));
                let back = (server.try_clone(), client.try_clone());
                if let (Ok(from), Ok(to)) = back {
                    thread::spawn(move || carry(from, to));
                }
                thread::spawn(move || watch(client, server, &commits, one_in, &broken));
            }
        });
        Self { port, broken }
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream) {
    drop(std::io::copy(&mut from, &mut to));
    drop(to.shutdown(Shutdown::Both));
}

/// Carries what the client sends and cuts at some commits, which are known by what is written
/// with each: the turn of the writer.
fn watch(
    mut client: TcpStream,
    mut server: TcpStream,
    commits: &AtomicU64,
    one_in: u64,
    broken: &AtomicUsize,
) {
    let mut bytes = vec![0; 256 << 10];
    while let Ok(count @ 1..) = client.read(&mut bytes) {
        let asked = &bytes[..count];
        // A long message that ends a pipeline (`Sync`) and holds a row is a batch.
        let is_commit = count > 400 && asked.ends_with(b"S\0\0\0\x04");
        let number = if is_commit {
            commits.fetch_add(1, Ordering::SeqCst)
        } else {
            1
        };
        let cut = (is_commit && number.is_multiple_of(one_in)).then(|| {
            if (number / one_in).is_multiple_of(2) {
                Cut::Before
            } else {
                Cut::After
            }
        });
        match cut {
            None => drop(server.write_all(asked)),
            Some(cut) => {
                broken.fetch_add(1, Ordering::SeqCst);
                // The client's end first, so that no answer reaches it.
                drop(client.shutdown(Shutdown::Both));
                if matches!(cut, Cut::After) {
                    drop(server.write_all(asked));
                    // The server reads to the end of the stream, then it is done.
                    drop(server.shutdown(Shutdown::Write));
                } else {
                    drop(server.shutdown(Shutdown::Both));
                }
                return;
            }
        }
    }
    drop(server.shutdown(Shutdown::Both));
}

#[test]
fn what_a_connection_broke_in_took_place_once() {
    let Some(mut place) = Place::of_postgres() else {
        return;
    };
    let database = place.config.database.take().expect("it is set");
    let Some(Host::Tcp { name, port }) = database.hosts.first().cloned() else {
        panic!("the tests' server listens on TCP");
    };
    let breaking = Breaking::start((name, port), 4);
    let straight = database.clone();
    place.config.database = Some(Database {
        hosts: vec![Host::Tcp {
            name: "127.0.0.1".into(),
            port: breaking.port,
        }],
        write_connections: 2,
        ..database
    });
    let store = place.open();
    let random = Random::seeded(11);
    let mut acknowledged = Vec::new();
    for number in 0..WRITES {
        let id = id_at(number, &random);
        // Nothing here tells a second run from the first: no key, no version, no unique id
        // but that of the row, and each run of the closure would draw another.
        let drawn = Arc::new(AtomicU64::new(0));
        let write = store.write(move |tx| {
            let run = drawn.fetch_add(1, Ordering::SeqCst);
            let mut own = id;
            own[6..14].copy_from_slice(&run.to_be_bytes());
            customer::insert(tx, &customer_of(own))?;
            event::append(tx, &event_of(own, own), true)?;
            Ok(())
        });
        match place.runtime.block_on(write) {
            Ok(()) => acknowledged.push(number),
            Err(error) => assert_eq!(error.code().name(), "serviceUnavailable", "{number}"),
        }
    }
    store.close();
    assert!(
        breaking.broken.load(Ordering::SeqCst) > 20,
        "few were broken"
    );

    place.config.database = Some(straight);
    let store = place.open();
    let found = place
        .runtime
        .block_on(store.read(|tx| customer::after(tx, (i64::MIN, [0; 16]), 10_000)))
        .expect("it reads");
    let mut times = std::collections::HashMap::new();
    for (row, _) in found {
        let time = row.id.time().as_millis().unsigned_abs();
        *times.entry(time).or_insert(0) += 1;
    }
    for number in 0..WRITES {
        let count = times.get(&number).copied().unwrap_or(0);
        let wanted = if acknowledged.contains(&number) {
            1..=1
        } else {
            0..=1
        };
        assert!(wanted.contains(&count), "{number} took place {count} times");
    }
    assert!(
        acknowledged.len() as u64 > WRITES * 9 / 10,
        "only {} of {WRITES} were acknowledged",
        acknowledged.len()
    );
    store.close();
}
