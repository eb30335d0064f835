//! What bounds every table's growth.

use std::time::Duration;

use async_trait::async_trait;
use model::Timestamp;

use crate::error::Result;

/// How long things are kept; the defaults are documented in docs/operating.md.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// A registered client that never completed a sign-in (CC-35).
    pub unused_client: Duration,
    /// A replaced grant that is not used (CC-84).
    pub replaced_grant: Duration,
    /// A session that is not used.
    pub idle_session: Duration,
    /// How long a rotated refresh token can be delivered again (DEC-1).
    pub redelivery: Duration,
    /// A rotated refresh token, so that a late replay is noticed.
    pub rotated_token: Duration,
    /// A grant or a service token that has ended, so that it can be looked up.
    pub ended_grant: Duration,
    /// The audit record.
    pub audit: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            unused_client: Duration::from_hours(7 * 24),
            replaced_grant: Duration::from_hours(7 * 24),
            idle_session: Duration::from_hours(24),
            redelivery: Duration::from_hours(24),
            rotated_token: Duration::from_hours(30 * 24),
            ended_grant: Duration::from_hours(30 * 24),
            audit: Duration::from_hours(400 * 24),
        }
    }
}

/// How many rows went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Swept {
    /// From which table.
    pub table: &'static str,
    /// How many.
    pub rows: u64,
}

/// Deletes what has run out.
#[async_trait]
pub trait CleanUp {
    /// One round over every table; only tables that lost rows are named.
    async fn clean_up(&self, retention: &Retention, now: Timestamp) -> Result<Vec<Swept>>;
}
