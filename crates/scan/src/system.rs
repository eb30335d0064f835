//! What a system says of a file in its own way: which one it is, whose, and who may read it.

#[cfg_attr(unix, path = "system/unix.rs")]
#[cfg_attr(windows, path = "system/windows.rs")]
mod own;

pub(crate) use own::{Identity, identity, mode, open, owner};
