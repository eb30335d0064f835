//! The routes, and what every handler shares.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use audit::Recorder;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler as _;
use axum::routing::{MethodRouter, get, post};
use issuer::{AuthorizationServer, IssFlag, Registration};
use model::{AccountId, World};
use people::limits::Limit;
use people::{Accounts, Company, Factors, Sessions, SignIn};
use protocol::Origin;
use protocol::metadata::{AuthorizationServerMetadata, Offer, paths};
use store::Store;
use tower_http::csrf::CsrfLayer;
use vault::Connections;
use vault::connector::{CALLBACK, CLIENT_DOCUMENT};

use crate::onward::Onward;
use crate::{
    account, apps, assets, authorize, client_document, company_links, company_logout, company_sign_in,
    connect_first, connecting, connecting_away, connections, consent, cors, device, device_authorization,
    fallback, home, introspection, invitation, logout, metadata, page, passkey_sign_in, recovery_codes,
    registration, revocation, second_factor, security, sessions, sign_in, step_up, step_up_authentication,
    token, totp, userinfo,
};

/// Most bytes of a form or a registration.
const LARGEST_BODY: usize = 64 * 1024;

/// Tokens that somebody may type in a while: enough for mistakes, too few to try other people's.
const TOKEN_CHECKS: u32 = 10;
const TOKEN_CHECKS_PER: Duration = Duration::from_mins(10);

/// What the faces are built from.
#[derive(Debug)]
pub struct Parts {
    /// Clock and dice.
    pub world: World,
    /// Persistence, for lists.
    pub store: Arc<dyn Store>,
    /// The authorization server.
    pub server: Arc<AuthorizationServer>,
    /// Signing in.
    pub sign_in: SignIn,
    /// Signing in at a provider.
    pub company: Company,
    /// Factors beyond the password.
    pub factors: Factors,
    /// Browser sessions.
    pub sessions: Sessions,
    /// Accounts and their links.
    pub accounts: Accounts,
    /// What people linked at providers.
    pub connections: Arc<Connections>,
    /// The audit record.
    pub recorder: Recorder,
}

/// What of the configuration pages show.
#[derive(Clone, Debug)]
pub struct Site {
    /// What people call this door.
    pub title: String,
    /// The public origin.
    pub origin: Origin,
}

/// Shared by every handler.
#[derive(Debug)]
pub struct Web {
    pub(crate) parts: Parts,
    site: ArcSwap<Site>,
    documents: ArcSwap<Documents>,
    /// How often somebody may let a token be checked at a provider.
    pub(crate) token_checks: Limit<AccountId>,
}

/// Metadata as ready-made text: no database, no upstream, nothing that can fail (CC-26).
#[derive(Debug)]
pub(crate) struct Documents {
    /// With the `iss` flag.
    pub(crate) full: String,
    /// For discovery requests of 2024-11-05 (DEC-14).
    pub(crate) without_iss_flag: String,
}

impl Web {
    /// From its parts.
    pub fn new(parts: Parts, site: Site) -> Arc<Self> {
        let documents = documents(&parts.server);
        Arc::new(Self {
            token_checks: Limit::new(parts.world.clone(), TOKEN_CHECKS, TOKEN_CHECKS_PER),
            parts,
            site: ArcSwap::from_pointee(site),
            documents: ArcSwap::from_pointee(documents),
        })
    }

    /// After the issuer has new settings.
    pub fn reconfigure(&self, site: Site) {
        self.documents.store(Arc::new(documents(&self.parts.server)));
        self.site.store(Arc::new(site));
    }

    pub(crate) fn site(&self) -> Arc<Site> {
        self.site.load_full()
    }

    pub(crate) fn documents(&self) -> Arc<Documents> {
        self.documents.load_full()
    }
}

fn documents(server: &AuthorizationServer) -> Documents {
    let settings = server.settings();
    let registration = settings.registration == Registration::Open;
    let grants = settings.machines.grant_types();
    let document = |iss_flag| {
        let metadata = AuthorizationServerMetadata::new(
            &settings.issuer,
            Offer {
                registration,
                device: settings.device,
                iss_flag,
                grants: &grants,
            },
        );
        serde_json::to_string(&metadata).unwrap_or_default()
    };
    Documents {
        full: document(settings.iss != IssFlag::Off),
        without_iss_flag: document(settings.iss == IssFlag::On),
    }
}

/// All routes.
pub fn router(web: Arc<Web>) -> Router {
    Router::new()
        .merge(machines())
        .merge(people(&web))
        .fallback(fallback::not_found.layer(axum::middleware::from_fn_with_state(
            Arc::clone(&web),
            page::protect,
        )))
        .method_not_allowed_fallback(fallback::method_not_allowed)
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(web)
}

/// What programs call: open to every origin, without cookies.
fn machines() -> Router<Arc<Web>> {
    let open = |methods: MethodRouter<Arc<Web>>| methods.options(cors::preflight);
    Router::new()
        .route(paths::OAUTH_METADATA, open(get(metadata::root)))
        .route(paths::OPENID_METADATA, open(get(metadata::root)))
        .route(
            &format!("{}/{{*path}}", paths::OAUTH_METADATA),
            open(get(metadata::inserted)),
        )
        .route(
            &format!("{}/{{*path}}", paths::OPENID_METADATA),
            open(get(metadata::inserted)),
        )
        .route(
            &format!("/mcp/{{name}}{}", paths::OAUTH_METADATA),
            open(get(metadata::appended)),
        )
        .route(
            &format!("/mcp/{{name}}{}", paths::OPENID_METADATA),
            open(get(metadata::appended)),
        )
        .route(paths::JWKS, open(get(metadata::key_set)))
        .route(
            &format!("{CLIENT_DOCUMENT}/{{connector}}"),
            open(get(client_document::show)),
        )
        .route(paths::TOKEN, open(post(token::token)))
        .route("/oauth/token", open(post(token::token)))
        .route(
            paths::DEVICE_AUTHORIZATION,
            open(post(device_authorization::authorize)),
        )
        .route(paths::REGISTER, open(post(registration::register)))
        .route(
            &format!("{}/{{id}}", paths::REGISTER),
            open(
                get(registration::read)
                    .put(registration::update)
                    .delete(registration::delete),
            ),
        )
        .route(paths::REVOKE, open(post(revocation::revoke)))
        .route(paths::INTROSPECT, post(introspection::introspect))
        .route(
            &format!("{}/{{provider}}", company_logout::BACK_CHANNEL),
            post(company_logout::back_channel),
        )
        .route(
            paths::USERINFO,
            open(get(userinfo::userinfo).post(userinfo::userinfo)),
        )
        .layer(axum::middleware::map_response(cors::allow))
}

/// What people's browsers open: no CORS, no framing, forms from our own pages alone (OS-5, OS-36, OS-39).
fn people(web: &Arc<Web>) -> Router<Arc<Web>> {
    let origin = web.site().origin.to_string();
    let csrf = CsrfLayer::new();
    let csrf = match csrf.clone().add_trusted_origin(origin) {
        Ok(trusting) => trusting,
        Err(_) => csrf,
    };
    Router::new()
        .route(
            paths::AUTHORIZE,
            get(authorize::authorize).post(authorize::authorize_by_post),
        )
        .merge(forms(&csrf))
        .route(
            paths::DEVICE,
            get(device::show).post(device::submit.layer(csrf.clone())),
        )
        .route(paths::DEVICE_DONE, get(device::done))
        .route(
            second_factor::PATH,
            post(second_factor::submit.layer(csrf.clone())),
        )
        .route(
            passkey_sign_in::PATH,
            post(passkey_sign_in::submit.layer(csrf.clone())),
        )
        .route(
            passkey_sign_in::BEGIN,
            post(passkey_sign_in::begin.layer(csrf.clone())),
        )
        .route(
            &format!("{}/{{provider}}", company_sign_in::CALLBACK),
            get(company_sign_in::callback),
        )
        .route(
            "/account/company/{provider}/link",
            post(company_links::link.layer(csrf.clone())),
        )
        .route(
            "/account/company/{provider}/unlink",
            post(company_links::unlink.layer(csrf.clone())),
        )
        .route("/consent", post(consent::submit.layer(csrf.clone())))
        .route(
            "/invitation/{token}",
            get(invitation::show).post(invitation::submit.layer(csrf.clone())),
        )
        .route("/sign-out", post(sign_in::sign_out.layer(csrf.clone())))
        .route(paths::END_SESSION, get(logout::show).post(logout::submit))
        .route("/", get(home::show))
        .route("/apps", get(apps::show))
        .route("/apps/revoke", post(apps::revoke.layer(csrf.clone())))
        .route(
            step_up::PAGE,
            get(step_up::show).post(step_up::submit.layer(csrf.clone())),
        )
        .route(
            connecting::PAGE,
            get(connecting::show).post(connecting::submit.layer(csrf.clone())),
        )
        .route(
            connecting_away::LEAVE,
            post(connecting_away::leave.layer(csrf.clone())),
        )
        .route(
            connect_first::LATER,
            post(connect_first::later.layer(csrf.clone())),
        )
        .route(
            &format!("{CALLBACK}/{{connector}}"),
            get(connecting_away::callback),
        )
        .route("/connections", get(connections::show))
        .route(
            "/connections/disconnect",
            post(connections::disconnect.layer(csrf.clone())),
        )
        .route("/sessions", get(sessions::show))
        .route("/sessions/name", post(sessions::name.layer(csrf.clone())))
        .route("/sessions/end", post(sessions::end.layer(csrf.clone())))
        .route("/account", get(account::show))
        .route(
            "/account/password",
            post(account::change_password.layer(csrf.clone())),
        )
        .merge(security(&csrf))
        .merge(enrolment(&csrf))
        .route("/assets/{file}", get(assets::serve))
        .layer(axum::middleware::from_fn_with_state(
            Arc::clone(web),
            page::protect,
        ))
}

/// The sign-in form, once for each page that comes then.
fn forms(csrf: &CsrfLayer) -> Router<Arc<Web>> {
    Onward::ALL.into_iter().fold(Router::new(), |router, onward| {
        let form = get(sign_in::show).post(sign_in::submit.layer(csrf.clone()));
        router.route(onward.sign_in(), form)
    })
}

/// What sets up a factor on the way to a program.
fn enrolment(csrf: &CsrfLayer) -> Router<Arc<Web>> {
    Router::new()
        .route(
            step_up_authentication::TOTP,
            post(step_up_authentication::begin_totp.layer(csrf.clone())),
        )
        .route(
            step_up_authentication::TOTP_CODE,
            post(step_up_authentication::confirm_totp.layer(csrf.clone())),
        )
        .route(
            step_up_authentication::PASSKEY,
            post(step_up_authentication::add_passkey.layer(csrf.clone())),
        )
        .route(
            step_up_authentication::PASSKEY_BEGIN,
            post(security::begin_passkey.layer(csrf.clone())),
        )
}

/// What changes the factors of an account.
fn security(csrf: &CsrfLayer) -> Router<Arc<Web>> {
    Router::new()
        .route(
            "/account/passkeys/begin",
            post(security::begin_passkey.layer(csrf.clone())),
        )
        .route(
            "/account/passkeys",
            post(security::add_passkey.layer(csrf.clone())),
        )
        .route(
            "/account/passkeys/{id}/name",
            post(security::name_passkey.layer(csrf.clone())),
        )
        .route(
            "/account/passkeys/{id}/remove",
            post(security::remove_passkey.layer(csrf.clone())),
        )
        .route("/account/totp/begin", post(totp::begin.layer(csrf.clone())))
        .route("/account/totp", post(totp::confirm.layer(csrf.clone())))
        .route("/account/totp/remove", post(totp::remove.layer(csrf.clone())))
        .route(
            "/account/recovery-codes",
            post(recovery_codes::make.layer(csrf.clone())),
        )
}
