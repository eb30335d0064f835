//! The authorization endpoint: the issuer decides, this turns its outcome into a page or a redirect.

use std::sync::Arc;

use audit::Person;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use issuer::authorize::{NotAllowed, SignInNeeded};
use issuer::clients::RedirectProblem;
use issuer::{ClientFace, Outcome, Refused, Vouching};
use people::SignedIn;
use protocol::metadata::paths;
use protocol::{Params, RedirectUri};

use crate::company_sign_in::{self, Going};
use crate::locale::Locale;
use crate::onward::Onward;
use crate::page::{self, Message};
use crate::request::{Browser, Form, From, RawQuery};
use crate::return_to_client::{go, see_other};
use crate::router::Web;
use crate::{consent, sign_in, step_up_authentication};

/// `GET /authorize`.
pub async fn authorize(
    State(web): State<Arc<Web>>,
    from: From,
    locale: Locale,
    browser: Browser,
    RawQuery(query): RawQuery,
) -> Response {
    let params = match Params::parse(query.as_bytes()) {
        Ok(params) => params,
        Err(error) => return refused(&web, &from, locale, &Refused::BadParameters(error.to_string())),
    };
    let signed_in = browser.signed_in(&web).await;
    let person = person(&from, signed_in.as_ref());
    match web
        .parts
        .server
        .authorize(&params, &query, signed_in.as_ref(), &person)
        .await
    {
        Ok(Outcome::SignIn(SignInNeeded { username, again })) => {
            // Nothing to choose: at once, for somebody who is not signed in. Whoever was sent back here with an error, or
            // has to prove it again, gets a page to stand on, so that nobody goes around in a circle.
            if let (Some(provider), None) = (web.parts.company.ways().only(), &signed_in) {
                let going = Going {
                    provider: &provider.name,
                    query: &query,
                    onward: Onward::Authorization,
                    again: false,
                    login_hint: username.as_deref(),
                    session: None,
                };
                return company_sign_in::leave(&web, locale, &from, &browser, &going).await;
            }
            let known = signed_in.map(|signed_in| signed_in.account.username.to_string());
            let asked = sign_in::Asked {
                query: &query,
                username: known.or(username),
                again,
                error: None,
                onward: Onward::Authorization,
            };
            sign_in::page(&web, locale, &browser, StatusCode::OK, asked)
        }
        Ok(Outcome::StepUp(step_up)) => match signed_in {
            Some(signed_in) => {
                step_up_authentication::ask(&web, locale, (&from, &browser), &query, &step_up, &signed_in)
                    .await
            }
            None => see_other("/sign-in"),
        },
        Ok(Outcome::Ask(question)) => match signed_in {
            Some(signed_in) => consent::page(&web, locale, &question, &signed_in)
                .await
                .unwrap_or_else(|error| page::unavailable(&web, locale, &error)),
            None => see_other("/sign-in"),
        },
        Ok(Outcome::Return(back)) => go(&web, locale, &back),
        Ok(Outcome::NotAllowed(not_allowed)) => {
            not_allowed_page(&web, locale, &not_allowed, signed_in.as_ref())
        }
        Ok(Outcome::Refused(why)) => refused(&web, &from, locale, &why),
        Err(error) => page::unavailable(&web, locale, &error),
    }
}

/// `POST /authorize` (OS-32): the same request as a query, so that it can be loaded again.
pub async fn authorize_by_post(Form(form): Form) -> Response {
    see_other(&format!("{}?{}", paths::AUTHORIZE, form.encode()))
}

/// Who the record says it was.
pub(crate) fn person(from: &From, signed_in: Option<&SignedIn>) -> Person {
    let username = signed_in.map(|signed_in| signed_in.account.username.to_string());
    Person {
        username,
        ..from.0.clone()
    }
}

/// What a client is called on pages.
pub(crate) fn client_name(locale: Locale, face: &ClientFace) -> String {
    face.name.clone().unwrap_or_else(|| locale.t("nameless-client"))
}

/// Who vouches for a client, in words, and whether anybody does.
pub(crate) fn vouching(locale: Locale, face: &ClientFace) -> (String, bool) {
    match (&face.vouching, &face.publisher) {
        (Vouching::Operator, _) => (locale.t("vouched-operator"), true),
        (Vouching::Host(host), Some(publisher)) => (
            locale.t2("vouched-publisher", "host", host, "publisher", publisher),
            true,
        ),
        (Vouching::Host(host), None) => (locale.t1("vouched-host", "host", host), true),
        (Vouching::Nobody, _) => (locale.t("vouched-nobody"), false),
    }
}

fn not_allowed_page(web: &Web, locale: Locale, what: &NotAllowed, signed_in: Option<&SignedIn>) -> Response {
    let text = match &what.server {
        Some(server) => locale.t1("not-allowed-server", "server", server),
        None => locale.t("not-allowed-any"),
    };
    let ask = match &what.contact {
        Some(contact) => locale.t1("ask-contact", "contact", contact),
        None => locale.t("ask-administrator"),
    };
    let mut facts = Vec::new();
    if let Some(signed_in) = signed_in {
        facts.push((locale.t("signed-in-as"), signed_in.account.username.to_string()));
    }
    let label = locale.t1("back-to", "client", client_name(locale, &what.back.face));
    let message = Message {
        title: locale.t("not-allowed-title"),
        text: format!("{text} {ask}"),
        facts,
        // A program without a browser waits for somebody who may.
        link: (!what.back.to_device).then(|| (what.back.url.clone(), label)),
        ..Message::default()
    };
    page::problem(web, locale, StatusCode::FORBIDDEN, "not_allowed", message)
}

/// A request that goes nowhere: 400, or 503 where the client is only unverified (CC-42, CC-54, CC-55).
pub(crate) fn refused(web: &Web, from: &From, locale: Locale, why: &Refused) -> Response {
    let (slug, text, steps, facts) = explain(web, from, locale, why);
    let later = matches!(why, Refused::Unverified { .. });
    let status = if later {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::BAD_REQUEST
    };
    let message = Message {
        title: locale.t("refused-title"),
        text,
        steps,
        facts,
        link: matches!(why, Refused::NoDevice).then(|| (paths::DEVICE.to_owned(), locale.t("device-again"))),
    };
    let mut response = page::problem(web, locale, status, slug, message);
    if later {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from_static("30"));
    }
    response
}

/// What is wrong, what to do about it, and the facts.
type Explanation = (&'static str, String, Vec<String>, Vec<(String, String)>);

fn explain(web: &Web, from: &From, locale: Locale, why: &Refused) -> Explanation {
    let fact = |key: &str, value: &str| (locale.t(key), value.to_owned());
    let known = web.parts.server.known_clients();
    let reset = |redirect: Option<&str>| -> Vec<String> {
        let uri = redirect.and_then(|uri| RedirectUri::parse(uri, |_| true).ok());
        let suspects = known.suspects(uri.as_ref(), from.user_agent());
        suspects
            .iter()
            .filter_map(|client| client.reset.get(locale.tag()).cloned())
            .collect()
    };
    match why {
        Refused::NoClient => ("no_client", locale.t("refused-no-client"), vec![], vec![]),
        Refused::BadParameters(what) => (
            "bad_parameters",
            locale.t("refused-parameters"),
            vec![],
            vec![fact("details", what)],
        ),
        Refused::UnknownClient {
            client_id,
            redirect_uri,
        } => {
            let mut steps = reset(redirect_uri.as_deref());
            if steps.is_empty() {
                steps.push(locale.t("refused-reset-any"));
            }
            let mut facts = vec![fact("client-id", client_id)];
            facts.extend(redirect_uri.iter().map(|uri| fact("redirect-uri", uri)));
            ("unknown_client", locale.t("refused-unknown-client"), steps, facts)
        }
        Refused::NoDevice => ("no_device", locale.t("refused-no-device"), vec![], vec![]),
        Refused::DisabledClient(id) => (
            "disabled_client",
            locale.t("refused-disabled"),
            vec![],
            vec![fact("client-id", id)],
        ),
        Refused::BadClientUrl(error) => (
            "bad_client_url",
            locale.t("refused-client-url"),
            vec![],
            vec![fact("details", &error.to_string())],
        ),
        Refused::Unverified { client_id, why } => {
            let facts = vec![fact("client-id", client_id), fact("details", why)];
            (
                "unverified_client",
                locale.t("refused-unverified"),
                vec![locale.t("refused-unverified-step")],
                facts,
            )
        }
        Refused::ClientNotAllowed { client_id, contact } => {
            let step = match contact {
                Some(contact) => locale.t1("ask-contact", "contact", contact),
                None => locale.t("ask-administrator"),
            };
            (
                "client_not_allowed",
                locale.t("refused-not-allowed"),
                vec![step],
                vec![fact("client-id", client_id)],
            )
        }
        Refused::Redirect {
            problem: RedirectProblem::Missing,
            client,
        } => (
            "redirect_missing",
            locale.t("refused-redirect-missing"),
            vec![],
            vec![fact("client-id", client)],
        ),
        Refused::Redirect {
            problem:
                RedirectProblem::Mismatch {
                    requested,
                    registered,
                },
            client,
        } => {
            let mut facts = vec![fact("client-id", client), fact("redirect-uri", requested)];
            facts.extend(
                registered
                    .iter()
                    .take(6)
                    .map(|uri| fact("redirect-uri-registered", uri)),
            );
            let steps = reset(Some(requested));
            ("redirect_mismatch", locale.t("refused-redirect"), steps, facts)
        }
    }
}
