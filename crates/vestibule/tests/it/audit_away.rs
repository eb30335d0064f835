//! The record while its database is away: calls go on and nothing is lost; and when there is no other place for it
//! either, no call goes on.

use serde_json::{Value, json};

use crate::rig::{Door, Plan, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_goes_unrecorded_while_the_database_is_away() {
    for durability in ["grouped", "strict"] {
        let plan = Plan {
            config: format!("audit: {{ durability: {durability} }}"),
            ..Plan::default()
        };
        for door in Door::each(plan).await {
            is_recorded_later(&door, durability == "strict").await;
        }
    }
}

async fn is_recorded_later(door: &Door, is_strict: bool) {
    let (_, tokens) = door.signed_in("ana").await;
    let call = async |number: u32| {
        let reply = door
            .call(&tokens.access, "echo_headers", json!({ "n": number }))
            .await;
        (reply.status, reply.header("retry-after").is_some())
    };
    assert_eq!(call(0).await, (200, false));
    door.calls_recorded(|calls| calls.len() == 1).await;
    door.sql("ALTER TABLE audit_blocks RENAME TO elsewhere").await;

    // It waits in a file.
    let (spill, aside) = (
        door.folder().join("data").join("audit-spill"),
        door.folder().join("aside"),
    );
    assert_eq!(call(1).await, (200, false), "{}", door.engine());
    eventually(async || {
        spill
            .is_file()
            .then_some(())
            .ok_or_else(|| "nothing waits".to_owned())
    })
    .await;

    // The file cannot be written either.
    std::fs::rename(&spill, &aside).unwrap();
    std::fs::create_dir(&spill).unwrap();
    door.upstream.take_requests();
    let mut number = 1;
    eventually(async || {
        number += 1;
        match call(number).await {
            (503, true) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    if is_strict {
        let forwarded = door.upstream.take_requests();
        assert!(forwarded.is_empty(), "{}: {forwarded:?}", door.engine());
    }

    // All is well again.
    std::fs::remove_dir(&spill).unwrap();
    std::fs::rename(&aside, &spill).unwrap();
    door.sql("ALTER TABLE elsewhere RENAME TO audit_blocks").await;
    let last = eventually(async || {
        number += 1;
        match call(number).await {
            (200, false) => Ok(number),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    let of = |number: u32| {
        let arguments = json!({ "n": number }).to_string();
        Value::from(data_encoding::HEXLOWER.encode(&keys::sha256(arguments.as_bytes())))
    };
    let calls = door
        .calls_recorded(|calls| calls.iter().any(|call| call["arguments"] == of(last)))
        .await;
    for number in [0, 1, last] {
        let mut answered = calls.iter().filter(|call| call["outcome"] == "answered");
        assert!(
            answered.any(|call| call["arguments"] == of(number)),
            "{}: {number}: {calls:?}",
            door.engine()
        );
    }
    eventually(async || {
        (!spill.exists())
            .then_some(())
            .ok_or_else(|| "it still waits".to_owned())
    })
    .await;
    match door.operate(&["audit", "verify"]).await.unwrap() {
        vestibule::operator::Answer::Done { text, item } => assert_eq!(item["sound"], true, "{text}"),
        other => panic!("{other:?}"),
    }
}
