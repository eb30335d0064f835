//! Opaque tokens: refresh tokens, codes, cookies, invitations, secrets (DEC-4).
//!
//! Shape: a prefix that names the kind, 52 characters of base32 for 256 random bits, 7 for a CRC-32. Fixed
//! length and checksum let a secret scanner recognise a leak without asking us, and let us turn away a
//! truncated or mistyped token before any database is asked (class 15 of the known attacks: "string
//! leniency"). Only digests are stored (OS-8).

use std::fmt;

use data_encoding::{Encoding, Specification};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;
use thiserror::Error;

/// Lower-case RFC 4648 base32 without padding.
static BASE32: LazyLock<Encoding> = LazyLock::new(|| {
    let mut specification = Specification::new();
    specification.symbols.push_str("abcdefghijklmnopqrstuvwxyz234567");
    specification.encoding().unwrap_or(data_encoding::BASE32_NOPAD)
});

const BODY: usize = 52;
const CHECKSUM: usize = 7;

/// What a token is for. Each kind has its own prefix, so one can never be taken for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// Authorization code (RFC 6749 section 4.1.2).
    Code,
    /// Device code (RFC 8628 section 3.2).
    Device,
    /// Refresh token (RFC 6749 section 1.5).
    Refresh,
    /// A browser's session cookie.
    Session,
    /// The cookie by which a browser that signed in before is recognised again.
    Browser,
    /// One-time link for a first sign-in or a new password.
    Invitation,
    /// Client secret (RFC 6749 section 2.3.1).
    ClientSecret,
    /// Registration access token (RFC 7592 section 3).
    Registration,
    /// Service token: what a program without a browser holds.
    Service,
}

impl TokenKind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Code,
        Self::Device,
        Self::Refresh,
        Self::Session,
        Self::Browser,
        Self::Invitation,
        Self::ClientSecret,
        Self::Registration,
        Self::Service,
    ];

    /// The text every token of this kind begins with.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Code => "vst_ac_",
            Self::Device => "vst_dc_",
            Self::Refresh => "vst_rt_",
            Self::Session => "vst_se_",
            Self::Browser => "vst_br_",
            Self::Invitation => "vst_in_",
            Self::ClientSecret => "vst_cs_",
            Self::Registration => "vst_ra_",
            Self::Service => "vst_st_",
        }
    }
}

/// Why a text is no token of the kind asked for.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("not a {} token: wrong prefix, length or checksum", .0.prefix())]
pub struct MalformedToken(pub TokenKind);

/// An opaque token in clear. Prints as its prefix alone.
#[derive(Clone)]
pub struct OpaqueToken {
    kind: TokenKind,
    text: SecretString,
}

impl OpaqueToken {
    /// From 256 random bits; use [`crate::World::new_token`].
    pub fn from_random(kind: TokenKind, random: &[u8; 32]) -> Self {
        let mut text = String::with_capacity(kind.prefix().len() + BODY + CHECKSUM);
        text.push_str(kind.prefix());
        BASE32.encode_append(random, &mut text);
        let checksum = crc32fast::hash(text.as_bytes()).to_be_bytes();
        BASE32.encode_append(&checksum, &mut text);
        Self {
            kind,
            text: text.into(),
        }
    }

    /// Reads a token that somebody presented.
    pub fn parse(kind: TokenKind, text: &str) -> Result<Self, MalformedToken> {
        let malformed = MalformedToken(kind);
        if text.len() != kind.prefix().len() + BODY + CHECKSUM || !text.is_ascii() {
            return Err(malformed);
        }
        let (head, checksum) = text.split_at(text.len() - CHECKSUM);
        let body = head.strip_prefix(kind.prefix()).ok_or(MalformedToken(kind))?;
        let sound = BASE32.decode(body.as_bytes()).is_ok()
            && BASE32
                .decode(checksum.as_bytes())
                .is_ok_and(|sum| sum == crc32fast::hash(head.as_bytes()).to_be_bytes());
        if sound {
            Ok(Self {
                kind,
                text: text.to_owned().into(),
            })
        } else {
            Err(malformed)
        }
    }

    /// What it is for.
    pub const fn kind(&self) -> TokenKind {
        self.kind
    }

    /// The whole token, for handing it to its owner or digesting it.
    pub fn expose(&self) -> &str {
        self.text.expose_secret()
    }
}

impl fmt::Debug for OpaqueToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}…", self.kind.prefix())
    }
}

/// SHA-256 of an opaque token: what the database keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TokenDigest(pub [u8; 32]);

impl TokenDigest {
    /// For the database.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn does_not_print_itself() {
        let token = OpaqueToken::from_random(TokenKind::Refresh, &[7; 32]);
        assert_eq!(format!("{token:?}"), "vst_rt_…");
    }

    /// DEC-4.
    #[test]
    fn a_token_of_one_kind_is_no_token_of_another() {
        for made in TokenKind::ALL {
            let token = OpaqueToken::from_random(made, &[1; 32]);
            for read in TokenKind::ALL {
                assert_eq!(OpaqueToken::parse(read, token.expose()).is_ok(), made == read);
            }
        }
    }

    proptest! {
        #[test]
        fn reads_back_what_it_made(random: [u8; 32]) {
            let token = OpaqueToken::from_random(TokenKind::Code, &random);
            prop_assert!(OpaqueToken::parse(TokenKind::Code, token.expose()).is_ok());
        }

        #[test]
        fn refuses_any_single_change(random: [u8; 32], at in 0_usize..66, with in "[ -~]") {
            let token = OpaqueToken::from_random(TokenKind::Code, &random);
            let mut changed = token.expose().to_owned();
            changed.replace_range(at..=at, &with);
            prop_assume!(changed != token.expose());
            prop_assert!(OpaqueToken::parse(TokenKind::Code, &changed).is_err());
        }

        #[test]
        fn never_panics(text: String) {
            let _ = OpaqueToken::parse(TokenKind::Session, &text);
        }
    }
}
