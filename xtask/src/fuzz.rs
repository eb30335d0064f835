//! The fuzz targets in `fuzz/`, built with coverage that the stable compiler can give.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context as _, bail};
use clap::Args;

use crate::command::{cargo, program, root, run};

/// What libFuzzer looks at while it looks for new inputs.
const COVERAGE: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 -Coverflow-checks=on -Cdebug-assertions=on";

/// Targets that run at the same time.
const AT_ONCE: usize = 2;

/// `cargo xtask fuzz`.
#[derive(Debug, Args)]
pub(crate) struct Fuzz {
    /// Seconds for each target
    #[arg(long, default_value_t = 20)]
    seconds: u32,
    /// One target; all if not named
    target: Option<String>,
}

impl Fuzz {
    /// Runs it.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        all(self.seconds, self.target.as_deref())
    }
}

/// Runs every target, or the one that is named.
pub(crate) fn all(seconds: u32, only: Option<&str>) -> anyhow::Result<()> {
    let built = build()?;
    let targets: Vec<String> = targets()?
        .into_iter()
        .filter(|target| only.is_none_or(|only| only == target))
        .collect();
    if targets.is_empty() {
        bail!("there is no fuzz target {}", only.unwrap_or_default());
    }
    let (next, built, targets) = (AtomicUsize::new(0), &built, &targets);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE)
            .map(|_| {
                scope.spawn(|| {
                    while let Some(target) = targets.get(next.fetch_add(1, Ordering::Relaxed)) {
                        one(built, target, seconds)?;
                    }
                    anyhow::Ok(())
                })
            })
            .collect();
        let ends = workers.into_iter().map(|worker| match worker.join() {
            Ok(end) => end,
            Err(_) => bail!("a worker panicked"),
        });
        ends.collect()
    })
}

fn folder() -> PathBuf {
    root().join("fuzz")
}

/// The names of the targets: one file each.
fn targets() -> anyhow::Result<Vec<String>> {
    let mut names: Vec<String> = std::fs::read_dir(folder().join("targets"))?
        .filter_map(|entry| Some(entry.ok()?.path().file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    Ok(names)
}

fn build() -> anyhow::Result<PathBuf> {
    let target = root().join("target").join("fuzz");
    run(cargo()
        .args(["build", "--quiet", "--release", "--locked", "--manifest-path"])
        .arg(folder().join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        .args(["--target", &host()?])
        .env("RUSTFLAGS", COVERAGE))?;
    Ok(target.join(host()?).join("release"))
}

/// Named, so that the flags are for the targets and not for what builds them.
fn host() -> anyhow::Result<String> {
    let version = crate::command::output(program("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host
        .context("rustc does not say what it compiles for")?
        .to_owned())
}

fn one(built: &std::path::Path, target: &str, seconds: u32) -> anyhow::Result<()> {
    let corpus = root().join(".cache/fuzz").join(target);
    std::fs::create_dir_all(&corpus)?;
    let found = root().join(".cache/fuzz-found").join(target);
    std::fs::create_dir_all(&found)?;
    let mut command = program(built.join(target));
    command
        .arg(&corpus)
        .arg(format!("-max_total_time={seconds}"))
        .args([
            "-timeout=10",
            "-rss_limit_mb=2048",
            "-max_len=70000",
            "-print_final_stats=1",
            "-verbosity=0",
        ])
        .arg(format!("-artifact_prefix={}/", found.display()));
    let seeds = folder().join("seeds").join(target);
    if seeds.exists() {
        command.arg(seeds);
    }
    // What it found is told by the input it keeps, not by where the fuzzer was.
    let output = command
        .env("RUST_BACKTRACE", "0")
        .output()
        .with_context(|| target.to_owned())?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!(
            "fuzz target {target} found something, kept in {}:\n{said}",
            found.display()
        );
    }
    let number = |name: &str| {
        let line = said.lines().find_map(|line| line.strip_prefix(name));
        line.map_or("?", str::trim).to_owned()
    };
    anstream::println!(
        "{target}: {} inputs, {} a second",
        number("stat::number_of_executed_units:"),
        number("stat::average_exec_per_sec:")
    );
    Ok(())
}
