//! One statement per table, so that every table's growth is bounded. The table in docs/operating.md says
//! the same in words.

use async_trait::async_trait;
use model::slowdown::FORGOTTEN_AFTER;
use model::{Change, GrantId, Timestamp};
use std::time::Duration;
use store::{CleanUp, EndReason, Result, Retention, Swept};
use uuid::Uuid;

use crate::db::{Engine, Tx};
use crate::rows::{failed, id};

/// How long a change is kept for replicas that follow.
const CHANGES: Duration = Duration::from_hours(1);
/// A browser that has not signed in for so long is a stranger again.
const BROWSERS: Duration = Duration::from_hours(365 * 24);
/// Resources come and go by their nature; so long they are known after they were new.
const RESOURCES: Duration = Duration::from_hours(90 * 24);
/// Who used a token of the time before is forgotten so long after the last time.
const OLD_TOKENS: Duration = Duration::from_hours(180 * 24);
/// Rows ended in one round, so that no round holds the database for long.
const AT_ONCE: i64 = 1000;

#[expect(
    clippy::too_many_lines,
    reason = "one statement per table, as the table in docs/operating.md"
)]
#[async_trait]
impl CleanUp for Engine {
    async fn clean_up(&self, keep: &Retention, now: Timestamp) -> Result<Vec<Swept>> {
        let mut tx = self.begin().await?;
        let mut swept = Vec::new();
        let mut note = |table: &'static str, rows: u64| {
            if rows > 0 {
                swept.push(Swept { table, rows });
            }
        };
        note("grants (ended)", end_expired_grants(&mut tx, keep, now).await?);
        macro_rules! delete {
            ($table:literal, $sql:literal, $before:expr) => {{
                let before: Timestamp = $before;
                let gone = sqlx::query!($sql, before.as_millis())
                    .execute(tx.conn())
                    .await
                    .map_err(failed)?;
                note($table, gone.rows_affected());
            }};
        }
        delete!(
            "invitations",
            "DELETE FROM invitations WHERE expires_at <= $1",
            now - Duration::from_hours(24)
        );
        delete!(
            "sessions",
            "DELETE FROM sessions WHERE ended_at <= $1",
            now - Duration::from_hours(24)
        );
        delete!("sessions", "DELETE FROM sessions WHERE expires_at <= $1", now);
        delete!(
            "sessions",
            "DELETE FROM sessions WHERE last_seen_at <= $1",
            now - keep.idle_session
        );
        delete!("sign_ins", "DELETE FROM sign_ins WHERE expires_at <= $1", now);
        delete!("ceremonies", "DELETE FROM ceremonies WHERE expires_at <= $1", now);
        delete!("connecting", "DELETE FROM connecting WHERE expires_at <= $1", now);
        delete!(
            "browsers",
            "DELETE FROM browsers WHERE last_seen_at <= $1",
            now - BROWSERS
        );
        delete!(
            "guesses",
            "DELETE FROM guesses WHERE last_at <= $1",
            now - FORGOTTEN_AFTER
        );
        delete!(
            "transactions",
            "DELETE FROM transactions WHERE expires_at <= $1",
            now
        );
        // A redeemed code is kept until its replay can no longer matter.
        delete!(
            "codes",
            "DELETE FROM codes WHERE expires_at <= $1",
            now - Duration::from_hours(24)
        );
        // A program that asks too late is told so for a while.
        delete!(
            "device_authorizations",
            "DELETE FROM device_authorizations WHERE expires_at <= $1",
            now - Duration::from_hours(1)
        );
        delete!(
            "clients",
            "DELETE FROM clients WHERE source IN ('registration', 'document') AND completed_at IS NULL
                 AND last_used_at <= $1 AND NOT EXISTS (SELECT 1 FROM grants WHERE client_id = clients.id)",
            now - keep.unused_client
        );
        delete!(
            "client_assertions",
            "DELETE FROM client_assertions WHERE expires_at <= $1",
            now
        );
        delete!(
            "refresh_tokens (links)",
            "UPDATE refresh_tokens SET sealed = NULL WHERE created_at <= $1 AND sealed IS NOT NULL",
            now - keep.redelivery
        );
        delete!(
            "refresh_tokens",
            "DELETE FROM refresh_tokens WHERE EXISTS
                 (SELECT 1 FROM refresh_tokens AS later WHERE later.grant_id = refresh_tokens.grant_id
                      AND later.generation > refresh_tokens.generation AND later.created_at <= $1)",
            now - keep.rotated_token
        );
        delete!(
            "grants",
            "DELETE FROM grants WHERE ended_at <= $1",
            now - keep.ended_grant
        );
        delete!(
            "revoked_tokens",
            "DELETE FROM revoked_tokens WHERE expires_at <= $1",
            now
        );
        delete!(
            "service_tokens",
            "DELETE FROM service_tokens WHERE expires_at <= $1",
            now - keep.ended_grant
        );
        delete!(
            "service_tokens",
            "DELETE FROM service_tokens WHERE revoked_at <= $1",
            now - keep.ended_grant
        );
        delete!(
            "consents",
            "DELETE FROM consents WHERE created_at <= $1
                 AND NOT EXISTS (SELECT 1 FROM clients WHERE clients.id = consents.client_id)",
            now
        );
        delete!("tasks", "DELETE FROM tasks WHERE expires_at <= $1", now);
        delete!(
            "signing_keys",
            "DELETE FROM signing_keys WHERE published_until <= $1",
            now
        );
        // What is listed again is learned again. Tools and prompts stay, so that one that comes back is compared.
        delete!(
            "catalogue",
            "DELETE FROM catalogue WHERE list IN ('resources/list', 'resources/templates/list') AND changed_at <= $1",
            now - RESOURCES
        );
        delete!(
            "old_token_uses",
            "DELETE FROM old_token_uses WHERE last_at <= $1",
            now - OLD_TOKENS
        );
        delete!("changes", "DELETE FROM changes WHERE at <= $1", now - CHANGES);
        delete!(
            "leases",
            "DELETE FROM leases WHERE expires_at <= $1",
            now - Duration::from_hours(24)
        );
        tx.commit().await?;
        Ok(swept)
    }
}

/// Ends grants that are too old, whose refresh token was left to run out, or that were replaced and are
/// not used (CC-84).
async fn end_expired_grants(tx: &mut Tx<'_>, keep: &Retention, now: Timestamp) -> Result<u64> {
    let ended = sqlx::query_scalar!(
        r#"UPDATE grants SET ended_at = $1, ended_because = $3
           WHERE id IN (
               SELECT id FROM grants
               WHERE ended_at IS NULL
                     AND (expires_at <= $1
                          OR (replaced_at IS NOT NULL AND last_used_at <= $2
                              AND NOT EXISTS (SELECT 1 FROM refresh_tokens WHERE grant_id = grants.id
                                              AND refresh_tokens.created_at > $2))
                          OR EXISTS (SELECT 1 FROM refresh_tokens AS head
                                     WHERE head.grant_id = grants.id AND head.expires_at <= $1
                                           AND NOT EXISTS (SELECT 1 FROM refresh_tokens AS later
                                                           WHERE later.grant_id = head.grant_id
                                                                 AND later.generation > head.generation)))
               LIMIT $4)
           RETURNING id AS "id!: Uuid""#,
        now.as_millis(),
        (now - keep.replaced_grant).as_millis(),
        EndReason::Expired.as_str(),
        AT_ONCE
    )
    .fetch_all(tx.conn())
    .await
    .map_err(failed)?;
    let count = ended.len();
    for grant in ended {
        tx.change(
            Change::GrantEnded {
                grant: id::<GrantId>(grant),
                at: now,
            },
            now,
        )
        .await?;
    }
    Ok(count as u64)
}
