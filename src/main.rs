//! The command line of oms.

use std::process::ExitCode;

use clap::Parser;

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
