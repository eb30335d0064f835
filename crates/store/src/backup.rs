//! Backup: every table as lines of JSON, read in one transaction, so that it is consistent while the
//! server runs. The same file goes back into either engine.

use async_trait::async_trait;

pub use tables::TABLES;

use crate::error::Result;

mod tables;

/// What a column holds, the same in both engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// 64-bit integer.
    Integer,
    /// Truth value.
    Boolean,
    /// Bytes, as base64 in the file.
    Bytes,
    /// UUID.
    Uuid,
}

/// A table and its columns.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its columns in order.
    pub columns: &'static [(&'static str, Kind)],
}

/// Writes and reads whole databases.
#[async_trait]
pub trait Backup {
    /// Gives every row of every table to `sink`, as `{"table": …, "row": {…}}`, from one snapshot.
    async fn export(
        &self,
        sink: &mut (dyn for<'line> FnMut(&'line str) -> std::io::Result<()> + Send),
    ) -> Result<u64>;
    /// Puts the rows back, in one transaction, into a database that holds no account.
    async fn import(&self, rows: &mut (dyn Iterator<Item = std::io::Result<String>> + Send)) -> Result<u64>;
}
