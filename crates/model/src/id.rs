//! Identifiers, one type each, so that a grant's id can never be passed where an account's is meant.
//!
//! All are UUID version 7 (RFC 9562 section 5.7): they sort by creation and are unguessable only in part,
//! so none of them is ever a credential.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::time::Timestamp;

/// What every id can do: be made from a fresh UUID and be read back from storage.
pub trait Id: Copy + Sized {
    /// Wraps a UUID that [`crate::World::new_id`] made or the store returned.
    fn from_uuid(uuid: Uuid) -> Self;
    /// The UUID for storage.
    fn uuid(self) -> Uuid;
    /// When it was made, to the millisecond: a UUID version 7 begins with it.
    fn made_at(self) -> Timestamp {
        let millis = self.uuid().as_u128() >> 80;
        Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
    }
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl Id for $name {
            fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }
            fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::try_parse(text).map(Self)
            }
        }
    )*};
}

ids! {
    /// A person's account; the `sub` of every token issued for them.
    AccountId;
    /// One approval by one person for one client: the unit that is refreshed, listed and revoked (DEC-2).
    GrantId;
    /// One signed-in browser.
    SessionId;
    /// One authorization request on its way through sign-in and consent.
    TransactionId;
    /// One request of a program without a browser (RFC 8628), named so in pages and changes; its codes are secrets.
    DeviceId;
    /// One access token, its `jti` (RFC 7519 section 4.1.7).
    TokenId;
    /// One service token, named so in lists and records; the token itself is a secret.
    ServiceTokenId;
    /// One passkey of a person.
    PasskeyId;
    /// One event of the audit record; also the reference id that errors show.
    EventId;
}
