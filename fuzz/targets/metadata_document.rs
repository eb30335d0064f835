//! A client id metadata document, found under a URL that is fuzzed too.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::ClientMetadata;
use protocol::client_metadata::document::DocumentUrl;

fuzz_target!(|input: (&str, &[u8])| {
    let (url, body) = input;
    let known = DocumentUrl::parse("https://client.example/metadata.json").expect("a URL");
    let _ = ClientMetadata::from_document(&known, body, |scheme| scheme == "cursor");
    let Ok(url) = DocumentUrl::parse(url) else {
        return;
    };
    assert_eq!(url.url().scheme(), "https");
    assert_eq!(url.url().as_str(), url.as_str(), "nothing was normalised away");
    let _ = ClientMetadata::from_document(&url, body, |_| false);
});
