//! What a password service answers: whoever it speaks of is somebody, verified is said of an address alone, and groups are all of
//! them or the answer does not count.
#![no_main]

use answer::{Person, subject};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

// As files, without the rest of their crate, which asks over the network.
#[path = "../../crates/relying/src/address.rs"]
mod address;
#[path = "../../crates/relying/src/credential_check/answer.rs"]
mod answer;

fuzz_target!(|body: &[u8]| {
    let (read, with_groups) = (Person::read(body, false), Person::read(body, true));
    let gone = subject(body);
    let Ok(person) = read else {
        assert!(with_groups.is_err(), "who must say more says no less");
        return;
    };
    let Ok(Value::Object(said)) = serde_json::from_slice::<Value>(body) else {
        panic!("what is no object speaks of nobody");
    };
    assert_eq!(gone.as_ref(), Some(&person.subject), "who is gone is called as who is there");
    assert!(!person.subject.trim().is_empty() && person.subject.len() <= 255);
    assert!(!person.subject.contains(char::is_control));
    match &said["subject"] {
        Value::String(text) => assert_eq!(*text, person.subject, "as it stands there"),
        number => assert_eq!(number.to_string(), person.subject),
    }
    if person.email_verified {
        assert_eq!(said["email_verified"], true);
        let email = person.email.as_deref().expect("of an address");
        assert_eq!(said["email"].as_str().map(str::trim), Some(email));
        assert_eq!(email.matches('@').count(), 1);
    }
    for text in [&person.username, &person.name, &person.email].into_iter().flatten() {
        assert!(!text.is_empty() && text.chars().count() <= 300);
    }
    let groups = said.get("groups").filter(|groups| !groups.is_null());
    let listed: Vec<_> = groups.and_then(Value::as_array).into_iter().flatten().collect();
    assert!(listed.len() == person.groups.len() && listed.len() <= 1000, "all of them");
    assert!(listed.iter().zip(&person.groups).all(|(listed, group)| *listed == group));
    match with_groups {
        Ok(the_same) => assert_eq!(the_same, person),
        Err(_) => assert!(groups.is_none(), "what is said counts"),
    }
    // However it is written.
    let again = serde_json::to_vec(&said).expect("JSON");
    assert_eq!(Person::read(&again, false), Ok(person));
});
