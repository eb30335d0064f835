//! The body of a registration.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::ClientMetadata;

fuzz_target!(|body: &[u8]| {
    let Ok(parsed) = ClientMetadata::from_registration(body, |scheme| scheme == "cursor") else {
        return;
    };
    // A client of the device grant alone has nothing to be sent back to (RFC 8628).
    assert!(parsed.metadata.device || !parsed.metadata.redirect_uris.is_empty());
    // What is kept is what is read again.
    let kept = serde_json::to_string(&parsed.metadata).expect("JSON");
    let again: ClientMetadata = serde_json::from_str(&kept).expect("what was written here");
    assert_eq!(again, parsed.metadata);
});
