//! A whole authorization server for tests, on a fresh database, with a browser that does not exist.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use audit::{Person, Recorder};
use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use http::HeaderMap;
use keys::{Algorithm, MasterKey, MasterKeys, Sealer, sha256};
use model::{AccountId, GrantId, OpaqueToken, Requirements, TokenKind, World};
use net::Tasks;
use net::strangers::{FetchError, Fetched};
use people::{
    Company, Directory, Identities, ProviderGrants, Readings, SessionPolicy, Sessions, SignedIn, Ways, WaysIn,
};
use policy::{AllowRule, Policies, ServerRules, Tools};
use protocol::metadata::grants;
use protocol::{Issuer, Origins, Params};
use serde_json::{Value, json};
use store::{NewAccount, NewSession, Store};
use testkit::{Database, TestClock};
use url::Url;
use uuid::Uuid;

use crate::authorize::Typed;
use crate::consent::{Answer, Decided};
use crate::device_authorization::DeviceAuthorizationResponse;
use crate::device_code::Polled;
use crate::documents::Fetch;
use crate::*;

/// The world wide web, as far as a test writes it.
#[derive(Debug, Default)]
pub(crate) struct Web {
    pages: Mutex<HashMap<String, Result<String, FetchError>>>,
    asked: Mutex<Vec<String>>,
}

impl Web {
    pub(crate) fn put(&self, url: &str, page: &Value) {
        self.pages
            .lock()
            .unwrap()
            .insert(url.to_owned(), Ok(page.to_string()));
    }
    pub(crate) fn fail(&self, url: &str, error: FetchError) {
        self.pages.lock().unwrap().insert(url.to_owned(), Err(error));
    }
    pub(crate) fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

#[async_trait]
impl Fetch for Web {
    async fn fetch(&self, url: &Url) -> Result<Fetched, FetchError> {
        self.asked.lock().unwrap().push(url.to_string());
        tokio::task::yield_now().await;
        match self.pages.lock().unwrap().get(url.as_str()) {
            Some(Ok(page)) => Ok(Fetched {
                headers: HeaderMap::new(),
                body: Bytes::from(page.clone()),
            }),
            Some(Err(error)) => Err(error.clone()),
            None => Err(FetchError::Connect(url.host_str().unwrap_or_default().to_owned())),
        }
    }
}

/// A server, its world and its web.
pub(crate) struct House {
    pub(crate) server: Arc<AuthorizationServer>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) world: World,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) web: Arc<Web>,
    pub(crate) ana: AccountId,
    sessions: Sessions,
    _folder: Option<Arc<tempfile::TempDir>>,
}

pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const LOOPBACK: &str = "http://localhost:7777/callback";

pub(crate) fn challenge(verifier: &str) -> String {
    BASE64URL_NOPAD.encode(&sha256(verifier.as_bytes()))
}

pub(crate) fn settings() -> Settings {
    let public: protocol::Origin = "https://gw.test".parse().unwrap();
    let servers = [
        ("dev", "developers"),
        ("ops", "operators"),
        ("wiki", "developers"),
    ];
    let rules = servers.map(|(name, group)| ServerRules {
        scopes: vec![],
        server: name.parse().unwrap(),
        allow: vec![AllowRule {
            groups: vec![group.parse().unwrap()],
            tools: Tools::All,
            ..AllowRule::default()
        }],
        shadow_allow: vec![],
    });
    let policies = Policies::load(&rules, &[], &[]).unwrap();
    let resource = |(name, _): (&str, &str)| {
        Arc::new(Resource {
            name: name.parse().unwrap(),
            title: name.to_uppercase(),
            uri: format!("https://gw.test/mcp/{name}"),
            policy: Arc::new(policies.of(&name.parse().unwrap())),
            algorithm: Algorithm::Es256,
            introspectors: vec!["introspector".parse().unwrap()],
            programs: Programs::default(),
            require: Requirements::default(),
        })
    };
    Settings {
        issuer: Issuer::of(&public),
        origins: Origins::new(public, vec![]),
        resources: servers.map(resource).into(),
        default_server: None,
        lifetimes: Lifetimes::default(),
        refresh: RefreshRules::default(),
        registration: Registration::Open,
        device: true,
        unlimited_registration: vec![],
        allowed_hosts: None,
        strict_loopback: false,
        iss: IssFlag::Auto,
        elsewhere: true,
        contact: Some("the platform team".to_owned()),
        require: Requirements::default(),
        machines: Machines::default(),
    }
}

pub(crate) async fn house(database: &Database) -> House {
    let (world, clock) = testkit::world();
    let store = Arc::clone(&database.store);
    let opening = audit::Opening::alone(world.clone(), Arc::clone(&store), Uuid::from_u128(1)).unwrap();
    let (recorder, recording) = Recorder::open(opening).await.unwrap();
    recording.start(&Tasks::new());
    let master = MasterKey::new(std::array::from_fn(|at| u8::try_from(at).unwrap()));
    let sealer = Sealer::new(MasterKeys::new(master, vec![]), world.clone());
    let key_ring = KeyRing::open(world.clone(), Arc::clone(&store), sealer.clone())
        .await
        .unwrap();
    let standing = Standing::load(world.clone(), &store).await.unwrap();
    let directory = Directory::new(&store);
    let settings = settings();
    let (verifier, _uses) = Verifier::new(
        world.clone(),
        settings.issuer.clone(),
        Arc::clone(&key_ring),
        Arc::clone(&standing),
        ClientNames::load(&store).await.unwrap(),
    );
    let web = Arc::new(Web::default());
    let now = world.now();
    for group in ["developers", "operators"] {
        store.add_group(&group.parse().unwrap(), "", now).await.unwrap();
    }
    let sessions = Sessions::new(
        world.clone(),
        Arc::clone(&store),
        Arc::clone(&directory),
        recorder.clone(),
        SessionPolicy::default(),
    );
    let fetch: Arc<dyn Fetch> = Arc::<Web>::clone(&web);
    let ways = WaysIn::new(Ways::default());
    let identities = Identities::new(world.clone(), &store, recorder.clone());
    let grants = ProviderGrants::new(
        world.clone(),
        Arc::clone(&store),
        sealer.clone(),
        net::Tasks::new(),
    );
    let company = Company::new(
        world.clone(),
        Arc::clone(&store),
        identities,
        recorder.clone(),
        (grants, Arc::clone(&ways)),
    );
    let readings = Readings::new(world.clone(), Arc::clone(&store), company, ways);
    let parts = Parts {
        world: world.clone(),
        store: Arc::clone(&store),
        sealer,
        directory,
        readings,
        recorder,
        key_ring,
        standing,
        verifier,
        known_clients: KnownClients::load(None).unwrap(),
        fetch,
    };
    let ana = world.new_id();
    let server = AuthorizationServer::new(parts, settings);
    let house = House {
        server,
        store,
        world,
        clock,
        web,
        ana,
        sessions,
        _folder: database.folder.clone(),
    };
    house.add_person(ana, "ana", &["developers"]).await;
    house
}

impl House {
    pub(crate) async fn add_person(&self, id: AccountId, username: &str, groups: &[&str]) {
        let account = NewAccount {
            email_verified: false,
            id,
            username: username.parse().unwrap(),
            display_name: username.to_owned(),
            email: Some(format!("{username}@example.com")),
            administrator: false,
            password_hash: Some("unused".to_owned().into()),
            service: false,
            groups: groups.iter().map(|name| name.parse().unwrap()).collect(),
        };
        assert!(
            self.store
                .add_account(&account, None, self.world.now())
                .await
                .unwrap()
        );
        // So that grants are made after the account, as in life.
        self.clock.advance(Duration::from_millis(10));
    }

    /// Somebody signs in.
    pub(crate) async fn sign_in(&self, account: AccountId, fresh_for: Option<[u8; 32]>) -> SignedIn {
        let cookie = self.world.new_token(TokenKind::Session);
        let session = NewSession {
            id: self.world.new_id(),
            digest: keys::digest_of(&cookie),
            replaces: None,
            raises: false,
            browser: keys::digest_of(&self.world.new_token(TokenKind::Browser)),
            account,
            authenticated_at: self.world.now(),
            fresh_for,
            expires_at: self.world.now() + Duration::from_hours(1000),
            user_agent: "test".to_owned(),
            address: "203.0.113.5".to_owned(),
            proved: store::Proved::default(),
        };
        assert!(self.store.add_session(&session, self.world.now()).await.unwrap());
        self.sessions.find(cookie.expose()).await.unwrap().unwrap()
    }

    /// Registers a client and gives its id.
    pub(crate) async fn register(&self, body: Value) -> String {
        let registered = self.register_whole(body).await.unwrap();
        registered["client_id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn register_whole(&self, body: Value) -> Result<Value, registration::RegistrationError> {
        let address = "203.0.113.5".parse().unwrap();
        let registered = self
            .server
            .register(body.to_string().as_bytes(), address, Person::default())
            .await?;
        Ok(serde_json::to_value(registered).unwrap())
    }

    pub(crate) async fn loopback_client(&self) -> String {
        self.register(json!({"redirect_uris": ["http://localhost/callback"], "client_name": "Test"}))
            .await
    }

    pub(crate) async fn authorize(&self, query: &str, browser: Option<&SignedIn>) -> Outcome {
        let params = Params::parse(query.as_bytes()).unwrap();
        self.server
            .authorize(&params, query, browser, &Person::default())
            .await
            .unwrap()
    }

    /// The whole way to a code: question, approval.
    pub(crate) async fn code(&self, client: &str, extra: &str) -> String {
        let browser = self.sign_in(self.ana, None).await;
        match self.authorize(&query(client, extra), Some(&browser)).await {
            Outcome::Ask(question) => {
                let server = question.choices[0].server.clone();
                let answer = Answer::Approve { server };
                let person = Person::default();
                match self
                    .server
                    .decide(question.transaction, answer, &browser, &person)
                    .await
                    .unwrap()
                {
                    Decided::Return(back) => {
                        param(&back.url, "code").unwrap_or_else(|| panic!("{}", back.url))
                    }
                    Decided::Gone => panic!("gone"),
                }
            }
            Outcome::Return(back) => param(&back.url, "code").unwrap_or_else(|| panic!("{}", back.url)),
            other => panic!("{other:?}"),
        }
    }

    /// A program without a browser registers.
    pub(crate) async fn device_client(&self) -> String {
        self.register(json!({"client_name": "Tool", "grant_types": [grants::DEVICE_CODE, "refresh_token"]}))
            .await
    }

    /// It asks.
    pub(crate) async fn ask_device(
        &self,
        client: &str,
        extra: &str,
    ) -> Result<DeviceAuthorizationResponse, issue::IssueError> {
        let form = Params::parse(extra.as_bytes()).unwrap();
        let client = self.client(client).await;
        self.server.authorize_device(&client, &form, &machine()).await
    }

    /// Somebody types its code and goes on to the question.
    pub(crate) async fn device_outcome(&self, user_code: &str, browser: &SignedIn) -> Outcome {
        let address = "203.0.113.5".parse().unwrap();
        let typed = self
            .server
            .type_user_code(user_code, browser, address, &Person::default())
            .await
            .unwrap();
        let Typed::Found(ticket) = typed else {
            panic!("{typed:?}")
        };
        self.authorize(&format!("device={ticket}"), Some(browser)).await
    }

    /// Somebody types its code and answers.
    pub(crate) async fn answer_device(&self, user_code: &str, browser: &SignedIn, yes: bool) -> Decided {
        let Outcome::Ask(question) = self.device_outcome(user_code, browser).await else {
            panic!("not asked")
        };
        let server = question.choices[0].server.clone();
        let answer = if yes {
            Answer::Approve { server }
        } else {
            Answer::Deny
        };
        self.server
            .decide(question.transaction, answer, browser, &Person::default())
            .await
            .unwrap()
    }

    /// It asks for the answer.
    pub(crate) async fn poll(
        &self,
        client: &str,
        device_code: &str,
    ) -> Result<TokenResponse, issue::IssueError> {
        self.poll_for(client, device_code, None).await.outcome
    }

    pub(crate) async fn poll_for(&self, client: &str, device_code: &str, wait: Option<Duration>) -> Polled {
        let form = Params::parse(format!("device_code={device_code}").as_bytes()).unwrap();
        let client = self.client(client).await;
        self.server
            .redeem_device_code(&client, &form, &machine(), wait)
            .await
    }

    /// The grant of the one approval of hers that waits to be fetched.
    pub(crate) async fn only_approval(&self) -> GrantId {
        let approvals = self.store.approvals_of(self.ana, self.world.now()).await.unwrap();
        assert_eq!(approvals.len(), 1, "{approvals:?}");
        approvals[0].grant
    }

    pub(crate) async fn take_back(&self, grant: GrantId, account: AccountId) -> bool {
        self.server
            .take_approval_back(grant, account, &Person::default())
            .await
            .unwrap()
    }

    pub(crate) async fn client(&self, id: &str) -> store::Client {
        self.store.client(&id.parse().unwrap()).await.unwrap().unwrap()
    }

    pub(crate) async fn redeem(&self, client: &str, code: &str) -> Result<TokenResponse, issue::IssueError> {
        self.redeem_form(client, &format!("code={code}&code_verifier={VERIFIER}"))
            .await
    }

    pub(crate) async fn redeem_form(
        &self,
        client: &str,
        form: &str,
    ) -> Result<TokenResponse, issue::IssueError> {
        let form = Params::parse(form.as_bytes()).unwrap();
        self.server
            .redeem_code(&self.client(client).await, &form, &Person::default())
            .await
    }

    pub(crate) async fn tokens(&self, client: &str, extra: &str) -> TokenResponse {
        let code = self.code(client, extra).await;
        self.redeem(client, &code).await.unwrap()
    }

    pub(crate) async fn refresh(
        &self,
        client: &str,
        token: &str,
    ) -> Result<TokenResponse, issue::IssueError> {
        self.refresh_form(client, &format!("refresh_token={token}")).await
    }

    pub(crate) async fn refresh_form(
        &self,
        client: &str,
        form: &str,
    ) -> Result<TokenResponse, issue::IssueError> {
        let form = Params::parse(form.as_bytes()).unwrap();
        self.server
            .refresh(&self.client(client).await, &form, &Person::default())
            .await
    }

    /// Marks the access token as accepted by the gateway, as the writer behind the calls does.
    pub(crate) async fn use_token(&self, access_token: &str) {
        let access = self.server.verifier().verify(access_token).unwrap();
        self.store
            .mark_used(&[(access.grant, access.generation)], self.world.now())
            .await
            .unwrap();
    }

    pub(crate) fn counts(&self, access_token: &str) -> bool {
        self.server.verifier().verify(access_token).is_ok()
    }
}

/// Where programs without a browser run.
pub(crate) fn machine() -> Person {
    Person {
        address: Some("198.51.100.7".parse().unwrap()),
        user_agent: Some("tool/1.0 \u{202e}(build-7)".to_owned()),
        ..Person::default()
    }
}

/// A good authorization query with more behind it; later ones win nothing, so each name is given once.
pub(crate) fn query(client: &str, extra: &str) -> String {
    let mut params = Params::parse(extra.as_bytes()).unwrap();
    let challenge = challenge(VERIFIER);
    for (name, value) in [
        ("client_id", client),
        ("redirect_uri", LOOPBACK),
        ("response_type", "code"),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
        ("state", "st:ä/1"),
        ("resource", "https://gw.test/mcp/dev"),
    ] {
        if !params.has(name) {
            params.push(name, value);
        }
    }
    params.encode()
}

pub(crate) fn param(url: &str, name: &str) -> Option<String> {
    let url = Url::parse(url).unwrap();
    url.query_pairs()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

pub(crate) fn oauth_code(error: &issue::IssueError) -> &'static str {
    match error {
        issue::IssueError::Refused(error) => error.code.as_str(),
        issue::IssueError::TooMany(_) => "too many",
        issue::IssueError::Unavailable(_) => "temporarily_unavailable",
    }
}

pub(crate) async fn at_once<F: Future<Output: Send> + Send + 'static>(all: Vec<F>) -> Vec<F::Output> {
    let mut set = tokio::task::JoinSet::new();
    for one in all {
        set.spawn(one);
    }
    set.join_all().await
}

pub(crate) fn is_refresh_token(text: &str) -> bool {
    OpaqueToken::parse(TokenKind::Refresh, text).is_ok()
}
