//! What each system does in its own way: the signals that end a process, the socket between two of them, whose one is.
//!
//! On Windows the command line of people runs, and the server does not; what the server alone needs says there that it is
//! not there.

#[cfg_attr(unix, path = "system/unix.rs")]
#[cfg_attr(windows, path = "system/windows.rs")]
mod own;

pub use own::{
    HangUp, Listener, Stream, Told, apart, can_write, connect, end_group, is_open_folder, listen, own_name,
    owner_of, page_size, ticks_per_second,
};
