//! The whole program over real sockets, with a clock that tests move, on both databases.
//!
//! What the official clients, the conformance suite and a real browser show is in `e2e`; here is what they do
//! not ask: every refusal, every race, every death of the process.
#![expect(clippy::disallowed_methods, reason = "tests run the process's own world")]

#[cfg(test)]
mod rig;

#[cfg(test)]
mod at_once;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod gateway;
#[cfg(test)]
mod journey;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod replicas;
