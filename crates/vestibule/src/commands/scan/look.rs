//! Looking at what somebody names, or at the places below their home folder that are known.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use scan::{Rules, Which};

use crate::config::environment::Environment;
use crate::operator::Failure;

/// The variable that names the home folder.
const HOME: &str = if cfg!(windows) { "USERPROFILE" } else { "HOME" };

/// Looks at these paths, at the home folder if there are none and no variables are asked for, and at the variables.
///
/// # Errors
/// There is no such path, or no home folder.
pub fn at(
    scan: &mut scan::Scan<'_>,
    paths: &[PathBuf],
    variables: bool,
    rules: &Rules,
    environment: &Environment,
) -> anyhow::Result<()> {
    let mut progress = Progress::new();
    if paths.is_empty() && !variables {
        let home = environment.get(HOME).filter(|home| !home.is_empty());
        let home = home.ok_or_else(|| Failure::Usage(format!("there is no {HOME}; say what to look at")))?;
        let home = Path::new(home);
        scan.path(home, Which::Known, home, &mut |_| progress.one_more());
    }
    let here = std::env::current_dir()?;
    for path in paths {
        if let Err(error) = std::fs::metadata(path) {
            let shown = rules.redacted(&path.display().to_string());
            return Err(Failure::NotFound(format!("{shown}: {error}")).into());
        }
        // Places are the same on every machine if they begin where the command runs, as in a repository.
        let is_below = dunce::canonicalize(path).is_ok_and(|path| path.starts_with(&here));
        let base = if is_below { here.as_path() } else { path.as_path() };
        scan.path(path, Which::All, base, &mut |_| progress.one_more());
    }
    if variables {
        for (name, value) in environment.all() {
            scan.variable(name, value);
        }
    }
    progress.end();
    Ok(())
}

/// One line on a terminal that says how far it is.
struct Progress {
    is_shown: bool,
    files: usize,
}

impl Progress {
    fn new() -> Self {
        Self {
            is_shown: std::io::stderr().is_terminal() && std::io::stdout().is_terminal(),
            files: 0,
        }
    }

    fn one_more(&mut self) {
        self.files += 1;
        if self.is_shown && self.files.is_multiple_of(64) {
            let _ = write!(anstream::stderr(), "\r{} files ", self.files);
        }
    }

    fn end(self) {
        if self.is_shown && self.files >= 64 {
            let _ = write!(anstream::stderr(), "\r\u{1b}[K");
        }
    }
}
