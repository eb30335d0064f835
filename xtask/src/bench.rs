//! `cargo xtask bench`: what a call and a token cost, beside proxies that people know.
//!
//! Everything runs on this machine: what is measured alone on core 0 with one worker, what loads it and what
//! stands behind it on core 1. All rows of a run take turns in random order, so that a noisy minute touches all of
//! them; the medians are printed. docs/performance.md says how to read them.

mod gateway;
mod ground;
mod issuer;
mod load;
mod machine;
mod proxies;
mod scaling;
mod streams;
mod table;
mod training;

use std::path::Path;

use clap::{Args, Subcommand};

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// Calls through the door and through other proxies
    Gateway(gateway::GatewayBench),
    /// Refreshing and redeeming codes on both databases
    Issuer(issuer::IssuerBench),
}

/// What both have.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// A short run: fewer and shorter rounds
    #[arg(long)]
    quick: bool,
    /// Print JSON instead of tables
    #[arg(long)]
    json: bool,
}

/// Puts a build of vestibule under load, for it to count what it does.
pub(crate) fn train(program: &Path) -> anyhow::Result<()> {
    crate::tools::benchmarks()?;
    machine::build(&["bench"])?;
    training::train(program)
}

impl Bench {
    /// Runs it.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        crate::tools::benchmarks()?;
        let is_given = match &self {
            Self::Gateway(bench) => bench.program.is_some(),
            Self::Issuer(bench) => bench.program.is_some(),
        };
        machine::build(if is_given {
            &["bench"]
        } else {
            &["bench", "vestibule"]
        })?;
        match self {
            Self::Gateway(bench) => bench.run(),
            Self::Issuer(bench) => bench.run(),
        }
    }
}
