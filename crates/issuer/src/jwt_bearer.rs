//! The JWT bearer grant for workloads (RFC 7523 section 2.1, OS-80 to OS-83, MA-193 to MA-195): a CI job or a pod shows what
//! its platform says of it, and holds no secret of ours at all.

use audit::{Issue, Person, What};
use model::ClientId;
use net::address::network_of;
use protocol::jwt::Compact;
use protocol::metadata::paths;
use protocol::{ErrorCode, OAuthError, Params};
use relying::{BadForeignToken, ForeignAccess};
use serde_json::Value;

use crate::code::single;
use crate::issue::{Holder, IssueError, TokenResponse};
use crate::machine::Workload;
use crate::server::AuthorizationServer;

/// What the ids begin with under which rules and records know workloads; no client can have one.
pub const PREFIX: &str = "workload:";

impl AuthorizationServer {
    /// Gives a workload a token for the account that the configuration says it acts as. No client is needed.
    ///
    /// # Errors
    /// Nobody trusted says who it is, or it is none that is known: `invalid_grant`.
    pub async fn jwt_bearer(&self, form: &Params, person: &Person) -> Result<TokenResponse, IssueError> {
        if self.settings().machines.workloads.is_empty() {
            let text = "this grant type is not offered here";
            return Err(OAuthError::new(ErrorCode::UnsupportedGrantType, text).into());
        }
        let assertion = single(form, "assertion")?;
        let assertion = assertion.ok_or_else(|| OAuthError::invalid_request("assertion is missing"))?;
        match self.workload(assertion).await {
            Ok((workload, id)) => {
                let machine = &workload.machine;
                self.issue_to_machine(machine, Holder::Workload(&id), form, Issue::JwtBearer, person)
                    .await
            }
            Err(error) => {
                // A platform that cannot be asked costs as much as a refusal.
                let network = person.address.map(network_of);
                if let Some(Err(wait)) = network.map(|network| self.code_failures.take(&network)) {
                    return Err(IssueError::TooMany(wait));
                }
                if !matches!(error, IssueError::Refused(_)) {
                    return Err(error);
                }
                let what = What::GrantRefused {
                    client: PREFIX.parse().map_err(|_| refused("no workload"))?,
                    grant: None,
                    reason: error.to_string(),
                };
                self.recorder.record(what, person.clone());
                Err(error)
            }
        }
    }

    /// Which workload an assertion is of, and the id under which it is known.
    async fn workload(&self, assertion: &str) -> Result<(Workload, ClientId), IssueError> {
        let claims = Compact::parse(assertion)
            .ok()
            .and_then(|compact| keys::jws::claims::<Value>(&compact))
            .ok_or_else(|| refused("the assertion is no signed token"))?;
        // What nobody vouches for is not looked at any further; which issuers are trusted is told to nobody (MA-169).
        let of_issuer: Vec<_> = self
            .settings()
            .machines
            .workloads
            .iter()
            .filter(|workload| claims["iss"] == *workload.issuer.trust.issuer)
            .cloned()
            .collect();
        let mut trouble = None;
        for workload in of_issuer {
            let access = match workload.issuer.verify(assertion, self.world.now()).await {
                Ok(access) => access,
                Err(BadForeignToken::Unavailable) => {
                    return Err(IssueError::Unavailable(BadForeignToken::Unavailable.to_string()));
                }
                Err(error) => {
                    trouble = Some(error.to_string());
                    continue;
                }
            };
            if !self.is_for_us(&workload, &access) {
                trouble = Some("the assertion is for somebody else: its aud is not this issuer".to_owned());
            } else if workload.fits(&access, &claims) {
                let id = workload.id().ok_or_else(|| refused("no workload"))?;
                return Ok((workload, id));
            } else {
                trouble = Some("no workload that is known has this sub and these claims".to_owned());
            }
        }
        let trouble = trouble.unwrap_or_else(|| "the issuer of the assertion is not trusted".to_owned());
        Err(refused(&trouble))
    }

    /// MA-194: the issuer or its token endpoint, byte for byte, or what the operator says.
    fn is_for_us(&self, workload: &Workload, access: &ForeignAccess) -> bool {
        let issuer = &self.settings().issuer;
        access.audiences.iter().any(|audience| {
            *audience == issuer.as_str()
                || *audience == issuer.endpoint(paths::TOKEN)
                || workload.audience.as_ref() == Some(audience)
        })
    }
}

impl Workload {
    /// Under which id rules and records know it.
    pub(crate) fn id(&self) -> Option<ClientId> {
        format!("{PREFIX}{}", self.name).parse().ok()
    }

    fn fits(&self, access: &ForeignAccess, claims: &Value) -> bool {
        let says = |(path, pattern): &(relying::ClaimPath, crate::SubjectPattern)| {
            let said = path.of(claims).and_then(Value::as_str);
            said.is_some_and(|said| pattern.fits(said))
        };
        self.subjects.iter().any(|pattern| pattern.fits(&access.subject)) && self.claims.iter().all(says)
    }
}

fn refused(text: &str) -> IssueError {
    OAuthError::invalid_grant(text).into()
}
