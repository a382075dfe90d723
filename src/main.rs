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
            let cause = error
                .cause()
                .map_or_else(|| error.detail().to_owned(), ToString::to_string);
            eprintln!("oms: {cause}");
            ExitCode::FAILURE
        }
    }
}
