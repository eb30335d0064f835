//! Header templates: text with `${file:/path}` and `${env:NAME}` in it.

use std::path::{Path, PathBuf};

use http::HeaderValue;
use model::{ExposeSecret, SecretString};
use thiserror::Error;

/// A header's value before its secrets are filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    File(PathBuf),
    Environment(String),
}

/// Why a template cannot be read or filled. Never holds a secret.
#[derive(Debug, Error, PartialEq, Eq, Clone)]
pub enum TemplateError {
    /// `${` without `}`.
    #[error("${{ without }}")]
    Unclosed,
    /// Something other than `file:` or `env:`.
    #[error("${{{0}}} is neither ${{file:/path}} nor ${{env:NAME}}")]
    UnknownSource(String),
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
            parts.push(match source.split_once(':') {
                Some(("file", path)) if !path.is_empty() => Part::File(folder.join(path)),
                Some(("env", name)) if !name.is_empty() => Part::Environment(name.to_owned()),
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

    /// Fills it in. The value is marked as sensitive, so that it is never printed or indexed.
    pub fn fill(&self, environment: &dyn Environment) -> Result<HeaderValue, TemplateError> {
        let mut value = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => value.push_str(text),
                Part::File(path) => value.push_str(&read(path)?),
                Part::Environment(name) => {
                    let found = environment
                        .variable(name)
                        .ok_or_else(|| TemplateError::Unset(name.clone()))?;
                    if found.expose_secret().trim().is_empty() {
                        return Err(TemplateError::Empty(name.clone()));
                    }
                    value.push_str(found.expose_secret().trim());
                }
            }
        }
        let mut value = HeaderValue::from_str(&value).map_err(|_| TemplateError::NotAHeader)?;
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
