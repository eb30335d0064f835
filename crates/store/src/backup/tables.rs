//! The tables of a backup, parents before children, so that they can be put back in this order.
//!
//! Left out: what is worth nothing after a while (codes, transactions, guesses, used assertions, changes,
//! leases). A restored server asks people to finish what they were in the middle of.

use super::Kind::{Boolean, Bytes, Integer, Text, Uuid};
use super::Table;

/// Every table that is backed up.
pub const TABLES: [Table; 15] = [
    Table {
        name: "accounts",
        columns: &[
            ("id", Uuid),
            ("username", Text),
            ("display_name", Text),
            ("email", Text),
            ("email_verified", Boolean),
            ("status", Text),
            ("administrator", Boolean),
            ("password_hash", Text),
            ("grants_end_before", Integer),
            ("created_at", Integer),
            ("updated_at", Integer),
            ("last_sign_in_at", Integer),
        ],
    },
    Table {
        name: "groups",
        columns: &[("name", Text), ("description", Text), ("created_at", Integer)],
    },
    Table {
        name: "memberships",
        columns: &[("account_id", Uuid), ("group_name", Text)],
    },
    Table {
        name: "invitations",
        columns: &[
            ("digest", Bytes),
            ("account_id", Uuid),
            ("created_at", Integer),
            ("expires_at", Integer),
            ("used_at", Integer),
        ],
    },
    Table {
        name: "sessions",
        columns: &[
            ("id", Uuid),
            ("digest", Bytes),
            ("account_id", Uuid),
            ("created_at", Integer),
            ("authenticated_at", Integer),
            ("fresh_for", Bytes),
            ("last_seen_at", Integer),
            ("expires_at", Integer),
            ("user_agent", Text),
            ("address", Text),
            ("ended_at", Integer),
        ],
    },
    Table {
        name: "browsers",
        columns: &[("digest", Bytes), ("account_id", Uuid), ("last_seen_at", Integer)],
    },
    Table {
        name: "clients",
        columns: &[
            ("id", Text),
            ("source", Text),
            ("metadata", Text),
            ("registration_digest", Bytes),
            ("document_digest", Bytes),
            ("fresh_until", Integer),
            ("created_at", Integer),
            ("updated_at", Integer),
            ("completed_at", Integer),
            ("last_used_at", Integer),
            ("disabled_at", Integer),
        ],
    },
    Table {
        name: "client_secrets",
        columns: &[("digest", Bytes), ("client_id", Text), ("created_at", Integer)],
    },
    Table {
        name: "grants",
        columns: &[
            ("id", Uuid),
            ("account_id", Uuid),
            ("client_id", Text),
            ("session_id", Uuid),
            ("server", Text),
            ("resource", Text),
            ("scopes", Text),
            ("redirect_host", Text),
            ("nonce", Text),
            ("auth_time", Integer),
            ("created_at", Integer),
            ("last_used_at", Integer),
            ("expires_at", Integer),
            ("repeats", Integer),
            ("replaced_at", Integer),
            ("ended_at", Integer),
            ("ended_because", Text),
        ],
    },
    Table {
        name: "refresh_tokens",
        columns: &[
            ("digest", Bytes),
            ("grant_id", Uuid),
            ("generation", Integer),
            ("created_at", Integer),
            ("expires_at", Integer),
            ("rotated_at", Integer),
            ("used_at", Integer),
            ("link", Bytes),
        ],
    },
    Table {
        name: "revoked_tokens",
        columns: &[("id", Uuid), ("revoked_at", Integer), ("expires_at", Integer)],
    },
    Table {
        name: "consents",
        columns: &[
            ("account_id", Uuid),
            ("client_id", Text),
            ("redirect_uri", Text),
            ("resource", Text),
            ("scopes", Text),
            ("document_digest", Bytes),
            ("created_at", Integer),
        ],
    },
    Table {
        name: "signing_keys",
        columns: &[
            ("kid", Text),
            ("algorithm", Text),
            ("private", Bytes),
            ("public", Text),
            ("created_at", Integer),
            ("signs_from", Integer),
            ("published_until", Integer),
        ],
    },
    Table {
        name: "audit_blocks",
        columns: &[
            ("chain", Uuid),
            ("number", Integer),
            ("first_at", Integer),
            ("last_at", Integer),
            ("events", Integer),
            ("previous", Bytes),
            ("hash", Bytes),
            ("body", Text),
            ("personal", Text),
        ],
    },
    Table {
        name: "catalogue",
        columns: &[
            ("server", Text),
            ("credential", Text),
            ("list", Text),
            ("name", Text),
            ("definition", Text),
            ("fingerprint", Bytes),
            ("accepted_definition", Text),
            ("accepted", Bytes),
            ("first_seen_at", Integer),
            ("changed_at", Integer),
        ],
    },
];
