//! `vestibule`.

use std::process::ExitCode;

use clap::Parser as _;
use vestibule::cli::Cli;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ExitCode::from(Cli::parse().run())
}
