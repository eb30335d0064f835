//! The documents of clients, at a door that is known by an address at which nobody can reach it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use issuer::documents::Fetch;
use net::strangers::{FetchError, Fetched};
use url::Url;

use super::Ask;

/// Everything is fetched from this door, by the name that it is asked by.
#[derive(Debug, Default)]
pub(crate) struct DocumentsOf {
    door: Mutex<Option<SocketAddr>>,
}

impl DocumentsOf {
    /// Of none yet.
    pub(crate) fn nobody() -> Arc<Self> {
        Arc::default()
    }

    /// From now on this one's.
    pub(crate) fn are_of(&self, door: SocketAddr) {
        *self.door.lock().unwrap() = Some(door);
    }
}

#[async_trait]
impl Fetch for DocumentsOf {
    async fn fetch(&self, url: &Url) -> Result<Fetched, FetchError> {
        let door = *self.door.lock().unwrap();
        let door = door.ok_or_else(|| FetchError::Connect("nobody".to_owned()))?;
        let reply = Ask::get(url.path()).with("host", url.authority()).to(door).await;
        if reply.status != 200 {
            let status = http::StatusCode::from_u16(reply.status).unwrap();
            return Err(FetchError::Status(status));
        }
        Ok(Fetched {
            headers: reply.headers,
            body: reply.body.into(),
        })
    }
}
