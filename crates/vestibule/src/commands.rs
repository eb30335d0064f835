//! What the commands of the command line do.

pub mod adopt;
pub mod audit;
pub mod backup;
pub mod check;
pub mod demo;
pub mod init;
pub mod operate;
pub mod person;
pub mod preset;
pub mod reference;
pub mod scan;
pub mod shell;
