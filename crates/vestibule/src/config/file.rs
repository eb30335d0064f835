//! Reading the file: typed, strict, with errors that say where.

use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::Value;
use thiserror::Error;

use super::environment::Environment;
use super::{Config, schema};
use crate::presets;

mod place;

/// A configuration that was read.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What it says.
    pub config: Config,
    /// Where relative paths start.
    pub folder: PathBuf,
    /// The file, if there is one.
    pub path: Option<PathBuf>,
    /// Variables that look like ours and set nothing.
    pub unknown_variables: Vec<String>,
}

/// Why a configuration cannot be read.
#[derive(Debug, Error, PartialEq, Eq, Clone)]
pub enum ConfigError {
    /// The file is not there or cannot be read.
    #[error("{}: {why}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The file is no YAML, or holds what it may not.
    #[error("{}: {why}", place(path, *at))]
    Wrong {
        /// Which.
        path: PathBuf,
        /// Line and column, from 1.
        at: Option<(u64, u64)>,
        /// What is wrong.
        why: String,
    },
    /// A variable holds what its key cannot.
    #[error("the environment: {0}")]
    Environment(String),
}

fn place(path: &Path, at: Option<(u64, u64)>) -> String {
    match at {
        Some((line, column)) => format!("{}:{line}:{column}", path.display()),
        None => path.display().to_string(),
    }
}

impl Loaded {
    /// A path of the configuration, started at the file's folder.
    pub fn resolve(&self, path: &Path) -> PathBuf {
        // Taken apart and put together, so that `.` in the middle is gone.
        self.folder.join(path).components().collect()
    }

    /// Where the database, the master key and the control socket lie.
    pub fn data_dir(&self) -> PathBuf {
        self.resolve(&self.config.data_dir)
    }
}

/// Reads the file and lays the environment over it.
pub fn load(path: &Path, environment: &Environment) -> Result<Loaded, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|error| ConfigError::Unreadable {
        path: path.to_owned(),
        why: match error.kind() {
            std::io::ErrorKind::NotFound => "there is no such file; `vestibule init` writes one".to_owned(),
            _ => error.to_string(),
        },
    })?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    parse(&text, path, folder, environment)
}

/// Reads another YAML document that people write, with the same words for what is wrong with it.
pub fn document<T: serde::de::DeserializeOwned>(text: &str, path: &Path) -> Result<T, ConfigError> {
    serde_saphyr::from_str(text).map_err(|error| wrong(path, &error))
}

/// Makes a configuration of a file's text.
pub fn parse(
    text: &str,
    path: &Path,
    folder: PathBuf,
    environment: &Environment,
) -> Result<Loaded, ConfigError> {
    let wrong = |error: &serde_saphyr::Error| wrong(path, error);
    let read: Option<Config> = serde_saphyr::from_str(text).map_err(|error| wrong(&error))?;
    // As a tree, to lay presets under it and variables over it. Made of what was read, so that a word like `on` stays the text that
    // its key wants.
    let mut tree = serde_json::to_value(read.unwrap_or_default())
        .map_err(|error| ConfigError::Environment(error.to_string()))?;
    presets::lay_under(&mut tree).map_err(|misplaced| ConfigError::Wrong {
        path: path.to_owned(),
        at: place::of(text, &misplaced.path),
        why: misplaced.error.to_string(),
    })?;
    let (config, unknown_variables) = lay_over(&tree, environment).map_err(|why| {
        // Which variable is at fault shows when it is left out.
        let innocent_without = |name: &&str| lay_over(&tree, &environment.without(name)).is_ok();
        let culprit = environment.names().find(innocent_without);
        ConfigError::Environment(match culprit {
            Some(name) => format!("{name}: {why}"),
            None => why,
        })
    })?;
    Ok(Loaded {
        config,
        folder,
        path: Some(path.to_owned()),
        unknown_variables,
    })
}

fn lay_over(tree: &Value, environment: &Environment) -> Result<(Config, Vec<String>), String> {
    let mut tree = tree.clone();
    let unknown = environment.lay_over(&mut tree, &schema())?;
    let config = serde_json::from_value(tree).map_err(|error| error.to_string())?;
    Ok((config, unknown))
}

fn wrong(path: &Path, error: &serde_saphyr::Error) -> ConfigError {
    let error = error.without_snippet();
    let at = error
        .location()
        .filter(|location| location.line() > 0)
        .map(|location| (location.line(), location.column()));
    let why = match error {
        serde_saphyr::Error::SerdeUnknownField { field, expected, .. } => unknown_key(field, expected),
        serde_saphyr::Error::SerdeMissingField { field, .. } => format!("the key `{field}` is missing"),
        serde_saphyr::Error::DuplicateMappingKey { key: Some(key), .. } => {
            format!("the key `{key}` is given twice")
        }
        other => plain(&other.to_string()),
    };
    ConfigError::Wrong {
        path: path.to_owned(),
        at,
        why,
    }
}

/// An unknown key, with the nearest one that is known.
fn unknown_key(key: &str, known: &[&str]) -> String {
    let nearest = known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(key, name), *name))
        .min();
    match nearest {
        Some((distance, name)) if distance <= 1 + key.len() / 3 => {
            format!("unknown key `{key}`; did you mean `{name}`?")
        }
        _ => format!("unknown key `{key}`; known are {}", List(known)),
    }
}

/// The parser's own words, in one line and without the place, which stands before.
fn plain(message: &str) -> String {
    let line = message.lines().next().unwrap_or(message);
    let line = line.split(" at line ").next().unwrap_or(line);
    let line = line
        .replace("mapping start", "keys with values")
        .replace("string scalar", "a text");
    line.trim_end_matches(['.', ':']).to_owned()
}

struct List<'a>(&'a [&'a str]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, name) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}`{name}`")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
