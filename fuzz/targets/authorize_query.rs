//! The query of an authorization request: parameters, PKCE, scopes, resource.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::pkce::CodeChallenge;
use protocol::{Origin, Origins, Params, Scopes, resource};

fuzz_target!(|bytes: &[u8]| {
    let Ok(params) = Params::parse(bytes) else {
        return;
    };
    // What is kept of a request and read again later is what was read first.
    let again = Params::parse(params.encode().as_bytes()).expect("what was encoded here");
    assert!(params.iter().eq(again.iter()));
    let one = |name| params.one(name).ok().flatten();
    if let Ok(challenge) = CodeChallenge::parse(one("code_challenge"), one("code_challenge_method")) {
        assert!((43..=128).contains(&challenge.as_str().len()));
    }
    let scopes = Scopes::parse(one("scope").unwrap_or_default());
    assert_eq!(Scopes::parse(&scopes.to_string()), scopes);
    let public: Origin = "https://door.example".parse().expect("an origin");
    let origins = Origins::new(public, Vec::new());
    for named in params.all("resource") {
        let _ = resource::canonical_path(named, &origins);
    }
});
