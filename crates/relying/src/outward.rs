//! Calling out to whoever is relied on: where the operator said, or where a server of the operator's sends us.
//!
//! A server names its authorization server, and that one its endpoints: strangers' words. They are followed to public
//! addresses alone, over https, so that nobody has us ask what stands inside the company (MA-89, MA-147). What the operator
//! wrote is reached wherever it is; and a server on this machine may name what is on this machine, as on a laptop.

use http::{Request, Uri};
use net::operators::{Answer, CallError};
use net::{Body, Operators, Strangers};
use protocol::Origin;
use url::Url;

/// Whoever sends a request and gets an answer.
pub trait Outward: Sync {
    /// Sends a request; the answer's body streams.
    fn call(&self, request: Request<Body>) -> impl Future<Output = Result<Answer, CallError>> + Send;
}

impl Outward for Operators {
    fn call(&self, request: Request<Body>) -> impl Future<Output = Result<Answer, CallError>> + Send {
        Operators::call(self, request)
    }
}

/// The way to an authorization server.
#[derive(Clone, Debug)]
pub enum Way {
    /// The operator named it, and is answerable for what it names.
    Operators(Box<Operators>),
    /// A server of the operator's named it.
    Named(Box<Named>),
}

/// The way to what a server of the operator's names.
#[derive(Clone, Debug)]
pub struct Named {
    /// What the operator wrote: the server, and its issuer where that was written too.
    pub written: Vec<Origin>,
    /// The way there.
    pub operators: Operators,
    /// The way everywhere else.
    pub strangers: Strangers,
}

impl Named {
    fn is_written(&self, to: &Uri) -> bool {
        let to = Url::parse(&to.to_string()).ok();
        let Some(to) = to.and_then(|to| Origin::of(&to)) else {
            return false;
        };
        let is_near = |written: &Origin| written.is_loopback() && to.is_loopback();
        self.written
            .iter()
            .any(|written| *written == to || is_near(written))
    }
}

impl From<Operators> for Way {
    fn from(operators: Operators) -> Self {
        Self::Operators(Box::new(operators))
    }
}

impl Outward for Way {
    async fn call(&self, request: Request<Body>) -> Result<Answer, CallError> {
        match self {
            Self::Operators(operators) => operators.call(request).await,
            Self::Named(named) if named.is_written(request.uri()) => named.operators.call(request).await,
            Self::Named(named) => named.strangers.call(request).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use net::Egress;
    use net::strangers::FetchRules;

    #[test]
    fn ma_147_strangers_words_lead_to_what_the_operator_wrote_or_to_public_addresses() {
        let written_by = |written: &[&str]| Named {
            written: written
                .iter()
                .map(|url| Origin::of(&Url::parse(url).unwrap()).unwrap())
                .collect(),
            operators: Operators::new(&Egress::default()).unwrap(),
            strangers: Strangers::new(FetchRules::default()).unwrap(),
        };
        let is = |written: &[&str], to: &str| written_by(written).is_written(&to.parse().unwrap());
        let far = ["https://mcp.example/mcp", "https://id.internal:8443/realms/x"];
        assert!(is(
            &far,
            "https://mcp.example/.well-known/oauth-protected-resource"
        ));
        assert!(is(&far, "https://id.internal:8443/token"));
        for to in [
            "https://id.internal/token",
            "http://mcp.example/token",
            "https://other.internal/token",
            "http://127.0.0.1:8001/token",
            "https://localhost/token",
        ] {
            assert!(!is(&far, to), "{to}");
        }
        let near = ["http://127.0.0.1:8000/mcp"];
        assert!(is(&near, "http://127.0.0.1:9000/token"));
        assert!(!is(&near, "http://10.0.0.1:9000/token"));
    }
}
