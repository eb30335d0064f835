//! The pages for a company sign-in that does not go on: who has to do what, and where it begins once more.

use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use people::{CompanyError, Provider, Refusal};
use relying::{Profile, ProviderError};

use crate::locale::Locale;
use crate::page::{self, Message};
use crate::router::Web;

/// The page for a sign-in that does not go on. `again` is where it begins once more.
pub(crate) fn failed(
    web: &Web,
    locale: Locale,
    provider: &Provider,
    again: &str,
    error: &CompanyError,
    profile: Option<&Profile>,
) -> Response {
    let title = provider.title.as_str();
    let retry = Some((again.to_owned(), locale.t("company-again")));
    let details = |error: &dyn std::fmt::Display| vec![(locale.t("details"), error.to_string())];
    match error {
        CompanyError::Gone => gone(web, locale),
        CompanyError::Store(error) => page::unavailable(web, locale, error),
        CompanyError::Slowed(wait) => {
            let seconds = wait.as_secs().max(1);
            let message = Message {
                title: locale.t("company-answer-title"),
                text: locale.tn("sign-in-slowed", "seconds", seconds),
                link: retry,
                ..Message::default()
            };
            let status = StatusCode::TOO_MANY_REQUESTS;
            let mut response = page::problem(web, locale, status, "sign_in_slowed", message);
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            response
        }
        CompanyError::TooLong => {
            let message = Message {
                title: locale.t("refused-title"),
                text: locale.t("refused-parameters"),
                ..Message::default()
            };
            page::problem(web, locale, StatusCode::BAD_REQUEST, "bad_parameters", message)
        }
        CompanyError::Provider(ProviderError::Unavailable(why)) => {
            let why = format!("{} cannot be asked: {why}", provider.name);
            let message = Message {
                title: locale.t1("company-down-title", "provider", title),
                text: locale.t1("company-down-text", "provider", title),
                steps: vec![locale.t("company-down-step"), whom_to_ask(web, locale)],
                link: retry,
                ..Message::default()
            };
            let what = (StatusCode::SERVICE_UNAVAILABLE, "provider_unavailable");
            let mut response = page::trouble(web, locale, what, message, &why);
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from_static("30"));
            response
        }
        CompanyError::Provider(ProviderError::HostedDomain(_)) => {
            refused(web, locale, title, Refusal::Domain, None)
        }
        CompanyError::Provider(error) => {
            let why = format!("the answer of {} does not count: {error}", provider.name);
            let message = Message {
                title: locale.t("company-answer-title"),
                text: locale.t1("company-answer-text", "provider", title),
                steps: vec![whom_to_ask(web, locale)],
                facts: details(error),
                link: retry,
            };
            page::trouble(
                web,
                locale,
                (StatusCode::BAD_GATEWAY, "provider_answer"),
                message,
                &why,
            )
        }
        CompanyError::Refused(why) => refused(web, locale, title, *why, profile),
    }
}

/// The provider, called so, knows them, and they do not get in.
pub(crate) fn refused(
    web: &Web,
    locale: Locale,
    provider: &str,
    why: Refusal,
    profile: Option<&Profile>,
) -> Response {
    let text = match why {
        Refusal::NoAccount => locale.t("company-no-account"),
        Refusal::NotAMember => locale.t("company-not-a-member"),
        Refusal::Domain => locale.t("company-domain"),
        Refusal::Address => locale.t("company-address"),
        Refusal::Disabled => locale.t("company-disabled"),
        Refusal::Taken => locale.t("company-taken"),
    };
    let mut facts = vec![(locale.t("company-provider"), provider.to_owned())];
    if let Some(profile) = profile {
        let called = profile.email.as_ref().or(profile.username.as_ref());
        facts.extend(called.map(|called| (locale.t("signed-in-as"), called.clone())));
        // What `vestibule identity link` wants.
        facts.push((locale.t("company-subject"), profile.subject.clone()));
    }
    let message = Message {
        title: locale.t("company-refused-title"),
        text,
        steps: vec![whom_to_ask(web, locale)],
        facts,
        link: Some(("/sign-in".to_owned(), locale.t("company-otherwise"))),
    };
    page::problem(web, locale, StatusCode::FORBIDDEN, "company_refused", message)
}

/// What the browser is back with was begun elsewhere, is used up, or is too old.
pub(crate) fn gone(web: &Web, locale: Locale) -> Response {
    let message = Message {
        title: locale.t("company-gone-title"),
        text: locale.t("company-gone-text"),
        link: Some(("/sign-in".to_owned(), locale.t("sign-in-title"))),
        ..Message::default()
    };
    page::problem(web, locale, StatusCode::BAD_REQUEST, "sign_in_gone", message)
}

fn whom_to_ask(web: &Web, locale: Locale) -> String {
    match &web.parts.server.settings().contact {
        Some(contact) => locale.t1("ask-contact", "contact", contact),
        None => locale.t("ask-administrator"),
    }
}
