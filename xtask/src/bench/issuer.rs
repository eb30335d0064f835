//! `cargo xtask bench issuer`: tokens per second and what each costs, durable, on both databases.

use std::path::PathBuf;

use clap::Args;

use super::Options;
use super::ground::{Ground, Size};
use super::machine::{Talking, built};
use super::table::{Findings, Target, median};
use crate::postgres::Postgres;

/// `cargo xtask bench issuer`.
#[derive(Debug, Args)]
pub(crate) struct IssuerBench {
    #[command(flatten)]
    options: Options,
    /// Measure this build of vestibule, such as target/dist/bin/vestibule
    #[arg(long, value_name = "PROGRAM")]
    pub(super) program: Option<PathBuf>,
}

/// People at once.
const AT_ONCE: u32 = 64;

/// Tokens in a second, and microseconds of the door's processor time for each.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    per_second: f64,
    cpu: f64,
}

impl IssuerBench {
    /// Runs it.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let postgres = Postgres::durable()?;
        let rounds = if self.options.quick { 2 } else { 5 };
        let mut findings = Findings::default();
        let mut lite = Vec::new();
        for engine in ["SQLite", "PostgreSQL"] {
            for grant in ["refresh", "code"] {
                let database = (engine == "PostgreSQL")
                    .then(|| postgres.database(grant))
                    .transpose()?;
                let size = Size {
                    postgres: database,
                    ..Size::default()
                };
                let program = self.program.clone().unwrap_or_else(|| built("vestibule"));
                let rate = measure(size, program, grant, rounds)?;
                let row = format!("{engine}, {grant}");
                findings.figure("tokens per second, 64 at once", &row, "", rate.per_second);
                lite.push((engine, grant, row, rate));
            }
        }
        for (_, _, row, rate) in &lite {
            findings.figure("CPU per token", row, "µs", rate.cpu);
        }
        for (engine, grant, row, rate) in &lite {
            if *engine == "SQLite" {
                findings.target(Target::at_least(
                    format!("{row}: per second"),
                    rate.per_second,
                    8000.0,
                ));
                findings.target(Target::at_most(format!("{row}: CPU µs each"), rate.cpu, 95.0));
                continue;
            }
            let beside = lite
                .iter()
                .find(|(other, of, ..)| *other == "SQLite" && of == grant);
            if let Some((.., sqlite)) = beside {
                let ratio = rate.per_second / sqlite.per_second;
                findings.target(Target::at_least(
                    format!("{row}: per second, × SQLite"),
                    ratio,
                    0.7,
                ));
            }
        }
        findings.print(self.options.json)
    }
}

/// Lets a build of vestibule give out tokens, as many people at once as there shall be, in as many rounds.
pub(super) fn measure(size: Size, program: PathBuf, grant: &str, rounds: u32) -> anyhow::Result<Rate> {
    let size = Size {
        accounts: AT_ONCE * rounds,
        ..size
    };
    let ground = Ground::lay(size, program)?;
    let door = ground.open()?;
    let (address, url) = (ground.door.to_string(), ground.url());
    let mut rates = Vec::new();
    for round in 0..rounds {
        // Nobody may ask for more than 300 approvals in ten minutes: each round has people of its own.
        let first = (round * AT_ONCE).to_string();
        let words = [
            "tokens",
            "--address",
            &address,
            "--url",
            &url,
            "--grant",
            grant,
            "--first",
            &first,
        ];
        let mut load = Talking::start(&[&words[..], &["--seconds", "4"]].concat())?;
        load.hear()?;
        let before = door.used()?.cpu;
        load.go_on()?;
        let said = load.hear()?;
        let used = door.used()?.cpu - before;
        let numbers: Vec<f64> = said.split(' ').filter_map(|word| word.parse().ok()).collect();
        let [count, seconds] = numbers.as_slice() else {
            anyhow::bail!("bench said {said}");
        };
        rates.push((count / seconds, used / count));
    }
    door.stop()?;
    Ok(Rate {
        per_second: median(&rates.iter().map(|rate| rate.0).collect::<Vec<_>>()),
        cpu: median(&rates.iter().map(|rate| rate.1).collect::<Vec<_>>()),
    })
}
