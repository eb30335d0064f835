//! A build that knows which of its code is hot: compiled with counters, put under the load of `cargo xtask bench`, and
//! compiled again with what was counted, so that the code of a call lies together and the rest is out of its way.

use std::path::PathBuf;

use anyhow::Context as _;

use crate::command::{cargo, output, program, root, run};
use crate::{bench, tools};

/// Builds `vestibule` twice, and gives the second.
pub(crate) fn build() -> anyhow::Result<PathBuf> {
    let host = host()?;
    let merge = tools::profdata(&host)?;
    let (counts, profile) = (folder("counts"), folder("vestibule.profdata"));
    // Cargo does not see that a profile is another one than the last time: what was built with that goes.
    for old in [&counts, &folder("guided")] {
        if old.exists() {
            std::fs::remove_dir_all(old)?;
        }
    }
    anstream::eprintln!("building vestibule with counters");
    let flag = format!("-Cprofile-generate={}", counts.display());
    let counting = compiled("counting", &host, &flag)?;
    anstream::eprintln!("counting what a door does most");
    bench::train(&counting)?;
    run(program(merge)
        .args(["merge", "--output"])
        .args([&profile, &counts]))?;
    anstream::eprintln!("building vestibule guided by what was counted");
    compiled("guided", &host, &format!("-Cprofile-use={}", profile.display()))
}

/// Where all of it lies.
fn folder(name: &str) -> PathBuf {
    root().join("target/guided").join(name)
}

/// Compiles for release, in a folder of its own, so that the ordinary build is not begun anew.
fn compiled(name: &str, target: &str, flag: &str) -> anyhow::Result<PathBuf> {
    let folder = folder(name);
    run(cargo()
        .args(["build", "--quiet", "--locked", "--release", "--package", "vestibule"])
        // With a target named, build scripts and macros are compiled without the flag.
        .args(["--target", target, "--target-dir"])
        .arg(&folder)
        .env("RUSTFLAGS", flag))?;
    Ok(folder.join(target).join("release/vestibule"))
}

/// What is compiled for if nothing else is said.
fn host() -> anyhow::Result<String> {
    let said = output(program("rustc").arg("-vV"))?;
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned)
        .context("rustc does not say what it compiles for")
}
