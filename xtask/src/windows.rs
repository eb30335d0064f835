//! The command line for Windows, on a machine that has none: compiled with the GNU tools, run by Wine.
//!
//! No part of `cargo xtask test`: Rust's standard library for Windows comes from where rustup has it, which not every
//! machine reaches.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;

use crate::command::{cargo, output, program, root, run};
use crate::tools;

/// For which system.
const TARGET: &str = "x86_64-pc-windows-gnu";

/// Lints and builds the program, and runs the tests of it in a Wine that begins anew.
pub(crate) fn run_tests() -> anyhow::Result<()> {
    tools::windows()?;
    tools::wine()?;
    target()?;
    run(for_windows("clippy").args(["--", "-Dwarnings"]))?;
    run(&mut for_windows("build"))?;
    let folder = folder_of_targets()?.join(TARGET).join("debug");
    run(program("x86_64-w64-mingw32-gcc")
        .args(["-shared", "-o"])
        .arg(folder.join("bcryptprimitives.dll"))
        .arg("xtask/src/windows/process_prng.c")
        .arg("-ladvapi32"))?;
    let prefix = root().join(".cache/wine");
    if prefix.exists() {
        std::fs::remove_dir_all(&prefix)?;
    }
    std::fs::create_dir_all(&prefix)?;
    run(program("wineboot")
        .arg("--init")
        .env("WINEPREFIX", &prefix)
        .env("WINEDEBUG", "-all"))?;
    run(cargo()
        .args([
            "test",
            "--quiet",
            "--locked",
            "-p",
            "vestibule",
            "--test",
            "it",
            "--",
        ])
        .args(["windows::", "--ignored", "--test-threads=2"])
        .env("WINEPREFIX", &prefix)
        .env("VESTIBULE_TEST_WINDOWS", folder.join("vestibule.exe")))
}

/// A command of cargo's, of the program for Windows. What is built for tests needs no lines of its sources.
fn for_windows(word: &str) -> Command {
    let mut command = cargo();
    command
        .args([word, "--quiet", "--locked", "-p", "vestibule", "--target", TARGET])
        .env("CARGO_PROFILE_DEV_DEBUG", "0");
    command
}

/// The standard library for Windows.
fn target() -> anyhow::Result<()> {
    let sysroot = output(program("rustc").args(["--print", "sysroot"]))?;
    if PathBuf::from(sysroot.trim())
        .join("lib/rustlib")
        .join(TARGET)
        .exists()
    {
        anstream::eprintln!("{TARGET}: all there");
        return Ok(());
    }
    anstream::eprintln!("{TARGET}: installing Rust's standard library for it");
    run(program("rustup").args(["target", "add", TARGET]))
        .with_context(|| format!("rustup is needed for it: rustup target add {TARGET}"))
}

fn folder_of_targets() -> anyhow::Result<PathBuf> {
    let metadata = output(cargo().args(["metadata", "--locked", "--no-deps", "--format-version", "1"]))?;
    let metadata: serde_json::Value = serde_json::from_str(&metadata)?;
    let folder = metadata["target_directory"].as_str();
    Ok(folder.context("cargo names no target_directory")?.into())
}
