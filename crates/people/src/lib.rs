//! People: accounts, ways to sign in, groups and browser sessions.
//!
//! Knows nothing of OAuth clients. That a disabled account ends its grants happens in the store's one
//! transaction and reaches the issuer as a change.

pub mod accounts;
pub mod admission;
pub mod company;
pub mod company_directory;
pub mod company_logout;
pub mod directory;
pub mod directory_link;
pub mod directory_password;
pub mod factors;
pub mod guessing;
pub mod identities;
pub mod ldap_password;
pub mod limits;
pub mod passkeys;
pub mod passwords;
pub mod provider_grants;
pub mod readings;
pub mod recovery;
pub mod second_factor;
pub mod service_password;
pub mod sessions;
pub mod sign_in;
pub mod step_up;
pub mod totp;
pub mod ways;

pub use accounts::{Accounts, Invite};
pub use company::{Company, CompanyError, Refusal};
pub use company_directory::{CompanyDirectory, Means};
pub use directory::Directory;
pub use factors::{FactorError, Factors};
pub use identities::{Identities, Newcomer};
pub use passwords::Passwords;
pub use provider_grants::ProviderGrants;
pub use readings::{NotUpheld, Readings, Seen};
pub use second_factor::{First, Step};
pub use sessions::{SessionPolicy, Sessions, SignedIn};
pub use sign_in::{SignIn, SignInError};
pub use ways::{Provider, Ways, WaysIn};
