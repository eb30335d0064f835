//! Leases: which replica does the scheduled work.

use async_trait::async_trait;
use model::Timestamp;
use uuid::Uuid;

use crate::error::Result;

/// The `leases` table.
#[async_trait]
pub trait Leases {
    /// Takes or renews a lease. `false` if somebody else holds it.
    async fn take_lease(
        &self,
        name: &str,
        holder: Uuid,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool>;
}
