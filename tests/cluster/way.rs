//! A way to a server that can be closed: what is said meanwhile waits, and nobody hangs up.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

/// The way; it ends with the test process.
pub struct Way {
    address: SocketAddr,
    gate: Arc<Gate>,
}

#[derive(Default)]
struct Gate {
    is_closed: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn set(&self, is_closed: bool) {
        *self.is_closed.lock().expect("no panic holds this") = is_closed;
        self.opened.notify_all();
    }

    fn wait(&self) {
        let mut is_closed = self.is_closed.lock().expect("no panic holds this");
        while *is_closed {
            is_closed = self.opened.wait(is_closed).expect("no panic holds this");
        }
    }
}

impl Way {
    /// An open way to an address.
    pub fn to(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it has an address");
        let (gate, target) = (Arc::new(Gate::default()), target.to_owned());
        let passed = Arc::clone(&gate);
        thread::spawn(move || {
            for here in listener.incoming().map_while(Result::ok) {
                let there = TcpStream::connect(&target).expect("somebody listens");
                let copy = |stream: &TcpStream| stream.try_clone().expect("it can be shared");
                let ways = [(copy(&here), copy(&there)), (there, here)];
                for (from, to) in ways {
                    let gate = Arc::clone(&passed);
                    thread::spawn(move || carry(from, to, &gate));
                }
            }
        });
        Self { address, gate }
    }

    /// Where it begins.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Lets nothing through.
    pub fn close(&self) {
        self.gate.set(true);
    }

    /// Lets through what waits and what comes.
    pub fn open(&self) {
        self.gate.set(false);
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, gate: &Gate) {
    let mut piece = [0; 16 << 10];
    while let Ok(count @ 1..) = from.read(&mut piece) {
        gate.wait();
        if to.write_all(&piece[..count]).is_err() {
            break;
        }
    }
    // Whoever is gone needs no good-bye.
    drop(to.shutdown(Shutdown::Both));
}
