//! Sixty-four at the same moment, on both databases: what is single stays single, and nobody gets half of it.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;

use crate::rig::{Ask, Door, Plan, Reply, Tokens, door};

const MANY: usize = 64;

/// Sends the same request many times at once.
async fn all(door: &Door, ask: impl Fn(usize) -> Ask) -> Vec<Reply> {
    let mut set = JoinSet::new();
    for n in 0..MANY {
        set.spawn(ask(n).to(door.address));
    }
    set.join_all().await
}

/// OS-57: exactly one redemption wins; the others say that the code was used, which revokes what it issued.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_is_redeemed_once() {
    for door in Door::each(Plan::default()).await {
        let app = door.app().await;
        let code = app.code(&door, "ana").await;
        let replies = all(&door, |_| app.redeem_with(&code, &[])).await;
        let good: Vec<_> = replies.iter().filter(|reply| reply.status == 200).collect();
        assert_eq!(good.len(), 1, "{}", door.engine());
        assert!(
            replies
                .iter()
                .all(|reply| reply.status == 200 || reply.error() == "invalid_grant"),
            "{replies:?}"
        );
        let tokens = Tokens::of(good[0]);
        assert_eq!(
            door.call(&tokens.access, "echo_headers", json!({})).await.status,
            401,
            "a replay kills the tokens"
        );
        assert_eq!(app.refresh(&tokens.refresh).await.error(), "invalid_grant");
    }
}

/// OS-58: codes that many try with the wrong verifier are still good for the right one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_verifiers_do_not_use_a_code_up() {
    for door in Door::each(Plan::default()).await {
        let app = door.app().await;
        let code = app.code(&door, "ana").await;
        let wrong = "w".repeat(43);
        let replies = all(&door, |_| app.redeem_with(&code, &[("code_verifier", &wrong)])).await;
        assert!(replies.iter().all(|reply| reply.error() == "invalid_grant"));
        assert_eq!(app.redeem(&code).await.status, 200);
    }
}

/// DEC-1, CC-68: one successor, given to all of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_token_has_one_successor() {
    for door in Door::each(Plan::default()).await {
        let (app, tokens) = door.signed_in("ana").await;
        let replies = all(&door, |_| app.refresh_with(&tokens.refresh, &[])).await;
        let pairs: HashSet<_> = replies
            .iter()
            .map(|reply| {
                let tokens = Tokens::of(reply);
                (tokens.access, tokens.refresh)
            })
            .collect();
        assert_eq!(pairs.len(), 1, "{}: {MANY} equal answers", door.engine());
        let (access, refresh) = pairs.into_iter().next().unwrap();
        assert_eq!(door.call(&access, "echo_headers", json!({})).await.status, 200);
        let next = Tokens::of(&app.refresh(&refresh).await);
        assert_ne!(next.refresh, refresh, "the chain goes on from there");
    }
}

/// Revoking and refreshing at the same moment leaves nothing alive, whoever was first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_among_refreshes_wins() {
    for door in Door::each(Plan::default()).await {
        let (app, tokens) = door.signed_in("ana").await;
        let revoke = || Ask::form("/revoke", &[("token", &tokens.refresh), ("client_id", &app.id)]);
        let head = Tokens::of(&app.refresh(&tokens.refresh).await);
        let revoke_head = || Ask::form("/revoke", &[("token", &head.refresh), ("client_id", &app.id)]);
        let replies = all(&door, |n| match n % 4 {
            0 => revoke_head(),
            1 => revoke(),
            _ => app.refresh_with(&head.refresh, &[]),
        })
        .await;
        let mut alive = vec![tokens.clone(), head.clone()];
        alive.extend(
            replies
                .iter()
                .filter(|reply| reply.status == 200 && !reply.body.is_empty())
                .map(Tokens::of),
        );
        for tokens in alive {
            let reply = door.call(&tokens.access, "echo_headers", json!({})).await;
            let refreshed = app.refresh(&tokens.refresh).await;
            // Somebody may have rotated the head before it was revoked: then it was no longer the head, and
            // revoking a replaced token of a living chain leaves the chain alone (DEC-2).
            assert_eq!(
                reply.status == 200,
                refreshed.status == 200,
                "{}: half of it lives",
                door.engine()
            );
        }
    }
}

/// DEC-3: a grant that is revoked in the middle of many calls is refused from then on, for all of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_among_calls_counts_for_all_that_come_after() {
    for door in Door::each(Plan::default()).await {
        let (app, tokens) = door.signed_in("ana").await;
        let address = door.address;
        let token = tokens.access.clone();
        let calls = tokio::task::spawn(async move {
            let mut set = JoinSet::new();
            for _ in 0..MANY {
                let ask = door::call("fixture", "echo_headers", json!({})).bearer(&token);
                set.spawn(ask.to(address));
            }
            set.join_all().await
        });
        assert_eq!(app.revoke(&tokens.refresh).await.status, 200);
        let after = all(&door, |_| {
            door::call("fixture", "echo_headers", json!({})).bearer(&tokens.access)
        })
        .await;
        assert!(after.iter().all(|reply| reply.status == 401), "{}", door.engine());
        assert!(
            calls
                .await
                .unwrap()
                .iter()
                .all(|reply| matches!(reply.status, 200 | 401))
        );
    }
}

/// CC-51: a consent that is posted many times at once is decided once, and every browser window learns the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consent_is_decided_once() {
    for door in Door::each(Plan::default()).await {
        let app = door.app().await;
        let mut browser = door.browser();
        browser.authorize(&app.authorize(&[]), "ana").await;
        let form = browser.form("/consent");
        let cookies: Vec<_> = browser
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let replies = all(&door, |n| {
            let form = form
                .clone()
                .set("answer", if n % 2 == 0 { "approve" } else { "deny" });
            let fields: Vec<_> = form
                .fields
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect();
            Ask::form("/consent", &fields)
                .with("origin", door.url.clone())
                .with("cookie", cookies.join("; "))
        })
        .await;
        let ways: HashSet<_> = replies.iter().map(|reply| reply.location().to_owned()).collect();
        assert_eq!(ways.len(), 1, "{}: {ways:?}", door.engine());
    }
}

/// CC-34: the same program registering at the same moment is one row; an invitation is good once; a client
/// assertion is good once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_made_once_is_made_once() {
    for door in Door::each(Plan::default()).await {
        let metadata = json!({ "client_name": "Same", "redirect_uris": ["http://localhost/same"] });
        let replies = all(&door, |_| Ask::json("/register", &metadata)).await;
        let ids: HashSet<_> = replies
            .iter()
            .map(|reply| {
                assert_eq!(reply.status, 201, "{}: {reply:?}", door.engine());
                reply.json()["client_id"].to_string()
            })
            .collect();
        assert_eq!(ids.len(), 1, "{}", door.engine());

        let added = door.operate(&["user", "add", "zoe"]).await.unwrap();
        let added = serde_json::to_value(&added).unwrap();
        let link = added["done"]["item"]["link"]
            .as_str()
            .unwrap()
            .strip_prefix(&door.url)
            .unwrap()
            .to_owned();
        let mut browser = door.browser();
        browser.get(&link).await;
        let form = browser
            .form("/invitation")
            .set("new", "a long enough password")
            .set("repeat", "a long enough password");
        let cookies: Vec<_> = browser
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let replies = all(&door, |_| {
            let fields: Vec<_> = form
                .fields
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect();
            Ask::form(&form.action, &fields)
                .with("origin", door.url.clone())
                .with("cookie", cookies.join("; "))
        })
        .await;
        let taken = replies.iter().filter(|reply| reply.status == 303).count();
        assert_eq!(taken, 1, "{}: {:?}", door.engine(), replies[0]);
    }
}

/// OS-44: guesses that come together are all counted before any is looked at.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guesses_at_the_same_moment_are_all_counted() {
    for door in Door::each(Plan::default()).await {
        let mut browser = door.browser();
        browser.get("/sign-in").await;
        let form = browser
            .form("/sign-in")
            .set("username", "ana")
            .set("password", "guess");
        let cookies: Vec<_> = browser
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let replies = all(&door, |_| {
            let fields: Vec<_> = form
                .fields
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect();
            Ask::form(&form.action, &fields)
                .with("origin", door.url.clone())
                .with("cookie", cookies.join("; "))
        })
        .await;
        let looked_at = replies.iter().filter(|reply| reply.status == 403).count();
        assert!(
            looked_at <= 5,
            "{}: {looked_at} guesses were looked at",
            door.engine()
        );
        assert!(
            replies
                .iter()
                .all(|reply| matches!(reply.status, 403 | 429 | 503)),
            "{replies:?}"
        );
        door.advance(Duration::from_mins(16));
        browser.get("/sign-in").await;
        assert_eq!(browser.fill_in("ana", crate::rig::PASSWORD).await.status, 303);
    }
}
