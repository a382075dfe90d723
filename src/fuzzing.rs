//! What the fuzzers run: each target takes any bytes, and must come to its end soon, in little
//! memory and without a panic. `fuzz/` runs them under cargo-fuzz, the tests here run them over
//! `fuzz/seeds` and mutations of it. This is compiled for those two only.
//!
//! A target checks more than its survival where it can: what was read once must be read again
//! as the same, and what was altered must be refused.

mod bodies;
mod edge;
#[cfg(test)]
mod mutation;
mod policies;
#[cfg(test)]
mod tests;
mod tokens;

/// Something that takes any bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, also that of its folder of seeds.
    pub name: &'static str,
    /// Runs it once. A panic is a finding.
    pub run: fn(&[u8]),
}

/// Every target.
pub const TARGETS: [Target; 8] = [
    target("json_body", bodies::read_any),
    target("request", edge::ask_any),
    target("cursor", edge::page_any),
    target("token", tokens::verify_any),
    target("csv_import", crate::cli::customers::fuzz_import),
    target("watch_list", crate::core::watchlist::fuzz),
    target("policy", policies::read_any),
    target("postgres", crate::store::fuzz_postgres),
];

const fn target(name: &'static str, run: fn(&[u8])) -> Target {
    Target { name, run }
}

/// Runs the target of a name.
///
/// # Panics
/// When there is none, and when it finds something.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    (target.expect("a target of this name").run)(data);
}
