//! SHA-256, and comparison in constant time (OS-8, OS-9).

use aws_lc_rs::{constant_time, digest};
use data_encoding::BASE64URL_NOPAD;
use model::{OpaqueToken, TokenDigest};
use protocol::pkce::CodeChallenge;

/// SHA-256 of `bytes`.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
}

/// SHA-256 of what comes piece by piece.
#[derive(Clone)]
pub struct Sha256(digest::Context);

impl Sha256 {
    /// Of nothing yet.
    pub fn new() -> Self {
        Self(digest::Context::new(&digest::SHA256))
    }

    /// Takes the next piece.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of everything that came.
    pub fn finish(self) -> [u8; 32] {
        let mut out = [0; 32];
        out.copy_from_slice(self.0.finish().as_ref());
        out
    }
}

impl Default for Sha256 {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sha256")
    }
}

/// What the database keeps of an opaque token. It has 256 random bits, so a plain hash is enough.
pub fn digest_of(token: &OpaqueToken) -> TokenDigest {
    TokenDigest(sha256(token.expose().as_bytes()))
}

/// Whether two secrets are equal, in time that depends on their lengths alone.
pub fn same(a: &[u8], b: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(a, b).is_ok()
}

/// Whether this verifier belongs to this challenge: RFC 7636 section 4.6, S256.
pub fn verifies(challenge: &CodeChallenge, verifier: &str) -> bool {
    let computed = BASE64URL_NOPAD.encode(&sha256(verifier.as_bytes()));
    same(computed.as_bytes(), challenge.as_str().as_bytes())
}

/// `at_hash` of an access token: the left half of its SHA-256, base64url (OpenID Connect Core 3.1.3.6).
pub fn at_hash(access_token: &str) -> String {
    BASE64URL_NOPAD.encode(&sha256(access_token.as_bytes())[..16])
}

/// `at_hash` beside an ID token that is signed with this algorithm: the left half of the hash that the algorithm is
/// built on. `None` for algorithms that we do not check.
pub fn at_hash_for(alg: &str, access_token: &str) -> Option<String> {
    let algorithm = match alg {
        "ES256" | "RS256" | "PS256" => return Some(at_hash(access_token)),
        "ES384" => &digest::SHA384,
        "EdDSA" | "Ed25519" => &digest::SHA512,
        _ => return None,
    };
    let hash = digest::digest(algorithm, access_token.as_bytes());
    let half = hash.as_ref().get(..hash.as_ref().len() / 2)?;
    Some(BASE64URL_NOPAD.encode(half))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_7636_appendix_b() {
        let challenge =
            CodeChallenge::parse(Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"), Some("S256")).unwrap();
        assert!(verifies(
            &challenge,
            "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
        ));
        assert!(!verifies(
            &challenge,
            "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXK"
        ));
    }
}
