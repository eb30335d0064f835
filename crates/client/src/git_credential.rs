//! What `git` and a program that gives it credentials say to each other (git-credential(1), gitcredentials(7)).

use std::fmt::Write as _;

use model::{ExposeSecret as _, SecretString};
use url::Url;

use crate::home::Known;
use crate::tokens::Access;

/// The name that goes with a token where nobody knows the person's: `git` wants one.
const ANYBODY: &str = "vestibule";
/// Before the names of plain HTTP APIs at a door of ours.
const API: &str = "/api/";

/// For what `git` wants a credential, or what it says of one.
#[derive(Debug, Default)]
pub struct GitCredential {
    protocol: String,
    host: String,
    /// Without a slash at its beginning. None unless `credential.useHttpPath` is set.
    path: Option<String>,
    username: Option<String>,
    password: Option<SecretString>,
}

impl GitCredential {
    /// Reads lines `name=value` up to an empty one. Names that are not known are left aside, as the protocol has it.
    pub fn read(text: &str) -> Self {
        let mut asked = Self::default();
        for line in text.lines().take_while(|line| !line.is_empty()) {
            let Some((name, value)) = line.split_once('=') else {
                continue;
            };
            match name {
                "protocol" => value.clone_into(&mut asked.protocol),
                "host" => value.clone_into(&mut asked.host),
                "path" => asked.path = Some(value.to_owned()),
                "username" => asked.username = Some(value.to_owned()).filter(|name| !name.is_empty()),
                "password" => asked.password = Some(value.to_owned().into()),
                _ => {}
            }
        }
        asked
    }

    /// The token that was refused, if one was.
    pub fn refused(&self) -> Option<&SecretString> {
        self.password.as_ref()
    }

    /// The server that it is at, of those that somebody signed in to: the one whose address the repository is below. A token
    /// goes to no other place. Without a path, the one API of that host; of two nobody knows which is meant.
    pub fn server<'k>(&self, known: &'k [Known]) -> Option<&'k Known> {
        let asked = Url::parse(&format!(
            "{}://{}/{}",
            self.protocol,
            self.host,
            self.path.as_deref().unwrap_or_default()
        ))
        .ok()?;
        let here = known.iter().filter(|known| known.url.origin() == asked.origin());
        if self.path.is_none() {
            let mut apis = here.filter(|known| known.url.path().starts_with(API));
            let first = apis.next();
            return first.filter(|_| apis.next().is_none());
        }
        // The nearest, if one is below another.
        here.filter(|known| is_below(asked.path(), known.url.path()))
            .max_by_key(|known| known.url.path().len())
    }

    /// The answer to `get`.
    pub fn answer(&self, known: &Known, access: &Access) -> String {
        let is_line = |name: &&str| !name.is_empty() && !name.contains(char::is_control);
        let username = self.username.as_deref().or(known.username.as_deref());
        let username = username.filter(is_line).unwrap_or(ANYBODY);
        let mut text = format!("username={username}\npassword={}\n", access.token.expose_secret());
        if let Some(end) = access.expires_at {
            let _ = writeln!(text, "password_expiry_utc={}", end.as_seconds());
        }
        text
    }
}

fn is_below(path: &str, server: &str) -> bool {
    let rest = path.strip_prefix(server.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token_store::Kind;
    use model::Timestamp;

    fn known(urls: &[&str]) -> Vec<Known> {
        let known = urls.iter().map(|url| Known {
            url: url.parse().unwrap(),
            issuer: "https://door.example".to_owned(),
            username: Some("ana".to_owned()),
            store: Kind::File,
            signed_in_at: Timestamp::EPOCH,
        });
        known.collect()
    }

    fn found(asked: &str, known: &[Known]) -> Option<String> {
        let found = GitCredential::read(asked).server(known)?;
        Some(found.url.to_string())
    }

    #[test]
    fn a_token_goes_to_the_server_that_the_repository_is_below_and_nowhere_else() {
        let all = known(&[
            "https://door.example/api/gitea",
            "https://door.example/api/gitea2",
            "https://door.example/mcp/gitea",
            "https://other.example/api/gitea",
            "http://127.0.0.1:8080/api/gitea",
        ]);
        let asked = |protocol: &str, host: &str, path: &str| {
            found(
                &format!("protocol={protocol}\nhost={host}\npath={path}\n\npath=api/gitea2/x"),
                &all,
            )
        };
        let here = Some("https://door.example/api/gitea".to_owned());
        assert_eq!(asked("https", "door.example", "api/gitea/me/x.git"), here);
        assert_eq!(asked("https", "DOOR.example:443", "api/gitea"), here);
        assert_eq!(
            asked("https", "door.example", "api/gitea2/x").as_deref(),
            Some("https://door.example/api/gitea2")
        );
        assert_eq!(
            asked("http", "127.0.0.1:8080", "api/gitea/x").as_deref(),
            Some("http://127.0.0.1:8080/api/gitea")
        );
        for (protocol, host, path) in [
            ("https", "door.example", "api/gitea3/x"),
            ("https", "door.example", "api/gitea/../jira/x"),
            ("https", "door.example", "api"),
            ("http", "door.example", "api/gitea/x"),
            ("https", "door.example:8443", "api/gitea/x"),
            ("https", "door.example.evil.example", "api/gitea/x"),
            ("https", "evil.example@door.example:1", "api/gitea/x"),
            ("https", "evil.example/door.example", "api/gitea/x"),
            ("https", "evil.example?", "api/gitea/x"),
        ] {
            assert_eq!(asked(protocol, host, path), None, "{protocol} {host} {path}");
        }
    }

    #[test]
    fn without_a_path_there_must_be_one_api() {
        let asked = "protocol=https\nhost=door.example\n";
        let one = known(&["https://door.example/mcp/gitea", "https://door.example/api/git"]);
        assert_eq!(
            found(asked, &one).as_deref(),
            Some("https://door.example/api/git")
        );
        let two = known(&["https://door.example/api/a", "https://door.example/api/b"]);
        assert_eq!(found(asked, &two), None);
        assert_eq!(found("", &two), None);
    }

    #[test]
    fn the_answer_is_lines() {
        let access = Access {
            token: "abc".to_owned().into(),
            expires_at: Some(Timestamp::from_seconds(1_800_000_000)),
            scope: None,
        };
        let all = known(&["https://door.example/api/git"]);
        let answer = |asked: &str| GitCredential::read(asked).answer(&all[0], &access);
        assert_eq!(
            answer(""),
            "username=ana\npassword=abc\npassword_expiry_utc=1800000000\n"
        );
        assert!(answer("username=me").starts_with("username=me\n"));
    }
}
