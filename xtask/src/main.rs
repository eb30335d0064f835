//! `cargo xtask`: what is done to this project, in one place, so that people and CI do the same.
//!
//! | command | what it does |
//! | --- | --- |
//! | `test` | everything that CI judges; installs what it needs and says so |
//! | `sql` | writes down what both databases say of every query |
//! | `arrows` | checks that no room of the house depends on one above it |
//! | `fuzz` | throws random bytes at every parser |
//! | `soak` | the long form of the crash test and the fuzzing |
//! | `real` | builds real servers of others, and runs the tests against them |
//! | `windows` | builds the command line for Windows, and runs its tests by Wine |
//! | `bench` | measures the door and the token endpoint |
//! | `dist` | builds what a package is made of |
//! | `docs` | writes the pages that are made from the code |

mod arrows;
mod bench;
mod command;
mod dist;
mod docs;
mod end_to_end;
mod fuzz;
mod guided;
mod postgres;
mod real;
mod rules;
mod soak;
mod sql;
mod stages;
mod test;
mod tools;
mod windows;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "What is done to Vestibule")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Run everything that CI judges, installing what it needs
    Test(test::Test),
    /// Renew the descriptions of all SQL queries in crates/store-*/.sqlx
    Sql(sql::Sql),
    /// Check that the rooms of the house depend on each other downwards only
    Arrows,
    /// Run the fuzz targets
    Fuzz(fuzz::Fuzz),
    /// Run the crash test and the fuzz targets for long
    Soak(soak::Soak),
    /// Build real servers of others, such as Dex, and run the tests against them
    Real,
    /// Build the command line for Windows, and run the tests of it by Wine
    Windows,
    /// Measure what a call and a token cost
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Build what a package is made of into target/dist: the program, manual pages, completions
    Dist(dist::Dist),
    /// Renew the pages of docs/ that are made from the code
    Docs(docs::Docs),
    /// Renew only docs/internals/rules.md, which tests show which rule
    Rules,
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().task {
        Task::Test(test) => test.run(),
        Task::Sql(sql) => sql.run(),
        Task::Arrows => arrows::check(),
        Task::Fuzz(fuzz) => fuzz.run(),
        Task::Soak(soak) => soak.run(),
        Task::Real => real::run_tests(),
        Task::Windows => windows::run_tests(),
        Task::Bench(bench) => bench.run(),
        Task::Dist(dist) => dist.run(),
        Task::Docs(docs) => docs.run(),
        Task::Rules => rules::write(false),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
