//! Places at which a test lets the process die, as if somebody had pulled the plug: named
//! by `OMS_FAILPOINT`, in debug builds only. A release build has no such thing.

/// Dies by SIGKILL when this is the place that the test names; nothing is cleaned up. Panics
/// where the test says `panic@` before the name.
pub fn reach(place: &'static str) {
    #[cfg(debug_assertions)]
    if let Ok(named) = std::env::var("OMS_FAILPOINT") {
        use rustix::process::{Signal, getpid, kill_process};
        assert!(named.strip_prefix("panic@") != Some(place), "{place}");
        if named == place {
            // What follows only runs where the signal is still on its way.
            let _ = kill_process(getpid(), Signal::KILL);
            std::process::abort();
        }
    }
    #[cfg(not(debug_assertions))]
    let _ = place;
}
