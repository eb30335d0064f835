//! Watching files by looking at them: works for bind mounts, symlinked secrets and editors that rename.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::tasks::Tasks;

/// How often files are looked at.
pub const PERIOD: Duration = Duration::from_secs(1);

/// What a file looks like from outside; another look means that it may have changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look(Vec<Option<(SystemTime, u64)>>);

/// Looks at files; a missing one looks like nothing.
pub fn look(paths: &[PathBuf]) -> Look {
    Look(paths.iter().map(|path| stamp(path)).collect())
}

fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let data = std::fs::metadata(path).ok()?;
    Some((data.modified().ok()?, data.len()))
}

/// Calls `changed` when any of the files looks different from the last time, until shutting down.
pub fn watch(
    tasks: &Tasks,
    name: &'static str,
    paths: Vec<PathBuf>,
    mut changed: impl FnMut() + Send + 'static,
) {
    let mut last = look(&paths);
    tasks.every(name, PERIOD, move || {
        let now = look(&paths);
        if now != last {
            last = now;
            changed();
        }
        std::future::ready(())
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_file_looks_different() {
        let folder = tempfile::tempdir().unwrap();
        let paths = vec![folder.path().join("a"), folder.path().join("b")];
        let nothing = look(&paths);
        std::fs::write(&paths[0], "one").unwrap();
        let one = look(&paths);
        assert_ne!(nothing, one);
        assert_eq!(one, look(&paths));
        std::fs::write(folder.path().join("new"), "longer").unwrap();
        std::fs::rename(folder.path().join("new"), &paths[0]).unwrap();
        assert_ne!(one, look(&paths));
    }
}
