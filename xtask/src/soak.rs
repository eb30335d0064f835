//! What takes too long for every change: the crash test and the fuzz targets, many times over.

use clap::Args;

use crate::command::{cargo, run};
use crate::fuzz;
use crate::postgres::Postgres;

/// `cargo xtask soak`.
#[derive(Debug, Args)]
pub(crate) struct Soak {
    /// How often the process is killed under load, on each database
    #[arg(long, default_value_t = 200)]
    kills: u32,
    /// Seconds for each fuzz target
    #[arg(long, default_value_t = 600)]
    seconds: u32,
}

impl Soak {
    /// Runs it.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let postgres = Postgres::start()?;
        run(cargo()
            .args([
                "test",
                "--locked",
                "-p",
                "vestibule",
                "--test",
                "it",
                "--",
                "crash::",
                "--nocapture",
            ])
            .env("VESTIBULE_TEST_POSTGRES", postgres.url())
            .env("VESTIBULE_TEST_KILLS", self.kills.to_string()))?;
        fuzz::all(self.seconds, None)
    }
}
