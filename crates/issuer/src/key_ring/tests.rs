//! OS-123, OS-124: keys are made, rotated with overlap, removed, re-sealed.

use crate::KeyRing;
use crate::testing::*;
use keys::{Algorithm, MasterKey, MasterKeys, Sealer};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use testkit::databases;

fn published(ring: &KeyRing) -> usize {
    serde_json::from_str::<Value>(&ring.key_set()).unwrap()["keys"]
        .as_array()
        .unwrap()
        .len()
}

fn master(n: u8) -> MasterKey {
    MasterKey::new(std::array::from_fn(|at| n ^ u8::try_from(at).unwrap()))
}

#[tokio::test]
async fn os_123_a_new_key_is_published_before_it_signs_and_the_old_one_long_after() {
    for database in databases().await {
        let house = house(&database).await;
        let ring = house.server.key_ring();
        assert_eq!(published(ring), 3, "one of each algorithm is made on first start");
        let old = ring.signer(Algorithm::Es256).unwrap().kid().to_owned();
        let client = house.loopback_client().await;
        let tokens = house.tokens(&client, "").await;
        let new = ring.rotate(Algorithm::Es256).await.unwrap().unwrap();
        assert_eq!(published(ring), 4);
        assert_eq!(ring.signer(Algorithm::Es256).unwrap().kid(), old, "not yet");
        house.clock.advance(Duration::from_mins(10));
        assert_eq!(ring.signer(Algorithm::Es256).unwrap().kid(), new);
        assert!(
            house.counts(&tokens.access_token),
            "what the old one signed still counts"
        );
        house.clock.advance(Duration::from_hours(24));
        house
            .store
            .clean_up(&store::Retention::default(), house.world.now())
            .await
            .unwrap();
        ring.reload().await.unwrap();
        assert_eq!(published(ring), 4, "a token of a day could still be alive");
        house.clock.advance(Duration::from_hours(2));
        house
            .store
            .clean_up(&store::Retention::default(), house.world.now())
            .await
            .unwrap();
        ring.reload().await.unwrap();
        assert_eq!(published(ring), 3);
    }
}

#[tokio::test]
async fn two_replicas_rotate_once() {
    for database in databases().await {
        let house = house(&database).await;
        let sealer = Sealer::new(MasterKeys::new(master(0), vec![]), house.world.clone());
        let other = KeyRing::open(house.world.clone(), Arc::clone(&house.store), sealer)
            .await
            .unwrap();
        house.clock.advance(Duration::from_hours(24 * 91));
        let age = Duration::from_hours(24 * 90);
        let (one, two) = (
            house.server.key_ring().rotate_older_than(age),
            other.rotate_older_than(age),
        );
        let (one, two) = (one.await.unwrap(), two.await.unwrap());
        assert_eq!((one.len(), two.len()), (3, 0), "{}", database.engine);
        other.reload().await.unwrap();
        assert_eq!(published(&other), 6);
    }
}

#[tokio::test]
async fn a_removed_key_counts_no_longer_and_another_takes_its_place() {
    for database in databases().await {
        let house = house(&database).await;
        let client = house.loopback_client().await;
        let tokens = house.tokens(&client, "").await;
        let ring = house.server.key_ring();
        let kid = ring.signer(Algorithm::Es256).unwrap().kid().to_owned();
        assert!(ring.remove(&kid).await.unwrap());
        assert!(!ring.remove(&kid).await.unwrap());
        house.server.verifier().forget_signatures();
        assert!(!house.counts(&tokens.access_token));
        assert_ne!(ring.signer(Algorithm::Es256).unwrap().kid(), kid);
        assert!(house.counts(&house.tokens(&client, "").await.access_token));
    }
}

#[tokio::test]
async fn os_124_keys_are_sealed_and_a_new_master_key_seals_them_again() {
    for database in databases().await {
        let house = house(&database).await;
        let kid = house
            .server
            .key_ring()
            .signer(Algorithm::Es256)
            .unwrap()
            .kid()
            .to_owned();
        let with = |current: MasterKey, older: Vec<MasterKey>| {
            let sealer = Sealer::new(MasterKeys::new(current, older), house.world.clone());
            KeyRing::open(house.world.clone(), Arc::clone(&house.store), sealer)
        };
        let error = with(master(9), vec![]).await.unwrap_err().to_string();
        assert!(error.contains("not configured"), "{error}");
        let both = with(master(9), vec![master(0)]).await.unwrap();
        assert_eq!(both.reseal().await.unwrap(), 3);
        assert_eq!(both.reseal().await.unwrap(), 0);
        let alone = with(master(9), vec![]).await.unwrap();
        assert_eq!(alone.signer(Algorithm::Es256).unwrap().kid(), kid);
    }
}
