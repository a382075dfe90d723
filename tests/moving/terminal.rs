//! What whoever moves a store sees: a bar at a terminal, and lines where nobody looks.

use std::process::Command;

use crate::place::cluster;
use crate::support::Output;
use crate::{Stopped, moved};

/// Begins what a terminal does without printing it.
const ESCAPE: char = '\u{1b}';

/// Runs `oms data move` at a terminal of its own; gives all that it was sent.
fn at_a_terminal(from: &str, to: &str) -> Output {
    let program = env!("CARGO_BIN_EXE_oms");
    let command = format!("stty cols 120; exec {program} data move --from {from} --to {to}");
    let output = Command::new("script")
        .args(["-q", "-e", "-c", &command, "/dev/null"])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("TERM", "xterm")
        .env("OMS_LOG_LEVEL", "error")
        .output()
        .expect("script runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    Output {
        status: output.status,
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

/// What a bar is drawn of.
const DRAWN: [char; 2] = ['\u{2588}', '\u{2591}'];

/// How far each drawn bar of this name is, and of how much.
fn bars<'a>(seen: &'a str, doing: &'a str) -> impl Iterator<Item = (u64, u64)> + 'a {
    let number = |text: &str| -> Option<u64> { text.replace(',', "").parse().ok() };
    seen.split(['\r', ESCAPE])
        .filter(move |line| line.contains(doing) && line.contains(DRAWN))
        .filter_map(|line| {
            line.split_whitespace()
                .find_map(|word| word.split_once('/'))
        })
        .filter_map(move |(done, of)| Some((number(done)?, number(of)?)))
}

#[test]
fn a_move_shows_a_bar_at_a_terminal_and_plain_lines_elsewhere() {
    let Some(cluster) = cluster() else { return };
    let store = Stopped::with_customers(3_000);
    let seen = at_a_terminal(store.data(), &cluster.new_database());
    assert!(seen.status.success(), "{seen:?}");
    let plain = moved(store.data(), &cluster.new_database());
    let words: Vec<_> = plain.stdout.split_whitespace().collect();
    let place = words
        .windows(3)
        .position(|three| three[1..] == ["rows", "are"]);
    let rows: u64 = place
        .and_then(|place| words[place].parse().ok())
        .expect("it says how many rows there are");
    // A page after the other up to all that there is, and gone at the end.
    for (doing, total) in [("moving", rows), ("comparing", 2 * rows)] {
        let drawn: Vec<_> = bars(&seen.stdout, doing).collect();
        assert!(drawn.len() > 3, "{doing}: {seen:?}");
        assert!(drawn.is_sorted(), "{doing}: {drawn:?}");
        for (done, of) in drawn {
            assert!(
                done <= of && of == total,
                "{doing}: {done} of {of}, not {total}"
            );
        }
    }
    let (_, end) = seen.stdout.rsplit_once(ESCAPE).expect("it is cleared");
    assert!(!end.contains(DRAWN), "{end:?}");
    assert!(end.contains("keys.data_keys"), "{end:?}");
    for text in [&plain.stdout, &plain.stderr] {
        assert!(!text.contains(['\r', ESCAPE]), "{plain:?}");
    }
}
