//! What a package is made of, in one folder: the program, its manual pages, and what shells complete with.

use std::path::Path;

use clap::Args;

use crate::command::{cargo, output, program, root, run};
use crate::guided;

/// `cargo xtask dist`.
#[derive(Debug, Args)]
pub(crate) struct Dist {
    /// Build twice, the second time guided by what a door under load does most: a call costs less, this takes long
    #[arg(long)]
    guided: bool,
}

/// Where each shell looks, below `/usr/share`.
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "bash-completion/completions/vestibule"),
    ("zsh", "zsh/site-functions/_vestibule"),
    ("fish", "fish/vendor_completions.d/vestibule.fish"),
];

impl Dist {
    /// Builds it all into `target/dist`, laid out as below `/usr`.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let made = if self.guided {
            guided::build()?
        } else {
            run(cargo().args(["build", "--release", "--package", "vestibule"]))?;
            root().join("target/release/vestibule")
        };
        let dist = root().join("target/dist");
        if dist.exists() {
            std::fs::remove_dir_all(&dist)?;
        }
        let built = dist.join("bin/vestibule");
        place(&built, &std::fs::read(made)?)?;
        run(program("chmod").arg("0755").arg(&built))?;
        for (shell, path) in COMPLETIONS {
            let text = output(program(&built).args(["completions", shell]))?;
            place(&dist.join("share").join(path), text.as_bytes())?;
        }
        let manual = dist.join("share/man/man1");
        run(program(&built).arg("man").arg("--to").arg(manual))?;
        anstream::eprintln!("{}", dist.display());
        Ok(())
    }
}

fn place(file: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    Ok(std::fs::write(file, bytes)?)
}
