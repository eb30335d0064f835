//! A resource indicator: every spelling folds to one, and folding twice changes nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::{Origin, Origins, resource};

fuzz_target!(|text: &str| {
    let public: Origin = "https://door.example".parse().expect("an origin");
    let origins = Origins::new(public, Vec::new());
    let Ok(path) = resource::canonical_path(text, &origins) else {
        return;
    };
    let again = resource::canonical_path(&format!("https://door.example{path}"), &origins);
    assert_eq!(again.as_deref(), Ok(path.as_str()));
    assert!(!path.contains(['?', '#']) && !path.ends_with('/'));
});
