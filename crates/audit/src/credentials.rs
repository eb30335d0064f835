//! Telling credentials from other texts, so that none of them is ever written down.
//!
//! Nobody can tell a password that a person thought up from any other word. What machines make can be told: by the
//! beginnings that are made to be found (those of our own tokens too), by the shapes of signed tokens, keys and URLs with
//! a password, and by looking like nothing that a person would write. A text that is taken for a credential and is none,
//! such as a commit's hash, is the smaller harm.

use model::TokenKind;
use uuid::Uuid;

/// What tokens of well-known places begin with.
const PREFIXES: [&str; 41] = [
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "gldt-",
    "glrt-",
    "gloas-",
    "glsoat-",
    "xoxb-",
    "xoxp-",
    "xoxa-",
    "xoxr-",
    "xoxs-",
    "xoxe.",
    "xapp-",
    "sk-",
    "sk_live_",
    "sk_test_",
    "rk_live_",
    "rk_test_",
    "whsec_",
    "AKIA",
    "ASIA",
    "AIza",
    "ya29.",
    "GOCSPX-",
    "npm_",
    "pypi-",
    "dop_v1_",
    "hvs.",
    "hvb.",
    "SG.",
    "shpat_",
    "ATATT3",
    "lin_api_",
    "figd_",
    "dapi",
    "PMAK-",
];
/// Shorter than this behind such a beginning it is a word.
const LEAST_BEHIND_PREFIX: usize = 12;
/// Shorter than this, chance cannot be told from habit.
const LEAST_BY_CHANCE: usize = 20;
/// What is said before a credential, in lower case.
const SAID_BEFORE: [&str; 2] = ["bearer", "basic"];
/// Names of what is a credential, in lower case and without what joins words.
const NAMES: [&str; 9] = [
    "passphrase",
    "pwd",
    "token",
    "accesstoken",
    "refreshtoken",
    "idtoken",
    "authorization",
    "credential",
    "cookie",
];
/// Names of what is a credential with whatever words before them, written likewise.
const ENDINGS: [&str; 11] = [
    "password",
    "passwd",
    "secret",
    "apikey",
    "privatekey",
    "secretkey",
    "accesskey",
    "authtoken",
    "apitoken",
    "privatetoken",
    "bottoken",
];

/// Whether a text holds something that looks like a credential.
pub fn holds_credential(text: &str) -> bool {
    is_pem(text)
        || has_password_in_url(text)
        || is_assigned(text)
        || words(text).any(|word| is_token(word) || is_chance(word))
        || is_announced(text)
}

/// Whether what has this name is a credential, whatever it looks like: `auth.api_key`, `clientSecret`.
pub fn names_credential(path: &str) -> bool {
    let last = path.rsplit('.').next().unwrap_or_default();
    let folded: String = last
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect();
    let plain = folded.strip_suffix('s').unwrap_or(&folded);
    NAMES.contains(&folded.as_str())
        || NAMES.contains(&plain)
        || ENDINGS.iter().any(|name| plain.ends_with(name))
        || is_some_pass(last)
}

/// `db_pass`, `dbPass`, but no compass.
fn is_some_pass(name: &str) -> bool {
    let word = name.rsplit(['_', '-']).next().unwrap_or_default();
    word.eq_ignore_ascii_case("pass") || word.ends_with("Pass")
}

/// Runs of the characters that tokens are made of. Not of `=`: it ends a name, or nothing but padding.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && !"+/_-.~".contains(c))
        .filter(|word| !word.is_empty())
}

/// A private key, or anything else in that wrapping.
fn is_pem(text: &str) -> bool {
    text.contains("-----BEGIN ")
}

/// `scheme://user:password@host`.
fn has_password_in_url(text: &str) -> bool {
    text.split("://").skip(1).any(|rest| {
        let authority = rest
            .split(['/', '?', '#', ' ', '"', '\''])
            .next()
            .unwrap_or_default();
        let user = authority.rsplit_once('@').map(|(user, _)| user);
        user.and_then(|user| user.split_once(':'))
            .is_some_and(|(_, password)| !password.is_empty())
    })
}

/// What stands between a name and its value, a shell's or another text's quotes among it.
fn is_quote(c: char) -> bool {
    c.is_whitespace() || "\"'`\\]".contains(c)
}

/// `password=…`, `"api_key": "…"`.
fn is_assigned(text: &str) -> bool {
    text.match_indices(['=', ':']).any(|(at, _)| {
        let (before, after) = (
            text.get(..at).unwrap_or_default(),
            text.get(at + 1..).unwrap_or_default(),
        );
        let name = before.trim_end_matches(is_quote);
        let name = name
            .rsplit(|c: char| !c.is_ascii_alphanumeric() && !"_-".contains(c))
            .next();
        names_credential(name.unwrap_or_default()) && !after.chars().all(is_quote)
    })
}

/// `Authorization: Bearer …`.
fn is_announced(text: &str) -> bool {
    let words = text.split_ascii_whitespace();
    words.clone().zip(words.skip(1)).any(|(word, next)| {
        let word = word.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
        let is_no_word = has_digit(next) || next.chars().skip(1).any(char::is_uppercase);
        SAID_BEFORE.iter().any(|said| word.eq_ignore_ascii_case(said)) && next.len() >= 8 && is_no_word
    })
}

fn has_digit(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_digit())
}

/// A token whose maker marked it as one, or a signed one (RFC 7519).
fn is_token(word: &str) -> bool {
    let ours = TokenKind::ALL.map(TokenKind::prefix);
    let is_marked = ours.iter().chain(&PREFIXES).any(|prefix| {
        // Another word may end as it begins: `task-sk-…`.
        word.match_indices(prefix).any(|(at, _)| {
            let before = word.get(..at).unwrap_or_default();
            let behind = word.get(at + prefix.len()..).unwrap_or_default();
            let begins = !before.ends_with(|c: char| c.is_ascii_alphanumeric());
            begins && behind.len() >= LEAST_BEHIND_PREFIX && has_digit(behind)
        })
    });
    // `{"` in base64.
    is_marked || (word.contains("eyJ") && word.split('.').count() >= 2 && word.len() >= LEAST_BY_CHANCE)
}

/// Whether a word was drawn by lot. What people write changes rarely between small letters, large ones and digits; a
/// drawn word does so at every other character.
fn is_chance(word: &str) -> bool {
    // Names of things, drawn by lot too, but no secrets.
    let word = without_uuids(word);
    // What is drawn of letters of one size holds nothing that joins words; a name like `web-7d9f8b6c5d-x2k4z` does.
    let is_drawn_of_both = |run: &str| {
        let mut pairs = pairs(run);
        pairs.any(|(a, b)| a.is_ascii_lowercase() && b.is_ascii_uppercase()) && changes_often(run)
    };
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || c == '+' || c == '/';
    is_drawn_of_both(&word)
        || word.split(|c| !is_base64(c)).any(is_drawn_of_both)
        || word
            .split(|c: char| !c.is_ascii_alphanumeric())
            .any(changes_often)
}

fn changes_often(word: &str) -> bool {
    let to_or_from_digits = pairs(word)
        .filter(|(a, b)| a.is_ascii_digit() != b.is_ascii_digit())
        .count();
    let to_large = pairs(word)
        .filter(|(a, b)| a.is_ascii_lowercase() && b.is_ascii_uppercase())
        .count();
    let changes = to_or_from_digits + to_large;
    // Names in camel case change to large letters alone, but for a number at the end.
    word.len() >= LEAST_BY_CHANCE && to_or_from_digits > 1 && changes >= 4 && changes * 20 >= word.len() * 3
}

/// Letters and digits that stand beside each other.
fn pairs(word: &str) -> impl Iterator<Item = (u8, u8)> {
    let both = word.bytes().zip(word.bytes().skip(1));
    both.filter(|(a, b)| a.is_ascii_alphanumeric() && b.is_ascii_alphanumeric())
}

fn without_uuids(word: &str) -> String {
    const LENGTH: usize = 36;
    let mut kept = String::with_capacity(word.len());
    let mut rest = word;
    while let Some(first) = rest.chars().next() {
        let head = rest
            .get(..LENGTH)
            .filter(|head| head.as_bytes().get(8) == Some(&b'-'));
        let is_uuid = head.is_some_and(|head| Uuid::try_parse(head).is_ok());
        let (taken, left) = rest.split_at(if is_uuid { LENGTH } else { first.len_utf8() });
        if !is_uuid {
            kept.push_str(taken);
        }
        rest = left;
    }
    kept
}

#[cfg(test)]
mod tests;
