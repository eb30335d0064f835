//! Who somebody is at the company's providers and in its directories, linked to their account and taken away by themselves, on
//! the account page.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use model::SessionId;
use people::sign_in::Attempt;
use people::{CompanyDirectory, Provider, SignInError, SignedIn};
use relying::Came;
use store::StoreError;

use crate::account::{self, NotLinked, Notice};
use crate::authorize::person;
use crate::company_sign_in::{self, Going};
use crate::company_trouble::{self, failed};
use crate::cookies::Cookie;
use crate::fresh::FreshForm;
use crate::locale::Locale;
use crate::onward::Onward;
use crate::request::{Browser, From, OwnForm};
use crate::return_to_client::see_other;
use crate::router::Web;
use crate::{page, second_factor, sign_in};

/// The longest name that is shown again; as much as its field takes.
const LONGEST: usize = 256;

/// A provider or a directory on the account page.
pub(crate) struct Link {
    /// What the configuration calls it.
    pub(crate) provider: String,
    /// What people call it.
    pub(crate) title: String,
    /// Whether the account is somebody there.
    pub(crate) linked: bool,
    /// Whether something else lets them in.
    pub(crate) removable: bool,
    /// Whether a name and a password there are typed here.
    pub(crate) directory: bool,
}

/// The providers and directories, and whether the account is somebody there.
pub(crate) async fn links(web: &Web, signed_in: &SignedIn) -> Result<Vec<Link>, StoreError> {
    let ways = web.parts.company.ways();
    let account = signed_in.account.id;
    let identities = web.parts.store.identities_of(account).await?;
    let providers = ways.providers.iter();
    let providers = providers.map(|provider| (provider.source(), &provider.title, false));
    let directories = ways.directories.iter();
    let directories = directories.map(|directory| (directory.source(), &directory.title, true));
    let mut links = Vec::new();
    for (source, title, directory) in providers.chain(directories) {
        let linked = identities
            .iter()
            .any(|identity| identity.name.issuer == source.issuer);
        let other = web.parts.company.other_way(source.issuer, account);
        let removable = linked && other.await?.is_some();
        links.push(Link {
            provider: source.name.to_owned(),
            title: title.clone(),
            linked,
            removable,
            directory,
        });
    }
    Ok(links)
}

/// `POST /account/company/{provider}/link`.
pub async fn link(
    State(web): State<Arc<Web>>,
    Path(name): Path<String>,
    from: From,
    locale: Locale,
    browser: Browser,
    FreshForm(form): FreshForm,
) -> Response {
    if let Some(directory) = web.parts.company.ways().directory(&name) {
        return link_directory(&web, locale, &from, &browser, directory, &form).await;
    }
    let going = Going {
        provider: &name,
        query: "",
        onward: Onward::Authorization,
        again: false,
        login_hint: None,
        session: Some(form.signed_in.session.id),
    };
    company_sign_in::leave(&web, locale, &from, &browser, &going).await
}

/// The same for a directory, where nobody goes anywhere: with what somebody typed.
async fn link_directory(
    web: &Web,
    locale: Locale,
    from: &From,
    browser: &Browser,
    directory: &Arc<CompanyDirectory>,
    form: &OwnForm,
) -> Response {
    let known = browser.cookie(web, Cookie::Browser);
    let cookie = browser.cookie(web, Cookie::Form).unwrap_or_default();
    let attempt = Attempt {
        username: form.field("username"),
        password: form.field("password").to_owned().into(),
        at: second_factor::at(from, &cookie, known.as_deref()),
    };
    let signed_in = &form.signed_in;
    let linked = web
        .parts
        .sign_in
        .link_directory(directory, &signed_in.account, attempt)
        .await;
    let error = match linked {
        Ok(()) => return see_other("/account"),
        Err(SignInError::NotAdmitted { title, why, profile }) => {
            return company_trouble::refused(web, locale, &title, why, Some(&profile));
        }
        Err(SignInError::Store(error)) => return page::unavailable(web, locale, &error),
        Err(error) => error,
    };
    let (status, text, wait) = sign_in::told(locale, &error);
    let notice = Notice::directory(NotLinked {
        directory: directory.name.clone(),
        username: form.field("username").chars().take(LONGEST).collect(),
        text,
    });
    let mut response = account::page(web, locale, signed_in, status, notice).await;
    if let Some(seconds) = wait {
        let headers = response.headers_mut();
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Somebody who began to link is back, and has proved who they are there.
pub(crate) async fn linked(
    web: &Web,
    locale: Locale,
    browser: &Browser,
    provider: &Provider,
    session: SessionId,
    came: &Came,
    from: &From,
) -> Response {
    // Whoever signed in meanwhile in this browser is not who wanted it.
    let signed_in = browser.signed_in(web).await;
    let Some(signed_in) = signed_in.filter(|signed_in| signed_in.session.id == session) else {
        return see_other("/sign-in");
    };
    let person = person(from, Some(&signed_in));
    let linked = web
        .parts
        .company
        .link(provider, came, &signed_in.account, &person)
        .await;
    match linked {
        Ok(()) => see_other("/account"),
        Err(error) => failed(web, locale, provider, "/account", &error, Some(&came.profile)),
    }
}

/// Somebody who began to link gave up.
pub(crate) async fn gave_up(web: &Web, locale: Locale, browser: &Browser, text: String) -> Response {
    match browser.signed_in(web).await {
        Some(signed_in) => {
            account::page(web, locale, &signed_in, StatusCode::OK, Notice::company(text)).await
        }
        None => see_other("/sign-in"),
    }
}

/// `POST /account/company/{provider}/unlink`.
pub async fn unlink(
    State(web): State<Arc<Web>>,
    Path(name): Path<String>,
    from: From,
    locale: Locale,
    FreshForm(form): FreshForm,
) -> Response {
    let signed_in = &form.signed_in;
    let ways = web.parts.company.ways();
    let provider = ways.provider(&name).map(|provider| provider.source());
    let directory = ways.directory(&name).map(|directory| directory.source());
    let Some(source) = provider.or(directory) else {
        return page::stale_form(&web, locale);
    };
    let person = person(&from, Some(signed_in));
    match web
        .parts
        .company
        .unlink(source, signed_in.account.id, signed_in.session.id, &person)
        .await
    {
        Ok(true) => see_other("/account"),
        Ok(false) => {
            let notice = Notice::company(locale.t("company-last-way"));
            account::page(&web, locale, signed_in, StatusCode::CONFLICT, notice).await
        }
        Err(error) => page::unavailable(&web, locale, &error),
    }
}
