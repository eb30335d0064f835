//! What can go wrong below.

use thiserror::Error;

/// The outcome of a store method.
pub type Result<T> = std::result::Result<T, StoreError>;

/// A store method that did nothing.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The database cannot be reached, is locked for too long, or refused. Whoever asked may ask again.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// A row holds something that no release wrote.
    #[error("the database holds an unreadable {what}: {why}")]
    Corrupt {
        /// Which column of which table.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// A backup is restored into an empty database alone.
    #[error("the database already holds accounts; restore into an empty one")]
    NotEmpty,
    /// A backup that cannot be read, or that does not fit.
    #[error("the backup cannot be used: {0}")]
    Backup(String),
}

impl StoreError {
    /// A column that does not parse.
    pub fn corrupt(what: &'static str, why: impl std::fmt::Display) -> Self {
        Self::Corrupt {
            what,
            why: why.to_string(),
        }
    }
}
