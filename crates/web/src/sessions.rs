//! "Where I am signed in": the person's live browser sessions, each with a name of their own if they gave it one, each
//! revocable.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use model::SessionId;

use crate::authorize::person;
use crate::form_token;
use crate::locale::Locale;
use crate::onward::Onward;
use crate::page::{self, Page, moment, render};
use crate::request::{Browser, From, OwnForm};
use crate::return_to_client::see_other;
use crate::router::Web;

#[derive(Template)]
#[template(path = "sessions.html")]
struct SessionsPage {
    page: Page,
    sessions: Vec<Shown>,
    token: String,
}

struct Shown {
    id: String,
    /// What its owner calls it; empty if nothing.
    name: String,
    browser: String,
    address: String,
    since: String,
    last_seen: String,
    current: bool,
}

/// `GET /sessions`.
pub async fn show(State(web): State<Arc<Web>>, locale: Locale, browser: Browser) -> Response {
    let Some(signed_in) = browser.signed_in(&web).await else {
        return see_other(Onward::Sessions.sign_in());
    };
    let sessions = match web.parts.sessions.of(signed_in.account.id).await {
        Ok(sessions) => sessions,
        Err(error) => return page::unavailable(&web, locale, &error),
    };
    let sessions = sessions.into_iter().map(|session| Shown {
        id: session.id.to_string(),
        name: session.name.unwrap_or_default(),
        browser: browser_name(&session.user_agent).unwrap_or_else(|| locale.t("browser-unknown")),
        address: session.address,
        since: moment(session.created_at),
        last_seen: moment(session.last_seen_at),
        current: session.id == signed_in.session.id,
    });
    let sessions = sessions.collect();
    let page = Page::own(&web, locale, locale.t("sessions-title"), "sessions", &signed_in);
    let token = form_token::for_cookie(signed_in.cookie.expose());
    render(
        StatusCode::OK,
        &SessionsPage {
            page,
            sessions,
            token,
        },
    )
}

/// `POST /sessions/name`.
pub async fn name(State(web): State<Arc<Web>>, locale: Locale, form: OwnForm) -> Response {
    if let Ok(id) = form.field("session").parse::<SessionId>() {
        let account = form.signed_in.account.id;
        if let Err(error) = web.parts.sessions.name(id, account, form.field("name")).await {
            return page::unavailable(&web, locale, &error);
        }
    }
    see_other("/sessions")
}

/// `POST /sessions/end`.
pub async fn end(State(web): State<Arc<Web>>, from: From, locale: Locale, form: OwnForm) -> Response {
    let signed_in = &form.signed_in;
    if let Ok(id) = form.field("session").parse::<SessionId>() {
        let person = person(&from, Some(signed_in));
        if let Err(error) = web.parts.sessions.end(id, signed_in.account.id, person).await {
            return page::unavailable(&web, locale, &error);
        }
    }
    see_other("/sessions")
}

impl Shown {
    /// The name, or what the browser says of itself.
    fn called(&self) -> &str {
        if self.name.is_empty() {
            &self.browser
        } else {
            &self.name
        }
    }
}

/// Browser and system in a few words, as far as they say so.
fn browser_name(user_agent: &str) -> Option<String> {
    let browsers = [
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ];
    let systems = [
        ("Windows", "Windows"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Android", "Android"),
        ("Mac OS X", "macOS"),
        ("Linux", "Linux"),
    ];
    let find = |list: &[(&str, &'static str)]| {
        list.iter()
            .find(|(mark, _)| user_agent.contains(mark))
            .map(|(_, name)| *name)
    };
    match (find(&browsers), find(&systems)) {
        (Some(browser), Some(system)) => Some(format!("{browser}, {system}")),
        (Some(name), None) | (None, Some(name)) => Some(name.to_owned()),
        (None, None) => user_agent.split_whitespace().next().map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_browsers() {
        let chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36";
        assert_eq!(browser_name(chrome).as_deref(), Some("Chrome, Linux"));
        assert_eq!(browser_name("curl/8.0").as_deref(), Some("curl/8.0"));
        assert_eq!(browser_name(""), None);
    }
}
