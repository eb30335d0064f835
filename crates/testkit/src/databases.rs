//! A fresh database for each test, on both engines.
//!
//! `cargo xtask test` starts a PostgreSQL and names it in `VESTIBULE_TEST_POSTGRES`. Without it the tests on
//! PostgreSQL say that they were skipped, and `cargo xtask test` fails if it finds such a line.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection};
use store::Store;
use store_postgres::PostgresStore;
use store_sqlite::SqliteStore;
use tempfile::TempDir;

/// The variable that names the PostgreSQL to make databases in.
pub const POSTGRES: &str = "VESTIBULE_TEST_POSTGRES";

/// A database of one test's own.
#[derive(Debug)]
pub struct Database {
    /// The store.
    pub store: Arc<dyn Store>,
    /// `sqlite` or `postgres`, for messages.
    pub engine: &'static str,
    /// The PostgreSQL URL, for opening it a second time.
    pub url: Option<String>,
    /// The folder of a SQLite file; it goes when the last holder does.
    pub folder: Option<Arc<TempDir>>,
}

impl Database {
    /// Runs a statement behind the store's back, as somebody would who can write the database.
    pub async fn execute(&self, sql: &'static str) {
        let folder = self.folder.as_ref();
        let file = folder.map(|folder| folder.path().join("vestibule.db"));
        execute(self.url.as_deref(), &file.unwrap_or_default(), sql).await;
    }
}

/// Runs a statement on the PostgreSQL at `url`, or else on the SQLite in `file`, behind everybody's back.
pub async fn execute(url: Option<&str>, file: &Path, sql: &'static str) {
    let sql = sqlx::raw_sql(sql);
    if let Some(url) = url {
        let mut conn = PgConnection::connect(url).await.expect("a connection");
        sql.execute(&mut conn).await.expect("it is run");
        return;
    }
    let options = SqliteConnectOptions::new()
        .filename(file)
        .busy_timeout(std::time::Duration::from_secs(5));
    let mut conn = options.connect().await.expect("a connection");
    sql.execute(&mut conn).await.expect("it is run");
    conn.close().await.expect("closed");
}

/// One fresh database per engine.
pub async fn databases() -> Vec<Database> {
    let mut all = vec![sqlite().await];
    match postgres().await {
        Some(database) => all.push(database),
        None => eprintln!("skipped on PostgreSQL: {POSTGRES} is not set; `cargo xtask test` sets it"),
    }
    all
}

/// A fresh SQLite file.
pub async fn sqlite() -> Database {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = SqliteStore::open(&folder.path().join("vestibule.db"))
        .await
        .expect("a SQLite database");
    Database {
        store: Arc::new(store),
        engine: "sqlite",
        url: None,
        folder: Some(Arc::new(folder)),
    }
}

/// A fresh PostgreSQL database, if there is a server.
pub async fn postgres() -> Option<Database> {
    let url = postgres_url().await?;
    let store = PostgresStore::open(&url, 20)
        .await
        .expect("a PostgreSQL database");
    Some(Database {
        store: Arc::new(store),
        engine: "postgres",
        url: Some(url),
        folder: None,
    })
}

/// The URL of a fresh, empty PostgreSQL database, if there is a server.
pub async fn postgres_url() -> Option<String> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let server = std::env::var(POSTGRES).ok()?;
    let name = format!(
        "test_{}_{}",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::SeqCst)
    );
    let mut conn = PgConnection::connect(&server)
        .await
        .expect("the PostgreSQL of the tests");
    let sql = format!("CREATE DATABASE {name}");
    sqlx::query(sqlx::AssertSqlSafe(sql))
        .execute(&mut conn)
        .await
        .expect("a new database");
    let base = server.rsplit_once('/').map_or(server.as_str(), |(base, _)| base);
    Some(format!("{base}/{name}"))
}
