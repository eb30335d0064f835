//! Opening the database that the configuration names.

use std::path::PathBuf;
use std::sync::Arc;

use store::{Store, StoreError};
use store_postgres::PostgresStore;
use store_sqlite::SqliteStore;
use thiserror::Error;

use crate::config::file::Loaded;
use crate::private_file;

/// A database that cannot be opened.
#[derive(Debug, Error)]
pub enum StorageError {
    /// The data directory cannot be made.
    #[error("data_dir {0}: {1}")]
    Folder(String, std::io::Error),
    /// The file with the URL cannot be read.
    #[error("database.url_file {0}: {1}")]
    UrlFile(String, std::io::Error),
    /// The URL is for another kind of database.
    #[error("database.url must begin with postgres://; leave it out to use SQLite in data_dir")]
    Scheme,
    /// It cannot be opened.
    #[error("database: {0}")]
    Store(#[from] StoreError),
}

/// An open database.
#[derive(Clone, Debug)]
pub enum Storage {
    /// One file.
    Sqlite(Arc<SqliteStore>),
    /// A PostgreSQL server.
    Postgres(Arc<PostgresStore>),
}

impl Storage {
    /// Opens it and brings its schema up to date.
    pub async fn open(loaded: &Loaded) -> Result<Self, StorageError> {
        let data_dir = loaded.data_dir();
        let shown = data_dir.display().to_string();
        private_file::create_folder(&data_dir).map_err(|error| StorageError::Folder(shown, error))?;
        match place(loaded)? {
            Place::Postgres(url) => {
                let connections = loaded.config.database.connections;
                Ok(Self::Postgres(Arc::new(
                    PostgresStore::open(&url, connections).await?,
                )))
            }
            Place::Sqlite(path) => Ok(Self::Sqlite(Arc::new(SqliteStore::open(&path).await?))),
        }
    }

    /// Whether it could be opened; changes nothing. Gives what was found, in words, and the sealed signing keys
    /// in it.
    pub async fn probe(loaded: &Loaded) -> Result<(String, Vec<Vec<u8>>), StorageError> {
        match place(loaded)? {
            Place::Postgres(url) => {
                let sealed = PostgresStore::probe(&url).await?;
                Ok(("PostgreSQL answers".to_owned(), sealed))
            }
            Place::Sqlite(path) if !path.exists() => {
                Ok((format!("SQLite, will be made in {}", path.display()), Vec::new()))
            }
            Place::Sqlite(path) => {
                let sealed = SqliteStore::probe(&path).await?;
                Ok((format!("SQLite, {} can be opened", path.display()), sealed))
            }
        }
    }

    /// The store, whatever keeps it.
    pub fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::Sqlite(store) => Arc::<SqliteStore>::clone(store),
            Self::Postgres(store) => Arc::<PostgresStore>::clone(store),
        }
    }

    /// The engine's name.
    pub fn engine(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "sqlite",
            Self::Postgres(_) => "postgres",
        }
    }

    /// Closes it, so that another process can open it.
    pub async fn close(&self) {
        match self {
            Self::Sqlite(store) => store.close().await,
            Self::Postgres(store) => store.close().await,
        }
    }
}

enum Place {
    Sqlite(PathBuf),
    Postgres(String),
}

fn place(loaded: &Loaded) -> Result<Place, StorageError> {
    let database = &loaded.config.database;
    let url = match (&database.url, &database.url_file) {
        (Some(url), _) => url.clone(),
        (None, Some(path)) => {
            let path = loaded.resolve(path);
            let text = std::fs::read_to_string(&path)
                .map_err(|error| StorageError::UrlFile(path.display().to_string(), error))?;
            text.trim().to_owned()
        }
        (None, None) => return Ok(Place::Sqlite(loaded.data_dir().join("vestibule.db"))),
    };
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        Ok(Place::Postgres(url))
    } else {
        Err(StorageError::Scheme)
    }
}
