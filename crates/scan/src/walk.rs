//! Files below folders: bounded in number, depth and size, in a fixed order, each once, and never out of the folder.

use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::{place, system};

/// How far it goes.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The largest file that is read, in bytes.
    pub file: u64,
    /// The most files.
    pub files: usize,
    /// The most folders in folders.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file: 4 << 20,
            files: 1_000_000,
            depth: 64,
        }
    }
}

/// What was not read, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unread {
    /// What.
    pub path: PathBuf,
    /// Why.
    pub why: Why,
}

/// Why something was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Its size is above the limit.
    TooLarge,
    /// It, or the way to it, may not be read.
    NotReadable,
    /// It is a link out of the folder that is looked at.
    LeadsOut,
    /// It lies too deep.
    TooDeep,
    /// There are too many files.
    TooMany,
}

impl Why {
    /// For people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooLarge => "larger than the limit",
            Self::NotReadable => "may not be read",
            Self::LeadsOut => "a link out of the folder",
            Self::TooDeep => "too deep",
            Self::TooMany => "too many files",
        }
    }
}

/// Which files of a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// All.
    All,
    /// Those of which it is known that they hold credentials.
    Known,
}

/// A walk.
#[derive(Debug)]
pub(crate) struct Walk {
    limits: Limits,
    seen: HashSet<system::Identity>,
    files: usize,
    pub(crate) unread: Vec<Unread>,
}

impl Walk {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            seen: HashSet::new(),
            files: 0,
            unread: Vec::new(),
        }
    }

    /// Gives every file below a path, or the file that it is.
    pub(crate) fn files(&mut self, root: &Path, which: Which, each: &mut dyn FnMut(&mut Self, &Path)) {
        let Ok(root) = dunce::canonicalize(root) else {
            self.not_read(root, Why::NotReadable);
            return;
        };
        match fs::metadata(&root) {
            Ok(metadata) if metadata.is_dir() => self.folder(&root, &root, which, 0, each),
            Ok(metadata) if metadata.is_file() => self.file(&root, &metadata, each),
            _ => self.not_read(&root, Why::NotReadable),
        }
    }

    fn folder(
        &mut self,
        root: &Path,
        folder: &Path,
        which: Which,
        depth: usize,
        each: &mut dyn FnMut(&mut Self, &Path),
    ) {
        if depth > self.limits.depth {
            self.not_read(folder, Why::TooDeep);
            return;
        }
        let Ok(read) = fs::read_dir(folder) else {
            self.not_read(folder, Why::NotReadable);
            return;
        };
        let mut entries: Vec<_> = read.filter_map(Result::ok).collect();
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            if self.files >= self.limits.files {
                self.not_read(folder, Why::TooMany);
                return;
            }
            let path = entry.path();
            let Ok(kind) = entry.file_type() else { continue };
            let is_wanted = which == Which::All || place::kind(&path).is_known;
            if kind.is_dir() {
                let name = entry.file_name();
                if name == ".git" {
                    // The address of a remote may hold a token; all else there is git's own.
                    let config = path.join("config");
                    if let Ok(metadata) = fs::symlink_metadata(&config)
                        && metadata.is_file()
                    {
                        self.file(&config, &metadata, each);
                    }
                } else if !place::is_skipped(&path) {
                    self.folder(root, &path, which, depth + 1, each);
                }
            } else if kind.is_symlink() && is_wanted {
                self.link(root, &path, each);
            } else if kind.is_file()
                && is_wanted
                && let Ok(metadata) = entry.metadata()
            {
                self.file(&path, &metadata, each);
            }
        }
    }

    /// A link to a file in the same folder is that file, under its own name; folders are met where they are.
    fn link(&mut self, root: &Path, path: &Path, each: &mut dyn FnMut(&mut Self, &Path)) {
        let Ok(target) = dunce::canonicalize(path) else {
            return;
        };
        let Ok(metadata) = fs::metadata(&target) else {
            return;
        };
        if !metadata.is_file() {
            return;
        }
        if target.starts_with(root) {
            self.file(&target, &metadata, each);
        } else {
            self.not_read(path, Why::LeadsOut);
        }
    }

    fn file(&mut self, path: &Path, metadata: &Metadata, each: &mut dyn FnMut(&mut Self, &Path)) {
        if self.seen.insert(system::identity(path, metadata)) {
            self.files += 1;
            each(self, path);
        }
    }

    pub(crate) fn not_read(&mut self, path: &Path, why: Why) {
        // What is not read is told, but not for ever.
        if self.unread.len() < 1000 {
            self.unread.push(Unread {
                path: path.to_owned(),
                why,
            });
        }
    }

    /// The text of a file. None if it is no text, or cannot be read, which is noted.
    pub(crate) fn text(&mut self, path: &Path) -> Option<(String, Metadata)> {
        match read(path, self.limits.file) {
            Ok(Some((bytes, metadata))) => decoded(bytes).map(|text| (text, metadata)),
            Ok(None) => {
                self.not_read(path, Why::TooLarge);
                None
            }
            Err(_) => {
                self.not_read(path, Why::NotReadable);
                None
            }
        }
    }
}

/// Reads a file that is one, also if it was exchanged for something that would never end. None if it is too large.
fn read(path: &Path, limit: u64) -> io::Result<Option<(Vec<u8>, Metadata)>> {
    let file = system::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= limit).then_some((bytes, metadata)))
}

/// The text that bytes are: UTF-8, or UTF-16 as PowerShell writes it. None if they are no text.
pub(crate) fn decoded(bytes: Vec<u8>) -> Option<String> {
    let wide = |from: fn([u8; 2]) -> u16| {
        let units = bytes
            .get(2..)
            .unwrap_or_default()
            .chunks_exact(2)
            .map(|pair| match pair {
                [first, second] => from([*first, *second]),
                _ => 0,
            });
        char::decode_utf16(units)
            .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect()
    };
    match bytes.as_slice() {
        [0xff, 0xfe, ..] => return Some(wide(u16::from_le_bytes)),
        [0xfe, 0xff, ..] => return Some(wide(u16::from_be_bytes)),
        _ => {}
    }
    let head = bytes.get(..bytes.len().min(8192)).unwrap_or_default();
    if head.contains(&0) {
        return None;
    }
    Some(match String::from_utf8(bytes) {
        Ok(text) => text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text),
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn walked(root: &Path, which: Which, limits: Limits) -> (Vec<String>, Vec<Why>) {
        let mut walk = Walk::new(limits);
        let mut names = Vec::new();
        let real = fs::canonicalize(root).unwrap();
        walk.files(root, which, &mut |_, path| {
            names.push(path.strip_prefix(&real).unwrap().display().to_string());
        });
        (names, walk.unread.into_iter().map(|unread| unread.why).collect())
    }

    #[test]
    fn links_lead_nowhere_twice_and_never_out() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let root = folder.path();
        fs::create_dir(root.join("a")).unwrap();
        fs::write(root.join("a/f"), "x").unwrap();
        symlink(root, root.join("a/loop")).unwrap();
        symlink(root.join("a/f"), root.join("z")).unwrap();
        fs::write(other.path().join("secret"), "x").unwrap();
        symlink(other.path().join("secret"), root.join("out")).unwrap();
        symlink("/nowhere", root.join("gone")).unwrap();
        assert_eq!(
            walked(root, Which::All, Limits::default()),
            (vec!["a/f".to_owned()], vec![Why::LeadsOut])
        );
    }

    #[test]
    fn each_limit_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("a/b/c")).unwrap();
        for name in ["1", "2", "a/3", "a/b/c/4"] {
            fs::write(root.join(name), "x").unwrap();
        }
        let limits = Limits {
            depth: 1,
            ..Limits::default()
        };
        assert_eq!(walked(root, Which::All, limits).1, [Why::TooDeep]);
        let limits = Limits {
            files: 2,
            ..Limits::default()
        };
        assert_eq!(
            walked(root, Which::All, limits),
            (vec!["1".to_owned(), "2".to_owned()], vec![Why::TooMany])
        );
        let mut walk = Walk::new(Limits {
            file: 3,
            ..Limits::default()
        });
        fs::write(root.join("big"), "four").unwrap();
        assert!(walk.text(&root.join("big")).is_none());
        assert!(walk.text(&root.join("1")).is_some());
        assert_eq!(walk.unread.len(), 1);
    }

    /// A pipe would never end.
    #[test]
    fn what_is_no_file_is_not_opened() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join(".env");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .unwrap();
        assert_eq!(
            walked(folder.path(), Which::All, Limits::default()).0,
            Vec::<String>::new()
        );
        assert!(Walk::new(Limits::default()).text(&pipe).is_none());
    }

    #[test]
    fn what_powershell_writes_is_text_and_programs_are_not() {
        let wide: Vec<u8> = [0xff, 0xfe]
            .into_iter()
            .chain("A=é".encode_utf16().flat_map(u16::to_le_bytes))
            .collect();
        assert_eq!(decoded(wide).as_deref(), Some("A=é"));
        assert_eq!(decoded(b"\x7fELF\0\0".to_vec()), None);
        assert_eq!(decoded(b"a\xffb".to_vec()).as_deref(), Some("a\u{fffd}b"));
        assert_eq!(decoded(b"\xef\xbb\xbfA=1".to_vec()).as_deref(), Some("A=1"));
    }
}
