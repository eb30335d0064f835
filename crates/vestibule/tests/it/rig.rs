//! What every test needs: a door with an upstream behind it, people, programs that act for them.

pub(crate) mod app;
pub(crate) mod browser;
pub(crate) mod door;
pub(crate) mod process;
pub(crate) mod scripted;
pub(crate) mod wire;

pub(crate) use app::{App, Tokens};
pub(crate) use browser::Browser;
pub(crate) use door::{Door, Plan};
pub(crate) use wire::{Ask, Reply};

/// The password of everybody.
pub(crate) const PASSWORD: &str = "correct horse battery staple";
