//! Factors on both engines: what counts once counts once, and guesses are counted together.

use super::*;
use crate::accounts::{Accounts, NewPerson};
use crate::passwords::Passwords;
use crate::second_factor::{First, Step, Typed, Waiting};
use crate::sign_in::{Attempt, Proof, SignIn};
use audit::Recorder;
use data_encoding::BASE32_NOPAD;
use keys::{MasterKey, MasterKeys};
use model::id::Id as _;
use model::{Assurance, SessionId, TokenKind};
use net::Tasks;
use store::NewSession;
use testkit::{Database, TestClock, databases};
use totp_rs::{Builder, Secret};
use uuid::Uuid;

pub(crate) fn sealer(world: &World) -> Sealer {
    Sealer::new(MasterKeys::new(MasterKey::new([7; 32]), vec![]), world.clone())
}

const GOOD: &str = "correct horse battery staple";

struct Rooms {
    clock: Arc<TestClock>,
    world: World,
    store: Arc<dyn Store>,
    factors: Factors,
    sign_in: SignIn,
    account: AccountId,
    session: SessionId,
}

fn at(form: &str) -> At<'_> {
    At {
        form,
        browser: None,
        address: "203.0.113.5".parse().unwrap(),
        user_agent: "test",
    }
}

async fn rooms(database: &Database) -> Rooms {
    let (world, clock) = testkit::world();
    let store = Arc::clone(&database.store);
    let opening = audit::Opening::alone(world.clone(), Arc::clone(&store), Uuid::from_u128(1)).unwrap();
    let (recorder, recording) = Recorder::open(opening).await.unwrap();
    recording.start(&Tasks::new());
    let passwords = Passwords::new(world.clone(), 2);
    let accounts = Accounts::new(
        world.clone(),
        Arc::clone(&store),
        passwords.clone(),
        recorder.clone(),
    );
    let ana = NewPerson {
        username: "ana".parse().unwrap(),
        display_name: String::new(),
        email: None,
        administrator: false,
        groups: vec![],
    };
    let account = accounts
        .add_with_password(ana, GOOD.to_owned().into())
        .await
        .unwrap();
    let session = NewSession {
        id: world.new_id(),
        digest: keys::digest_of(&world.new_token(TokenKind::Session)),
        replaces: None,
        raises: false,
        browser: keys::digest_of(&world.new_token(TokenKind::Browser)),
        account,
        authenticated_at: world.now(),
        fresh_for: None,
        expires_at: world.now() + Duration::from_hours(1000),
        user_agent: "test".to_owned(),
        address: "203.0.113.5".to_owned(),
        proved: store::Proved::default(),
    };
    assert!(store.add_session(&session, world.now()).await.unwrap());
    Rooms {
        session: session.id,
        factors: Factors::new(
            world.clone(),
            Arc::clone(&store),
            sealer(&world),
            recorder.clone(),
        ),
        sign_in: SignIn::new(
            world.clone(),
            Arc::clone(&store),
            passwords,
            recorder.clone(),
            crate::company::tests::company(&world, &store, &recorder),
            Arc::default(),
        ),
        clock,
        world,
        store,
        account,
    }
}

/// What the app shows.
fn shown(base32: &str, world: &World) -> String {
    let secret = BASE32_NOPAD.decode(base32.replace(' ', "").as_bytes()).unwrap();
    let totp = Builder::new()
        .with_secret(Secret::new_stack(secret.try_into().unwrap()))
        .build()
        .unwrap();
    let seconds = u64::try_from(world.now().as_seconds()).unwrap();
    totp.generate(seconds).to_string()
}

impl Rooms {
    /// Sets an app up; gives its secret.
    async fn set_up(&self) -> String {
        let enrolment = self.factors.new_totp("session", "Door: 1", "ana");
        let code = shown(&enrolment.text, &self.world);
        let confirmed = self
            .factors
            .confirm_totp(
                (self.account, self.session),
                &enrolment.ticket,
                "session",
                &code,
                Person::default(),
            )
            .await;
        confirmed.unwrap();
        enrolment.text
    }

    async fn first(&self, form: &str) -> Waiting {
        let first = First(self.password(form).await);
        match self.factors.after(first, &at(form)).await.unwrap() {
            Step::Second(waiting) => waiting,
            Step::In(_) => panic!("a second factor is there"),
        }
    }

    async fn password(&self, form: &str) -> Proof {
        let attempt = Attempt {
            username: "ana",
            password: GOOD.to_owned().into(),
            at: at(form),
        };
        self.sign_in.with_password(attempt).await.unwrap().0
    }

    fn next_step(&self) {
        self.clock.advance(Duration::from_secs(30));
    }
}

/// RFC 6238 section 5.2: a code counts once, the one that confirmed it too, and none of before a code that counted.
#[tokio::test]
async fn a_code_counts_once() {
    for database in databases().await {
        let (rooms, engine) = (rooms(&database).await, database.engine);
        let secret = rooms.set_up().await;
        let confirming = shown(&secret, &rooms.world);
        let waiting = rooms.first("form").await;
        let (factors, id) = (&rooms.factors, waiting.ceremony.as_str());
        let used = factors.with_code(id, Typed::Totp(&confirming), &at("form")).await;
        assert!(matches!(used, Err(FactorError::Wrong)), "{engine}");
        rooms.next_step();
        let earlier = shown(&secret, &rooms.world);
        rooms.next_step();
        let code = shown(&secret, &rooms.world);
        let spaced = format!(" {} {} ", &code[..3], &code[3..]);
        let proof = factors
            .with_code(id, Typed::Totp(&spaced), &at("form"))
            .await
            .unwrap();
        assert_eq!(proof.method, "password+totp", "{engine}");
        assert_eq!(proof.proved.amr.as_deref(), Some("pwd otp mfa"), "{engine}");
        assert_eq!(
            proof.proved.acr.as_deref(),
            Assurance::TwoFactors.acr(),
            "{engine}"
        );
        for code in [&code, &earlier] {
            let waiting = rooms.first("form").await;
            let again = factors
                .with_code(&waiting.ceremony, Typed::Totp(code), &at("form"))
                .await;
            assert!(matches!(again, Err(FactorError::Wrong)), "{engine}: {again:?}");
        }
    }
}

/// Sixty-four at once of one right code are one sign-in: of an app's code, and of a recovery code.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_sixty_four_at_once_one_counts() {
    for database in databases().await {
        let (rooms, engine) = (rooms(&database).await, database.engine);
        let secret = rooms.set_up().await;
        rooms.next_step();
        let codes = rooms
            .factors
            .new_recovery_codes(rooms.account, Person::default())
            .await
            .unwrap();
        for (code, is_recovery) in [(shown(&secret, &rooms.world), false), (codes[3].clone(), true)] {
            let waiting = rooms.first("form").await;
            let mut tries = tokio::task::JoinSet::new();
            for _ in 0..64 {
                let (factors, code, id) = (rooms.factors.clone(), code.clone(), waiting.ceremony.clone());
                tries.spawn(async move {
                    let typed = if is_recovery {
                        Typed::Recovery(&code)
                    } else {
                        Typed::Totp(&code)
                    };
                    factors.with_code(&id, typed, &at("form")).await.is_ok()
                });
            }
            let tries = tries.join_all().await;
            let count = tries.into_iter().filter(|right| *right).count();
            assert_eq!(count, 1, "{engine}, recovery {is_recovery}");
            // What the sixty-three others counted is not left behind for long.
            rooms.clock.advance(Duration::from_hours(24));
        }
        let left = rooms.factors.of(rooms.account).await.unwrap();
        assert_eq!(left.recovery_codes, 9, "{engine}");
    }
}

/// OS-44: guesses at the code count where guesses at the password count, and a right password alone forgives nothing.
#[tokio::test]
async fn os_44_who_has_the_password_has_no_more_guesses_at_the_code() {
    for database in databases().await {
        let (rooms, engine) = (rooms(&database).await, database.engine);
        rooms.set_up().await;
        let mut looked_at = 0;
        for _ in 0..64 {
            let attempt = Attempt {
                username: "ana",
                password: GOOD.to_owned().into(),
                at: at("form"),
            };
            let Ok(first) = rooms.sign_in.with_password(attempt).await else {
                continue;
            };
            let Ok(Step::Second(waiting)) = rooms.factors.after(first, &at("form")).await else {
                panic!("{engine}");
            };
            for _ in 0..4 {
                let tried = rooms
                    .factors
                    .with_code(&waiting.ceremony, Typed::Totp("000000"), &at("form"))
                    .await;
                looked_at += usize::from(matches!(tried, Err(FactorError::Wrong)));
            }
        }
        assert!(looked_at <= 5, "{engine}: {looked_at}");
        let attempt = Attempt {
            username: "ana",
            password: GOOD.to_owned().into(),
            at: at("form"),
        };
        let refused = rooms.sign_in.with_password(attempt).await;
        assert!(refused.is_err(), "{engine}: the password waits too");
    }
}

/// What waits for a second factor is of one browser, for five minutes, and is over when the factors change.
#[tokio::test]
async fn what_waits_is_of_one_browser_and_ends() {
    for database in databases().await {
        let (rooms, engine) = (rooms(&database).await, database.engine);
        let secret = rooms.set_up().await;
        rooms.next_step();
        let code = shown(&secret, &rooms.world);
        let try_in = async |id: &str, form: &str| {
            let typed = Typed::Totp(&code);
            rooms.factors.with_code(id, typed, &at(form)).await.map(|_| ())
        };
        let waiting = rooms.first("form").await;
        for (id, form) in [
            (waiting.ceremony.as_str(), "another"),
            (&"x".repeat(43), "form"),
            ("", "form"),
        ] {
            let tried = try_in(id, form).await;
            assert!(matches!(tried, Err(FactorError::Gone)), "{engine}: {tried:?}");
        }
        rooms.clock.advance(CEREMONY);
        let late = try_in(&waiting.ceremony, "form").await;
        assert!(matches!(late, Err(FactorError::Gone)), "{engine}: {late:?}");
        let waiting = rooms.first("form").await;
        rooms
            .store
            .reset_factors(rooms.account, rooms.world.now())
            .await
            .unwrap();
        let over = try_in(&waiting.ceremony, "form").await;
        assert!(matches!(over, Err(FactorError::Gone)), "{engine}: {over:?}");
    }
}

/// Recovery codes stand in for another factor: there are none without one, and they go with the last.
#[tokio::test]
async fn recovery_codes_come_and_go_with_another_factor() {
    for database in databases().await {
        let (rooms, engine) = (rooms(&database).await, database.engine);
        let make = async || {
            let person = Person::default();
            rooms.factors.new_recovery_codes(rooms.account, person).await
        };
        assert!(matches!(make().await, Err(FactorError::Missing)), "{engine}");
        rooms.set_up().await;
        make().await.unwrap();
        let before = rooms.factors.of(rooms.account).await.unwrap();
        assert_eq!((before.totp, before.recovery_codes), (true, 10), "{engine}");
        let session = SessionId::from_uuid(Uuid::nil());
        let person = Person::default();
        rooms
            .factors
            .remove_totp(rooms.account, session, person)
            .await
            .unwrap();
        assert_eq!(
            rooms.factors.of(rooms.account).await.unwrap(),
            store::Factors::default(),
            "{engine}"
        );
    }
}

/// A secret is of its account, and goes on under a new master key.
#[tokio::test]
async fn a_secret_is_sealed_for_its_account_and_sealed_again() {
    for database in databases().await {
        let (rooms, engine) = (rooms(&database).await, database.engine);
        let secret = rooms.set_up().await;
        let kept = rooms.store.totp_of(rooms.account).await.unwrap().unwrap();
        let raw = BASE32_NOPAD.decode(secret.replace(' ', "").as_bytes()).unwrap();
        assert!(!kept.sealed.windows(20).any(|bytes| bytes == raw), "{engine}");
        let masters = MasterKeys::new(MasterKey::new([8; 32]), vec![MasterKey::new([7; 32])]);
        let newer = Sealer::new(masters, rooms.world.clone());
        let count = crate::totp::reseal(&*rooms.store, &newer).await.unwrap();
        assert_eq!(count, 1, "{engine}");
        assert_eq!(
            crate::totp::reseal(&*rooms.store, &newer).await.unwrap(),
            0,
            "{engine}"
        );
        let only_newer = MasterKeys::new(MasterKey::new([8; 32]), vec![]);
        let factors = Factors {
            sealer: Sealer::new(only_newer, rooms.world.clone()),
            ..rooms.factors.clone()
        };
        rooms.next_step();
        let code = shown(&secret, &rooms.world);
        assert!(factors.use_totp(rooms.account, &code).await.unwrap(), "{engine}");
        assert!(!factors.use_totp(rooms.account, &code).await.unwrap(), "{engine}");
    }
}
