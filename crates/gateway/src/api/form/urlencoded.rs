//! The names of a query, or of a form that is written like one (`application/x-www-form-urlencoded`, URL Standard section 5).

use memchr::memchr2;

use crate::api::names::{Found, Name, RefusedNames};

/// Names and values, as they come.
#[derive(Debug)]
pub(in crate::api) struct Urlencoded {
    /// The name at hand.
    name: Name,
    /// Whether it is a name that comes, and no value.
    in_name: bool,
    escape: Escape,
}

#[derive(Clone, Copy, Debug)]
enum Escape {
    None,
    /// `%`.
    Begun,
    /// `%`, and this digit.
    Half(u8),
}

impl Default for Urlencoded {
    fn default() -> Self {
        Self {
            name: Name::default(),
            in_name: true,
            escape: Escape::None,
        }
    }
}

impl Urlencoded {
    /// What is wrong with these bytes, behind those before.
    pub(in crate::api) fn look(&mut self, bytes: &[u8], names: &RefusedNames) -> Option<Found> {
        let mut rest = bytes;
        while let Some((&byte, behind)) = rest.split_first() {
            if !self.in_name {
                // Some servers part by semicolons too.
                let at = memchr2(b'&', b';', rest)?;
                rest = rest.get(at + 1..).unwrap_or_default();
                self.in_name = true;
                self.name.clear();
                continue;
            }
            rest = behind;
            match byte {
                b'&' | b';' => {
                    let found = self.end(names);
                    self.name.clear();
                    if found.is_some() {
                        return found;
                    }
                }
                b'=' => {
                    self.in_name = false;
                    let found = self.end(names);
                    if found.is_some() {
                        return found;
                    }
                }
                byte => self.decode(byte, names),
            }
        }
        None
    }

    /// What is wrong with the name that stands at the end.
    pub(in crate::api) fn end(&mut self, names: &RefusedNames) -> Option<Found> {
        self.broken(names);
        names.find(&self.name)
    }

    fn decode(&mut self, byte: u8, names: &RefusedNames) {
        let digit = |byte: u8| {
            char::from(byte)
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        };
        match (self.escape, digit(byte)) {
            (Escape::Begun, Some(_)) => self.escape = Escape::Half(byte),
            (Escape::Half(first), Some(low)) => {
                self.escape = Escape::None;
                let high = digit(first).unwrap_or_default();
                names.push(&mut self.name, high << 4 | low);
            }
            _ => {
                self.broken(names);
                match byte {
                    b'%' => self.escape = Escape::Begun,
                    b'+' => names.push(&mut self.name, b' '),
                    byte => names.push(&mut self.name, byte),
                }
            }
        }
    }

    /// An escape that is none stands for itself.
    fn broken(&mut self, names: &RefusedNames) {
        match std::mem::replace(&mut self.escape, Escape::None) {
            Escape::None => {}
            Escape::Begun => names.push(&mut self.name, b'%'),
            Escape::Half(first) => {
                names.push(&mut self.name, b'%');
                names.push(&mut self.name, first);
            }
        }
    }
}

/// What is wrong with a name that is there as a whole, where it may be escaped in this way too.
pub(super) fn escaped(name: impl Iterator<Item = u8>, names: &RefusedNames) -> Option<Found> {
    let mut whole = Urlencoded::default();
    for byte in name {
        if names.is_full(&whole.name) {
            break;
        }
        whole.decode(byte, names);
    }
    whole.end(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(text: &str, chunk: usize) -> bool {
        let names = RefusedNames::new(["sudo"]);
        let mut form = Urlencoded::default();
        let is_found = text
            .as_bytes()
            .chunks(chunk)
            .any(|bytes| form.look(bytes, &names).is_some());
        is_found || form.in_name && form.end(&names).is_some()
    }

    #[test]
    fn a_refused_name_is_found_wherever_it_stands() {
        for chunk in [1, 2, 7, 1000] {
            for text in [
                "_method=DELETE",
                "a=1&_method=put&b=2",
                "a=1;%5Fmethod=x",
                "%5f%6d%65%74%68%6f%64=x",
                "_METHOD= ",
                "+_method=x",
                "%20.method=x",
                "_method%00x=x",
                "%5bsudo%5D=x",
                "a=1& sudo=x",
                "a=1&sudo",
                "sudo&a=1",
                "a=access_token&access_token=x",
            ] {
                assert!(found(text, chunk), "{text} {chunk}");
            }
        }
    }

    #[test]
    fn any_other_passes() {
        for chunk in [1, 7, 1000] {
            for text in [
                "",
                "a=_method&b=1",
                "a=sudo=1",
                "x_method=1",
                r#"{"_method":"x"}"#,
                "_methods=1",
                "%_method=1",
                "_method%=1",
                "su%64%6=1",
            ] {
                assert!(!found(text, chunk), "{text} {chunk}");
            }
        }
    }

    proptest! {
        /// Whatever is escaped, however long the padding and wherever it is cut, the name is found.
        #[test]
        fn no_spelling_hides_a_name(
            escapes in any::<u64>(),
            padding in 0_usize..600,
            pad in prop::sample::select(vec!["+", "%20", " ", "%5b", "%5D", "%09"]),
            chunk in 1_usize..50,
            before in prop::sample::select(vec!["", "a=1&", "a;", "a=%5&"]),
        ) {
            let name: String = "sudo"
                .chars()
                .enumerate()
                .map(|(at, c)| if escapes >> at & 1 == 1 { format!("%{:02x}", u32::from(c)) } else { c.to_string() })
                .collect();
            let text = format!("{before}{}{name}{}=root", pad.repeat(padding), pad.repeat(padding % 7));
            prop_assert!(found(&text, chunk), "{}", text);
        }
    }
}
