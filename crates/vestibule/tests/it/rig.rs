//! What every test needs: a door with an upstream behind it, people, programs that act for them.

pub(crate) mod accounts;
pub(crate) mod app;
pub(crate) mod authenticator;
pub(crate) mod browser;
mod clients_there;
pub(crate) mod connect_proxy;
pub(crate) mod credential_service;
pub(crate) mod documents;
pub(crate) mod door;
pub(crate) mod foreign;
pub(crate) mod github;
pub(crate) mod guarded;
pub(crate) mod machine;
pub(crate) mod process;
pub(crate) mod provider;
pub(crate) mod scripted;
pub(crate) mod slapd;
pub(crate) mod tls;
pub(crate) mod wire;

pub(crate) use app::{App, Tokens};
pub(crate) use browser::Browser;
pub(crate) use door::{Door, Plan};
pub(crate) use wire::{Ask, Reply};

/// The password of everybody.
pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// Looks again and again for what comes a moment after the answer that it follows from: what is written behind a call,
/// or told to another task.
pub(crate) async fn eventually<T>(mut look: impl AsyncFnMut() -> Result<T, String>) -> T {
    let mut said = String::new();
    for _ in 0..2000 {
        match look().await {
            Ok(found) => return found,
            Err(not_yet) => said = not_yet,
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("it never came: {said}");
}
