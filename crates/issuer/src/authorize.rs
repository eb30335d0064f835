//! The authorization endpoint (OAuth 2.1 section 4.1.1, OpenID Connect Core section 3.1.2).
//!
//! ```text
//! parameters ──▶ client and redirect ──▶ checked request ──▶ person ──▶ target ──▶ consent or code
//!    page            page                  back to client     sign-in     page        page
//! ```
//!
//! Below each step: where its errors go. Nothing is sent to a redirect URI before client and URI are
//! validated (OS-18), and a program that nobody vouches for gets no redirect that the person did not click
//! (OS-31).

use std::time::Duration;

use audit::{Person, What};
use keys::sha256;
use people::SignedIn;
use protocol::client_metadata::document::DocumentUrlError;
use protocol::redirect::Kind;
use protocol::{ErrorCode, OAuthError, Params, RedirectUri};
use store::{Client, StoreError};

use crate::clients::{ClientFace, RedirectProblem, Resolution, Vouching, is_vouched_for};
use crate::consent::Question;
use crate::server::AuthorizationServer;
use crate::settings::{IssFlag, Target};

pub mod device;
pub mod request;
pub mod step_up_authentication;

pub use device::{Requester, Typed};
use request::AuthorizationRequest;
pub use step_up_authentication::StepUp;

/// A sign-in that was asked for counts as fresh for so long.
const FRESH: Duration = Duration::from_mins(10);

/// What is to be done with the browser.
#[derive(Debug)]
pub enum Outcome {
    /// Let the person sign in, then come back with the same query.
    SignIn(SignInNeeded),
    /// Let the person prove more, then come back with the same query.
    StepUp(Box<StepUp>),
    /// Ask the person.
    Ask(Box<Question>),
    /// Send it back to the client.
    Return(Return),
    /// Tell the person that they may not use the server.
    NotAllowed(Box<NotAllowed>),
    /// Tell the person what is wrong; no redirect.
    Refused(Refused),
}

/// A sign-in is needed.
#[derive(Debug)]
pub struct SignInNeeded {
    /// `login_hint`.
    pub username: Option<String>,
    /// Whether the person is signed in but has to prove it again.
    pub again: bool,
}

/// A way back to the client, validated.
#[derive(Clone, Debug)]
pub struct Return {
    /// Where to.
    pub redirect_uri: RedirectUri,
    /// The complete URL.
    pub url: String,
    /// Whether the browser may be sent there without a click.
    pub at_once: bool,
    /// Who is there.
    pub face: ClientFace,
    /// Whether it is a program without a browser: the way back ends on a page of ours.
    pub to_device: bool,
}

/// The person may not use what the client asked for.
#[derive(Debug)]
pub struct NotAllowed {
    /// The server, if one was named.
    pub server: Option<String>,
    /// Whom to ask.
    pub contact: Option<String>,
    /// The way back, with `access_denied`.
    pub back: Return,
}

/// Why nothing goes anywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// `client_id` is missing.
    NoClient,
    /// A parameter that must be single is not, or cannot be read.
    BadParameters(String),
    /// No such client: 400, with how to reset it (CC-54, CC-55).
    UnknownClient {
        /// The id, shortened.
        client_id: String,
        /// The program that it seems to be, by its redirect or its document.
        redirect_uri: Option<String>,
    },
    /// No program without a browser waits for this answer, or not any more.
    NoDevice,
    /// Disabled by an operator.
    DisabledClient(String),
    /// A URL that cannot be a client id.
    BadClientUrl(DocumentUrlError),
    /// Its document cannot be had: 503 (CC-42).
    Unverified {
        /// The client.
        client_id: String,
        /// Why.
        why: String,
    },
    /// Not on the operator's list (CC-48).
    ClientNotAllowed {
        /// The client.
        client_id: String,
        /// Whom to ask.
        contact: Option<String>,
    },
    /// The redirect URI is not a registered one.
    Redirect {
        /// What is wrong with it.
        problem: RedirectProblem,
        /// The client.
        client: String,
    },
}

/// Client and redirect URI are validated: errors may go back from here on.
pub(crate) struct Validated {
    pub(crate) client: Client,
    pub(crate) face: ClientFace,
    pub(crate) redirect_uri: RedirectUri,
    pub(crate) state: Option<String>,
    /// Of a program without a browser: what it is. Its redirect URI is a page of ours then.
    pub(crate) device: Option<Requester>,
}

impl AuthorizationServer {
    /// Judges an authorization request. `query` is the raw query, by which the request is recognised when
    /// it comes again.
    pub async fn authorize(
        &self,
        params: &Params,
        query: &str,
        browser: Option<&SignedIn>,
        person: &Person,
    ) -> Result<Outcome, StoreError> {
        if let Ok(Some(ticket)) = params.one(device::PARAMETER) {
            return self.authorize_device_of(ticket, query, browser, person).await;
        }
        let validated = match self.validate_client(params, browser).await? {
            Ok(validated) => validated,
            Err(early) => {
                if let Outcome::Refused(refused) = &early {
                    self.note_refusal(None, browser, "refused", &format!("{refused:?}"), person);
                }
                return Ok(early);
            }
        };
        let judged = match self.check_request(&validated, params) {
            Ok(request) => {
                self.judge_request(&validated, request, sha256(query.as_bytes()), browser, person)
                    .await?
            }
            Err(error) => Err(error),
        };
        Ok(self.or_back(&validated, judged, browser, person))
    }

    /// The outcome, or the way back with the error.
    fn or_back(
        &self,
        validated: &Validated,
        judged: Result<Outcome, OAuthError>,
        browser: Option<&SignedIn>,
        person: &Person,
    ) -> Outcome {
        judged.unwrap_or_else(|error| {
            self.note_refusal(
                Some(&validated.client),
                browser,
                error.code.as_str(),
                &error.description,
                person,
            );
            Outcome::Return(self.error_return(validated, &error, browser.is_some()))
        })
    }

    /// Client and redirect URI, with page errors.
    async fn validate_client(
        &self,
        params: &Params,
        browser: Option<&SignedIn>,
    ) -> Result<Result<Validated, Outcome>, StoreError> {
        let refused = |why| Ok(Err(Outcome::Refused(why)));
        let (client_id, redirect, state) = match (
            params.one("client_id"),
            params.one("redirect_uri"),
            params.one("state"),
        ) {
            (Ok(Some(client_id)), Ok(redirect), Ok(state)) => (client_id, redirect, state),
            (Ok(None), _, _) => return refused(Refused::NoClient),
            (Err(error), _, _) | (_, Err(error), _) | (_, _, Err(error)) => {
                return refused(Refused::BadParameters(error.to_string()));
            }
        };
        let shown: String = client_id.chars().take(200).collect();
        let client = match self
            .resolve_client(client_id, browser.map(|signed_in| signed_in.account.id))
            .await?
        {
            Resolution::Known(client) => *client,
            Resolution::NeedsPerson => {
                let username = params.one("login_hint").ok().flatten().map(str::to_owned);
                let again = false;
                let needed = SignInNeeded { username, again };
                return Ok(Err(match params.one("prompt") {
                    // Nothing can be shown and nothing is validated: only a page is left.
                    Ok(Some("none")) => Outcome::Refused(Refused::Unverified {
                        client_id: shown,
                        why: "nobody is signed in".to_owned(),
                    }),
                    _ => Outcome::SignIn(needed),
                }));
            }
            Resolution::Unknown => {
                let redirect_uri = redirect.map(|uri| uri.chars().take(300).collect());
                return refused(Refused::UnknownClient {
                    client_id: shown,
                    redirect_uri,
                });
            }
            Resolution::Disabled => return refused(Refused::DisabledClient(shown)),
            Resolution::BadUrl(error) => return refused(Refused::BadClientUrl(error)),
            Resolution::Unverified(why) => {
                return refused(Refused::Unverified {
                    client_id: shown,
                    why,
                });
            }
            Resolution::NotAllowed => {
                let contact = self.settings().contact.clone();
                return refused(Refused::ClientNotAllowed {
                    client_id: shown,
                    contact,
                });
            }
        };
        match self.redirect_of(&client, redirect) {
            Ok(redirect_uri) => {
                let face = self.face(&client);
                Ok(Ok(Validated {
                    client,
                    face,
                    redirect_uri,
                    state: state.map(str::to_owned),
                    device: None,
                }))
            }
            Err(problem) => refused(Refused::Redirect {
                problem,
                client: shown,
            }),
        }
    }

    /// Everything else; errors go back to the client.
    async fn judge_request(
        &self,
        validated: &Validated,
        request: AuthorizationRequest,
        query_digest: [u8; 32],
        browser: Option<&SignedIn>,
        person: &Person,
    ) -> Result<Result<Outcome, OAuthError>, StoreError> {
        let signed_in = match self.need_sign_in(&request, &query_digest, browser) {
            Ok(signed_in) => signed_in,
            Err(again) if request.prompt.none => {
                let text = if again {
                    "the person must sign in again"
                } else {
                    "nobody is signed in"
                };
                return Ok(Err(OAuthError::new(ErrorCode::LoginRequired, text)));
            }
            Err(again) => {
                let username = request.login_hint.clone();
                return Ok(Ok(Outcome::SignIn(SignInNeeded { username, again })));
            }
        };
        let targets = match self.choose_targets(&request, signed_in) {
            Ok(targets) => targets,
            Err(Choice::Error(error)) => return Ok(Err(error)),
            Err(Choice::NotAllowed(server)) => {
                let error = OAuthError::new(ErrorCode::AccessDenied, "this person may not use this server");
                if request.prompt.none {
                    return Ok(Err(error));
                }
                self.note_refusal(
                    Some(&validated.client),
                    Some(signed_in),
                    "access_denied",
                    &error.description,
                    person,
                );
                let back = self.error_return(validated, &error, true);
                let contact = self.settings().contact.clone();
                return Ok(Ok(Outcome::NotAllowed(Box::new(NotAllowed {
                    server,
                    contact,
                    back,
                }))));
            }
        };
        if let Some(early) = self.step_up(validated, &request, &targets, signed_in) {
            return Ok(early);
        }
        self.consent_or_code(validated, request, targets, query_digest, signed_in, person)
            .await
    }

    /// Whether the person has to sign in, first or again. `Err(true)` means again.
    fn need_sign_in<'a>(
        &self,
        request: &AuthorizationRequest,
        query_digest: &[u8; 32],
        browser: Option<&'a SignedIn>,
    ) -> Result<&'a SignedIn, bool> {
        let signed_in = browser.ok_or(false)?;
        let now = self.world.now();
        let too_old = request.demand.is_too_old(signed_in.session.authenticated_at, now);
        if (request.prompt.login || too_old) && !self.is_made_for(query_digest, signed_in) {
            Err(true)
        } else {
            Ok(signed_in)
        }
    }

    /// A sign-in that was made for this very request answers `prompt=login` and `max_age=0`.
    fn is_made_for(&self, query_digest: &[u8; 32], signed_in: &SignedIn) -> bool {
        let age = self.world.now().since(signed_in.session.authenticated_at);
        signed_in.session.fresh_for.as_ref() == Some(query_digest) && age < FRESH
    }

    /// Which server, or which choice of servers, the request can be for (DEC-11).
    fn choose_targets(
        &self,
        request: &AuthorizationRequest,
        signed_in: &SignedIn,
    ) -> Result<Vec<Target>, Choice> {
        let settings = self.settings();
        let account = &signed_in.account;
        if let Some(named) = &request.target {
            return match named {
                Target::UserInfo => Ok(vec![Target::UserInfo]),
                Target::Server(name) => match settings.resource(name) {
                    Some(resource) if resource.allows(account) => Ok(vec![named.clone()]),
                    Some(resource) => Err(Choice::NotAllowed(Some(resource.title.clone()))),
                    None => Err(Choice::Error(OAuthError::invalid_target(format!(
                        "there is no server {name}"
                    )))),
                },
            };
        }
        let choice = settings.choice(account);
        match choice.as_slice() {
            [] => Err(Choice::NotAllowed(None)),
            [_] => Ok(choice),
            _ if request.prompt.none => {
                let text = "several servers could be meant; name one with the resource parameter";
                Err(Choice::Error(OAuthError::invalid_target(text)))
            }
            _ => Ok(choice),
        }
    }

    /// The way back with an error: `error`, `error_description`, `state` and `iss` (OS-28, OS-29, CC-49).
    pub(crate) fn error_return(&self, validated: &Validated, error: &OAuthError, involved: bool) -> Return {
        let params = [
            ("error", error.code.as_str()),
            ("error_description", error.description.as_str()),
        ];
        let mut back = self.way_back(validated, &params);
        // A phishing link with a deliberate mistake in it must not make us an open redirector (OS-31). A
        // program on the person's own machine is no phishing site.
        back.at_once = involved
            || validated.redirect_uri.kind() != Kind::Https
            || is_vouched_for(&validated.face, &validated.redirect_uri)
            || validated.face.vouching == Vouching::Operator;
        back
    }

    /// The way back with these parameters.
    pub(crate) fn way_back(&self, validated: &Validated, params: &[(&str, &str)]) -> Return {
        let settings = self.settings();
        if validated.device.is_some() {
            // A page of ours says how it ended; the program hears it for itself.
            let error = params.iter().find(|(name, _)| *name == "error");
            let outcome = error.map_or("allowed", |(_, code)| code);
            return Return {
                redirect_uri: validated.redirect_uri.clone(),
                url: validated.redirect_uri.with_params([("outcome", outcome)]),
                at_once: true,
                face: validated.face.clone(),
                to_device: true,
            };
        }
        let mut all = params.to_vec();
        if let Some(state) = &validated.state {
            all.push(("state", state));
        }
        if settings.iss != IssFlag::Off {
            all.push(("iss", settings.issuer.as_str()));
        }
        Return {
            redirect_uri: validated.redirect_uri.clone(),
            url: validated.redirect_uri.with_params(all),
            at_once: true,
            face: validated.face.clone(),
            to_device: false,
        }
    }

    fn note_refusal(
        &self,
        client: Option<&Client>,
        browser: Option<&SignedIn>,
        error: &str,
        reason: &str,
        person: &Person,
    ) {
        let what = What::AuthorizationRefused {
            client: client.map(|client| client.id.clone()),
            account: browser.map(|signed_in| signed_in.account.id),
            error: error.to_owned(),
            reason: reason.chars().take(300).collect(),
        };
        self.recorder.record(what, person.clone());
    }
}

/// Said to the program of somebody who is asked very often.
pub(crate) fn asked_too_often() -> OAuthError {
    let text = "this person has been asked too often; try again in a few minutes";
    OAuthError::new(ErrorCode::TemporarilyUnavailable, text)
}

/// Why there is nothing to choose from.
enum Choice {
    Error(OAuthError),
    /// With the server's title, if one was named.
    NotAllowed(Option<String>),
}

#[cfg(test)]
mod tests;
