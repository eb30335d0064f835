//! What stands where a credential would and is none: a reference to one, a word in its place, an example.

/// Words of people who mean "put yours here", and of those who write examples.
const WORDS: [&str; 30] = [
    "example",
    "changeme",
    "change_me",
    "change-me",
    "placeholder",
    "yourtoken",
    "your_",
    "your-",
    "<your",
    "replace",
    "insert",
    "dummy",
    "redacted",
    "xxxx",
    "****",
    "....",
    "todo",
    "fixme",
    "sample",
    "notreal",
    "not-a-real",
    "not_a_real",
    "fake",
    "mysecret",
    "my_secret",
    "my-secret",
    "secret-here",
    "123456789",
    "abcdefgh",
    "00000000",
];
/// Passwords of the quick start of something, which open nothing that others reach.
const DEFAULTS: [&str; 24] = [
    "password",
    "passwd",
    "passw0rd",
    "password1",
    "password123",
    "postgres",
    "postgresql",
    "mysql",
    "root",
    "admin",
    "admin123",
    "administrator",
    "secret",
    "test",
    "testing",
    "test1234",
    "guest",
    "user",
    "rabbitmq",
    "minioadmin",
    "changeit",
    "letmein",
    "s3cret",
    "hunter2",
];
/// Ways to say where a secret is.
const REFERENCES: [&str; 24] = [
    "op://",
    "vault:",
    "env:",
    "file:",
    "keyring:",
    "keychain:",
    "secret://",
    "secrets.",
    "ref+",
    "sops:",
    "enc[",
    "aws-sm://",
    "awssm:",
    "gcp-sm://",
    "gcpsm:",
    "azurekv:",
    "ssm:",
    "arn:aws:",
    "!secret",
    "!vault",
    "!env",
    "bw://",
    "doppler://",
    "process.env",
];

/// Whether it says where the secret is, in place of the secret.
pub(crate) fn is_reference(value: &str) -> bool {
    let value = value.trim();
    let small = value.to_ascii_lowercase();
    let begins = |sign: &str| value.starts_with(sign);
    let encloses = |open: &str, close: &str| {
        value
            .find(open)
            .and_then(|at| value.get(at..))
            .is_some_and(|rest| rest.contains(close))
    };
    value.is_empty()
        || REFERENCES.iter().any(|sign| small.starts_with(sign))
        || encloses("${", "}")
        || encloses("$(", ")")
        || encloses("{{", "}}")
        || encloses("<", ">")
        || encloses("`", "`") && begins("`")
        || begins("$") && is_name(value.get(1..).unwrap_or_default())
        || begins("%") && value.len() > 2 && value.ends_with('%')
        || begins("@") && is_name(value.get(1..).unwrap_or_default())
        || begins("{") && value.ends_with('}')
        || begins("[") && value.ends_with(']')
        || begins("__") && value.ends_with("__")
        || begins("/") && !value.contains([' ', '=', '+']) && value.matches('/').count() > 1
        || ["./", "../", "~/"].iter().any(|sign| begins(sign))
        || ["os.environ", "getenv(", "process.env", "secrets["]
            .iter()
            .any(|sign| small.contains(sign))
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':')
}

/// Whether somebody wrote it in a credential's place.
pub(crate) fn is_made_up(value: &str) -> bool {
    let small = value.to_ascii_lowercase();
    is_reference(value)
        || WORDS.iter().any(|word| small.contains(word))
        || DEFAULTS.contains(&small.as_str())
        || ["true", "false", "none", "null", "undefined", "yes", "no"].contains(&small.as_str())
        || is_counted(&small)
}

/// `12345678`, `abcdefgh`, `aaaa`, and mixtures such as `abcdef123456`.
fn is_counted(text: &str) -> bool {
    let pairs = text.as_bytes().windows(2);
    let all = pairs.len();
    let steps = pairs.filter(|pair| {
        let [first, second] = pair else { return false };
        matches!(second.wrapping_sub(*first), 0 | 1) || *first == b'9' && *second == b'0'
    });
    all > 3 && steps.count() * 10 >= all * 8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_what_is_none() {
        for value in [
            "${env:GITHUB_TOKEN}",
            "$GITHUB_TOKEN",
            "$(pass show github)",
            "<your token>",
            "op://vault/github/token",
            "{{ secrets.TOKEN }}",
            "%GITHUB_TOKEN%",
            "changeme",
            "YOUR_API_KEY_HERE",
            "xxxxxxxxxxxx",
            "1234567890",
            "/run/secrets/github",
            "~/.secrets/token",
            "`pass show x`",
            "abcdef123456",
            "REPLACE-WITH-TOKEN",
            "keyring:github",
            "ENC[AES256_GCM,data:x]",
            "hunter2",
            "",
        ] {
            assert!(is_made_up(value), "{value}");
        }
        for value in [
            "9f86d081884c7d659a2f",
            "Tr0ub4dor&3x",
            "q8$kL2!vRz",
            "pa$$w0rd-of-Ana-77",
        ] {
            assert!(!is_made_up(value), "{value}");
        }
    }
}
