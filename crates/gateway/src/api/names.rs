//! What a parameter is called, however an upstream's parser reads its name.
//!
//! Parsers do not agree: Rack before 3 reads `[sudo]`, `sudo]` and `sudo[]` as `sudo`, PHP reads `.method`, `+_method` and
//! `_method%00x` as `_method`, Go compares the members of JSON without case and takes `ſ` for `s`. A name that any of them
//! would read as a refused one is that one. What is refused too much so are names that nobody has.

use std::sync::Arc;

/// Chooses the method in a query or a form (Rails, Laravel, Symfony).
const OVERRIDE: &str = "_method";
/// Brings a token in a query or a form (RFC 6750 sections 2.2 and 2.3).
const ACCESS_TOKEN: &str = "access_token";

/// Names of parameters with which a request is not forwarded: `_method` and `access_token`, and those of the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedNames {
    /// As they are compared, the operator's behind the others.
    names: Arc<[String]>,
    /// More bytes of a name are not kept: what follows is padding, or it is another name.
    most: usize,
}

/// What is wrong with a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It chooses a method.
    Method,
    /// It brings a credential, or says for whom to act.
    Refused(String),
}

impl RefusedNames {
    /// Those of the operator, and the two that always are. They are read as those that come, whole: `user[admin]` too.
    pub fn new<'a>(own: impl IntoIterator<Item = &'a str>) -> Self {
        let always = [OVERRIDE, ACCESS_TOKEN].map(str::to_owned);
        let names: Arc<[String]> = always.into_iter().chain(own.into_iter().map(whole)).collect();
        let longest = names.iter().map(String::len).max().unwrap_or_default();
        // A letter that is folded has three bytes at most.
        let most = longest * 3 + 1;
        Self { names, most }
    }

    /// Those that count in JSON. Without any of the operator's, `access_token` is a member like another one there: it is a
    /// credential in queries and forms alone (RFC 6750 section 2).
    pub(super) fn in_json(&self) -> Self {
        if !self.own().is_empty() {
            return self.clone();
        }
        Self {
            names: Arc::new([OVERRIDE.to_owned()]),
            most: self.most,
        }
    }

    /// Those of the operator, as they are compared.
    pub fn own(&self) -> &[String] {
        self.names.get(2..).unwrap_or_default()
    }

    /// What a name is to some server, after its escapes were taken out.
    pub(super) fn find(&self, name: &Name) -> Option<Found> {
        let text = String::from_utf8_lossy(&name.0);
        // C ends a text there.
        let text = text.split('\0').next().unwrap_or_default();
        // As a whole, as PHP has it, and as the name of an array or an object, as Rack has it.
        let readings = [
            whole(text),
            whole(text.split(['[', ']']).next().unwrap_or_default()),
        ];
        let refused = self.names.iter().find(|refused| readings.contains(refused))?;
        Some(match refused.as_str() {
            OVERRIDE => Found::Method,
            _ => Found::Refused(refused.clone()),
        })
    }

    /// The next byte of a name.
    pub(super) fn push(&self, name: &mut Name, byte: u8) {
        let is_before = name.0.is_empty() && (byte <= b' ' || byte == b'[' || byte == b']');
        if !is_before && name.0.len() < self.most {
            name.0.push(byte);
        }
    }

    /// Whether no further byte of it is kept.
    pub(super) fn is_full(&self, name: &Name) -> bool {
        name.0.len() >= self.most
    }
}

impl Default for RefusedNames {
    fn default() -> Self {
        Self::new([])
    }
}

/// A name as it comes, of which no more is kept than tells whether it is refused: no padding before it, and not much behind.
#[derive(Debug, Default)]
pub(super) struct Name(Vec<u8>);

impl Name {
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    #[cfg(test)]
    pub(super) fn of(names: &RefusedNames, text: &[u8]) -> Self {
        let mut name = Self::default();
        for &byte in text {
            names.push(&mut name, byte);
        }
        name
    }
}

fn is_blank(c: char) -> bool {
    c.is_whitespace() || c.is_control()
}

/// A name without what parsers leave out at its end.
fn whole(text: &str) -> String {
    folded(text.trim_end_matches(|c: char| is_blank(c) || c == ']'))
}

fn folded(text: &str) -> String {
    let fold = |c| match c {
        '.' | ' ' | '[' => '_',
        // The two letters beyond ASCII that are one of it without case.
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    };
    text.chars().map(fold).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(text: &str) -> Option<Found> {
        let names = RefusedNames::new(["sudo", "Private_Token", "os_authType"]);
        names.find(&Name::of(&names, text.as_bytes()))
    }

    fn refused(name: &str) -> Found {
        Found::Refused(name.to_owned())
    }

    #[test]
    fn a_name_is_found_as_any_server_reads_it() {
        for method in [
            "_method",
            "_METHOD",
            ".method",
            " _method",
            " .method",
            "[_method]",
            "[method",
            "_method\0x",
            "_method]",
            "_method[]",
            "_method[a][b]",
            "_method  ",
        ] {
            let expected = if method == "[method" {
                None
            } else {
                Some(Found::Method)
            };
            assert_eq!(found(method), expected, "{method:?}");
        }
        for sudo in [
            "sudo",
            "\u{17f}udo",
            "[sudo]",
            "[[ sudo",
            "sudo]",
            "sudo[]",
            "sudo]x",
            "\0sudo",
            "sudo\0]",
        ] {
            assert_eq!(found(sudo), Some(refused("sudo")), "{sudo:?}");
        }
        for token in [
            "private.token",
            "private token",
            "private[token",
            "PRIVATE_TO\u{212a}EN",
            "[private_token][0]",
        ] {
            assert_eq!(found(token), Some(refused("private_token")), "{token:?}");
        }
        assert_eq!(found("OS.AuthType"), Some(refused("os_authtype")));
        assert_eq!(found("access_token"), Some(refused("access_token")));
    }

    #[test]
    fn another_name_is_another_name() {
        for name in [
            "",
            "_methods",
            "x_method",
            "method",
            "sudoer",
            "a[sudo]",
            "a.sudo",
            "token",
            "\u{e9}sudo",
            "sudo=",
        ] {
            assert_eq!(found(name), None, "{name:?}");
        }
    }

    proptest! {
        /// However much of it, padding hides no name.
        #[test]
        fn padding_hides_no_name(
            before in "[ \\[\\]\t]{0,400}",
            name in prop::sample::select(vec!["sudo", "private_token", "_method", "access_token"]),
            capitals in any::<u32>(),
            separator in prop::sample::select(vec!['_', '.', ' ']),
            behind in prop_oneof![
                "[ \\]\t]{0,400}",
                "\\[[a-z0-9]{0,20}\\][ -~]{0,400}",
                "\u{0}[ -~]{0,400}",
            ],
        ) {
            let spelled = name.chars().enumerate().map(|(at, c)| match c {
                '_' => separator,
                c if capitals >> at & 1 == 1 => c.to_ascii_uppercase(),
                c => c,
            });
            let spelled: String = spelled.collect();
            // A name that begins with a space begins behind it.
            prop_assume!(!spelled.starts_with(' '));
            let whole = format!("{before}{spelled}{behind}");
            prop_assert!(found(&whole).is_some(), "{:?}", whole);
        }

        /// A name of other letters is another one, whatever is around it.
        #[test]
        fn other_letters_are_another_name(name in "[a-ce-z]{1,12}[0-9]", around in "[ \\]]{0,9}") {
            let whole = format!("{around}{name}{around}");
            prop_assert_eq!(found(&whole), None);
        }
    }
}
