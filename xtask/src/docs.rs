//! Pages of `docs/` that are made from the code, so that they cannot be wrong about it.

use anyhow::bail;
use clap::Args;

use crate::command::{cargo, output, root};

/// Each page, with the command of the program that prints it.
const PAGES: [(&str, &[&str]); 3] = [
    ("docs/configuration.md", &["reference", "configuration"]),
    ("docs/commands.md", &["reference", "commands"]),
    ("docs/scan-rules.md", &["reference", "scan-rules"]),
];

/// `cargo xtask docs`.
#[derive(Debug, Args)]
pub(crate) struct Docs {
    /// Change nothing; fail if something would change
    #[arg(long)]
    check: bool,
}

impl Docs {
    /// Runs it.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        write(self.check)
    }
}

/// Writes every page, or only looks whether it is what it would be.
pub(crate) fn write(check: bool) -> anyhow::Result<()> {
    for (page, command) in PAGES {
        let made = output(
            cargo()
                .args(["run", "--quiet", "--locked", "-p", "vestibule", "--"])
                .args(command),
        )?;
        let path = root().join(page);
        if check && std::fs::read_to_string(&path).ok().as_deref() != Some(&made) {
            bail!("{page} is not what the code says; `cargo xtask docs` renews it");
        }
        if !check {
            std::fs::write(path, made)?;
        }
    }
    crate::rules::write(check)
}
