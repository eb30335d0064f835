//! Header templates: text with `${file:/path}` and `${env:NAME}` in it, and with `${connection}` where each person has a
//! credential of their own.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use http::HeaderValue;
use model::{ExposeSecret, SecretString};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::credential::Credential;

/// A header's value before its secrets are filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    File(PathBuf),
    Environment(String),
    Connection(Said),
}

/// What a template can say of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// `${connection}`: the token or key itself.
    Token,
    /// `${connection.name}`: what the person is called there.
    Name,
    /// `${connection.basic}`: both, as Basic credentials have them (RFC 7617): `name:token` in Base64.
    Basic,
}

/// Why a template cannot be read or filled. Never holds a secret.
#[derive(Debug, Error, PartialEq, Eq, Clone)]
pub enum TemplateError {
    /// `${` without `}`.
    #[error("${{ without }}")]
    Unclosed,
    /// Something other than `file:`, `env:` or `connection`.
    #[error(
        "${{{0}}} is none of ${{file:/path}}, ${{env:NAME}}, ${{connection}}, ${{connection.name}}, ${{connection.basic}}"
    )]
    UnknownSource(String),
    /// What is of one person where there is none.
    #[error("${{connection}} needs a connector; name one in `credential.connector`")]
    NoConnection,
    /// The connection does not say it.
    #[error("the connection does not say what the person is called there; give `who_am_i.name`")]
    Nameless,
    /// The file cannot be read.
    #[error("{}: {why}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The variable is not set.
    #[error("the environment variable {0} is not set")]
    Unset(String),
    /// The file or variable holds nothing.
    #[error("{0} is empty")]
    Empty(String),
    /// A line break or another character that a header cannot carry.
    #[error("the value has a character that a header cannot carry")]
    NotAHeader,
}

/// Where values come from; the environment is read by the configuration alone.
pub trait Environment {
    /// A variable's value.
    fn variable(&self, name: &str) -> Option<SecretString>;
}

impl Template {
    /// Reads a template; a relative path in it starts at `folder`.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            if start > 0 {
                parts.push(Part::Text(rest[..start].to_owned()));
            }
            let end = rest[start..].find('}').ok_or(TemplateError::Unclosed)? + start;
            let source = &rest[start + 2..end];
            parts.push(match (source, source.split_once(':')) {
                (_, Some(("file", path))) if !path.is_empty() => Part::File(folder.join(path)),
                (_, Some(("env", name))) if !name.is_empty() => Part::Environment(name.to_owned()),
                ("connection", _) => Part::Connection(Said::Token),
                ("connection.name", _) => Part::Connection(Said::Name),
                ("connection.basic", _) => Part::Connection(Said::Basic),
                _ => return Err(TemplateError::UnknownSource(source.to_owned())),
            });
            rest = &rest[end + 1..];
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self(parts))
    }

    /// The files it reads.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.0.iter().filter_map(|part| {
            if let Part::File(path) = part {
                Some(path)
            } else {
                None
            }
        })
    }

    /// Whether the value stands in the template itself, in the configuration for all to read.
    pub fn is_plain(&self) -> bool {
        self.0.iter().all(|part| matches!(part, Part::Text(_)))
    }

    /// Whether it says something of a person's connection.
    pub fn is_personal(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Connection(_)))
    }

    /// Fills it in. The value is marked as sensitive, so that it is never printed or indexed.
    pub fn fill(&self, environment: &dyn Environment) -> Result<HeaderValue, TemplateError> {
        self.prepare(environment)?.fill(None)
    }

    /// Fills in what is the same for everybody.
    pub fn prepare(&self, environment: &dyn Environment) -> Result<Prepared, TemplateError> {
        let filled = self.0.iter().map(|part| {
            Ok(match part {
                Part::Text(text) => Piece::Text(text.clone().into()),
                Part::File(path) => Piece::Text(read(path)?.into()),
                Part::Environment(name) => {
                    let found = environment
                        .variable(name)
                        .ok_or_else(|| TemplateError::Unset(name.clone()))?;
                    let text = found.expose_secret().trim();
                    if text.is_empty() {
                        return Err(TemplateError::Empty(name.clone()));
                    }
                    Piece::Text(text.to_owned().into())
                }
                Part::Connection(said) => Piece::Connection(*said),
            })
        });
        filled.collect::<Result<_, _>>().map(Prepared)
    }
}

/// A template in which only a person's own part is missing.
#[derive(Clone, Debug)]
pub struct Prepared(Vec<Piece>);

#[derive(Clone, Debug)]
enum Piece {
    Text(SecretString),
    Connection(Said),
}

impl Prepared {
    /// Fills in the person's part. What it is put together in is wiped with the value, which is marked as sensitive.
    pub fn fill(&self, credential: Option<&Credential>) -> Result<HeaderValue, TemplateError> {
        let length = self.0.iter().map(|piece| match piece {
            Piece::Text(text) => text.expose_secret().len(),
            Piece::Connection(_) => credential.map_or(0, Credential::longest),
        });
        // With all the room that it needs: what moves leaves a copy behind.
        let mut value = Zeroizing::new(Vec::with_capacity(length.sum()));
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => value.extend_from_slice(text.expose_secret().as_bytes()),
                Piece::Connection(said) => {
                    let credential = credential.ok_or(TemplateError::NoConnection)?;
                    credential.say(*said, &mut value)?;
                }
            }
        }
        let bytes = Bytes::from_owner(value);
        let mut value = HeaderValue::from_maybe_shared(bytes).map_err(|_| TemplateError::NotAHeader)?;
        value.set_sensitive(true);
        Ok(value)
    }
}

fn read(path: &PathBuf) -> Result<String, TemplateError> {
    let failed = |why: String| TemplateError::File {
        path: path.clone(),
        why,
    };
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    let text = text.trim();
    if text.is_empty() {
        Err(TemplateError::Empty(path.display().to_string()))
    } else {
        Ok(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;
    impl Environment for Fixed {
        fn variable(&self, name: &str) -> Option<SecretString> {
            match name {
                "TOKEN" => Some("s3cret\n".to_owned().into()),
                "EMPTY" => Some(" ".to_owned().into()),
                "TWO_LINES" => Some("a\nb".to_owned().into()),
                _ => None,
            }
        }
    }

    fn fill(text: &str) -> Result<String, TemplateError> {
        Template::parse(text, Path::new(""))?
            .fill(&Fixed)
            .map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn fills_in_files_and_variables() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "from-file\n").unwrap();
        assert_eq!(
            fill(&format!("Bearer ${{file:{}}}", path.display())).unwrap(),
            "Bearer from-file"
        );
        assert_eq!(fill("token ${env:TOKEN}").unwrap(), "token s3cret");
        assert_eq!(fill("a${env:TOKEN}b${env:TOKEN}").unwrap(), "as3cretbs3cret");
        assert_eq!(fill("plain").unwrap(), "plain");
        assert!(
            format!(
                "{:?}",
                Template::parse("${env:TOKEN}", Path::new(""))
                    .unwrap()
                    .fill(&Fixed)
                    .unwrap()
            )
            .contains("Sensitive")
        );
    }

    /// CC-108: scheme, value and composition are the recipe's; the value does not print.
    #[test]
    fn a_persons_part_is_filled_in_at_the_call() {
        let credential = Credential::new("t0ken".to_owned().into(), Some("ana".to_owned()));
        let fill = |text: &str, credential: Option<&Credential>| {
            let prepared = Template::parse(text, Path::new(""))
                .unwrap()
                .prepare(&Fixed)
                .unwrap();
            prepared
                .fill(credential)
                .map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(
            fill("token ${connection}", Some(&credential)).unwrap(),
            "token t0ken"
        );
        assert_eq!(
            fill("${connection.name}/${env:TOKEN}", Some(&credential)).unwrap(),
            "ana/s3cret"
        );
        assert_eq!(
            fill("Basic ${connection.basic}", Some(&credential)).unwrap(),
            "Basic YW5hOnQwa2Vu"
        );
        assert_eq!(fill("${connection}", None), Err(TemplateError::NoConnection));
        let nameless = Credential::new("t0ken".to_owned().into(), None);
        assert_eq!(
            fill("${connection.name}", Some(&nameless)),
            Err(TemplateError::Nameless)
        );
        assert!(!format!("{credential:?}").contains("t0ken"));
    }

    #[test]
    fn an_error_says_what_and_never_the_secret() {
        assert_eq!(fill("${env:TOKEN"), Err(TemplateError::Unclosed));
        assert_eq!(
            fill("${TOKEN}"),
            Err(TemplateError::UnknownSource("TOKEN".into()))
        );
        assert_eq!(
            fill("${env:MISSING}"),
            Err(TemplateError::Unset("MISSING".into()))
        );
        assert_eq!(fill("${env:EMPTY}"), Err(TemplateError::Empty("EMPTY".into())));
        assert_eq!(fill("${env:TWO_LINES}"), Err(TemplateError::NotAHeader));
        assert!(matches!(
            fill("${file:/nonexistent}"),
            Err(TemplateError::File { .. })
        ));
    }
}
