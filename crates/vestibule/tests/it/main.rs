//! The whole program over real sockets, with a clock that tests move, on both databases.
//!
//! What the official clients, the conformance suite and a real browser show is in `e2e`; here is what they do
//! not ask: every refusal, every race, every death of the process.
#![expect(clippy::disallowed_methods, reason = "tests run the process's own world")]
#![expect(
    clippy::inconsistent_struct_constructor,
    clippy::needless_pass_by_value,
    clippy::too_many_lines,
    reason = "a test reads from top to bottom, and nobody pays for it but the test"
)]

#[cfg(test)]
mod rig;

#[cfg(test)]
mod adopt;
#[cfg(test)]
mod adopt_revoke;
#[cfg(test)]
mod apis;
#[cfg(test)]
mod at_once;
#[cfg(test)]
mod audit;
#[cfg(test)]
mod audit_arguments;
#[cfg(test)]
mod audit_away;
#[cfg(test)]
mod audit_names;
#[cfg(test)]
mod benchmark;
#[cfg(test)]
mod bridge;
#[cfg(test)]
mod clean_up;
#[cfg(test)]
mod command_line;
#[cfg(test)]
mod company_sign_in;
#[cfg(test)]
mod connections;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod device;
#[cfg(test)]
mod directory_link;
#[cfg(test)]
mod directory_refresh;
#[cfg(test)]
mod directory_sign_in;
#[cfg(test)]
mod discovery;
#[cfg(test)]
mod explaining;
#[cfg(test)]
mod factors;
#[cfg(test)]
mod gateway;
#[cfg(test)]
mod github_sign_in;
#[cfg(test)]
mod installing;
#[cfg(test)]
mod journey;
#[cfg(test)]
mod kube;
mod logout;
#[cfg(test)]
mod master_key_command;
#[cfg(test)]
mod operating;
#[cfg(test)]
mod quiet;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod replicas;
#[cfg(test)]
mod scan;
#[cfg(test)]
mod service_refresh;
#[cfg(test)]
mod service_sign_in;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod telemetry;
#[cfg(test)]
mod tokens;
#[cfg(test)]
mod transport;
#[cfg(test)]
mod trying;
#[cfg(test)]
mod windows;
