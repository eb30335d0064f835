//! User codes (RFC 8628 section 6.1, OS-93): read off one screen and typed into another, so they are short, hold no vowels,
//! which would make words, and nothing that looks like something else.
//!
//! Eight of twenty letters are 34.5 bits: far too few to be a secret by themselves. Whoever types them is signed in, and has
//! few guesses.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// The letters, as RFC 8628 section 6.1 proposes them.
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
const LENGTH: usize = 8;
/// So many byte values fall evenly on the letters.
const EVEN: u8 = 240;

/// A user code, without its dash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserCode([u8; LENGTH]);

/// What was typed is no user code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not eight of the letters that user codes have")]
pub struct NotUserCode;

impl UserCode {
    /// From random bytes. `None` if too many of them fall on no letter, which is as good as never with 32.
    pub fn from_random(random: &[u8; 32]) -> Option<Self> {
        // Without the rest of the byte values, so that no letter is likelier than another.
        let even = random.iter().filter(|byte| **byte < EVEN);
        let mut letters = even.filter_map(|byte| LETTERS.get(usize::from(*byte) % LETTERS.len()));
        let mut code = [0; LENGTH];
        for place in &mut code {
            *place = *letters.next()?;
        }
        Some(Self(code))
    }

    /// The letters, for a digest.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Reads what somebody typed: in either case, with or without dashes and spaces.
impl FromStr for UserCode {
    type Err = NotUserCode;

    fn from_str(text: &str) -> Result<Self, NotUserCode> {
        let mut code = [0; LENGTH];
        let mut places = code.iter_mut();
        let typed = text.chars().filter(|c| !c.is_whitespace() && !is_dash(*c));
        for letter in typed {
            let letter = u8::try_from(narrow(letter).to_ascii_uppercase()).map_err(|_| NotUserCode)?;
            let place = places.next().ok_or(NotUserCode)?;
            *place = *LETTERS
                .iter()
                .find(|known| **known == letter)
                .ok_or(NotUserCode)?;
        }
        match places.next() {
            None => Ok(Self(code)),
            Some(_) => Err(NotUserCode),
        }
    }
}

/// Chinese and Japanese keyboards type wide letters too.
fn narrow(c: char) -> char {
    match c {
        '\u{ff21}'..='\u{ff5a}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        _ => c,
    }
}

/// Also those that keyboards and programs put in place of a hyphen.
fn is_dash(c: char) -> bool {
    matches!(
        c,
        '-' | '_' | '.' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{ff0d}'
    )
}

/// As people read it: `WDJB-MJHT`.
impl fmt::Display for UserCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, letter) in self.0.iter().enumerate() {
            if at == LENGTH / 2 {
                f.write_str("-")?;
            }
            write!(f, "{}", char::from(*letter))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn os_93_a_code_is_read_in_every_spelling() {
        let code: UserCode = "WDJB-MJHT".parse().unwrap();
        for typed in [
            "wdjbmjht",
            " WDJB MJHT ",
            "w-d-j-b-m-j-h-t",
            "Wdjb\u{2013}mjht",
            "WDJB\u{3000}MJHT",
            "ＷＤＪＢ－ｍｊｈｔ",
        ] {
            assert_eq!(typed.parse(), Ok(code), "{typed}");
        }
        assert_eq!(code.to_string(), "WDJB-MJHT");
        for typed in [
            "",
            "WDJB-MJH",
            "WDJB-MJHTB",
            "WDJB-MJHA",
            "WDJB-MJH1",
            "WDJB-MJHT\0",
            "WDJB-MJHŤ",
        ] {
            assert_eq!(typed.parse::<UserCode>(), Err(NotUserCode), "{typed}");
        }
    }

    #[test]
    fn os_93_every_letter_is_as_likely_as_the_others() {
        let all: Vec<u8> = (0..=u8::MAX).filter(|byte| *byte < EVEN).collect();
        for letter in 0..LETTERS.len() {
            assert_eq!(
                all.iter()
                    .filter(|byte| usize::from(**byte) % 20 == letter)
                    .count(),
                12
            );
        }
        assert_eq!(UserCode::from_random(&[EVEN; 32]), None);
        let mut random = [u8::MAX; 32];
        random[24..].copy_from_slice(&[0, 1, 2, 19, 20, 21, 22, 239]);
        assert_eq!(UserCode::from_random(&random).unwrap().to_string(), "BCDZ-BCDZ");
    }

    proptest! {
        #[test]
        fn reads_back_what_it_shows(random: [u8; 32]) {
            if let Some(code) = UserCode::from_random(&random) {
                prop_assert_eq!(code.to_string().parse(), Ok(code));
            }
        }

        #[test]
        fn never_panics(text: String) {
            let _ = text.parse::<UserCode>();
        }
    }
}
