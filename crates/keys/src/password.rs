//! Passwords: argon2id (RFC 9106), parameters of the OWASP cheat sheet.
//!
//! Both functions burn tens of milliseconds of CPU and 19 MiB: call them from a bounded pool only.

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use model::{ExposeSecret, SecretString, World};
use thiserror::Error;

/// A password that cannot be taken.
#[derive(Debug, Error, PartialEq, Eq, Clone, Copy)]
pub enum BadPassword {
    /// NIST SP 800-63B section 5.1.1.2 asks for at least 8; 12 is for a door that guards everything.
    #[error("a password has at least {SHORTEST} characters")]
    TooShort,
    /// Longer texts only serve to keep us busy.
    #[error("a password has at most {LONGEST} bytes")]
    TooLong,
    /// One character again and again, or the account's own name.
    #[error("this password is too easy to guess")]
    Obvious,
}

const SHORTEST: usize = 12;
const LONGEST: usize = 1024;

/// Whether somebody may choose this password.
pub fn acceptable(password: &SecretString, username: &str) -> Result<(), BadPassword> {
    let text = password.expose_secret();
    if text.len() > LONGEST {
        return Err(BadPassword::TooLong);
    }
    if text.chars().count() < SHORTEST {
        return Err(BadPassword::TooShort);
    }
    let mut distinct: Vec<char> = text.chars().collect();
    distinct.sort_unstable();
    distinct.dedup();
    let lower = text.to_lowercase();
    if distinct.len() < 4 || lower == username || lower.trim_matches(|c: char| c.is_ascii_digit()) == username
    {
        return Err(BadPassword::Obvious);
    }
    Ok(())
}

/// The hash to store, a PHC string.
pub fn hash(world: &World, password: &SecretString) -> String {
    let salt: [u8; 16] = world.random();
    hasher()
        .hash_password_with_salt(password.expose_secret().as_bytes(), &salt)
        .map(|hash| hash.to_string())
        .unwrap_or_default()
}

/// Whether this is the password. Without a stored hash the same work is done and the answer is no, so that
/// time does not tell which accounts exist (OS-9, OS-44).
pub fn verify(password: &SecretString, stored: Option<&str>) -> bool {
    // Of a password that nobody knows.
    const NOBODY: &str =
        "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA";
    let typed = password.expose_secret();
    if typed.len() > LONGEST {
        return false;
    }
    let Ok(parsed) = PasswordHash::new(stored.unwrap_or(NOBODY)) else {
        return false;
    };
    hasher().verify_password(typed.as_bytes(), &parsed).is_ok() && stored.is_some()
}

fn hasher() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_chosen() {
        let judge = |text: &str| acceptable(&text.to_owned().into(), "ana.smith-jones");
        assert_eq!(judge("correct horse battery"), Ok(()));
        assert_eq!(judge("門前的長椅子上坐著一隻貓咪"), Ok(()));
        assert_eq!(judge("short"), Err(BadPassword::TooShort));
        assert_eq!(judge("aaaaaaaaaaaaaaaa"), Err(BadPassword::Obvious));
        assert_eq!(judge("Ana.Smith-Jones2026"), Err(BadPassword::Obvious));
        assert_eq!(judge(&"ab cd".repeat(1000)), Err(BadPassword::TooLong));
    }

    #[test]
    fn verifies_its_own_hash_and_nothing_without_one() {
        let world = crate::jws::tests::world();
        let password: SecretString = "correct horse battery".to_owned().into();
        let stored = hash(&world, &password);
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert!(verify(&password, Some(&stored)));
        assert!(!verify(&"correct horse batterz".to_owned().into(), Some(&stored)));
        assert!(!verify(&password, None));
        assert!(!verify(&password, Some("not a hash")));
    }
}
