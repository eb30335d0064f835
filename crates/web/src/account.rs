//! The person's own account: who they are here and at the company's providers, their password, and other factors.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use keys::password::BadPassword;
use people::SignedIn;
use people::accounts::AccountError;

use crate::authorize::person;
use crate::company_links::{self, Link};
use crate::form_token;
use crate::locale::Locale;
use crate::onward::Onward;
use crate::page::{self, Page, render};
use crate::request::{Browser, From, OwnForm};
use crate::return_to_client::see_other;
use crate::router::Web;
use crate::security::{self, Security};

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    page: Page,
    username: String,
    display_name: String,
    email: Option<String>,
    groups: Vec<String>,
    token: String,
    /// Whether there is a password to change.
    password: bool,
    links: Vec<Link>,
    security: Security,
    notice: Notice,
}

/// What a part of the page says.
#[derive(Debug, Default)]
pub(crate) struct Notice {
    /// Why the password was not changed.
    error: Option<String>,
    /// Whether it was.
    done: bool,
    /// What became of linking.
    company: Option<String>,
    /// Why a directory was not linked.
    directory: Option<NotLinked>,
    /// What became of a factor.
    security: Option<String>,
}

/// Why a directory is not linked, beside the form in which somebody typed who they are there.
#[derive(Debug)]
pub(crate) struct NotLinked {
    /// What the configuration calls the directory.
    pub(crate) directory: String,
    /// What was typed; the password has to be typed again.
    pub(crate) username: String,
    /// Why.
    pub(crate) text: String,
}

impl Notice {
    fn password(error: String) -> Self {
        Self {
            error: Some(error),
            ..Self::default()
        }
    }

    /// About factors beyond the password.
    pub(crate) fn security(text: String) -> Self {
        Self {
            security: Some(text),
            ..Self::default()
        }
    }

    /// About a directory, in its own form.
    pub(crate) fn directory(why: NotLinked) -> Self {
        Self {
            directory: Some(why),
            ..Self::default()
        }
    }

    /// What this directory's form has to say, if it was sent.
    fn not_linked(&self, directory: &str) -> Option<&NotLinked> {
        let why = self.directory.as_ref();
        why.filter(|why| why.directory == directory)
    }

    /// About the accounts at providers.
    pub(crate) fn company(text: String) -> Self {
        Self {
            company: Some(text),
            ..Self::default()
        }
    }
}

/// `GET /account`.
pub async fn show(State(web): State<Arc<Web>>, locale: Locale, browser: Browser) -> Response {
    match browser.signed_in(&web).await {
        Some(signed_in) => page(&web, locale, &signed_in, StatusCode::OK, Notice::default()).await,
        None => see_other(Onward::Account.sign_in()),
    }
}

pub(crate) async fn page(
    web: &Web,
    locale: Locale,
    signed_in: &SignedIn,
    status: StatusCode,
    notice: Notice,
) -> Response {
    let account = &signed_in.account;
    let read = async {
        let known = web.parts.store.account(account.id).await?;
        let links = company_links::links(web, signed_in).await?;
        let has_password = known.is_some_and(|known| known.password_hash.is_some());
        let security = security::security(web, signed_in, has_password).await?;
        Ok::<_, store::StoreError>((has_password, links, security))
    };
    let (has_password, links, security) = match read.await {
        Ok(read) => read,
        Err(error) => return page::unavailable(web, locale, &error),
    };
    let template = AccountPage {
        page: Page::own(web, locale, locale.t("account-title"), "account", signed_in),
        username: account.username.to_string(),
        display_name: account.display_name.clone(),
        email: account.email.as_ref().map(|(email, _)| email.clone()),
        groups: account.groups.iter().map(ToString::to_string).collect(),
        token: form_token::for_cookie(signed_in.cookie.expose()),
        password: has_password && web.parts.company.ways().passwords,
        links,
        security,
        notice,
    };
    render(status, &template)
}

/// `POST /account/password`.
pub async fn change_password(
    State(web): State<Arc<Web>>,
    from: From,
    locale: Locale,
    form: OwnForm,
) -> Response {
    let signed_in = &form.signed_in;
    if form.field("new") != form.field("repeat") {
        let notice = Notice::password(locale.t("password-differs"));
        return page(&web, locale, signed_in, StatusCode::BAD_REQUEST, notice).await;
    }
    if !web.parts.company.ways().passwords {
        return page::stale_form(&web, locale);
    }
    let (current, new) = (
        form.field("current").to_owned().into(),
        form.field("new").to_owned().into(),
    );
    let person = person(&from, Some(signed_in));
    let changed = web
        .parts
        .accounts
        .change_password(signed_in.account.id, current, new, signed_in.session.id, person)
        .await;
    match changed {
        Ok(()) => {
            let notice = Notice {
                done: true,
                ..Notice::default()
            };
            page(&web, locale, signed_in, StatusCode::OK, notice).await
        }
        Err(error) => match problem(locale, &error) {
            Some(text) => {
                let notice = Notice::password(text);
                page(&web, locale, signed_in, StatusCode::BAD_REQUEST, notice).await
            }
            None => page::unavailable(&web, locale, &error),
        },
    }
}

/// What to tell somebody whose password was not taken; `None` for a fault of ours.
pub(crate) fn problem(locale: Locale, error: &AccountError) -> Option<String> {
    Some(match error {
        AccountError::Password(BadPassword::TooShort) => locale.t("password-short"),
        AccountError::Password(BadPassword::TooLong) => locale.t("password-long"),
        AccountError::Password(BadPassword::Obvious) => locale.t("password-obvious"),
        AccountError::WrongPassword => locale.t("password-wrong"),
        AccountError::Busy(_) => locale.t("sign-in-busy"),
        _ => return None,
    })
}
