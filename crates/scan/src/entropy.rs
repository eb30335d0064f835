//! How random a text looks.

/// Shannon's entropy in bits for each character.
pub(crate) fn bits(text: &str) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in text.bytes() {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count += 1;
        }
    }
    let all = f64::from(u32::try_from(text.len()).unwrap_or(u32::MAX).max(1));
    let of = |count: &u32| {
        let share = f64::from(*count) / all;
        -share * share.log2()
    };
    counts.iter().filter(|count| **count > 0).map(of).sum()
}

/// Whether the body of a credential with a prefix may be one: not one letter again and again.
pub(crate) fn is_random(body: &str) -> bool {
    bits(body) >= if body.len() < 20 { 2.3 } else { 2.8 }
}

/// The kinds of characters: small and capital letters, digits, others.
pub(crate) fn kinds(text: &str) -> usize {
    let has = |is: fn(&u8) -> bool| usize::from(text.as_bytes().iter().any(is));
    has(u8::is_ascii_lowercase)
        + has(u8::is_ascii_uppercase)
        + has(u8::is_ascii_digit)
        + has(|byte| !byte.is_ascii_alphanumeric())
}

/// Whether a value that nothing but its name calls a token looks like one.
pub(crate) fn looks_like_a_token(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"<>{}\"'`\\".contains(&byte);
    if text.len() < 12 || !text.bytes().all(is_plain) {
        return false;
    }
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let letters = text.bytes().filter(u8::is_ascii_alphabetic).count();
    let bits = bits(text);
    if text.len() >= 20 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return bits >= 2.8 && digits > 0 && letters > 0;
    }
    // Words with lines between them are names. Random text has digits, or capitals side by side in the midst of it.
    let is_mixed = digits > 1 && letters > 1;
    let is_mixed = is_mixed || text.len() >= 20 && has_random_capitals(text);
    is_mixed && bits >= 3.0 && !is_words(text)
}

/// Words, versions, dates and names, with lines or points between them.
fn is_words(text: &str) -> bool {
    let parts: Vec<&str> = text.split(['-', '_', '.', '/', ':', ' ', ',']).collect();
    let is_word = |part: &str| {
        let letters = part.bytes().filter(u8::is_ascii_alphabetic).count();
        letters == 0 && part.len() <= 8
            || letters == part.len() && part.len() <= 16 && !is_jumbled(part)
            || part.len() <= 4
    };
    parts.len() > 1 && parts.iter().all(|part| is_word(part))
}

/// Capitals as dice throw them: `camelCase` has hardly two side by side, and `CONSTANTS` nothing else.
fn has_random_capitals(text: &str) -> bool {
    let is_capital = |byte: &u8| byte.is_ascii_uppercase();
    let pairs = || {
        text.as_bytes()
            .windows(2)
            .filter_map(|pair| Some((pair.first()?, pair.get(1)?)))
    };
    let turns = pairs()
        .filter(|(first, second)| is_capital(first) != is_capital(second))
        .count();
    let side_by_side = pairs()
        .filter(|(first, second)| is_capital(first) && is_capital(second))
        .count();
    turns * 3 >= text.len() && side_by_side * 8 >= text.len()
}

/// Capitals in the midst of a word, more than names in a program have.
fn is_jumbled(part: &str) -> bool {
    let turns = part.as_bytes().windows(2).filter(|pair| {
        let [first, second] = pair else { return false };
        first.is_ascii_uppercase() != second.is_ascii_uppercase()
    });
    turns.count() * 3 > part.len()
}

/// Whether a value that is called a password may be one.
pub(crate) fn looks_like_a_password(text: &str) -> bool {
    let is_plain = |c: char| !c.is_control() && !c.is_whitespace();
    (8..=128).contains(&text.len()) && text.chars().all(is_plain) && kinds(text) >= 2 && bits(text) >= 2.5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_tokens_from_names() {
        for text in [
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
            "qX7zP2mL9vRt4KbW",
            "a8Kd-93jsL_dk20fKsla",
            "UzzKoXRnGlwi8lzOQtwWNEJguLVrAaPGeTgF",
        ] {
            assert!(looks_like_a_token(text), "{text}");
        }
        for text in [
            "my-service-account",
            "production",
            "v1.2.3-beta-4",
            "aaaaaaaaaaaaaaaaaaaa",
            "2026-11-27",
            "GITHUB_TOKEN",
            "registry.example.com:5000",
            "short1A",
            "claude-3-5-sonnet-20241022",
            "us-east-1",
            "getUserAccessTokenFromHeader",
            "THE_NAME_OF_A_VARIABLE",
        ] {
            assert!(!looks_like_a_token(text), "{text}");
        }
    }

    #[test]
    fn counts_bits() {
        assert!(bits("").abs() < f64::EPSILON);
        assert!(bits("aaaa").abs() < f64::EPSILON);
        assert!((bits("abcd") - 2.0).abs() < 1e-9);
    }
}
