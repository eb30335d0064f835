//! The `changes` table: writing a change with what caused it, and telling listeners after the commit.

use model::{Change, Timestamp};
use store::{Listener, Result};

use crate::db::{Conn, Tx};
use crate::rows::{failed, to_json};

impl Tx<'_> {
    /// Adds a change to the transaction; listeners hear of it when it is committed.
    pub(crate) async fn change(&mut self, change: Change, now: Timestamp) -> Result<()> {
        if self.changes.is_empty() {
            self.serialize().await?;
        }
        sqlx::query!(
            "INSERT INTO changes (change, at) VALUES ($1, $2)",
            to_json("changes.change", &change)?,
            now.as_millis()
        )
        .execute(self.conn())
        .await
        .map_err(failed)?;
        self.changes.push(change);
        Ok(())
    }
}

/// The number of the last change.
pub(crate) async fn last(conn: &mut Conn) -> Result<i64> {
    let number = sqlx::query_scalar!(r#"SELECT MAX(number) AS "number: i64" FROM changes"#)
        .fetch_one(conn)
        .await
        .map_err(failed)?;
    Ok(number.unwrap_or(0))
}

/// Those who must know.
#[derive(Default)]
pub(crate) struct Listeners(std::sync::RwLock<Vec<Listener>>);

impl Listeners {
    pub(crate) fn add(&self, listener: Listener) {
        self.0
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .push(listener);
    }

    pub(crate) fn tell(&self, changes: &[Change]) {
        if changes.is_empty() {
            return;
        }
        for listener in self
            .0
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .iter()
        {
            for change in changes {
                listener(change);
            }
        }
    }
}

impl std::fmt::Debug for Listeners {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Listeners")
    }
}
