//! From columns to types: everything that is read is parsed, nothing is assumed.

use std::fmt::Display;
use std::str::FromStr;

use model::id::Id;
use store::{Result, StoreError};
use uuid::Uuid;

/// A name, a state, a number kept as text.
pub(crate) fn parse<T: FromStr<Err: Display>>(what: &'static str, text: &str) -> Result<T> {
    text.parse()
        .map_err(|error: T::Err| StoreError::corrupt(what, error))
}

/// A structure kept as JSON.
pub(crate) fn json<T: serde::de::DeserializeOwned>(what: &'static str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| StoreError::corrupt(what, error))
}

/// A structure to be kept as JSON.
pub(crate) fn to_json<T: serde::Serialize>(what: &'static str, value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| StoreError::corrupt(what, error))
}

/// An id.
pub(crate) fn id<I: Id>(uuid: Uuid) -> I {
    I::from_uuid(uuid)
}

/// A SHA-256.
pub(crate) fn digest(what: &'static str, bytes: Vec<u8>) -> Result<[u8; 32]> {
    bytes
        .try_into()
        .map_err(|_| StoreError::corrupt(what, "not 32 bytes"))
}

/// A SHA-256 that may be missing.
pub(crate) fn digest_option(what: &'static str, bytes: Option<Vec<u8>>) -> Result<Option<[u8; 32]>> {
    bytes.map(|bytes| digest(what, bytes)).transpose()
}

/// A failed statement.
#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
pub(crate) fn failed(error: sqlx::Error) -> StoreError {
    StoreError::Unavailable(error.to_string())
}
