//! The tests in `e2e`, against the programs as they are built for tests.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};

use crate::command::{cargo, program, root, run as run_program};
use crate::tools;

/// Builds the programs that the tests run.
pub(crate) fn build() -> anyhow::Result<()> {
    run_program(cargo().args(["build", "--quiet", "--locked", "-p", "vestibule", "-p", "fixture"]))
}

/// Runs the tests in this folder of `e2e`, with these paths in their environment. None may be skipped.
pub(crate) fn run(folder: &str, environment: &[(&str, PathBuf)]) -> anyhow::Result<()> {
    let e2e = root().join("e2e");
    let mut tests: Vec<_> = std::fs::read_dir(e2e.join(folder))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.to_string_lossy().ends_with(".test.mjs"))
        .collect();
    tests.sort();
    let report = tempfile::NamedTempFile::new()?;
    run_program(
        program(tools::node())
            .current_dir(&e2e)
            .envs(environment.iter().map(|(name, path)| (name, path)))
            .args(["--test", "--test-concurrency=1"])
            // A test that failed half-way leaves sockets open, and a page may never come: neither holds the run up.
            .args(["--test-force-exit", "--test-timeout=600000"])
            .args(["--test-reporter=spec", "--test-reporter-destination=stdout"])
            .args(["--test-reporter=tap", "--test-reporter-destination"])
            .arg(report.path())
            .args(tests),
    )?;
    let said = std::fs::read_to_string(report.path())?;
    let skipped = said
        .lines()
        .find_map(|line| line.strip_prefix("# skipped "))
        .context("the tests did not say how many were skipped")?;
    ensure!(skipped == "0", "{skipped} tests were skipped; none may be");
    Ok(())
}
