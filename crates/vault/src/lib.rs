//! Upstream credentials: what the door shows to the servers behind it, and nobody else sees.
//!
//! Two kinds. The shared static credential of an upstream ([`shared`]): headers from templates, with values from files
//! or the environment. And [`connections`]: what one person linked at a provider, sealed, shown upstream in that
//! person's calls alone ([`recipe`]).
//!
//! Nothing here answers with a credential: it goes from its owner's form, or the provider, into an envelope, and from
//! there into the headers of one outgoing request (MA-59, MA-61).

pub mod connections;
pub mod connector;
pub mod credential;
pub mod ending;
pub mod guarded_server;
pub mod journey;
pub mod link;
pub mod linking;
pub mod recipe;
pub mod renewal;
pub mod shared;
pub mod template;
pub mod upstream_client;
pub mod who_am_i;

pub use connections::{Connections, Held};
pub use connector::{Connector, Connectors, Match, OAuth, PersonalToken, Provider, Registering, Who};
pub use credential::Credential;
pub use ending::Checked;
pub use guarded_server::{Guard, GuardedServer};
pub use journey::{Back, LeaveError, Leaving};
pub use link::LinkError;
pub use linking::{ConnectError, Owner};
pub use recipe::Recipe;
pub use renewal::Renewal;
pub use shared::{SharedCredential, SharedError};
pub use template::{Prepared, Template, TemplateError};
pub use who_am_i::{Pointer, UpstreamAccount, WhoAmI, WhoError, Whose};
