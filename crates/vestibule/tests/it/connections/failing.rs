//! Calls that fail behind servers that answer everything with 200: what that says of a credential.

use std::time::Duration;

use serde_json::json;

use super::eras::{begin, within};
use super::{ANAS, call_own, connect, oauth, said};
use crate::rig::accounts::{Accounts, Refreshing};
use crate::rig::door::call;
use crate::rig::{Door, eventually};

/// CC-105: many servers answer with 200 that a call failed, whatever their provider said. Then the provider is asked behind
/// the call, once for many calls, and what it says decides.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_failed_is_looked_into() {
    let accounts = Accounts::start().await;
    for door in Door::each(accounts.plan()).await {
        let engine = door.engine();
        accounts.give(ANAS, "ana");
        let token = door.token_for("own").await;
        connect(&door, "ana", ANAS).await;
        let session = begin(&door, &token, &json!({})).await;
        let fails = async || {
            let params = json!({ "name": "test_error_handling", "arguments": {} });
            let replies = [
                door.ask(call("own", "test_error_handling", json!({})).bearer(&token))
                    .await,
                within(&door, &token, &session, "tools/call", &params).await,
            ];
            for reply in replies {
                let (text, is_error) = said(&reply);
                assert!(is_error && !text.contains("Connect"), "{engine}: {text}");
            }
        };
        let before = accounts.asked();
        for _ in 0..3 {
            fails().await;
        }
        let asked = async |times| {
            eventually(async || match accounts.asked() - before {
                asked if asked == times => Ok(()),
                asked => Err(format!("{engine}: {asked} times")),
            })
            .await;
        };
        asked(1).await;
        // What went well says nothing.
        door.advance(Duration::from_mins(2));
        assert!(!said(&call_own(&door, &token).await).1, "{engine}");
        asked(1).await;

        accounts.take_back(ANAS);
        let ask = call("own", "test_error_handling", json!({})).bearer(&token);
        assert!(said(&door.ask(ask).await).1, "{engine}");
        eventually(async || {
            let (text, _) = said(&call_own(&door, &token).await);
            if text.contains("not connected any more") {
                Ok(())
            } else {
                Err(text)
            }
        })
        .await;
        asked(2).await;
        eventually(async || {
            let ended = door.audit("connection_ended").await;
            let reasons: Vec<_> = ended.iter().map(|row| &row["reason"]).collect();
            (reasons == [&json!("refused")])
                .then_some(())
                .ok_or(format!("{engine}: {reasons:?}"))
        })
        .await;
    }
}

/// CC-105: what the provider does not take any more is renewed behind a call that failed with 200; where that is refused too,
/// the connection has ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_with_which_calls_fail_is_renewed() {
    let accounts = Accounts::start().await;
    for door in Door::each(accounts.oauth_plan()).await {
        let engine = door.engine();
        accounts.refreshes(Refreshing::Rotates);
        oauth::connect(&door, &accounts, "ana").await;
        let token = door.token_for("own").await;
        let shown = async || {
            let (text, is_error) = said(&call_own(&door, &token).await);
            assert!(!is_error, "{engine}: {text}");
            let sent = door.upstream.take_requests();
            let shown = sent.last().unwrap().headers["authorization"].to_str();
            shown.unwrap().strip_prefix("token ").unwrap().to_owned()
        };
        let fail = async || {
            // A brand-new one is not renewed.
            door.advance(Duration::from_secs(31));
            let ask = call("own", "test_error_handling", json!({})).bearer(&token);
            let (text, is_error) = said(&door.ask(ask).await);
            assert!(is_error && !text.contains("onnect"), "{engine}: {text}");
        };
        let first = shown().await;
        accounts.take_back(&first);
        fail().await;
        eventually(async || match shown().await {
            second if second == first => Err(second),
            _ => Ok(()),
        })
        .await;

        let second = shown().await;
        accounts.take_back(&second);
        accounts.end_refresh_tokens();
        fail().await;
        eventually(async || {
            let (text, _) = said(&call_own(&door, &token).await);
            if text.contains("not connected any more") {
                Ok(())
            } else {
                Err(text)
            }
        })
        .await;
        let ended = door.audit("connection_ended").await;
        assert_eq!(
            (ended.len(), &ended[0]["reason"]),
            (1, &json!("not_renewed")),
            "{engine}"
        );
    }
}
