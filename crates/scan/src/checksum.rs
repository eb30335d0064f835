//! Checksums that credentials carry, so that what merely looks like one is told from one.

use data_encoding::BASE32;
use serde::Deserialize;

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// How a credential proves that it is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Checksum {
    /// Its last six characters are the CRC-32 of those between them and the prefix, in base 62: GitHub, npm.
    Crc32Base62,
    /// Its last seven characters are the CRC-32 of all before them, in base 32: `model::OpaqueToken`.
    Crc32Base32,
}

impl Checksum {
    /// Whether a credential with this prefix adds up.
    pub fn holds(self, prefix: &str, text: &str) -> bool {
        if !text.is_ascii() {
            return false;
        }
        match self {
            Self::Crc32Base62 => {
                let Some(body) = text.strip_prefix(prefix) else {
                    return false;
                };
                let split = body.split_at_checked(body.len().saturating_sub(6));
                split.is_some_and(|(body, sum)| base62(crc32fast::hash(body.as_bytes())) == sum)
            }
            Self::Crc32Base32 => {
                let split = text.split_at_checked(text.len().saturating_sub(7));
                split.is_some_and(|(head, sum)| {
                    let right = BASE32.encode(&crc32fast::hash(head.as_bytes()).to_be_bytes());
                    right.trim_end_matches('=').eq_ignore_ascii_case(sum)
                })
            }
        }
    }

    /// A body with the sum that belongs to it, for tests that need a credential that nobody has.
    #[cfg(any(test, feature = "testing"))]
    pub fn complete(self, prefix: &str, body: &str) -> String {
        let head = format!("{prefix}{body}");
        match self {
            Self::Crc32Base62 => format!("{head}{}", base62(crc32fast::hash(body.as_bytes()))),
            Self::Crc32Base32 => {
                let sum = BASE32.encode(&crc32fast::hash(head.as_bytes()).to_be_bytes());
                format!("{head}{}", sum.trim_end_matches('=').to_ascii_lowercase())
            }
        }
    }
}

/// Six digits, with leading zeros.
fn base62(mut number: u32) -> String {
    let mut digits = [b'0'; 6];
    for digit in digits.iter_mut().rev() {
        *digit = BASE62.get((number % 62) as usize).copied().unwrap_or(b'0');
        number /= 62;
    }
    digits.iter().map(|digit| char::from(*digit)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The one that GitHub's documentation has shown for years, in two halves.
    #[test]
    fn knows_the_sum_of_github() {
        let known = ["ghp_zQWBuTSOoRi4A9spHc", "VY5ncnsDkxkJ0mLq17"].concat();
        assert!(Checksum::Crc32Base62.holds("ghp_", &known));
        let other = known.replace('z', "y");
        assert!(!Checksum::Crc32Base62.holds("ghp_", &other));
    }

    /// CC-101: scanners find leaks of ours by their prefix and checksum.
    #[test]
    fn knows_the_sum_of_our_own_tokens() {
        for kind in model::TokenKind::ALL {
            let token = model::OpaqueToken::from_random(kind, &[7; 32]);
            assert!(Checksum::Crc32Base32.holds(kind.prefix(), token.expose()));
            let wrong = token.expose().replacen('a', "b", 1);
            assert!(wrong == token.expose() || !Checksum::Crc32Base32.holds(kind.prefix(), &wrong));
        }
    }

    #[test]
    fn what_is_completed_holds_and_what_is_short_does_not() {
        for sum in [Checksum::Crc32Base62, Checksum::Crc32Base32] {
            let whole = sum.complete("ghp_", &"a1B2".repeat(8));
            assert!(sum.holds("ghp_", &whole), "{whole}");
            for end in 0..whole.len() {
                assert!(!sum.holds("ghp_", &whole[..end]), "{end}");
            }
        }
    }
}
