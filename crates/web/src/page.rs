//! What all pages share: the frame, security headers, and the plain message page.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse as _, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use model::{EventId, Timestamp};
use people::SignedIn;
use tower_http::csrf::ProtectionError;

use crate::assets::{ICON_NAME, SCRIPT_NAME, STYLE_NAME};
use crate::form_token;
use crate::locale::Locale;
use crate::router::Web;

/// The frame of a page.
#[derive(Debug)]
pub struct Page {
    /// The language.
    pub locale: Locale,
    /// What people call this door.
    pub door: String,
    /// The page's own title.
    pub title: String,
    /// Who is signed in, for pages that say so.
    pub nav: Option<Nav>,
}

/// The head of pages for people who are signed in.
#[derive(Debug)]
pub struct Nav {
    /// Whose pages these are.
    pub username: String,
    /// Which of them is shown.
    pub current: &'static str,
    /// The token for its forms.
    pub token: String,
    /// Whether there are providers at which accounts can be connected.
    pub connections: bool,
}

impl Page {
    /// A page for anybody.
    pub fn new(web: &Web, locale: Locale, title: String) -> Self {
        Self {
            locale,
            door: web.site().title.clone(),
            title,
            nav: None,
        }
    }

    /// A page of a person's own.
    pub fn own(
        web: &Web,
        locale: Locale,
        title: String,
        current: &'static str,
        signed_in: &SignedIn,
    ) -> Self {
        let nav = Nav {
            username: signed_in.account.username.to_string(),
            current,
            token: form_token::for_cookie(signed_in.cookie.expose()),
            connections: !web.parts.connections.connectors().by_name.is_empty(),
        };
        Self {
            nav: Some(nav),
            ..Self::new(web, locale, title)
        }
    }

    /// The style sheet's name.
    pub fn style(&self) -> &'static str {
        &STYLE_NAME
    }

    /// The script's name.
    pub fn script(&self) -> &'static str {
        &SCRIPT_NAME
    }

    /// The icon's name.
    pub fn icon(&self) -> &'static str {
        &ICON_NAME
    }
}

/// A moment as pages show it: `2026-11-20 12:00 UTC`.
pub fn moment(at: Timestamp) -> String {
    let text = at.to_string();
    match (text.get(..10), text.get(11..16)) {
        (Some(day), Some(time)) => format!("{day} {time} UTC"),
        _ => text,
    }
}

/// Renders a template.
pub fn render(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page cannot be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// A page that only says something.
#[derive(Debug, Default)]
pub struct Message {
    /// The heading.
    pub title: String,
    /// What to know.
    pub text: String,
    /// What to do, one by one.
    pub steps: Vec<String>,
    /// Facts for whoever helps, as (name, value).
    pub facts: Vec<(String, String)>,
    /// A way on, as (URL, label).
    pub link: Option<(String, String)>,
}

#[derive(Template)]
#[template(path = "message.html")]
struct MessagePage {
    page: Page,
    message: Message,
}

/// Shows a message.
pub fn message(web: &Web, locale: Locale, status: StatusCode, message: Message) -> Response {
    let page = Page::new(web, locale, message.title.clone());
    render(status, &MessagePage { page, message })
}

/// Shows a message about something that went wrong, with the word by which docs and logs know it and a reference
/// that finds its log line.
pub fn problem(web: &Web, locale: Locale, status: StatusCode, slug: &str, problem: Message) -> Response {
    let reference: EventId = web.parts.world.new_id();
    tracing::info!(%reference, slug, status = status.as_u16(), facts = ?problem.facts, "a page refused");
    referred(web, locale, (status, slug), problem, reference)
}

/// The same about what is no fault of whoever sees it: the log line says why, which they are not told.
pub fn trouble(
    web: &Web,
    locale: Locale,
    (status, slug): (StatusCode, &str),
    problem: Message,
    why: &impl std::fmt::Display,
) -> Response {
    let reference: EventId = web.parts.world.new_id();
    tracing::warn!(%reference, slug, status = status.as_u16(), %why, "a page cannot go on");
    referred(web, locale, (status, slug), problem, reference)
}

fn referred(
    web: &Web,
    locale: Locale,
    (status, slug): (StatusCode, &str),
    mut problem: Message,
    reference: EventId,
) -> Response {
    problem.facts.push((locale.t("problem-code"), slug.to_owned()));
    problem.facts.push((locale.t("reference"), reference.to_string()));
    message(web, locale, status, problem)
}

/// The database does not answer.
pub fn unavailable(web: &Web, locale: Locale, error: &impl std::fmt::Display) -> Response {
    let text = Message {
        title: locale.t("unavailable-title"),
        text: locale.t("unavailable-text"),
        ..Message::default()
    };
    let what = (StatusCode::SERVICE_UNAVAILABLE, "unavailable");
    let mut response = trouble(web, locale, what, text, error);
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

/// A form that was not filled in on our page, or too long ago.
pub fn stale_form(web: &Web, locale: Locale) -> Response {
    let text = Message {
        title: locale.t("stale-title"),
        text: locale.t("stale-text"),
        link: Some(("/".to_owned(), locale.t("go-home"))),
        ..Message::default()
    };
    problem(web, locale, StatusCode::FORBIDDEN, "stale_form", text)
}

/// Makes an answer the page for somebody who opened an MCP endpoint in a browser; its status stays.
pub fn opened_in_browser(
    web: &Web,
    accept_language: Option<&str>,
    server: &str,
    endpoint: &str,
    headers: &mut HeaderMap,
) -> String {
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    protect_headers(web, headers);
    let locale = Locale::negotiate(accept_language);
    let title = locale.t1("endpoint-title", "server", server);
    let message = Message {
        title: title.clone(),
        text: locale.t("endpoint-text"),
        facts: vec![(locale.t("endpoint-address"), endpoint.to_owned())],
        link: Some(("/".to_owned(), locale.t("go-home"))),
        ..Message::default()
    };
    MessagePage {
        page: Page::new(web, locale, title),
        message,
    }
    .render()
    .unwrap_or_default()
}

/// Headers of every page (OS-36 to OS-38). There is no `form-action`: browsers apply it to the redirect
/// behind a form, and would block the way back to the client (OS-37, CC-50).
pub async fn protect(State(web): State<Arc<Web>>, locale: Locale, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if response.extensions().get::<ProtectionError>().is_some() {
        response = stale_form(&web, locale);
    }
    protect_headers(&web, response.headers_mut());
    response
}

/// The same for a page that goes out another way.
pub(crate) fn protect_headers(web: &Web, headers: &mut HeaderMap) {
    let mut set = |name: header::HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    set(
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'",
    );
    set(header::X_FRAME_OPTIONS, "DENY");
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "no-referrer");
    set(header::CACHE_CONTROL, "no-store");
    set(
        header::HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    );
    set(
        header::HeaderName::from_static("permissions-policy"),
        "camera=(), microphone=(), geolocation=()",
    );
    if web.site().origin.is_https() {
        set(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
}
