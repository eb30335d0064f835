//! Asking a directory who somebody is, by LDAP (RFC 4511).
//!
//! A directory proves a password by a bind as the person's entry, and says in which groups the entry is. What a person
//! typed goes into a filter escaped (RFC 4515 section 3), and never into a name; an empty password is never sent, because a
//! bind without one succeeds as nobody (RFC 4513 section 5.1.2). Where a server refers elsewhere, nobody goes: it would get
//! the password.
//!
//! Whose account that is here, and how often anybody may guess, is the business of others.

pub mod directory;
mod entry;
pub mod filter;
mod groups;
mod session;

pub use directory::{Asked, Attributes, Candidate, Directory, GroupSearch, Proved, Settings};
pub use entry::{Entry, IdOf};
pub use filter::{BadFilter, GroupFilter, UserFilter};
pub use session::DirectoryError;
