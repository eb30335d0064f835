//! Whether a name says that what it names is a secret.

/// What a name promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    /// Something random.
    Token,
    /// Something that a person may have chosen.
    Password,
    /// A name and a password in base 64.
    Basic,
}

const PASSWORDS: [&str; 6] = ["password", "passwd", "pwd", "passphrase", "pass", "userpass"];
const TOKENS: [&str; 14] = [
    "token",
    "secret",
    "apikey",
    "authtoken",
    "accesskey",
    "secretkey",
    "privatekey",
    "credential",
    "credentials",
    "authorization",
    "pat",
    "apitoken",
    "accesstoken",
    "bearer",
];
/// A last word that makes it something about a secret.
const ABOUT: [&str; 74] = [
    "file",
    "path",
    "url",
    "uri",
    "endpoint",
    "id",
    "ids",
    "name",
    "names",
    "type",
    "kind",
    "expires",
    "expiry",
    "expiration",
    "ttl",
    "limit",
    "limits",
    "max",
    "min",
    "count",
    "length",
    "len",
    "size",
    "env",
    "var",
    "variable",
    "ref",
    "policy",
    "header",
    "headers",
    "prefix",
    "suffix",
    "hint",
    "hash",
    "algorithm",
    "alg",
    "enabled",
    "required",
    "method",
    "field",
    "label",
    "placeholder",
    "dir",
    "folder",
    "command",
    "cmd",
    "script",
    "helper",
    "store",
    "provider",
    "scope",
    "scopes",
    "issuer",
    "audience",
    "version",
    "regex",
    "pattern",
    "manager",
    "usage",
    "mode",
    "timeout",
    "format",
    "description",
    "title",
    "message",
    "error",
    "at",
    "date",
    "time",
    "cost",
    "source",
    "location",
    "host",
    "server",
];
/// Keys that open nothing.
const OPEN: [&str; 16] = [
    "public",
    "primary",
    "foreign",
    "sort",
    "partition",
    "cache",
    "publishable",
    "hot",
    "shortcut",
    "map",
    "row",
    "host",
    "idempotency",
    "fake",
    "dummy",
    "next",
];

/// What the last of these names promises.
pub(crate) fn sort(path: &[String]) -> Option<Sort> {
    let last = path.last()?;
    // What names the place, as in `//npm.example.com/:_authToken`, says nothing of the sort.
    let last = last.rsplit(['/', ':']).next().unwrap_or(last);
    let words = words(last);
    let word = words.last()?.as_str();
    let plain = word.trim_end_matches(|c: char| c.is_ascii_digit());
    let word = if plain.is_empty() { word } else { plain };
    let before = words
        .len()
        .checked_sub(2)
        .and_then(|at| words.get(at))
        .map(String::as_str);
    if ABOUT.contains(&word) || words.iter().any(|word| OPEN.contains(&word.as_str())) {
        return None;
    }
    if PASSWORDS.contains(&word) || PASSWORDS.iter().take(4).any(|end| word.ends_with(end)) {
        return Some(Sort::Password);
    }
    if TOKENS.contains(&word)
        || ["token", "secret", "apikey"]
            .iter()
            .any(|end| word.ends_with(end))
    {
        return Some(Sort::Token);
    }
    match word {
        "key" if before.is_some() => Some(Sort::Token),
        "auth" if words.len() == 1 => Some(Sort::Basic),
        "data" if before == Some("key") => Some(Sort::Token),
        _ if words
            .iter()
            .any(|word| PASSWORDS.get(..3).is_some_and(|all| all.contains(&word.as_str()))) =>
        {
            Some(Sort::Password)
        }
        _ if words
            .iter()
            .any(|word| ["token", "secret"].contains(&word.as_str())) =>
        {
            Some(Sort::Token)
        }
        _ => None,
    }
}

/// The words of a name: `GITHUB_TOKEN`, `apiKey`, `x-api-key`.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_small = false;
    for c in name.chars() {
        if !c.is_ascii_alphanumeric() || was_small && c.is_ascii_uppercase() {
            words.push(String::new());
        }
        was_small = c.is_ascii_lowercase() || c.is_ascii_digit();
        if c.is_ascii_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.push(c.to_ascii_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets() {
        let of = |name: &str| sort(&[name.to_owned()]);
        for name in [
            "GITHUB_TOKEN",
            "apiKey",
            "X-Api-Key",
            "client_secret",
            "JIRA_PAT",
            "//npm.example.com/:_authToken",
            "AWS_SECRET_ACCESS_KEY",
            "GITEA_ACCESS_TOKEN",
            "oauth_token",
            "Authorization",
            "client-key-data",
            "TOKEN_2",
            "identitytoken",
            "OPENAI_API_KEY",
        ] {
            assert_eq!(of(name), Some(Sort::Token), "{name}");
        }
        for name in ["DB_PASSWORD", "PGPASSWORD", "_password", "smtpPass", "password2"] {
            assert_eq!(of(name), Some(Sort::Password), "{name}");
        }
        assert_eq!(of("auth"), Some(Sort::Basic));
        for name in [
            "TOKEN_FILE",
            "max_tokens",
            "token_url",
            "key",
            "PUBLIC_KEY",
            "AWS_ACCESS_KEY_ID",
            "secretName",
            "PATH",
            "tokenizer",
            "primary_key",
            "password_policy",
            "authors",
            "compass",
        ] {
            assert_eq!(of(name), None, "{name}");
        }
    }
}
