//! Random lists of what clients may do, done on a model of plain maps and on the real server:
//! customers, idempotency keys, endorsements, crashes. Each list has a project of its own.
//!
//! `OMS_MODEL_CASES` lists are run; `OMS_MODEL_SEED` repeats a run. A list that fails is made
//! shorter until nothing more can be left out, and then shown.

mod customer;
mod operations;
mod rules;
#[path = "../support/mod.rs"]
mod support;
mod world;

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::collection::vec;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use support::Server;
use world::World;

/// Lists of operations where nothing is said.
const CASES: u32 = 24;

/// Operations of the longest list.
const LONGEST: usize = 60;

/// Shorter lists that are tried of one that fails.
const SHORTENINGS: u32 = 400;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("a number"))
}

#[test]
fn the_server_does_what_the_model_does() {
    let fresh = || u64::from_be_bytes(oms::context::Random::System.bytes());
    let seed = number("OMS_MODEL_SEED").unwrap_or_else(fresh);
    let cases = number("OMS_MODEL_CASES").and_then(|cases| u32::try_from(cases).ok());
    println!("OMS_MODEL_SEED={seed}");
    let config = Config {
        cases: cases.unwrap_or(CASES),
        max_shrink_iters: SHORTENINGS,
        failure_persistence: None,
        ..Config::default()
    };
    let bytes: Vec<u8> = (0..4u64)
        .flat_map(|part| (seed ^ part).to_le_bytes())
        .collect();
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let server = RefCell::new(Server::start(&[]));
    let mut runner = TestRunner::new_with_rng(config, random);
    let ran = runner.run(&vec(operations::operation(), 1..LONGEST), |operations| {
        let run = || {
            let mut server = server.borrow_mut();
            let mut world = World::new(&mut server);
            for operation in &operations {
                world.step(operation);
            }
            world.check_all();
        };
        catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            let plain = panic.downcast_ref::<&str>().map(ToString::to_string);
            TestCaseError::fail(text.or(plain).unwrap_or_default())
        })
    });
    if let Err(wrong) = ran {
        panic!("OMS_MODEL_SEED={seed}: {wrong}");
    }
}
