//! What handlers read from a request: who is calling, with which browser, in which language, with which
//! form.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use audit::Person;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, header};
use model::TokenKind;
use net::Caller;
use people::SignedIn;
use protocol::{OAuthError, Params};

use crate::cookies::{self, Cookie};
use crate::form_token;
use crate::locale::Locale;
use crate::oauth_json;
use crate::page;
use crate::return_to_client::see_other;
use crate::router::Web;

/// The caller as the record knows it.
#[derive(Clone, Debug)]
pub struct From(pub Person);

impl From {
    /// The address; loopback if nobody said.
    pub fn address(&self) -> IpAddr {
        self.0.address.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
    }

    /// What the program calls itself.
    pub fn user_agent(&self) -> &str {
        self.0.user_agent.as_deref().unwrap_or_default()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for From {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let address = parts.extensions.get::<Caller>().map(|caller| caller.address);
        Ok(Self(Person {
            address,
            user_agent: text(&parts.headers, header::USER_AGENT),
            ..Person::default()
        }))
    }
}

/// The person's language.
impl<S: Send + Sync> FromRequestParts<S> for Locale {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::negotiate(
            text(&parts.headers, header::ACCEPT_LANGUAGE).as_deref(),
        ))
    }
}

/// The browser's cookies.
#[derive(Debug)]
pub struct Browser {
    headers: HeaderMap,
}

impl Browser {
    /// A cookie's value.
    pub fn cookie(&self, web: &Web, cookie: Cookie) -> Option<String> {
        cookies::read(&self.headers, cookie, &web.site().origin)
    }

    /// The cookie that binds forms, and sign-ins at a provider, before anybody is signed in; made if there is none.
    pub fn form_cookie(&self, web: &Web) -> FormCookie {
        let known = self.cookie(web, Cookie::Form).filter(|cookie| cookie.len() >= 32);
        let is_new = known.is_none();
        let made = || web.parts.world.new_token(TokenKind::Session).expose().to_owned();
        FormCookie {
            value: known.unwrap_or_else(made),
            is_new,
        }
    }

    /// Who is signed in. A database that does not answer signs nobody in.
    pub async fn signed_in(&self, web: &Web) -> Option<SignedIn> {
        let cookie = self.cookie(web, Cookie::Session)?;
        match web.parts.sessions.find(&cookie).await {
            Ok(signed_in) => signed_in,
            Err(error) => {
                tracing::warn!(%error, "a session cannot be looked up");
                None
            }
        }
    }
}

/// A browser's form cookie; a new one goes out with the answer.
pub struct FormCookie {
    /// Its value.
    pub value: String,
    is_new: bool,
}

impl std::fmt::Debug for FormCookie {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FormCookie")
    }
}

impl FormCookie {
    /// Sends it along if the browser does not have it yet.
    pub fn send(&self, web: &Web, answer: &mut HeaderMap) {
        if self.is_new {
            cookies::set(answer, Cookie::Form, &self.value, &web.site().origin);
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Browser {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self {
            headers: parts.headers.clone(),
        })
    }
}

/// The raw query.
#[derive(Debug)]
pub struct RawQuery(pub String);

impl<S: Send + Sync> FromRequestParts<S> for RawQuery {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.uri.query().unwrap_or_default().to_owned()))
    }
}

/// A form, read strictly; JSON objects are read like one, as some clients send them (CC-62).
#[derive(Debug)]
pub struct Form(pub Params);

impl FromRequest<Arc<Web>> for Form {
    type Rejection = Response;

    async fn from_request(request: Request, state: &Arc<Web>) -> Result<Self, Response> {
        let media_type = text(request.headers(), header::CONTENT_TYPE).unwrap_or_default();
        let essence = media_type
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        let refuse = |text: &str| oauth_json::error(&OAuthError::invalid_request(text)).into_response();
        let body = Bytes::from_request(request, state)
            .await
            .map_err(|_| refuse("the body is too large or broke off"))?;
        match essence.as_str() {
            "application/x-www-form-urlencoded" | "" => Params::parse(&body)
                .map(Self)
                .map_err(|error| refuse(&error.to_string())),
            "application/json" => from_json(&body)
                .map(Self)
                .ok_or_else(|| refuse("the body is not a JSON object of strings")),
            _ => Err(refuse("the body must be application/x-www-form-urlencoded")),
        }
    }
}

/// A form that a page of ours gave to whoever is signed in now (OS-39). Others are sent to sign in, or told that
/// their page is too old.
#[derive(Debug)]
pub struct OwnForm {
    /// Who sends it.
    pub signed_in: SignedIn,
    /// What it holds.
    pub form: Params,
}

impl OwnForm {
    /// A field's only value; empty if there is none.
    pub fn field(&self, name: &str) -> &str {
        self.form.one(name).ok().flatten().unwrap_or_default()
    }
}

impl FromRequest<Arc<Web>> for OwnForm {
    type Rejection = Response;

    async fn from_request(request: Request, web: &Arc<Web>) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let Ok(browser) = Browser::from_request_parts(&mut parts, web).await;
        let Ok(locale) = Locale::from_request_parts(&mut parts, web).await;
        let Form(form) = Form::from_request(Request::from_parts(parts, body), web).await?;
        let Some(signed_in) = browser.signed_in(web).await else {
            return Err(see_other("/sign-in"));
        };
        let own = Self { signed_in, form };
        if form_token::fits(own.signed_in.cookie.expose(), own.field("token")) {
            Ok(own)
        } else {
            Err(page::stale_form(web, locale))
        }
    }
}

fn from_json(body: &[u8]) -> Option<Params> {
    let members: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(body).ok()?;
    let mut params = Params::default();
    for (name, value) in &members {
        match value {
            serde_json::Value::String(text) => params.push(name, text),
            serde_json::Value::Null => {}
            serde_json::Value::Array(values) => {
                values
                    .iter()
                    .filter_map(serde_json::Value::as_str)
                    .for_each(|text| params.push(name, text));
            }
            other => params.push(name, &other.to_string()),
        }
    }
    Some(params)
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<String> {
    let text = headers.get(name)?.to_str().ok()?;
    Some(text.chars().take(500).collect())
}
