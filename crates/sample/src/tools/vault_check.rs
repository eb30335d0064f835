//! `vault_check`: did the credential from the vault arrive?
//!
//! Without it no request comes this far ([`crate::admission`]); the tool asks again all the same, because its
//! answer is what people rely on.

use http::request::Parts;
use rmcp::handler::server::tool::Extension;
use rmcp::model::{CallToolResult, ContentBlock, Tool};

use crate::admission::Admitted;

/// How the tool is listed.
pub(super) fn tool() -> Tool {
    super::read_only(
        "vault_check",
        "Vault check",
        "Tells whether this call arrived with the credential that the front door keeps for this server in its \
         vault. Fails if it did not. Takes no arguments and never shows the credential.",
    )
}

/// Looks for the proof of admission.
pub(super) fn call(Extension(request): Extension<Parts>) -> CallToolResult {
    if request.extensions.get::<Admitted>().is_some() {
        CallToolResult::success(vec![ContentBlock::text(
            "The credential from the vault arrived and is right. Callers neither send nor see it.",
        )])
    } else {
        CallToolResult::error(vec![ContentBlock::text(
            "This call arrived without the credential from the vault.",
        )])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fails_without_proof_of_the_credential() {
        let (request, ()) = http::Request::new(()).into_parts();
        assert_eq!(call(Extension(request)).is_error, Some(true));
    }
}
