//! The command line of oms.

use std::process::ExitCode;

use clap::Parser;

/// Requests make many short strings, often freed by another thread than the one that made them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match oms::cli::Arguments::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            oms::cli::tell_failure(&error);
            ExitCode::FAILURE
        }
    }
}
