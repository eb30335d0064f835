//! The binary: command line, configuration, and all rooms wired together.
//!
//! | file | its business |
//! | --- | --- |
//! | [`config`] | what `vestibule.yaml` and the environment say |
//! | [`compose`] | from that to what the rooms decide by |
//! | [`presets`] | what is known of providers and MCP servers |
//! | [`house`] | all rooms, opened in order |
//! | [`door`] | the first step of every request |
//! | [`serve`] | listener, signals, drain |
//! | [`scheduled`], [`reload`] | what happens without being asked |
//! | [`control`], [`operator`] | operators' commands |
//! | [`system`] | what each system does in its own way |
//! | [`cli`], [`commands`] | what can be typed |

pub mod archive;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod compose;
pub mod config;
pub mod control;
pub mod door;
pub mod first_administrator;
pub mod health;
pub mod house;
pub mod master_key;
pub mod metrics;
pub mod operator;
pub mod outgoing;
pub mod output;
pub mod presets;
pub use keys::private_file;
pub mod reload;
pub mod scheduled;
pub mod secret_prompt;
pub mod serve;
pub mod storage;
pub mod system;
pub mod telemetry;
