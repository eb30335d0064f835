//! Leaving for a provider.

use super::*;
use crate::ways::tests::rules;
use net::{Egress, Operators, Tasks};
use relying::{ClaimNames, OpenIdProvider, Relation, Upstream};
use uuid::Uuid;

#[test]
fn verifier_and_nonce_are_of_one_browser_and_one_sign_in() {
    let (one, same) = (Bound::to("s", "b"), Bound::to("s", "b"));
    assert_eq!((&one.verifier, &one.nonce), (&same.verifier, &same.nonce));
    assert!(protocol::pkce::is_verifier(&one.verifier));
    assert_ne!(one.verifier, one.nonce);
    for (state, browser) in [("s", "c"), ("t", "b"), ("sb", "")] {
        let other = Bound::to(state, browser);
        assert!(
            one.verifier != other.verifier && one.nonce != other.nonce,
            "{state} {browser}"
        );
    }
}

pub(crate) fn company(world: &World, store: &Arc<dyn Store>, recorder: &Recorder) -> Company {
    let identities = Identities::new(world.clone(), store, recorder.clone());
    let (store, recorder) = (Arc::clone(store), recorder.clone());
    let grants = ProviderGrants::new(
        world.clone(),
        Arc::clone(&store),
        crate::factors::tests::sealer(world),
        Tasks::new(),
    );
    let ways = (grants, Arc::default());
    Company::new(world.clone(), store, identities, recorder, ways)
}

fn provider() -> Provider {
    let relation = Relation {
        // Nobody listens there.
        issuer: "http://127.0.0.1:9".to_owned(),
        client_id: "door".to_owned(),
        secret: None,
        key: None,
        authentication: None,
        scope: "openid".to_owned(),
        claims: ClaimNames::default(),
        hosted_domain: None,
        refresh: false,
        parameters: Vec::new(),
        leeway: Duration::ZERO,
    };
    let client = Operators::new(&Egress::default()).unwrap();
    Provider {
        name: "corp".to_owned(),
        title: "Corp".to_owned(),
        upstream: Arc::new(Upstream::OpenId(Box::new(OpenIdProvider::new(
            relation,
            Egress::default(),
            client,
        )))),
        rules: rules(),
    }
}

/// OS-141: one network cannot fill the table of sign-ins under way, and takes nothing from another.
#[tokio::test]
async fn who_leaves_is_bounded_by_network_and_length() {
    let database = testkit::databases::sqlite().await;
    let (world, clock) = testkit::world();
    let store = Arc::clone(&database.store);
    let opening = audit::Opening::alone(world.clone(), Arc::clone(&store), Uuid::from_u128(1)).unwrap();
    let (recorder, recording) = Recorder::open(opening).await.unwrap();
    recording.start(&Tasks::new());
    let company = company(&world, &store, &recorder);
    let (provider, person) = (provider(), Person::default());
    let long = "q".repeat(LONGEST_QUERY + 1);
    let leave = async |address: &str, query: &str| {
        let leaving = Leaving {
            browser: "cookie",
            address: address.parse().unwrap(),
            person: &person,
            redirect_uri: "http://127.0.0.1/sign-in/callback/corp",
            onward: "authorization",
            query,
            session: None,
            again: false,
            max_age: None,
            assurance: model::Assurance::OneFactor,
            login_hint: None,
            language: "en",
        };
        company.leave(&provider, &leaving).await.unwrap_err()
    };
    assert!(matches!(leave("203.0.113.5", &long).await, CompanyError::TooLong));
    for _ in 0..DEPARTURES {
        assert!(matches!(
            leave("203.0.113.5", "").await,
            CompanyError::Provider(_)
        ));
    }
    assert!(matches!(leave("203.0.113.5", "").await, CompanyError::Slowed(_)));
    assert!(matches!(
        leave("203.0.114.5", "").await,
        CompanyError::Provider(_)
    ));
    clock.advance(PER);
    assert!(matches!(
        leave("203.0.113.5", "").await,
        CompanyError::Provider(_)
    ));
}
