//! Everything that CI judges.

use clap::Args;

use crate::command::{cargo, program, run};
use crate::postgres::Postgres;
use crate::stages::Stages;
use crate::{arrows, docs, end_to_end, fuzz, sql, tools};

/// `cargo xtask test`.
#[derive(Debug, Args)]
pub(crate) struct Test {
    /// Only stages whose name holds this word
    #[arg(long, value_name = "WORD")]
    only: Option<String>,
}

type Stage = (&'static str, fn(&Postgres) -> anyhow::Result<()>);

const STAGES: [Stage; 9] = [
    ("formatting", |_| formatting()),
    ("queries, asked of both databases", sql::check),
    ("lints", |_| lints()),
    ("arrows between the rooms", |_| arrows::check()),
    ("licences and duplicates", |_| licences()),
    ("tests in Rust, on both databases", rust),
    ("documentation", |_| documentation()),
    ("official clients, conformance suite, browser", |_| end_to_end()),
    ("fuzz targets, 20 s each", |_| fuzz::all(20, None)),
];

impl Test {
    /// Runs it, and prints the minutes of each stage.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let mut stages = Stages::default();
        let outcome = self.stages(&mut stages);
        stages.summary();
        outcome
    }

    fn stages(&self, stages: &mut Stages) -> anyhow::Result<()> {
        stages.run("tools", || {
            tools::debian()?;
            tools::npm()?;
            tools::python()
        })?;
        let postgres = Postgres::start()?;
        for (name, work) in STAGES {
            if self.only.as_deref().is_none_or(|word| name.contains(word)) {
                stages.run(name, || work(&postgres))?;
            }
        }
        Ok(())
    }
}

fn formatting() -> anyhow::Result<()> {
    run(cargo().args(["fmt", "--all", "--check"]))
}

fn lints() -> anyhow::Result<()> {
    run(cargo().args([
        "clippy",
        "--quiet",
        "--locked",
        "--workspace",
        "--all-targets",
        "--",
        "-Dwarnings",
    ]))
}

/// Advisories are looked up by hand: their database is on a host that not every machine reaches.
fn licences() -> anyhow::Result<()> {
    let deny = tools::cargo_tool(tools::DENY)?;
    run(program(deny).args(["--log-level", "error", "check", "bans", "licenses", "sources"]))
}

fn rust(postgres: &Postgres) -> anyhow::Result<()> {
    run(cargo()
        .args(["test", "--quiet", "--locked", "--workspace", "--all-targets"])
        .env("VESTIBULE_TEST_POSTGRES", postgres.url()))
}

fn documentation() -> anyhow::Result<()> {
    docs::write(true)?;
    run(cargo()
        .args([
            "doc",
            "--quiet",
            "--locked",
            "--workspace",
            "--no-deps",
            "--document-private-items",
        ])
        // Inside a room, a link to what is private to it is a help.
        .env("RUSTDOCFLAGS", "-Dwarnings -Arustdoc::private_intra_doc_links"))
}

fn end_to_end() -> anyhow::Result<()> {
    end_to_end::build()?;
    end_to_end::run("tests", &[])
}
