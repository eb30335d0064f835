//! Real servers of others that take long to build, and the tests against them. CI does without.
//!
//! What is built is pinned beside the tests, in `e2e/real`, and kept in `.cache`.

use std::path::PathBuf;

use anyhow::Context as _;

use crate::command::{output, program, root, run};
use crate::{end_to_end, tools};

/// Where Dex is pinned.
const DEX: &str = "e2e/real/dex";

/// Runs the tests of `e2e/real`.
pub(crate) fn run_tests() -> anyhow::Result<()> {
    tools::npm()?;
    let dex = dex()?;
    end_to_end::build()?;
    end_to_end::run(
        "real",
        &[
            ("VESTIBULE_REAL_DEX", dex.join("dex")),
            ("VESTIBULE_REAL_DEX_WEB", dex.join("web")),
        ],
    )
}

/// Builds Dex if what is pinned was not built yet. Gives the folder with the program and its pages.
fn dex() -> anyhow::Result<PathBuf> {
    let pinned = root().join(DEX);
    let wanted = std::fs::read_to_string(pinned.join("go.mod"))?;
    let home = root().join(".cache").join("dex");
    let stamp = home.join("built");
    if std::fs::read_to_string(&stamp).is_ok_and(|built| built == wanted) {
        anstream::eprintln!("Dex: all there");
        return Ok(home);
    }
    let go = || {
        let mut command = program("go");
        // Its database in a file is written in C.
        command
            .current_dir(&pinned)
            .env("GOWORK", "off")
            .env("CGO_ENABLED", "1");
        command
    };
    output(go().arg("version"))
        .context("Go 1.25 or newer is needed to build Dex; install it, then try again")?;
    anstream::eprintln!("Dex: building what {DEX}/go.mod pins; that takes some minutes");
    if home.exists() {
        std::fs::remove_dir_all(&home)?;
    }
    std::fs::create_dir_all(&home)?;
    run(go()
        .args(["build", "-o"])
        .arg(home.join("dex"))
        .arg("github.com/dexidp/dex/cmd/dex"))?;
    let source = output(go().args(["list", "-m", "-f", "{{.Dir}}", "github.com/dexidp/dex"]))?;
    run(program("cp")
        .args(["-r", "--no-preserve=mode"])
        .arg(PathBuf::from(source.trim()).join("web"))
        .arg(&home))?;
    std::fs::write(stamp, wanted)?;
    Ok(home)
}
