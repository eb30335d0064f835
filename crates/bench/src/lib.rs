//! What `cargo xtask bench` measures with. Not part of the product, and published nowhere.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`upstream`] | an MCP server that answers as quickly as hyper can |
//! | [`bare`] | a proxy that only copies: the yardstick |
//! | [`house`] | the configuration of the door that is measured |
//! | [`people`] | persons who sign in through the real pages, and hold tokens |
//! | [`bad`] | six tokens that must be turned away, each wrong in one way |
//! | [`streams`], [`first_byte`], [`token_endpoint`] | load that wrk cannot make |

pub mod bad;
pub mod bare;
pub mod calls;
pub mod first_byte;
pub mod house;
pub mod http_client;
pub mod listener;
pub mod people;
pub mod streams;
pub mod token_endpoint;
pub mod upstream;
