//! Asking somebody who is signed in to prove more, because a server, their groups or a program demand it (RFC 9470 section 5).
//!
//! What they have is asked for; who has nothing sets something up, if the first factor was proved lately; where a provider's
//! word counts, it is asked. Whoever can do none of it goes back to the program with `unmet_authentication_requirements`.

use std::sync::Arc;

use askama::Template;
use axum::extract::{FromRequest, FromRequestParts as _, Request, State};
use axum::response::Response;
use http::StatusCode;
use issuer::authorize::StepUp;
use model::Assurance;
use people::{FactorError, SignedIn};
use store::StoreError;

use crate::authorize::{client_name, person};
use crate::company_links;
use crate::fresh::{factors, is_fresh, is_owing, may_change};
use crate::locale::Locale;
use crate::onward::{Onward, with_query};
use crate::page::{self, Page, render};
use crate::request::{Browser, From, OwnForm, RawQuery};
use crate::return_to_client::{go, see_other};
use crate::router::Web;
use crate::second_factor::{self, Then, Why, at};
use crate::sign_in::{self, Asked, go_on};
use crate::{form_token, security, totp};

/// Where an app is set up.
pub(crate) const TOTP: &str = "/enrol/totp";
/// Where its first code goes.
pub(crate) const TOTP_CODE: &str = "/enrol/totp/code";
/// Where a new passkey goes.
pub(crate) const PASSKEY: &str = "/enrol/passkey";
/// Where the script fetches the options for one.
pub(crate) const PASSKEY_BEGIN: &str = "/enrol/passkey/begin";

#[derive(Template)]
#[template(path = "step_up_authentication.html")]
struct StepUpPage {
    page: Page,
    why: String,
    username: String,
    token: String,
    /// The token of forms of the sign-in page.
    form_token: String,
    /// Where providers are asked whose word counts.
    sign_in: String,
    providers: Vec<(String, String)>,
    /// Where an app can be set up, if that is enough.
    totp: Option<String>,
    /// Where a passkey can be added.
    passkey: Option<String>,
    /// The way back to the program, and what it is called.
    back: (String, String),
}

/// The page, or the way back to the program.
pub(crate) async fn ask(
    web: &Web,
    locale: Locale,
    (from, browser): (&From, &Browser),
    query: &str,
    step_up: &StepUp,
    signed_in: &SignedIn,
) -> Response {
    match ways(web, step_up.assurance, signed_in).await {
        Ok(ways) => match ways {
            Ways::Prove { only_passkeys } => {
                let why = Why {
                    text: why(locale, step_up),
                    only_passkeys,
                };
                let then = Then {
                    onward: Onward::Authorization,
                    query,
                    why: Some(&why),
                };
                second(web, locale, (from, browser), then, signed_in).await
            }
            Ways::Nothing => {
                let person = person(from, Some(signed_in));
                web.parts.server.note_unmet(step_up, signed_in, &person);
                go(web, locale, &step_up.back)
            }
            Ways::SetUp { providers, .. } if providers.is_empty() && !is_fresh(web, signed_in) => {
                let asked = Asked {
                    query,
                    username: Some(signed_in.account.username.to_string()),
                    again: true,
                    error: Some(why(locale, step_up)),
                    onward: Onward::Authorization,
                };
                sign_in::page(web, locale, browser, StatusCode::OK, asked)
            }
            Ways::SetUp {
                providers,
                totp,
                passkey,
            } => {
                let may = is_fresh(web, signed_in);
                let cookie = browser.form_cookie(web);
                let back = if step_up.back.to_device {
                    locale.t("device-leave")
                } else {
                    locale.t1("back-to", "client", client_name(locale, &step_up.back.face))
                };
                let template = StepUpPage {
                    page: Page::new(web, locale, locale.t("second-title")),
                    why: why(locale, step_up),
                    username: signed_in.account.username.to_string(),
                    token: form_token::for_cookie(signed_in.cookie.expose()),
                    form_token: form_token::for_cookie(&cookie.value),
                    sign_in: Onward::Authorization.form(query),
                    providers,
                    totp: (totp && may).then(|| with_query(TOTP, query)),
                    passkey: (passkey && may).then(|| with_query(PASSKEY, query)),
                    back: (step_up.back.url.clone(), back),
                };
                let mut response = render(StatusCode::OK, &template);
                cookie.send(web, response.headers_mut());
                response
            }
        },
        Err(error) => page::unavailable(web, locale, &error),
    }
}

/// What somebody can do to prove more.
enum Ways {
    /// Something that they have.
    Prove { only_passkeys: bool },
    /// Sign in at one of these providers, by name and title, or set up something here.
    SetUp {
        providers: Vec<(String, String)>,
        totp: bool,
        passkey: bool,
    },
    /// Nothing.
    Nothing,
}

async fn ways(web: &Web, wanted: Assurance, signed_in: &SignedIn) -> Result<Ways, StoreError> {
    let (has, passkey) = factors(web, signed_in).await?;
    if passkey && has.passkeys > 0 && wanted == Assurance::Passkey {
        return Ok(Ways::Prove { only_passkeys: true });
    }
    // Who has a second factor proves it before anything is set up beside it.
    if is_owing((has, passkey), signed_in) {
        return Ok(Ways::Prove { only_passkeys: false });
    }
    let ways = web.parts.company.ways();
    let links = company_links::links(web, signed_in).await?;
    let providers: Vec<_> = links
        .into_iter()
        .filter(|link| {
            let provider = ways.provider(&link.provider);
            link.linked && provider.is_some_and(|provider| provider.rules.words.reach(wanted))
        })
        .map(|link| (link.provider, link.title))
        .collect();
    let totp = wanted <= Assurance::TwoFactors;
    if providers.is_empty() && !totp && !passkey {
        return Ok(Ways::Nothing);
    }
    Ok(Ways::SetUp {
        providers,
        totp,
        passkey,
    })
}

fn why(locale: Locale, step_up: &StepUp) -> String {
    match (step_up.assurance, &step_up.server) {
        (Assurance::Passkey, Some(server)) => locale.t1("more-passkey-server", "server", server),
        (Assurance::Passkey, None) => locale.t("more-passkey"),
        (_, Some(server)) => locale.t1("more-two-server", "server", server),
        (_, None) => locale.t("more-two"),
    }
}

/// Asks somebody who is signed in for the second factor that they have.
pub(crate) async fn second(
    web: &Web,
    locale: Locale,
    (from, browser): (&From, &Browser),
    then: Then<'_>,
    signed_in: &SignedIn,
) -> Response {
    let cookie = browser.form_cookie(web);
    let at = at(from, &cookie.value, None);
    match web.parts.factors.ask_for_more(signed_in, &at).await {
        Ok(waiting) => second_factor::page(web, locale, &cookie, &waiting, then, None),
        Err(error) => second_factor::failed(web, locale, &error, then),
    }
}

/// The request goes on, or is judged anew.
fn on(query: &str) -> Response {
    see_other(&Onward::Authorization.target(query))
}

/// An [`OwnForm`] of somebody who may set up a factor on the way, with the query of their request. Others are judged anew.
#[derive(Debug)]
pub struct EnrolForm {
    form: OwnForm,
    query: String,
}

impl FromRequest<Arc<Web>> for EnrolForm {
    type Rejection = Response;

    async fn from_request(request: Request, web: &Arc<Web>) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let Ok(locale) = Locale::from_request_parts(&mut parts, web).await;
        let Ok(RawQuery(query)) = RawQuery::from_request_parts(&mut parts, web).await;
        let form = OwnForm::from_request(Request::from_parts(parts, body), web).await?;
        match may_change(web, &form.signed_in).await {
            Ok(true) => Ok(Self { form, query }),
            Ok(false) => Err(on(&query)),
            Err(error) => Err(page::unavailable(web, locale, &error)),
        }
    }
}

/// `POST /enrol/totp`.
pub async fn begin_totp(
    State(web): State<Arc<Web>>,
    locale: Locale,
    EnrolForm { form, query }: EnrolForm,
) -> Response {
    let signed_in = &form.signed_in;
    let owner = signed_in.session.id.to_string();
    let username = signed_in.account.username.as_str();
    let enrolment = web.parts.factors.new_totp(&owner, &web.site().title, username);
    totp::on_the_way(&web, locale, (signed_in, &query), enrolment, None)
}

/// `POST /enrol/totp/code`: the first code, which is the second factor of this session too.
pub async fn confirm_totp(
    State(web): State<Arc<Web>>,
    from: From,
    locale: Locale,
    browser: Browser,
    EnrolForm { form, query }: EnrolForm,
) -> Response {
    let signed_in = &form.signed_in;
    let owner = signed_in.session.id.to_string();
    let (ticket, factors) = (form.field("ticket"), &web.parts.factors);
    let person = person(&from, Some(signed_in));
    let raised = factors
        .raise_with_new_totp(signed_in, ticket, &owner, form.field("code"), person)
        .await;
    match raised {
        Ok(proof) => {
            let then = (Onward::Authorization, query.as_str());
            let begun = go_on(&web, &from, &browser, Some(signed_in), proof, then).await;
            begun.unwrap_or_else(|_| on(&query))
        }
        Err(FactorError::Wrong) => {
            let username = signed_in.account.username.as_str();
            match factors.same_totp(ticket, &owner, &web.site().title, username) {
                Ok(same) => {
                    let error = Some(locale.t("totp-wrong"));
                    totp::on_the_way(&web, locale, (signed_in, &query), same, error)
                }
                Err(_) => on(&query),
            }
        }
        Err(error @ (FactorError::Store(_) | FactorError::Sealed(_))) => {
            page::unavailable(&web, locale, &error)
        }
        Err(_) => on(&query),
    }
}

/// `POST /enrol/passkey`: what the browser made. Signing in with it comes next: making one proves nothing.
pub async fn add_passkey(
    State(web): State<Arc<Web>>,
    from: From,
    locale: Locale,
    EnrolForm { form, query }: EnrolForm,
) -> Response {
    match security::add_made(&web, &from, &form).await {
        Err(error @ (FactorError::Store(_) | FactorError::Sealed(_))) => {
            page::unavailable(&web, locale, &error)
        }
        _ => on(&query),
    }
}
