//! The `tasks` table.

use async_trait::async_trait;
use model::id::Id;
use model::{AccountId, ServerName, Timestamp};
use store::{Result, StoreError, Task, Tasks};
use uuid::Uuid;

use crate::db::Engine;
use crate::rows::{digest, failed, id};

#[async_trait]
impl Tasks for Engine {
    async fn bind_task(&self, task: &Task) -> Result<Task> {
        let mut tx = self.begin().await?;
        sqlx::query!(
            "INSERT INTO tasks (server, digest, account_id, tool, arguments, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (server, digest) DO UPDATE
             SET account_id = CASE
                     WHEN tasks.expires_at <= excluded.created_at OR tasks.account_id = excluded.account_id
                     THEN excluded.account_id END,
                 tool = CASE
                     WHEN tasks.expires_at <= excluded.created_at THEN excluded.tool
                     WHEN excluded.tool IS NULL OR tasks.tool = excluded.tool THEN tasks.tool END,
                 arguments = CASE
                     WHEN tasks.expires_at <= excluded.created_at THEN excluded.arguments
                     WHEN excluded.tool IS NULL OR (tasks.tool = excluded.tool AND tasks.arguments = excluded.arguments)
                     THEN tasks.arguments END,
                 created_at = CASE
                     WHEN tasks.expires_at <= excluded.created_at THEN excluded.created_at
                     ELSE tasks.created_at END,
                 expires_at = CASE
                     WHEN tasks.expires_at > excluded.expires_at THEN tasks.expires_at
                     ELSE excluded.expires_at END",
            task.server.as_str(),
            &task.digest[..],
            task.account.map(Id::uuid),
            task.tool,
            task.arguments,
            task.created_at.as_millis(),
            task.expires_at.as_millis()
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        let bound = sqlx::query!(
            r#"SELECT account_id AS "account_id?: Uuid", tool, arguments, created_at, expires_at
               FROM tasks WHERE server = $1 AND digest = $2"#,
            task.server.as_str(),
            &task.digest[..]
        )
        .fetch_optional(tx.conn())
        .await
        .map_err(failed)?;
        let bound =
            bound.ok_or_else(|| StoreError::corrupt("tasks", "what was just written is not there"))?;
        let bound = Task {
            account: bound.account_id.map(id),
            tool: bound.tool,
            arguments: bound.arguments,
            created_at: Timestamp::from_millis(bound.created_at),
            expires_at: Timestamp::from_millis(bound.expires_at),
            ..task.clone()
        };
        tx.commit().await?;
        Ok(bound)
    }

    async fn task(&self, server: &ServerName, digest: &[u8; 32], now: Timestamp) -> Result<Option<Task>> {
        let row = sqlx::query!(
            r#"SELECT account_id AS "account_id?: Uuid", tool, arguments, created_at, expires_at
               FROM tasks WHERE server = $1 AND digest = $2 AND expires_at > $3"#,
            server.as_str(),
            &digest[..],
            now.as_millis()
        )
        .fetch_optional(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        Ok(row.map(|row| Task {
            server: server.clone(),
            digest: *digest,
            account: row.account_id.map(id),
            tool: row.tool,
            arguments: row.arguments,
            created_at: Timestamp::from_millis(row.created_at),
            expires_at: Timestamp::from_millis(row.expires_at),
        }))
    }

    async fn tasks_of(
        &self,
        server: &ServerName,
        account: AccountId,
        most: u16,
        now: Timestamp,
    ) -> Result<Vec<Task>> {
        let rows = sqlx::query!(
            "SELECT digest, tool, arguments, created_at, expires_at
             FROM tasks WHERE server = $1 AND account_id = $2 AND expires_at > $3
             ORDER BY created_at DESC LIMIT $4",
            server.as_str(),
            account.uuid(),
            now.as_millis(),
            i64::from(most)
        )
        .fetch_all(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        rows.into_iter()
            .map(|row| {
                Ok(Task {
                    server: server.clone(),
                    digest: digest("tasks.digest", row.digest)?,
                    account: Some(account),
                    tool: row.tool,
                    arguments: row.arguments,
                    created_at: Timestamp::from_millis(row.created_at),
                    expires_at: Timestamp::from_millis(row.expires_at),
                })
            })
            .collect()
    }
}
