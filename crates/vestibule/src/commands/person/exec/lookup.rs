//! Which file Windows means by the name of a program. The system alone finds nothing but `.exe`: `npx` is a script, `npx.cmd`,
//! and beside it lies one for other systems that is called `npx` alone.
//!
//! Never in the folder that somebody happens to be in, where anybody may have put one.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// What a process can be made of; `PATHEXT` names scripts of other kinds too.
const PROGRAMS: [&str; 4] = [".com", ".exe", ".bat", ".cmd"];

/// The file of a name, in the first folder that has one, by the order of the endings. None if the name says it already, or
/// nothing is found.
pub(super) fn file_of(
    name: &OsStr,
    folders: impl Iterator<Item = PathBuf>,
    endings: Option<&str>,
) -> Option<PathBuf> {
    let named: Vec<String> = endings
        .unwrap_or_default()
        .split(';')
        .map(str::to_ascii_lowercase)
        .collect();
    let mut endings: Vec<&str> = named
        .iter()
        .map(String::as_str)
        .filter(|one| PROGRAMS.contains(one))
        .collect();
    if endings.is_empty() {
        endings.extend(PROGRAMS);
    }
    let extension = Path::new(name).extension().and_then(OsStr::to_str);
    let is_whole = extension.is_some_and(|extension| {
        let ending = format!(".{}", extension.to_ascii_lowercase());
        PROGRAMS.contains(&ending.as_str())
    });
    // A name that says a folder means that one.
    if is_whole || Path::new(name).file_name() != Some(name) {
        return None;
    }
    let with = |ending: &&str| {
        let mut file = OsString::from(name);
        file.push(ending);
        file
    };
    let files: Vec<OsString> = endings.iter().map(with).collect();
    folders
        .filter(|folder| folder.is_absolute())
        .flat_map(|folder| files.iter().map(move |file| folder.join(file)))
        .find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn npx_is_npx_cmd() {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let [first, second] = [folders[0].path(), folders[1].path()];
        for file in [
            "npx",
            "npx.cmd",
            "npx.ps1",
            "both.js",
            "both.cmd",
            "both.exe",
            "later.cmd",
        ] {
            fs::write(second.join(file), "").unwrap();
        }
        for file in ["later.js", "python3.11.exe", "early.bat"] {
            fs::write(first.join(file), "").unwrap();
        }
        fs::create_dir(first.join("npx.exe")).unwrap();
        let usual = Some(".COM;.EXE;.BAT;.CMD;.VBS;.JS;.PS1");
        for (name, endings, file) in [
            ("npx", usual, Some(second.join("npx.cmd"))),
            ("npx", None, Some(second.join("npx.cmd"))),
            // Nothing of it is an ending.
            ("npx", Some(";;"), Some(second.join("npx.cmd"))),
            ("npx", Some(".EXE"), None),
            ("both", usual, Some(second.join("both.exe"))),
            ("both", Some(".CMD;.EXE"), Some(second.join("both.cmd"))),
            ("later", usual, Some(second.join("later.cmd"))),
            ("early", usual, Some(first.join("early.bat"))),
            // What stands behind a dot is not always an ending.
            ("python3.11", usual, Some(first.join("python3.11.exe"))),
            ("npx.cmd", usual, None),
            ("NPX.CMD", usual, None),
            ("nothing", usual, None),
            ("", usual, None),
            ("..", usual, None),
            ("./npx", usual, None),
            ("npx/", usual, None),
        ] {
            let paths = [first, second].map(Path::to_owned).into_iter();
            assert_eq!(
                file_of(OsStr::new(name), paths, endings),
                file,
                "{name} {endings:?}"
            );
        }
    }

    #[test]
    fn a_folder_that_depends_on_where_somebody_is_is_not_looked_in() {
        let here = std::env::current_dir().unwrap();
        let folder = tempfile::tempdir_in(&here).unwrap();
        fs::write(folder.path().join("npx.cmd"), "").unwrap();
        let below = PathBuf::from(folder.path().file_name().unwrap());
        assert!(below.join("npx.cmd").is_file(), "it would be found");
        for path in [below, PathBuf::new()] {
            assert_eq!(file_of(OsStr::new("npx"), std::iter::once(path), None), None);
        }
        let whole = std::iter::once(folder.path().to_owned());
        assert!(file_of(OsStr::new("npx"), whole, None).is_some());
    }
}
