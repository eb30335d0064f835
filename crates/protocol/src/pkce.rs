//! Proof key for code exchange, S256 alone (RFC 7636, OAuth 2.1 section 7.5).

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A code challenge: `BASE64URL(SHA256(ASCII(code_verifier)))`, syntax checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CodeChallenge(String);

/// What is wrong with a challenge (all answered with `invalid_request`, OS-24).
#[derive(Debug, Error, PartialEq, Eq, Clone, Copy)]
pub enum ChallengeError {
    /// PKCE is required for every client.
    #[error("code_challenge is missing: PKCE with S256 is required")]
    Missing,
    /// `plain`, stated or by default, or something unknown.
    #[error("code_challenge_method must be S256")]
    Method,
    /// Not 43 to 128 unreserved characters.
    #[error("code_challenge must be 43 to 128 characters of A-Z a-z 0-9 - . _ ~")]
    Syntax,
}

impl CodeChallenge {
    /// Reads the two parameters of an authorization request.
    pub fn parse(challenge: Option<&str>, method: Option<&str>) -> Result<Self, ChallengeError> {
        let challenge = challenge.ok_or(ChallengeError::Missing)?;
        if method != Some("S256") {
            return Err(ChallengeError::Method);
        }
        if unreserved(challenge) {
            Ok(Self(challenge.to_owned()))
        } else {
            Err(ChallengeError::Syntax)
        }
    }

    /// The challenge as it was sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether `text` has the syntax of a `code_verifier` (RFC 7636 section 4.1).
pub fn is_verifier(text: &str) -> bool {
    unreserved(text)
}

fn unreserved(text: &str) -> bool {
    (43..=128).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn os_24_only_s256_of_the_right_syntax() {
        assert!(CodeChallenge::parse(Some(GOOD), Some("S256")).is_ok());
        assert_eq!(
            CodeChallenge::parse(None, Some("S256")),
            Err(ChallengeError::Missing)
        );
        assert_eq!(
            CodeChallenge::parse(Some(GOOD), None),
            Err(ChallengeError::Method)
        );
        assert_eq!(
            CodeChallenge::parse(Some(GOOD), Some("plain")),
            Err(ChallengeError::Method)
        );
        assert_eq!(
            CodeChallenge::parse(Some(GOOD), Some("s256")),
            Err(ChallengeError::Method)
        );
        assert_eq!(
            CodeChallenge::parse(Some(&GOOD[1..]), Some("S256")),
            Err(ChallengeError::Syntax)
        );
        assert_eq!(
            CodeChallenge::parse(Some(&GOOD.replace('-', "+")), Some("S256")),
            Err(ChallengeError::Syntax)
        );
    }
}
