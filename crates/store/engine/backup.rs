//! Whole databases, table by table, by the column list in `store::backup`.
//!
//! The one place with statements that are put together at run time: their parts are constants of ours.

use async_trait::async_trait;
use serde_json::{Map, Value, json};
use sqlx::Row as _;
use store::backup::{Kind, TABLES, Table};
use store::{Backup, Result, StoreError};
use uuid::Uuid;

use crate::db::{DbRow, Engine, Tx};
use crate::rows::failed;

#[async_trait]
impl Backup for Engine {
    async fn export(
        &self,
        sink: &mut (dyn for<'line> FnMut(&'line str) -> std::io::Result<()> + Send),
    ) -> Result<u64> {
        let mut tx = self.snapshot().await?;
        let mut count = 0;
        for table in &TABLES {
            for row in all_rows(&mut tx, table).await? {
                let line = json!({ "table": table.name, "row": to_json(table, &row)? }).to_string();
                sink(&line).map_err(|error| StoreError::Backup(error.to_string()))?;
                count += 1;
            }
        }
        Ok(count)
    }

    async fn import(&self, rows: &mut (dyn Iterator<Item = std::io::Result<String>> + Send)) -> Result<u64> {
        let mut tx = self.begin().await?;
        tx.serialize().await?;
        let accounts = sqlx::query_scalar!(r#"SELECT COUNT(*) AS "count!: i64" FROM accounts"#)
            .fetch_one(tx.conn())
            .await
            .map_err(failed)?;
        if accounts > 0 {
            tx.give_up().await?;
            return Err(StoreError::NotEmpty);
        }
        // A server that was started before the restore made its own keys; the restored ones take their place.
        sqlx::query!("DELETE FROM signing_keys")
            .execute(tx.conn())
            .await
            .map_err(failed)?;
        sqlx::query!("DELETE FROM clients")
            .execute(tx.conn())
            .await
            .map_err(failed)?;
        sqlx::query!("DELETE FROM audit_blocks")
            .execute(tx.conn())
            .await
            .map_err(failed)?;
        sqlx::query!("DELETE FROM audit_key")
            .execute(tx.conn())
            .await
            .map_err(failed)?;
        let mut count = 0;
        for line in rows {
            let line = line.map_err(|error| StoreError::Backup(error.to_string()))?;
            put(&mut tx, &line).await?;
            count += 1;
        }
        tx.commit().await?;
        Ok(count)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "built from the constant column list alone"
)]
async fn all_rows(tx: &mut Tx<'_>, table: &Table) -> Result<Vec<DbRow>> {
    let columns: Vec<_> = table.columns.iter().map(|(name, _)| *name).collect();
    let sql = format!("SELECT {} FROM {}", columns.join(", "), table.name);
    sqlx::query(sqlx::AssertSqlSafe(sql))
        .fetch_all(tx.conn())
        .await
        .map_err(failed)
}

fn to_json(table: &Table, row: &DbRow) -> Result<Value> {
    let mut members = Map::new();
    for (name, kind) in table.columns {
        let value = match kind {
            Kind::Text => row.try_get::<Option<String>, _>(*name).map(Value::from),
            Kind::Integer => row.try_get::<Option<i64>, _>(*name).map(Value::from),
            Kind::Boolean => row.try_get::<Option<bool>, _>(*name).map(Value::from),
            Kind::Bytes => row
                .try_get::<Option<Vec<u8>>, _>(*name)
                .map(|bytes| bytes.map(|bytes| data_encoding::BASE64.encode(&bytes)).into()),
            Kind::Uuid => row
                .try_get::<Option<Uuid>, _>(*name)
                .map(|id| id.map(|id| id.to_string()).into()),
        };
        members.insert((*name).to_owned(), value.map_err(failed)?);
    }
    Ok(Value::Object(members))
}

async fn put(tx: &mut Tx<'_>, line: &str) -> Result<()> {
    let unreadable = |why: &str| StoreError::Backup(format!("unreadable row: {why}"));
    let entry: Value = serde_json::from_str(line).map_err(|error| unreadable(&error.to_string()))?;
    let name = entry["table"].as_str().unwrap_or_default();
    let table = TABLES
        .iter()
        .find(|table| table.name == name)
        .ok_or_else(|| unreadable("unknown table"))?;
    let row = entry["row"].as_object().ok_or_else(|| unreadable("no row"))?;
    // A backup of an older version lacks columns that came later; they have their defaults.
    let known: Vec<_> = table
        .columns
        .iter()
        .filter(|(name, _)| row.contains_key(*name))
        .copied()
        .collect();
    let columns: Vec<_> = known.iter().map(|(name, _)| *name).collect();
    let places: Vec<_> = (1..=columns.len()).map(|at| format!("${at}")).collect();
    let sql = format!(
        "INSERT INTO {} ({}) VALUES ({})",
        table.name,
        columns.join(", "),
        places.join(", ")
    );
    insert(tx, sql, table.name, &known, row).await
}

#[expect(
    clippy::disallowed_methods,
    reason = "built from the constant column list alone; values are bound"
)]
async fn insert(
    tx: &mut Tx<'_>,
    sql: String,
    table: &str,
    columns: &[(&str, Kind)],
    row: &Map<String, Value>,
) -> Result<()> {
    let unreadable = |column: &str| StoreError::Backup(format!("unreadable {table}.{column}"));
    let mut query = sqlx::query(sqlx::AssertSqlSafe(sql));
    for (name, kind) in columns {
        let value = row.get(*name).ok_or_else(|| unreadable(name))?;
        let text = value.as_str();
        query = match (kind, value.is_null()) {
            (Kind::Text, true) => query.bind(None::<String>),
            (Kind::Integer, true) => query.bind(None::<i64>),
            (Kind::Boolean, true) => query.bind(None::<bool>),
            (Kind::Bytes, true) => query.bind(None::<Vec<u8>>),
            (Kind::Uuid, true) => query.bind(None::<Uuid>),
            (Kind::Text, false) => query.bind(text.ok_or_else(|| unreadable(name))?.to_owned()),
            (Kind::Integer, false) => query.bind(value.as_i64().ok_or_else(|| unreadable(name))?),
            (Kind::Boolean, false) => query.bind(value.as_bool().ok_or_else(|| unreadable(name))?),
            (Kind::Bytes, false) => {
                let decoded = text.and_then(|text| data_encoding::BASE64.decode(text.as_bytes()).ok());
                query.bind(decoded.ok_or_else(|| unreadable(name))?)
            }
            (Kind::Uuid, false) => {
                let parsed = text.and_then(|text| Uuid::try_parse(text).ok());
                query.bind(parsed.ok_or_else(|| unreadable(name))?)
            }
        };
    }
    query.execute(tx.conn()).await.map_err(failed)?;
    Ok(())
}
