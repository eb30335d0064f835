//! The page that somebody goes on to who signed in; besides these there is only home (OS-45).
//!
//! What is carried along is the query of that page and never an address.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::FromRequestParts;
use http::request::Parts;
use model::Demand;
use protocol::Params;
use protocol::metadata::paths;
use store::AccountView;

use crate::router::Web;
use crate::{connecting, step_up};

/// The page that comes after signing in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Onward {
    /// The authorization endpoint.
    Authorization,
    /// What a program may do.
    Scopes,
    /// The person's own account.
    Account,
    /// Connecting an account at a provider.
    Connect,
    /// What the person has connected.
    Connections,
    /// Programs that may act for them.
    Apps,
    /// Where they are signed in.
    Sessions,
    /// The code of a program without a browser.
    Device,
}

impl Onward {
    /// All of them.
    pub(crate) const ALL: [Self; 8] = [
        Self::Authorization,
        Self::Scopes,
        Self::Account,
        Self::Connect,
        Self::Connections,
        Self::Apps,
        Self::Sessions,
        Self::Device,
    ];

    /// Where its sign-in form is, and goes.
    pub(crate) const fn sign_in(self) -> &'static str {
        match self {
            Self::Authorization => "/sign-in",
            Self::Scopes => "/sign-in/scopes",
            Self::Account => "/sign-in/account",
            Self::Connect => "/sign-in/connect",
            Self::Connections => "/sign-in/connections",
            Self::Apps => "/sign-in/apps",
            Self::Sessions => "/sign-in/sessions",
            Self::Device => "/sign-in/device",
        }
    }

    /// The sign-in form for a page that was asked for with this query.
    pub(crate) fn form(self, query: &str) -> String {
        with_query(self.sign_in(), query)
    }

    /// The page itself; home if nothing was asked for.
    pub(crate) fn target(self, query: &str) -> String {
        match self {
            Self::Account => "/account".to_owned(),
            Self::Connections => "/connections".to_owned(),
            Self::Apps => "/apps".to_owned(),
            Self::Sessions => "/sessions".to_owned(),
            Self::Device => with_query(paths::DEVICE, query),
            _ if query.is_empty() => "/".to_owned(),
            Self::Authorization => with_query(paths::AUTHORIZE, query),
            Self::Scopes => with_query(step_up::PAGE, query),
            Self::Connect => with_query(connecting::PAGE, query),
        }
    }

    /// Its name where a sign-in is kept that is under way.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Authorization => "authorization",
            Self::Scopes => "scopes",
            Self::Account => "account",
            Self::Connect => "connect",
            Self::Connections => "connections",
            Self::Apps => "apps",
            Self::Sessions => "sessions",
            Self::Device => "device",
        }
    }

    /// By its name.
    pub(crate) fn named(name: &str) -> Self {
        let named = |onward: &Self| onward.name() == name;
        Self::ALL.into_iter().find(named).unwrap_or(Self::Authorization)
    }

    /// How sure it must be who somebody is, and how new the proof: what the program that asks wants, the server that it is
    /// for, and the groups of the person, as far as it is known who they are.
    pub(crate) fn wanted(self, web: &Web, query: &str, person: Option<&AccountView>) -> Demand {
        if self != Self::Authorization {
            return Demand::default();
        }
        let params = Params::parse(query.as_bytes()).unwrap_or_default();
        let max_age = self.wanted_proof(query).1;
        let of_program = Demand {
            max_age,
            ..Demand::default()
        };
        of_program.and(web.parts.server.wanted(&params, person))
    }

    /// What the program that asks wants of the proof (OpenID Connect Core section 3.1.2.1): whether it has to be made
    /// anew, and how old it may be, which is no age at all for one that is made anew.
    pub(crate) fn wanted_proof(self, query: &str) -> (bool, Option<Duration>) {
        if self != Self::Authorization {
            return (false, None);
        }
        let params = Params::parse(query.as_bytes()).unwrap_or_default();
        let one = |name: &str| params.one(name).ok().flatten();
        let prompt = one("prompt").unwrap_or_default();
        let again = prompt.split_ascii_whitespace().any(|word| word == "login");
        if again {
            return (true, Some(Duration::ZERO));
        }
        let max_age = one("max_age").and_then(|text| text.parse::<u32>().ok());
        (false, max_age.map(|seconds| Duration::from_secs(seconds.into())))
    }
}

/// By the address that the form went to.
impl<S: Send + Sync> FromRequestParts<S> for Onward {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let path = parts.uri.path();
        let found = Self::ALL.into_iter().find(|onward| onward.sign_in() == path);
        Ok(found.unwrap_or(Self::Authorization))
    }
}

/// An address with this query.
pub(crate) fn with_query(path: &str, query: &str) -> String {
    let separator = if query.is_empty() { "" } else { "?" };
    format!("{path}{separator}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// OS-32: what the program wants of the proof is wanted of the provider.
    #[test]
    fn what_the_program_wants_of_the_proof_goes_along() {
        let wanted = |query: &str| Onward::Authorization.wanted_proof(query);
        assert_eq!(wanted(""), (false, None));
        assert_eq!(
            wanted("max_age=60&prompt=consent%20login"),
            (true, Some(Duration::ZERO))
        );
        assert_eq!(
            wanted("max_age=60&prompt=consent"),
            (false, Some(Duration::from_mins(1)))
        );
        assert_eq!(wanted("max_age=soon"), (false, None));
        assert_eq!(Onward::Scopes.wanted_proof("prompt=login"), (false, None));
    }

    /// OS-45: whatever the query is, the page is ours.
    #[test]
    fn the_way_on_is_a_page_of_ours() {
        for query in ["", "//evil.example", "next=https://evil.example", "@evil.example"] {
            for onward in Onward::ALL {
                let target = onward.target(query);
                let path = target.split('?').next().unwrap();
                assert!(
                    [
                        "/",
                        "/account",
                        "/connections",
                        "/apps",
                        "/sessions",
                        paths::DEVICE,
                        paths::AUTHORIZE,
                        step_up::PAGE,
                        connecting::PAGE
                    ]
                    .contains(&path),
                    "{target}"
                );
                assert_eq!(Onward::named(onward.name()), onward);
            }
        }
    }
}
