//! What shells and `man` read of this program; all of it made from the command line as it is.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Command};
use clap_complete::Shell;
use serde_json::json;

use crate::operator::Answer;
use crate::output::Output;

/// `vestibule completions`.
#[derive(Clone, Debug, Args)]
pub struct Completions {
    /// The shell
    shell: Shell,
}

/// `vestibule man`.
#[derive(Clone, Debug, Args)]
pub struct Man {
    /// A folder, as man1 below a MANPATH
    #[arg(long, value_name = "FOLDER")]
    to: PathBuf,
}

impl Completions {
    /// Prints them.
    ///
    /// # Errors
    /// Nobody reads them.
    pub fn run(self, program: &mut Command) -> anyhow::Result<()> {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, program, "vestibule", &mut text);
        // Whoever reads the first lines alone has what they want.
        let _ = std::io::stdout().write_all(&text);
        Ok(())
    }
}

impl Man {
    /// Writes a page for each command.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn run(self, program: &mut Command, output: Output) -> anyhow::Result<()> {
        std::fs::create_dir_all(&self.to).with_context(|| self.to.display().to_string())?;
        program.build();
        let mut pages = Vec::new();
        page(program, &self.to, &mut pages)?;
        output.answer(&Answer::Done {
            text: format!("{} pages in {}", pages.len(), self.to.display()),
            item: json!({ "pages": pages }),
        });
        Ok(())
    }
}

fn page(command: &Command, folder: &Path, pages: &mut Vec<String>) -> anyhow::Result<()> {
    let hidden = |command: &&Command| !command.is_hide_set() && command.get_name() != "help";
    for inner in command.get_subcommands().filter(hidden) {
        page(inner, folder, pages)?;
    }
    let man = clap_mangen::Man::new(command.clone());
    let name = man.get_filename();
    let file = folder.join(&name);
    let mut text = Vec::new();
    man.render(&mut text)?;
    std::fs::write(&file, text).with_context(|| file.display().to_string())?;
    pages.push(name);
    Ok(())
}
