//! People who came from a directory are asked about at each refresh: gone there is gone here, and a directory that is away
//! is nobody's fault.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use vestibule::operator::{Answer, Failure};

use crate::directory_sign_in::{OPEN, sign_in, tokens, try_in};
use crate::rig::app::code_of;
use crate::rig::slapd::{Slapd, THERE};
use crate::rig::{App, Door, Reply, Tokens};

const MINUTE: Duration = Duration::from_mins(1);

pub(crate) async fn refresh(app: &App, tokens: &Tokens) -> Reply {
    app.refresh(&tokens.refresh).await
}

pub(crate) async fn sync(door: &Door, words: &[&str]) -> Result<Vec<Value>, Failure> {
    let words: Vec<&str> = ["user", "sync"]
        .into_iter()
        .chain(words.iter().copied())
        .collect();
    match door.operate(&words).await? {
        Answer::List { rows, .. } => Ok(rows),
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn provided(door: &Door, username: &str) -> String {
    let store = &door.running().house.foundation.store;
    let groups = store.provided_groups(door.account(username).await).await.unwrap();
    let names: Vec<_> = groups.iter().map(|it| it.group.to_string()).collect();
    names.join(" ")
}

pub(crate) fn is_refused(reply: &Reply) -> bool {
    reply.status == 400 && reply.json()["error"] == json!("invalid_grant")
}

/// Removed there: no more tokens, no groups, no session; and whoever gets the same name later is somebody else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_gone_from_the_directory_gets_no_more_tokens() {
    let slapd = Slapd::start().await;
    for door in Door::each(slapd.plan(OPEN)).await {
        let engine = door.engine();
        let app = door.app().await;
        let first = tokens(&door, &app, "dora").await;
        let mut browser = door.browser();
        assert_eq!(try_in(&mut browser, "dora", THERE).await.status, 303, "{engine}");
        door.advance(MINUTE);
        let second = Tokens::of(&refresh(&app, &first).await);
        slapd.remove("dora").await;
        door.advance(MINUTE);
        let reply = refresh(&app, &second).await;
        assert!(is_refused(&reply), "{engine}: {reply:?}");
        let reply = door.call(&second.access, "echo_headers", json!({})).await;
        assert!(
            reply.body.contains("may not use this server"),
            "{engine}: {reply:?}"
        );
        assert_eq!(
            browser.get("/account").await.location(),
            "/sign-in/account",
            "{engine}"
        );
        assert_eq!(provided(&door, "dora+corp").await, "", "{engine}");
        let changed = door.audit("group_changed").await;
        assert!(
            changed.iter().any(|row| row["member"] == json!(false)),
            "{engine}: {changed:?}"
        );
        // The refusal is not the end of it: it stays so, at once and later.
        assert!(is_refused(&refresh(&app, &second).await), "{engine}");
        slapd.add("dora").await;
        assert!(
            is_refused(&refresh(&app, &second).await),
            "{engine}: another entry"
        );
        assert_eq!(
            try_in(&mut door.browser(), "dora", THERE).await.status,
            303,
            "{engine}"
        );
        let accounts = door.running().house.foundation.store.accounts().await.unwrap();
        assert_eq!(accounts.len(), 5, "{engine}: another entry is somebody else");
    }
}

/// A session that began before somebody was removed gives no tokens either: they are asked about when a code is redeemed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_outlives_nobody() {
    let slapd = Slapd::start().await;
    for door in Door::each(slapd.plan(OPEN)).await {
        let engine = door.engine();
        let app = door.app().await;
        let mut browser = door.browser();
        assert_eq!(try_in(&mut browser, "dora", THERE).await.status, 303, "{engine}");
        slapd.remove("dora").await;
        door.advance(MINUTE);
        browser.get(&app.authorize(&[])).await;
        let back = browser.answer("approve").await.location().to_owned();
        let reply = app.redeem(&code_of(&back)).await;
        assert!(is_refused(&reply), "{engine}: {reply:?}");
        assert_eq!(
            browser.get("/account").await.location(),
            "/sign-in/account",
            "{engine}"
        );
        slapd.add("dora").await;
    }
}

/// A mistake in the configuration, after which nobody at all is found, is nobody's end: it is as if nobody answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_that_finds_nobody_at_all_says_nothing_of_anybody() {
    let slapd = Slapd::start().await;
    let mut door = Door::with(slapd.plan(OPEN)).await;
    let app = door.app().await;
    let first = tokens(&door, &app, "dora").await;
    for (right, wrong) in [
        ("user_base: ou=people", "user_base: ou=groups"),
        (
            "user_base: ou=people",
            "user_filter: (description={username})\n      user_base: ou=people",
        ),
    ] {
        door.reconfigure(|text| {
            assert!(text.contains(right));
            text.replace(right, wrong)
        })
        .await;
        let asked = sync(&door, &["dora+corp"]).await;
        assert!(matches!(asked, Err(Failure::Unavailable(_))), "{asked:?}");
        assert_eq!(provided(&door, "dora+corp").await, "developers");
        door.reconfigure(|text| text.replace(wrong, right)).await;
    }
    door.advance(MINUTE);
    let reply = refresh(&app, &first).await;
    assert_eq!(reply.status, 200, "{reply:?}");
}

/// Groups are read at a refresh, and not again a moment later; who is in none that is asked for gets nothing, and comes back
/// with the same token once they are let in again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_are_as_the_directory_has_them_at_each_refresh() {
    let slapd = Slapd::start().await;
    let rules = format!("{OPEN}\nrequire_groups: [everybody]\ngroup_prefix: 'corp:'");
    for door in Door::each(slapd.plan(&rules)).await {
        let engine = door.engine();
        let app = door.app().await;
        let first = tokens(&door, &app, "dora").await;
        assert_eq!(
            provided(&door, "dora+corp").await,
            "corp:dev corp:everybody developers",
            "{engine}"
        );
        slapd.member("delete", "dora").await;
        slapd.member_of("everybody", "add", "dora").await;
        // A moment ago it was confirmed.
        let second = Tokens::of(&refresh(&app, &first).await);
        door.advance(MINUTE);
        // Still let in by the directory, and the server's group is the one that comes with `engineering`.
        let third = Tokens::of(&refresh(&app, &second).await);
        assert_eq!(
            provided(&door, "dora+corp").await,
            "corp:everybody developers",
            "{engine}"
        );
        slapd.member_of("everybody", "delete", "dora").await;
        door.advance(MINUTE);
        assert!(is_refused(&refresh(&app, &third).await), "{engine}");
        assert_eq!(provided(&door, "dora+corp").await, "", "{engine}");
        slapd.member("add", "dora").await;
        let reply = refresh(&app, &third).await;
        assert_eq!(reply.status, 200, "{engine}: {reply:?}");
        assert_eq!(
            provided(&door, "dora+corp").await,
            "corp:dev corp:everybody developers",
            "{engine}"
        );
    }
}

/// A directory that is away: what it confirmed holds for an hour, then nobody knows, and clients keep what they have.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_that_is_away_is_no_reason_to_sign_in_again() {
    let mut slapd = Slapd::start().await;
    for door in Door::each(slapd.plan(OPEN)).await {
        let engine = door.engine();
        let app = door.app().await;
        let first = tokens(&door, &app, "dora").await;
        slapd.stop().await;
        door.advance(30 * MINUTE);
        let second = Tokens::of(&refresh(&app, &first).await);
        door.advance(29 * MINUTE);
        let third = Tokens::of(&refresh(&app, &second).await);
        assert_eq!(
            door.call(&third.access, "echo_headers", json!({})).await.status,
            200,
            "{engine}"
        );
        door.advance(MINUTE);
        for _ in 0..3 {
            let reply = refresh(&app, &third).await;
            assert_eq!(
                (reply.status, &reply.json()["error"]),
                (503, &json!("temporarily_unavailable")),
                "{engine}"
            );
            assert!(reply.header("retry-after").is_some(), "{engine}");
        }
        // People who have nothing to do with it refresh as ever.
        let (other, tokens) = door.signed_in("ben").await;
        assert_eq!(refresh(&other, &tokens).await.status, 200, "{engine}");
        assert!(
            matches!(sync(&door, &[]).await, Err(Failure::Unavailable(_))),
            "{engine}"
        );
        slapd.again().await;
        door.advance(MINUTE);
        let reply = refresh(&app, &third).await;
        assert_eq!(reply.status, 200, "{engine}: {reply:?}");
    }
}

/// Many programs of one person at the same moment are one question.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_refreshes_at_once_are_one_question() {
    let slapd = Slapd::start().await;
    let (counted, questions) = slapd.counted().await;
    let door = Door::with(slapd.planned(&Slapd::section(
        "corp",
        &format!("urls: [\"{counted}\"]\nuser_base: ou=people,dc=example,dc=com\n{OPEN}"),
    )))
    .await;
    let mut programs = Vec::new();
    for _ in 0..6 {
        let app = door.app().await;
        let tokens = tokens(&door, &app, "dora").await;
        programs.push((app, tokens));
        door.advance(MINUTE);
    }
    let before = questions.so_far();
    let mut all = JoinSet::new();
    for (app, tokens) in programs {
        all.spawn(async move { refresh(&app, &tokens).await.status });
    }
    assert!(all.join_all().await.into_iter().all(|status| status == 200));
    assert_eq!(questions.so_far() - before, 1);
}

/// An operator asks now instead of waiting for a refresh.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn user_sync_asks_now() {
    let slapd = Slapd::start().await;
    let door = Door::with(slapd.plan(&format!("{OPEN}\ngroup_prefix: 'corp:'"))).await;
    assert!(sync(&door, &[]).await.unwrap().is_empty());
    for username in ["dora", "emil"] {
        sign_in(&door, username).await;
    }
    slapd.member("delete", "dora").await;
    slapd.member("add", "emil").await;
    door.advance(MINUTE);
    let said = |row: &Value| {
        let groups = row["groups"].as_array().unwrap();
        let groups: Vec<_> = groups.iter().map(|group| group.as_str().unwrap()).collect();
        let text = |member: &str| row[member].as_str().unwrap_or_default().to_owned();
        format!("{} {} [{}]", text("user"), text("outcome"), groups.join(" "))
    };
    let mut rows: Vec<_> = sync(&door, &["emil+corp"])
        .await
        .unwrap()
        .iter()
        .map(said)
        .collect();
    assert_eq!(rows, ["emil+corp confirmed [corp:dev corp:everybody developers]"]);
    slapd.remove("emil").await;
    door.advance(MINUTE);
    rows = sync(&door, &[]).await.unwrap().iter().map(said).collect();
    rows.sort();
    assert_eq!(rows, ["dora+corp confirmed []", "emil+corp gone []"]);
    assert!(matches!(
        sync(&door, &["nobody"]).await,
        Err(Failure::NotFound(_))
    ));
    assert!(sync(&door, &["ben"]).await.unwrap().is_empty());
}

/// Answers that cross on their way: the one that was asked for last counts, whichever comes last.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_answer_never_takes_the_place_of_a_newer_one() {
    let slapd = Slapd::start().await;
    for door in Door::each(slapd.plan(OPEN)).await {
        let engine = door.engine();
        sign_in(&door, "dora").await;
        let account = door.account("dora+corp").await;
        let store = &door.running().house.foundation.store;
        let (now, issuer) = (door.world.now(), "ldap:corp");
        let developers = ["developers".parse().unwrap()];
        let confirmed = async || store.identities_of(account).await.unwrap()[0].confirmed_at;
        assert_eq!(confirmed().await, Some(now), "{engine}");
        let gone = store
            .withdraw_provided_groups(account, issuer, None, now + 2 * MINUTE, now)
            .await
            .unwrap();
        assert_eq!((gone.left.len(), confirmed().await), (1, None), "{engine}");
        let late = store
            .replace_provided_groups(account, issuer, &developers, now + MINUTE, now)
            .await
            .unwrap();
        assert_eq!((late.joined.len(), confirmed().await), (0, None), "{engine}");
        let new = store
            .replace_provided_groups(account, issuer, &developers, now + 3 * MINUTE, now)
            .await
            .unwrap();
        assert_eq!(
            (new.joined.len(), confirmed().await),
            (1, Some(now + 3 * MINUTE)),
            "{engine}"
        );
        let late = store
            .withdraw_provided_groups(account, issuer, Some("corp"), now + MINUTE, now)
            .await
            .unwrap();
        assert!(late.left.is_empty() && confirmed().await.is_some(), "{engine}");
        // Nor does it decide: what was said later does.
        let outcome = async || sync(&door, &["dora+corp"]).await.unwrap()[0]["outcome"].clone();
        store
            .withdraw_provided_groups(account, issuer, None, now + 4 * MINUTE, now)
            .await
            .unwrap();
        assert_eq!(outcome().await, json!("gone"), "{engine}");
        store
            .replace_provided_groups(account, issuer, &developers, now + 5 * MINUTE, now)
            .await
            .unwrap();
        slapd.remove("dora").await;
        assert_eq!(outcome().await, json!("confirmed"), "{engine}");
        slapd.add("dora").await;
        // Nobody is linked there: nothing is given.
        let strange = store
            .replace_provided_groups(account, "ldap:other", &developers, now, now)
            .await
            .unwrap();
        assert!(strange.joined.is_empty(), "{engine}");
    }
}
