//! The file of one client: read, changed one entry at a time, and written whole or not at all.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use keys::private_file;
use tempfile::NamedTempFile;
use thiserror::Error;

use super::{Entry, Form, KnownClient, json_text, toml_text};

/// What is added to the name of a file for what it was before.
const BEFORE: &str = "before-vestibule";

/// Why a file is not read or changed.
#[derive(Debug, Error)]
pub enum ClientFileError {
    /// Nobody knows where it is.
    #[error("there is no home folder")]
    NoHome,
    /// The file.
    #[error("{0}: {1}")]
    File(PathBuf, io::Error),
    /// It is not written as the client writes it; it is left alone.
    #[error("{path} cannot be read: {why}")]
    Broken {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The client wrote it at the same moment.
    #[error("{0} has changed meanwhile; run this again")]
    Changed(PathBuf),
}

/// A file with servers in it.
#[derive(Clone)]
pub struct ClientFile {
    client: KnownClient,
    path: PathBuf,
    /// What is in it; none if there is no such file.
    before: Option<String>,
    text: String,
}

impl std::fmt::Debug for ClientFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ClientFile({})", self.path.display())
    }
}

impl ClientFile {
    /// Reads it; one that is not there is empty.
    ///
    /// # Errors
    /// It cannot be read, or is not written as it should be.
    pub fn open(client: KnownClient, path: &Path) -> Result<Self, ClientFileError> {
        // A link is followed, so that what is changed is the file behind it.
        let path = dunce::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let before = read(&path)?;
        let this = Self {
            client,
            text: before.clone().unwrap_or_default(),
            before,
            path,
        };
        this.entries()?;
        Ok(this)
    }

    /// One with nothing in it, that lies nowhere.
    pub fn empty(client: KnownClient) -> Self {
        Self {
            client,
            path: PathBuf::new(),
            before: None,
            text: String::new(),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is in it now.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Every server.
    ///
    /// # Errors
    /// It is not written as it should be.
    pub fn entries(&self) -> Result<Vec<Entry>, ClientFileError> {
        let read = match self.client.form() {
            Form::Json => json_text::entries,
            Form::Toml => toml_text::entries,
        };
        let found = read(&self.text, self.client.member()).map_err(|why| self.broken(why))?;
        Ok(found
            .into_iter()
            .map(|(name, value)| Entry { name, value })
            .collect())
    }

    /// One of them.
    ///
    /// # Errors
    /// It is not written as it should be.
    pub fn entry(&self, name: &str) -> Result<Option<Entry>, ClientFileError> {
        Ok(self.entries()?.into_iter().find(|entry| entry.name == name))
    }

    /// Puts a server in it, in the place of the one of that name.
    ///
    /// # Errors
    /// There is no place for it.
    pub fn set(&mut self, entry: &Entry) -> Result<(), ClientFileError> {
        let change = match self.client.form() {
            Form::Json => json_text::with,
            Form::Toml => toml_text::with,
        };
        let changed = change(&self.text, self.client.member(), &entry.name, &entry.value);
        self.text = changed.map_err(|why| self.broken(why))?;
        Ok(())
    }

    /// Takes a server out of it.
    ///
    /// # Errors
    /// It is not written as it should be.
    pub fn remove(&mut self, name: &str) -> Result<(), ClientFileError> {
        let change = match self.client.form() {
            Form::Json => json_text::without,
            Form::Toml => toml_text::without,
        };
        let changed = change(&self.text, self.client.member(), name);
        self.text = changed.map_err(|why| self.broken(why))?;
        Ok(())
    }

    /// Writes what was changed; gives where what was there before lies, if anything was.
    ///
    /// # Errors
    /// It was not written, and what was there is still there.
    pub fn save(&self) -> Result<Option<PathBuf>, ClientFileError> {
        let at = |error| ClientFileError::File(self.path.clone(), error);
        let folder = self.path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).map_err(at)?;
        let mut draft = NamedTempFile::new_in(folder).map_err(at)?;
        let mut text = format!("{}\n", self.text.trim_end());
        if self
            .before
            .as_deref()
            .is_some_and(|before| before.contains("\r\n"))
        {
            // Lines end as those before did.
            text = text.replace("\r\n", "\n").replace('\n', "\r\n");
        }
        draft
            .write_all(text.as_bytes())
            .and_then(|()| draft.as_file().sync_all())
            .map_err(at)?;
        let mut backup = None;
        if self.before.is_some() {
            let permissions = std::fs::metadata(&self.path).map_err(at)?.permissions();
            draft.as_file().set_permissions(permissions).map_err(at)?;
            let mut name = self.path.clone().into_os_string();
            name.push(format!(".{BEFORE}"));
            let path = PathBuf::from(name);
            // In place of whatever has this name: what a link leads to is not ours to write.
            let mut copy = NamedTempFile::new_in(folder).map_err(at)?;
            let before = self.before.as_deref().unwrap_or_default();
            copy.write_all(before.as_bytes()).map_err(at)?;
            let permissions = draft.as_file().metadata().map_err(at)?.permissions();
            copy.as_file().set_permissions(permissions).map_err(at)?;
            private_file::replace(copy, &path).map_err(|error| ClientFileError::File(path.clone(), error))?;
            backup = Some(path);
        }
        // Clients write their files themselves, some of them often.
        if read(&self.path)? != self.before {
            return Err(ClientFileError::Changed(self.path.clone()));
        }
        private_file::replace(draft, &self.path).map_err(at)?;
        Ok(backup)
    }

    fn broken(&self, why: String) -> ClientFileError {
        ClientFileError::Broken {
            path: self.path.clone(),
            why,
        }
    }
}

fn read(path: &Path) -> Result<Option<String>, ClientFileError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ClientFileError::File(path.to_owned(), error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn in_file(client: KnownClient, text: &str, change: impl FnOnce(&mut ClientFile)) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, text).unwrap();
        let mut file = ClientFile::open(client, &path).unwrap();
        change(&mut file);
        let backup = file.save().unwrap().unwrap();
        assert_eq!(std::fs::read_to_string(backup).unwrap(), text);
        std::fs::read_to_string(path).unwrap()
    }

    fn bridge(client: KnownClient, name: &str) -> Entry {
        client.stdio(
            name,
            Path::new("/bin/vestibule"),
            &["bridge".to_owned(), "https://a.example/mcp/b".to_owned()],
        )
    }

    #[test]
    fn comments_and_everything_else_stay() {
        let zed = "// my settings\n{\n  \"theme\": \"One\", // dark\n  \"context_servers\": {\n    \"other\": { \"command\": \"x\" },\n  },\n}\n";
        let after = in_file(KnownClient::Zed, zed, |file| {
            file.set(&bridge(KnownClient::Zed, "b")).unwrap();
            assert_eq!(file.entry("b").unwrap().unwrap(), bridge(KnownClient::Zed, "b"));
        });
        for kept in [
            "// my settings\n",
            "\"theme\": \"One\", // dark\n",
            "\"other\": { \"command\": \"x\" },",
        ] {
            assert!(after.contains(kept), "{after}");
        }
        let gone = in_file(KnownClient::Zed, &after, |file| file.remove("b").unwrap());
        assert_eq!(gone, zed);

        let codex =
            "# mine\nmodel = \"o5\" # fast\n\n[mcp_servers.other]\ncommand = \"x\"\n\n[tui]\ntheme = 1\n";
        let after = in_file(KnownClient::Codex, codex, |file| {
            file.set(&bridge(KnownClient::Codex, "b")).unwrap();
            assert!(file.entry("b").unwrap().unwrap().is_bridge());
        });
        for kept in [
            "# mine\nmodel = \"o5\" # fast\n",
            "[mcp_servers.other]\ncommand = \"x\"\n",
            "[tui]\ntheme = 1\n",
        ] {
            assert!(after.contains(kept), "{after}");
        }
        assert!(after.contains("[mcp_servers.b]\n"), "{after}");
        let gone = in_file(KnownClient::Codex, &after, |file| file.remove("b").unwrap());
        assert_eq!(gone, codex);
    }

    #[test]
    fn each_client_reads_back_what_was_written_for_it() {
        for client in KnownClient::ALL {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("deep/in/file");
            let mut file = ClientFile::open(client, &path).unwrap();
            assert!(file.entries().unwrap().is_empty());
            let entry = bridge(client, "it's a \"name\"");
            file.set(&entry).unwrap();
            assert_eq!(file.save().unwrap(), None, "nothing was there");
            let mut file = ClientFile::open(client, &path).unwrap();
            assert_eq!(
                file.entries().unwrap(),
                std::slice::from_ref(&entry),
                "{client:?}"
            );
            let text = file.text().to_owned();
            file.set(&entry).unwrap();
            assert_eq!(file.text(), text, "{client:?}: once more changes nothing");
        }
    }

    #[test]
    fn what_cannot_be_read_and_what_changed_meanwhile_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for (client, text) in [
            (KnownClient::Cursor, "{ \"mcpServers\": "),
            (KnownClient::Cursor, "[1, 2]x"),
            (KnownClient::Codex, "a = = 1"),
        ] {
            std::fs::write(&path, text).unwrap();
            assert!(ClientFile::open(client, &path).is_err(), "{text}");
        }
        for text in ["[1]", "{ \"mcpServers\": 7 }"] {
            std::fs::write(&path, text).unwrap();
            let mut file = ClientFile::open(KnownClient::Cursor, &path).unwrap();
            assert!(file.set(&bridge(KnownClient::Cursor, "b")).is_err(), "{text}");
        }
        std::fs::write(&path, "{}").unwrap();
        let mut file = ClientFile::open(KnownClient::Cursor, &path).unwrap();
        file.set(&bridge(KnownClient::Cursor, "b")).unwrap();
        std::fs::write(&path, "{ }").unwrap();
        assert!(matches!(file.save(), Err(ClientFileError::Changed(_))));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{ }");
    }

    #[test]
    fn entries_of_others_are_read_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(
            &path,
            "[mcp_servers.a]\nurl = \"https://a.example\"\n[mcp_servers.b]\ncommand = \"npx\"\nargs = [\"-y\", \"x\"]\nenv = { TOKEN = \"hush\" }\n",
        )
        .unwrap();
        let entries = ClientFile::open(KnownClient::Codex, &path)
            .unwrap()
            .entries()
            .unwrap();
        let [a, b] = &entries[..] else {
            panic!("{entries:?}")
        };
        assert_eq!((a.url(), a.command()), (Some("https://a.example"), None));
        assert_eq!((b.command(), b.arguments()), (Some("npx"), vec!["-y", "x"]));
        assert_eq!(b.value["env"], json!({ "TOKEN": "hush" }));
    }

    #[test]
    fn lines_end_as_those_before_did() {
        for (client, text) in [
            (KnownClient::ClaudeDesktop, "{\r\n  \"theme\": \"dark\"\r\n}\r\n"),
            (KnownClient::Codex, "model = \"o5\"\r\n"),
        ] {
            let after = in_file(client, text, |file| file.set(&bridge(client, "b")).unwrap());
            assert!(after.contains("vestibule"), "{after:?}");
            assert_eq!(
                after.matches('\n').count(),
                after.matches("\r\n").count(),
                "{after:?}"
            );
        }
    }

    #[test]
    fn a_link_stays_one() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("file"), folder.path().join("link"));
        std::fs::write(&path, "{}").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let mut file = ClientFile::open(KnownClient::Cursor, &link).unwrap();
        file.set(&bridge(KnownClient::Cursor, "b")).unwrap();
        file.save().unwrap();
        assert!(link.is_symlink());
        assert!(std::fs::read_to_string(path).unwrap().contains("vestibule"));
    }
    /// Whoever may write beside the file could lead the copy into a file that only its owner may write.
    #[test]
    fn what_was_there_before_is_not_written_where_a_link_leads() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let folder = tempfile::tempdir().unwrap();
        let [path, other, copy] =
            ["file", "other", "file.before-vestibule"].map(|name| folder.path().join(name));
        std::fs::write(&path, "{ }").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&other, "mine").unwrap();
        symlink(&other, &copy).unwrap();
        let mut file = ClientFile::open(KnownClient::Cursor, &path).unwrap();
        file.set(&bridge(KnownClient::Cursor, "b")).unwrap();
        assert_eq!(file.save().unwrap().as_ref(), Some(&copy));
        assert_eq!(std::fs::read_to_string(&other).unwrap(), "mine");
        assert!(!copy.is_symlink());
        assert_eq!(std::fs::read_to_string(&copy).unwrap(), "{ }");
        // It may hold secrets, as the file does.
        let mode = copy.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
