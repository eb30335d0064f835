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

impl Bench {
    /// Runs it.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        crate::tools::benchmarks()?;
        machine::build()?;
        match self {
            Self::Gateway(bench) => bench.run(),
            Self::Issuer(bench) => bench.run(),
        }
    }
}
