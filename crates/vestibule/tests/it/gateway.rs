//! What goes through the gateway, what does not, and for how long.

mod catalogue;
mod egress;
mod framing;
mod gone;
mod master_keys;
mod matrix;
mod passing;
mod policy;
mod quotas;
mod remembered;
mod scopes;
mod sessions;
mod streams;
mod taken_back;
mod tasks;
mod trouble;
