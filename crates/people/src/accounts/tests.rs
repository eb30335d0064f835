//! People from invitation to sign-in, on both engines.

use super::*;
use crate::directory::Directory;
use crate::factors::{At, Factors};
use crate::second_factor::Step;
use crate::sessions::{Place, SessionPolicy, Sessions};
use crate::sign_in::{Attempt, SignIn, SignInError};
use audit::Recorder;
use net::Tasks;
use testkit::{Database, TestClock, databases};
use uuid::Uuid;

struct Rooms {
    clock: Arc<TestClock>,
    store: Arc<dyn Store>,
    accounts: Accounts,
    sign_in: SignIn,
    factors: Factors,
    sessions: Sessions,
    directory: Arc<Directory>,
    world: World,
}

async fn rooms(database: &Database) -> Rooms {
    let (world, clock) = testkit::world();
    let store = Arc::clone(&database.store);
    let opening = audit::Opening::alone(world.clone(), Arc::clone(&store), Uuid::from_u128(1)).unwrap();
    let (recorder, recording) = Recorder::open(opening).await.unwrap();
    recording.start(&Tasks::new());
    let passwords = Passwords::new(world.clone(), 2);
    let directory = Directory::new(&store);
    Rooms {
        clock,
        accounts: Accounts::new(
            world.clone(),
            Arc::clone(&store),
            passwords.clone(),
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
        factors: Factors::new(
            world.clone(),
            Arc::clone(&store),
            crate::factors::tests::sealer(&world),
            recorder.clone(),
        ),
        sessions: Sessions::new(
            world.clone(),
            Arc::clone(&store),
            Arc::clone(&directory),
            recorder,
            SessionPolicy::default(),
        ),
        directory,
        store,
        world,
    }
}

const GOOD: &str = "correct horse battery";
const HERE: &str = "203.0.113.5";

fn ana() -> NewPerson {
    NewPerson {
        username: "ana".parse().unwrap(),
        display_name: String::new(),
        email: None,
        administrator: false,
        groups: vec![],
    }
}

impl Rooms {
    async fn attempt(
        &self,
        password: &str,
        browser: Option<&str>,
        address: &str,
    ) -> Result<crate::sign_in::Proof, SignInError> {
        let password = password.to_owned().into();
        let at = at(browser, address);
        let attempt = Attempt {
            username: "Ana ",
            password,
            at,
        };
        let first = self.sign_in.with_password(attempt).await?;
        match self.factors.after(first, &at).await? {
            Step::In(proof) => Ok(proof),
            Step::Second(_) => panic!("nobody has a second factor here"),
        }
    }

    async fn begin(&self, browser: Option<&str>) -> crate::sessions::Begun {
        let proof = self.attempt(GOOD, browser, HERE).await.unwrap();
        self.sessions.begin(proof, place(browser)).await.unwrap()
    }
}

fn at<'a>(browser: Option<&'a str>, address: &str) -> At<'a> {
    At {
        form: "form",
        browser,
        address: address.parse().unwrap(),
        user_agent: "test",
    }
}

fn place(browser: Option<&str>) -> Place<'_> {
    Place {
        browser,
        replaces: None,
        fresh_for: None,
        address: HERE.parse().unwrap(),
        user_agent: "test",
    }
}

#[tokio::test]
async fn an_invitation_works_once_and_for_its_time() {
    for database in databases().await {
        let rooms = rooms(&database).await;
        let (id, invite) = rooms.accounts.invite(ana(), FIRST_ADMINISTRATOR).await.unwrap();
        assert!(matches!(
            rooms.accounts.invite(ana(), INVITATION).await,
            Err(AccountError::Taken(_))
        ));
        assert!(
            matches!(rooms.attempt(GOOD, None, HERE).await, Err(SignInError::Refused)),
            "not opened yet"
        );

        let open = |token: String, password: &str| {
            let (accounts, password) = (rooms.accounts.clone(), password.to_owned().into());
            async move { accounts.open_link(&token, password, Person::default()).await }
        };
        let token = invite.token.expose().to_owned();
        assert!(matches!(
            open(token.clone(), "short").await,
            Err(AccountError::Password(BadPassword::TooShort))
        ));
        assert_eq!(open(token.clone(), GOOD).await.unwrap().id, id);
        assert!(
            matches!(open(token, GOOD).await, Err(AccountError::DeadLink)),
            "used"
        );
        assert!(rooms.attempt(GOOD, None, HERE).await.is_ok());

        let first = rooms.accounts.new_link(id, INVITATION).await.unwrap().token;
        let second = rooms.accounts.new_link(id, INVITATION).await.unwrap().token;
        assert!(
            matches!(
                open(first.expose().into(), GOOD).await,
                Err(AccountError::DeadLink)
            ),
            "a newer one was made"
        );
        rooms.clock.advance(INVITATION);
        assert!(
            matches!(
                open(second.expose().into(), GOOD).await,
                Err(AccountError::DeadLink)
            ),
            "too old"
        );
    }
}

#[tokio::test]
async fn sixty_four_at_once_open_an_invitation_once() {
    for database in databases().await {
        let rooms = rooms(&database).await;
        let (_, invite) = rooms.accounts.invite(ana(), INVITATION).await.unwrap();
        let digest = digest_of(&invite.token);
        let attempts = (0..64).map(|n| {
            let (store, now) = (Arc::clone(&rooms.store), rooms.world.now());
            async move {
                store
                    .redeem_invitation(&digest, &format!("hash {n}").into(), now)
                    .await
                    .unwrap()
            }
        });
        let won = futures_join(attempts).await.into_iter().flatten().count();
        assert_eq!(won, 1, "{}", database.engine);
    }
}

async fn futures_join<F: Future<Output: Send> + Send + 'static>(
    all: impl Iterator<Item = F>,
) -> Vec<F::Output> {
    let mut set = tokio::task::JoinSet::new();
    all.for_each(|one| drop(set.spawn(one)));
    set.join_all().await
}

#[tokio::test]
async fn os_44_guessing_is_slowed_and_the_owner_is_not_locked_out() {
    for database in databases().await {
        let rooms = rooms(&database).await;
        rooms
            .accounts
            .add_with_password(ana(), GOOD.to_owned().into())
            .await
            .unwrap();
        let browser = rooms.begin(None).await.browser;

        let mut waits = 0;
        for n in 0..40 {
            // From ever new networks: the account's own counter slows them.
            match rooms
                .attempt("wrong password", None, &format!("198.51.{n}.1"))
                .await
            {
                Err(SignInError::Slowed(_)) => waits += 1,
                Err(SignInError::Refused) => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(waits, 35, "{}: five are free", database.engine);
        assert!(
            matches!(
                rooms.attempt(GOOD, None, "192.0.2.9").await,
                Err(SignInError::Slowed(_))
            ),
            "another stranger waits"
        );
        assert!(
            rooms.attempt(GOOD, Some(browser.expose()), HERE).await.is_ok(),
            "the owner's own browser does not"
        );
        rooms.clock.advance(Duration::from_mins(15));
        assert!(
            rooms.attempt(GOOD, None, "192.0.2.9").await.is_ok(),
            "and after a wait everybody can"
        );
    }
}

#[tokio::test]
async fn os_44_sixty_four_guesses_at_once_are_sixty_four_guesses() {
    for database in databases().await {
        let rooms = rooms(&database).await;
        let sign_in = rooms.sign_in.clone();
        let attempts = (0..64).map(|_| {
            let sign_in = sign_in.clone();
            async move {
                let attempt = Attempt {
                    username: "ana",
                    password: "wrong password".to_owned().into(),
                    at: at(None, HERE),
                };
                matches!(sign_in.with_password(attempt).await, Err(SignInError::Refused))
            }
        });
        let looked_at = futures_join(attempts)
            .await
            .into_iter()
            .filter(|looked_at| *looked_at)
            .count();
        assert!(looked_at <= 5, "{}: {looked_at} were looked at", database.engine);
    }
}

#[tokio::test]
async fn sessions_rotate_age_and_end() {
    for database in databases().await {
        let rooms = rooms(&database).await;
        let id = rooms
            .accounts
            .add_with_password(ana(), GOOD.to_owned().into())
            .await
            .unwrap();
        let first = rooms.begin(None).await;
        let cookie = first.cookie.expose().to_owned();
        assert_eq!(
            rooms.sessions.find(&cookie).await.unwrap().unwrap().account.id,
            id
        );

        let proof = rooms
            .attempt(GOOD, Some(first.browser.expose()), HERE)
            .await
            .unwrap();
        let again = Place {
            replaces: Some(first.session),
            ..place(Some(first.browser.expose()))
        };
        let second = rooms.sessions.begin(proof, again).await.unwrap();
        assert_eq!(
            second.browser.expose(),
            first.browser.expose(),
            "the browser stays the same"
        );
        assert!(
            rooms.sessions.find(&cookie).await.unwrap().is_none(),
            "the session before has ended"
        );

        let cookie = second.cookie.expose().to_owned();
        assert!(
            !rooms
                .sessions
                .end(second.session, rooms.world.new_id(), Person::default())
                .await
                .unwrap(),
            "not theirs"
        );
        assert!(rooms.sessions.find(&cookie).await.unwrap().is_some());
        rooms.clock.advance(Duration::from_hours(23));
        assert!(
            rooms.sessions.find(&cookie).await.unwrap().is_some(),
            "seen within the day"
        );
        rooms.clock.advance(Duration::from_hours(24));
        assert!(
            rooms.sessions.find(&cookie).await.unwrap().is_none(),
            "idle for a day"
        );
        assert!(rooms.sessions.find("nonsense").await.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_new_password_ends_other_sessions_and_a_disabled_account_has_none() {
    for database in databases().await {
        let rooms = rooms(&database).await;
        let id = rooms
            .accounts
            .add_with_password(ana(), GOOD.to_owned().into())
            .await
            .unwrap();
        let (one, two) = (rooms.begin(None).await, rooms.begin(None).await);
        let change = |current: &str| {
            let (accounts, current) = (rooms.accounts.clone(), current.to_owned().into());
            async move {
                let new = "another horse battery".to_owned().into();
                accounts
                    .change_password(id, current, new, one.session, Person::default())
                    .await
            }
        };
        assert!(matches!(change("wrong").await, Err(AccountError::WrongPassword)));
        change(GOOD).await.unwrap();
        assert!(rooms.sessions.find(one.cookie.expose()).await.unwrap().is_some());
        assert!(rooms.sessions.find(two.cookie.expose()).await.unwrap().is_none());

        rooms.directory.view(id).await.unwrap();
        assert!(rooms.store.disable_account(id, rooms.world.now()).await.unwrap());
        assert!(
            rooms.directory.remembered(id).is_none(),
            "forgotten before disabling is answered"
        );
        assert!(rooms.sessions.find(one.cookie.expose()).await.unwrap().is_none());
        assert!(rooms.attempt("another horse battery", None, HERE).await.is_err());
        assert!(matches!(
            rooms.accounts.new_link(id, INVITATION).await,
            Err(AccountError::Unusable)
        ));
        assert!(rooms.store.enable_account(id, rooms.world.now()).await.unwrap());
        rooms.clock.advance(Duration::from_mins(1));
        assert!(rooms.attempt("another horse battery", None, HERE).await.is_ok());
        assert!(
            rooms.sessions.find(one.cookie.expose()).await.unwrap().is_none(),
            "what ended stays ended"
        );
    }
}
