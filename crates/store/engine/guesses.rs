//! The `guesses` table.

use async_trait::async_trait;
use model::Timestamp;
use model::slowdown::Guesses;
use store::{GuessCounters, Result};

use crate::db::Engine;
use crate::rows::failed;

#[async_trait]
impl GuessCounters for Engine {
    async fn guesses(&self, counter: &[u8; 32]) -> Result<Guesses> {
        let row = sqlx::query!(
            "SELECT failures, last_at FROM guesses WHERE counter = $1",
            counter.as_slice()
        )
        .fetch_optional(&mut *self.read().await?)
        .await
        .map_err(failed)?;
        Ok(row.map_or(Guesses::NONE, |row| Guesses {
            failures: u32::try_from(row.failures).unwrap_or(u32::MAX),
            last: Timestamp::from_millis(row.last_at),
        }))
    }

    async fn count_guess(&self, counter: &[u8; 32], before: Guesses, after: Guesses) -> Result<bool> {
        let mut tx = self.begin().await?;
        let counted = if before == Guesses::NONE {
            sqlx::query!(
                "INSERT INTO guesses (counter, failures, last_at) VALUES ($1, $2, $3) ON CONFLICT (counter) DO NOTHING",
                counter.as_slice(),
                i64::from(after.failures),
                after.last.as_millis()
            )
            .execute(tx.conn())
            .await
        } else {
            sqlx::query!(
                "UPDATE guesses SET failures = $4, last_at = $5 WHERE counter = $1 AND failures = $2 AND last_at = $3",
                counter.as_slice(),
                i64::from(before.failures),
                before.last.as_millis(),
                i64::from(after.failures),
                after.last.as_millis()
            )
            .execute(tx.conn())
            .await
        };
        let counted = counted.map_err(failed)?.rows_affected() == 1;
        tx.commit().await?;
        Ok(counted)
    }

    async fn uncount_guess(&self, counter: &[u8; 32]) -> Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query!(
            "UPDATE guesses SET failures = failures - 1 WHERE counter = $1 AND failures > 0",
            counter.as_slice()
        )
        .execute(tx.conn())
        .await
        .map_err(failed)?;
        tx.commit().await
    }

    async fn forget_guesses(&self, counter: &[u8; 32]) -> Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query!("DELETE FROM guesses WHERE counter = $1", counter.as_slice())
            .execute(tx.conn())
            .await
            .map_err(failed)?;
        tx.commit().await
    }
}
