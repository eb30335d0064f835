//! Signing in at a provider of the company: the redirect there, and the address that the browser comes back to.
//!
//! Each provider has an address of its own to come back to, so that what one provider gave can never be shown as
//! another's (mix-up, OS-46). Nothing that comes back is believed before the sign-in was taken that this very browser
//! began. Errors are pages: the person is told who has to do what, and nobody is sent around in a circle.

use std::sync::Arc;

use audit::Person;
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use model::SessionId;
use people::company::{Back, Leaving};
use people::{CompanyError, Provider, Refusal, SignInError};
use protocol::Params;
use relying::{Came, ProviderError};
use store::UnderWay;

use crate::company_links;
use crate::company_trouble::{failed, gone};
use crate::cookies::Cookie;
use crate::locale::Locale;
use crate::onward::Onward;
use crate::page;
use crate::request::{Browser, From, RawQuery};
use crate::return_to_client::see_other;
use crate::router::Web;
use crate::sign_in::{self, Asked, go_on};

/// Where browsers come back to; the provider's name follows.
pub(crate) const CALLBACK: &str = "/sign-in/callback";

/// Errors of the provider that say that the person did not go through with it (RFC 6749 section 4.1.2.1, OpenID Connect
/// Core section 3.1.2.6).
const GAVE_UP: [&str; 5] = [
    "access_denied",
    "login_required",
    "interaction_required",
    "consent_required",
    "account_selection_required",
];
/// Errors that pass.
const PASSING: [&str; 2] = ["server_error", "temporarily_unavailable"];

/// Where somebody goes, and what for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Going<'a> {
    /// What the configuration calls the provider.
    pub(crate) provider: &'a str,
    /// The query of the page that comes then.
    pub(crate) query: &'a str,
    /// That page.
    pub(crate) onward: Onward,
    /// Whether somebody is signed in already and has to prove who they are again.
    pub(crate) again: bool,
    /// Whom the provider's form should begin with.
    pub(crate) login_hint: Option<&'a str>,
    /// The session of somebody who links what they are there to their account.
    pub(crate) session: Option<SessionId>,
}

fn redirect_uri(web: &Web, provider: &Provider) -> String {
    format!("{}{CALLBACK}/{}", web.site().origin, provider.name)
}

/// Sends the browser to a provider.
pub(crate) async fn leave(
    web: &Web,
    locale: Locale,
    from: &From,
    browser: &Browser,
    going: &Going<'_>,
) -> Response {
    let ways = web.parts.company.ways();
    // It may have left the configuration since the page was made.
    let Some(provider) = ways.provider(going.provider) else {
        return page::stale_form(web, locale);
    };
    let cookie = browser.form_cookie(web);
    let (again, _) = going.onward.wanted_proof(going.query);
    let known = browser.signed_in(web).await;
    let known = known.as_ref().map(|signed_in| &*signed_in.account);
    let wanted = going.onward.wanted(web, going.query, known);
    let leaving = Leaving {
        browser: &cookie.value,
        address: from.address(),
        person: &from.0,
        redirect_uri: &redirect_uri(web, provider),
        onward: going.onward.name(),
        query: going.query,
        session: going.session,
        // Without it the provider would take its own session of this morning for a proof.
        again: again || going.again,
        max_age: wanted.max_age,
        assurance: wanted.assurance,
        login_hint: going.login_hint,
        language: locale.tag(),
    };
    match web.parts.company.leave(provider, &leaving).await {
        Ok(url) => {
            let mut response = see_other(&url);
            cookie.send(web, response.headers_mut());
            response
        }
        Err(error) => failed(
            web,
            locale,
            provider,
            &going.onward.target(going.query),
            &error,
            None,
        ),
    }
}

/// `GET /sign-in/callback/{provider}` (OpenID Connect Core section 3.1.2.5).
pub async fn callback(
    State(web): State<Arc<Web>>,
    Path(name): Path<String>,
    from: From,
    locale: Locale,
    browser: Browser,
    RawQuery(query): RawQuery,
) -> Response {
    let ways = web.parts.company.ways();
    let answer = Params::parse(query.as_bytes()).unwrap_or_default();
    let Some(provider) = ways.provider(&name) else {
        return gone(&web, locale);
    };
    let Answer {
        state,
        code,
        iss,
        error,
    } = Answer::read(&answer);
    let cookie = browser.cookie(&web, Cookie::Form).unwrap_or_default();
    let (company, person) = (&web.parts.company, &from.0);
    let taken = company
        .take(provider, &cookie, state.unwrap_or_default(), person)
        .await;
    let under_way = match taken {
        Ok(under_way) => under_way,
        Err(error) => return failed(&web, locale, provider, "/", &error, None),
    };
    let back = Back {
        browser: &cookie,
        redirect_uri: &redirect_uri(&web, provider),
        state: state.unwrap_or_default(),
        code: code.unwrap_or_default(),
    };
    let again = again(&under_way);
    if let Err(error) = company.check_issuer(provider, iss, person).await {
        return failed(&web, locale, provider, &again, &error, None);
    }
    if let Some(error) = error {
        company.gave_up(provider, error, person);
        return no_answer(&web, locale, &browser, provider, &under_way, error).await;
    }
    match company.prove(provider, &under_way, &back, person).await {
        Ok(came) => arrived(&web, locale, &browser, provider, &under_way, &came, &from).await,
        Err(error) => failed(&web, locale, provider, &again, &error, None),
    }
}

/// The parameters of an answer; one that is given twice counts as absent.
struct Answer<'a> {
    state: Option<&'a str>,
    code: Option<&'a str>,
    iss: Option<&'a str>,
    error: Option<&'a str>,
}

impl<'a> Answer<'a> {
    fn read(params: &'a Params) -> Self {
        let one = |name: &str| params.one(name).ok().flatten();
        Self {
            state: one("state"),
            code: one("code"),
            // What is there and cannot be read is of nobody.
            iss: one("iss").or_else(|| params.has("iss").then_some("")),
            error: one("error"),
        }
    }
}

/// Where it begins once more.
fn again(under_way: &UnderWay) -> String {
    match under_way.session {
        Some(_) => "/account".to_owned(),
        None => Onward::named(&under_way.onward).target(&under_way.query),
    }
}

/// Somebody has proved at the provider who they are.
async fn arrived(
    web: &Web,
    locale: Locale,
    browser: &Browser,
    provider: &Provider,
    under_way: &UnderWay,
    came: &Came,
    from: &From,
) -> Response {
    let again = again(under_way);
    if let Some(session) = under_way.session {
        return company_links::linked(web, locale, browser, provider, session, came, from).await;
    }
    match begin(web, browser, provider, under_way, came, from).await {
        Ok(response) => response,
        Err(error) => failed(web, locale, provider, &again, &error, Some(&came.profile)),
    }
}

async fn begin(
    web: &Web,
    browser: &Browser,
    provider: &Provider,
    under_way: &UnderWay,
    came: &Came,
    from: &From,
) -> Result<Response, CompanyError> {
    let person: &Person = &from.0;
    let proof = web.parts.company.admit(provider, came, person).await?;
    let before = browser.signed_in(web).await;
    let onward = (Onward::named(&under_way.onward), under_way.query.as_str());
    match go_on(web, from, browser, before.as_ref(), proof, onward).await {
        Ok(response) => Ok(response),
        Err(SignInError::Store(error)) => Err(error.into()),
        // Disabled at this very moment.
        Err(_) => Err(Refusal::Disabled.into()),
    }
}

/// The provider sent the browser back with an error.
async fn no_answer(
    web: &Web,
    locale: Locale,
    browser: &Browser,
    provider: &Provider,
    under_way: &UnderWay,
    error: &str,
) -> Response {
    if PASSING.contains(&error) {
        let error = ProviderError::Unavailable(error.to_owned()).into();
        return failed(web, locale, provider, &again(under_way), &error, None);
    }
    if !GAVE_UP.contains(&error) {
        let error = ProviderError::Code(error.chars().take(80).collect()).into();
        return failed(web, locale, provider, &again(under_way), &error, None);
    }
    let text = locale.t1("company-gave-up", "provider", &provider.title);
    if under_way.session.is_some() {
        return company_links::gave_up(web, locale, browser, text).await;
    }
    let asked = Asked {
        query: &under_way.query,
        username: None,
        again: browser.signed_in(web).await.is_some(),
        error: Some(text),
        onward: Onward::named(&under_way.onward),
    };
    sign_in::page(web, locale, browser, StatusCode::FORBIDDEN, asked)
}
