//! The parameters of an authorization request, each checked by its own few lines.

use std::collections::BTreeSet;
use std::time::Duration;

use model::{Assurance, Demand};
use protocol::params::ParamsError;
use protocol::pkce::CodeChallenge;
use protocol::{ErrorCode, OAuthError, Params, Scopes, resource, scope};
use store::{AccountView, Client};

use super::Validated;
use crate::clients::{ClientFace, Vouching};
use crate::server::AuthorizationServer;
use crate::settings::{Settings, Target};
use crate::step_up::client_may_have;

/// A request whose parameters are all in order.
#[derive(Clone, Debug)]
pub(crate) struct AuthorizationRequest {
    /// None where no code comes of it.
    pub(crate) challenge: Option<CodeChallenge>,
    /// What it is for; none if it does not say.
    pub(crate) target: Option<Target>,
    pub(crate) scopes: Scopes,
    pub(crate) nonce: Option<String>,
    pub(crate) prompt: Prompt,
    /// What the program demands of the proof.
    pub(crate) demand: Demand,
    pub(crate) login_hint: Option<String>,
}

/// `prompt` (OpenID Connect Core section 3.1.2.1). Unknown values are ignored (CC-53).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Prompt {
    pub(crate) none: bool,
    pub(crate) login: bool,
    pub(crate) consent: bool,
}

impl AuthorizationServer {
    /// Checks all parameters but `client_id` and `redirect_uri`.
    pub(crate) fn check_request(
        &self,
        validated: &Validated,
        params: &Params,
    ) -> Result<AuthorizationRequest, OAuthError> {
        let one = |name: &str| {
            params
                .one(name)
                .map_err(|error: ParamsError| OAuthError::invalid_request(error.to_string()))
        };
        refuse_unsupported(params)?;
        response_type(one("response_type")?)?;
        response_mode(one("response_mode")?)?;
        let challenge = CodeChallenge::parse(one("code_challenge")?, one("code_challenge_method")?)
            .map_err(|error| OAuthError::invalid_request(error.to_string()))?;
        let (target, scopes) = self.check_scope((&validated.client, &validated.face), params)?;
        Ok(AuthorizationRequest {
            challenge: Some(challenge),
            scopes,
            target,
            nonce: one("nonce")?
                .filter(|nonce| nonce.len() <= 1024)
                .map(str::to_owned),
            prompt: prompt(one("prompt")?)?,
            demand: Demand {
                assurance: least_class(one("acr_values")?),
                max_age: one("max_age")?
                    .and_then(|text| text.parse().ok())
                    .map(Duration::from_secs),
            },
            login_hint: one("login_hint")?.map(|hint| hint.chars().take(100).collect()),
        })
    }

    /// What is asked for and can be granted, whatever the grant type.
    pub(crate) fn check_scope(
        &self,
        client: (&Client, &ClientFace),
        params: &Params,
    ) -> Result<(Option<Target>, Scopes), OAuthError> {
        let asked = params
            .one("scope")
            .map_err(|error| OAuthError::invalid_request(error.to_string()))?;
        let asked = Scopes::parse(asked.unwrap_or_default());
        let target = self.target(params, &asked)?;
        within_ceiling(&self.settings(), client, target, &asked)
    }

    /// What will be demanded of the proof, for asking a provider at once for what is needed: the class that the program asks
    /// for, and what the servers demand that it can be for. Of somebody who is not known yet that is what is demanded of
    /// everybody; what their groups add is asked for once they are.
    pub fn wanted(&self, params: &Params, person: Option<&AccountView>) -> Demand {
        if params.has(super::device::PARAMETER) {
            // What it is for is not in the address; whoever is signed in already is asked for the rest.
            return Demand::default();
        }
        let one = |name: &str| params.one(name).ok().flatten();
        let of_program = Demand {
            assurance: least_class(one("acr_values")),
            max_age: None,
        };
        let settings = self.settings();
        let scopes = Scopes::parse(one("scope").unwrap_or_default());
        let named = self.target(params, &scopes).ok().flatten();
        let only = match settings.resources.as_slice() {
            [only] => Some(&only.name),
            _ => None,
        };
        let default = settings.default_server.as_ref().or(only);
        let targets = match (named, person) {
            (Some(target), _) => vec![target],
            (None, Some(person)) => settings.choice(person),
            (None, None) => default.cloned().map(Target::Server).into_iter().collect(),
        };
        let demands = targets.iter().map(|target| match (person, target) {
            (Some(person), target) => settings.demand(target, person, true),
            (None, Target::Server(name)) => settings
                .resource(name)
                .map(|resource| resource.require.of(&[], true))
                .unwrap_or_default(),
            (None, Target::UserInfo) => settings.require.of(&[], true),
        });
        demands.fold(of_program, Demand::and)
    }

    /// `resource`: every spelling folded, equal ones collapsed; the origin or a parent path says nothing
    /// (DEC-10, DEC-11). A request that asks who the person is and for no server is for userinfo alone.
    fn target(&self, params: &Params, asked: &Scopes) -> Result<Option<Target>, OAuthError> {
        let targets = self.fold_resources(params.all("resource"))?;
        match targets.len() {
            0 if params.all("resource").next().is_none()
                && asked.contains(scope::OPENID)
                && !asked.contains(scope::MCP) =>
            {
                Ok(Some(Target::UserInfo))
            }
            0 => Ok(None),
            1 => Ok(targets.into_iter().next().map(Target::Server)),
            _ => Err(OAuthError::invalid_target(
                "a token is for one server; send one resource",
            )),
        }
    }

    /// The servers that these resources name. The origin and parent paths name none.
    pub(crate) fn fold_resources<'a>(
        &self,
        resources: impl Iterator<Item = &'a str>,
    ) -> Result<BTreeSet<model::ServerName>, OAuthError> {
        let settings = self.settings();
        let mut servers = BTreeSet::new();
        for named in resources {
            let path = resource::canonical_path(named, &settings.origins)
                .map_err(|error| OAuthError::invalid_target(error.to_string()))?;
            match path.as_str() {
                "" | "/mcp" | "/api" => {}
                path => {
                    let name = ["/mcp/", "/api/"]
                        .iter()
                        .find_map(|before| path.strip_prefix(before));
                    let name: Option<model::ServerName> = name.and_then(|name| name.parse().ok());
                    // A plain HTTP API is not an MCP server of the same name.
                    let known = name.filter(|name| {
                        let known = settings.resource(name);
                        known.is_some_and(|known| known.uri.ends_with(path))
                    });
                    let unknown = || OAuthError::invalid_target(format!("there is no server at {path}"));
                    servers.insert(known.ok_or_else(unknown)?);
                }
            }
        }
        Ok(servers)
    }
}

/// Answered precisely, as OpenID Connect Core section 6 asks (OS-34).
fn refuse_unsupported(params: &Params) -> Result<(), OAuthError> {
    let unsupported = [
        ("request", ErrorCode::RequestNotSupported),
        ("request_uri", ErrorCode::RequestUriNotSupported),
        ("registration", ErrorCode::RegistrationNotSupported),
    ];
    match unsupported.into_iter().find(|(name, _)| params.has(name)) {
        Some((name, code)) => Err(OAuthError::new(
            code,
            format!("the {name} parameter is not supported"),
        )),
        None => Ok(()),
    }
}

/// OS-23.
fn response_type(value: Option<&str>) -> Result<(), OAuthError> {
    match value {
        Some("code") => Ok(()),
        None => Err(OAuthError::invalid_request(
            "response_type is missing; send response_type=code",
        )),
        Some(_) => Err(OAuthError::new(
            ErrorCode::UnsupportedResponseType,
            "only response_type=code is supported",
        )),
    }
}

fn response_mode(value: Option<&str>) -> Result<(), OAuthError> {
    match value {
        None | Some("query") => Ok(()),
        Some(_) => Err(OAuthError::invalid_request(
            "only response_mode=query is supported",
        )),
    }
}

/// OS-32: `none` stands alone.
fn prompt(value: Option<&str>) -> Result<Prompt, OAuthError> {
    let mut prompt = Prompt::default();
    let mut others = false;
    for word in value.unwrap_or_default().split_ascii_whitespace() {
        match word {
            "none" => prompt.none = true,
            "login" => (prompt.login, others) = (true, true),
            "consent" | "select_account" => (prompt.consent, others) = (true, true),
            _ => {}
        }
    }
    if prompt.none && others {
        return Err(OAuthError::invalid_request("prompt=none cannot be combined"));
    }
    Ok(prompt)
}

/// `acr_values`: any of them is enough, so the weakest is what is needed. Those that we do not know ask for nothing: others
/// have names of their own, and programs send them to everybody (OpenID Connect Core section 3.1.2.1).
fn least_class(values: Option<&str>) -> Assurance {
    let known = values
        .unwrap_or_default()
        .split_ascii_whitespace()
        .map(|value| Assurance::of_acr(Some(value)));
    known
        .filter(|class| class.acr().is_some())
        .min()
        .unwrap_or_default()
}

/// What a client may have at most. An operator's word is a rule: a client that was set up without `mcp`
/// signs people in and reaches no server. What a program says of itself is no more than a wish.
fn within_ceiling(
    settings: &Settings,
    (client, face): (&Client, &ClientFace),
    target: Option<Target>,
    asked: &Scopes,
) -> Result<(Option<Target>, Scopes), OAuthError> {
    let ceiling = client.metadata.scope.as_ref();
    let by_operator = face.vouching == Vouching::Operator;
    let target = match (target, ceiling) {
        (target, Some(ceiling)) if by_operator && !ceiling.contains(scope::MCP) => match target {
            Some(Target::Server(_)) => {
                let text = "this client may not use MCP servers; its configured scope lacks mcp";
                return Err(OAuthError::new(ErrorCode::InvalidScope, text));
            }
            Some(Target::UserInfo) | None => Some(Target::UserInfo),
        },
        (target, _) => target,
    };
    let of_server = |scope: &str| {
        settings.is_server_scope(scope, target.as_ref()) && client_may_have(face, client, scope)
    };
    let scopes = granted_scopes(asked, target.as_ref(), ceiling, of_server);
    if target == Some(Target::UserInfo) && !scopes.contains(scope::OPENID) {
        return Err(OAuthError::new(
            ErrorCode::InvalidScope,
            "this client may only ask for openid",
        ));
    }
    Ok((target, scopes))
}

/// What will be granted: what was asked for, as far as we know it and the client may have it; unknown
/// scopes are dropped, nothing asked means the default (CC-72). Whoever names a server wants to use it,
/// whatever scopes it thought of. `of_server` says which others exist and may be had; whether they are of any use to
/// the person is asked once the person is known.
fn granted_scopes(
    asked: &Scopes,
    target: Option<&Target>,
    ceiling: Option<&Scopes>,
    of_server: impl Fn(&str) -> bool,
) -> Scopes {
    let within = |scope: &str| ceiling.is_none_or(|ceiling| ceiling.contains(scope));
    let granted = asked.filtered(|scope| {
        if scope::KNOWN.contains(&scope) {
            within(scope)
        } else {
            of_server(scope)
        }
    });
    let not_for_users_only = target != Some(&Target::UserInfo);
    if not_for_users_only && !granted.contains(scope::MCP) {
        let with_mcp = format!("{} {granted}", scope::MCP);
        return Scopes::parse(&with_mcp);
    }
    granted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(asked: &str, target: Option<&Target>, ceiling: Option<&str>) -> String {
        let ceiling = ceiling.map(Scopes::parse);
        let of_server = |scope: &str| scope == "dev:admin";
        granted_scopes(&Scopes::parse(asked), target, ceiling.as_ref(), of_server).to_string()
    }

    /// DEC-12.
    #[test]
    fn cc_72_unknown_scopes_are_dropped_and_nothing_means_the_default() {
        assert_eq!(granted("", None, None), "mcp");
        assert_eq!(granted("tool:delete admin", None, None), "mcp");
        assert_eq!(granted("dev:admin dev:x", None, Some("mcp")), "mcp dev:admin");
        assert_eq!(
            granted("openid mcp x offline_access", None, None),
            "openid mcp offline_access"
        );
        assert_eq!(
            granted("openid email profile", None, None),
            "mcp openid email profile"
        );
        assert_eq!(
            granted("openid email", Some(&Target::UserInfo), None),
            "openid email"
        );
        assert_eq!(granted("mcp openid email", None, Some("mcp email")), "mcp email");
    }

    #[test]
    fn os_32_prompt_none_stands_alone() {
        assert!(prompt(Some("none")).unwrap().none);
        assert!(prompt(Some("none login")).is_err());
        assert!(prompt(Some("login consent")).unwrap().login);
        assert_eq!(prompt(Some("create something")).unwrap(), Prompt::default());
    }

    #[test]
    fn os_32_any_of_acr_values_is_enough_and_unknown_ones_ask_for_nothing() {
        for (values, class) in [
            ("", Assurance::OneFactor),
            ("1 urn:example:silver", Assurance::OneFactor),
            ("phr", Assurance::Passkey),
            ("phrh phr 2", Assurance::Passkey),
            ("phr https://refeds.org/profile/mfa", Assurance::TwoFactors),
        ] {
            assert_eq!(least_class(Some(values)), class, "{values}");
        }
    }

    #[test]
    fn os_23_only_code() {
        assert_eq!(response_type(None).unwrap_err().code, ErrorCode::InvalidRequest);
        assert_eq!(
            response_type(Some("token")).unwrap_err().code,
            ErrorCode::UnsupportedResponseType
        );
        assert_eq!(
            response_type(Some("code id_token")).unwrap_err().code,
            ErrorCode::UnsupportedResponseType
        );
    }
}
