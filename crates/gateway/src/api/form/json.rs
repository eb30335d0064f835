//! The names of the members of a JSON object (RFC 8259 section 4), the outermost alone: those that frameworks take for
//! parameters.
//!
//! It is read as it comes and never held. Whatever only lenient parsers take (comments, names in other quotes or in none,
//! other escapes) is refused: they do not agree where such a thing ends, and so neither which member is the outermost.

use memchr::memchr2;

use crate::api::names::{Found, Name, RefusedNames};

/// A document as it comes.
#[derive(Debug, Default)]
pub(super) struct Json {
    at: At,
    /// In how many arrays and objects.
    depth: u64,
    /// The last text in the outermost one.
    name: Name,
}

#[derive(Clone, Copy, Debug, Default)]
enum At {
    #[default]
    Outside,
    /// Behind a text that is a name if a colon follows.
    BehindText,
    Text,
    /// Behind a backslash in a text.
    Escape,
    /// So many digits of `\uXXXX`, and the number so far.
    Unicode(u8, u32),
}

/// What is wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// A member.
    Found(Found),
    /// It is JSON to some parsers alone.
    Unclear,
}

impl Json {
    /// What is wrong with these bytes, behind those before.
    pub(super) fn look(&mut self, bytes: &[u8], names: &RefusedNames) -> Option<Wrong> {
        let mut rest = bytes;
        while let Some((&byte, behind)) = rest.split_first() {
            rest = behind;
            let looked = match self.at {
                // By zero bytes parsers know UTF-16: it would be another document.
                _ if byte == 0 => Err(Wrong::Unclear),
                At::Text
                    if !matches!(byte, b'"' | b'\\') && (self.depth != 1 || names.is_full(&self.name)) =>
                {
                    // Most of a long document is texts further in, and long ones.
                    let at = memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
                    let (passed, end) = rest.split_at_checked(at).unwrap_or((rest, &[]));
                    rest = end;
                    if passed.contains(&0) {
                        Err(Wrong::Unclear)
                    } else {
                        Ok(())
                    }
                }
                At::Text => {
                    self.text(byte, names);
                    Ok(())
                }
                At::Escape => self.escape(byte, names),
                At::Unicode(count, number) => self.unicode(byte, count, number, names),
                At::Outside | At::BehindText => self.outside(byte, names),
            };
            if let Err(wrong) = looked {
                return Some(wrong);
            }
        }
        None
    }

    fn outside(&mut self, byte: u8, names: &RefusedNames) -> Result<(), Wrong> {
        let is_behind_text = matches!(self.at, At::BehindText);
        if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
            return Ok(());
        }
        self.at = At::Outside;
        match byte {
            b':' if is_behind_text => {
                let found = if self.depth == 1 {
                    names.find(&self.name)
                } else {
                    None
                };
                return found.map_or(Ok(()), |found| Err(Wrong::Found(found)));
            }
            b'"' => {
                self.at = At::Text;
                self.name.clear();
            }
            b'{' | b'[' => self.depth = self.depth.saturating_add(1),
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            b',' | b'+' | b'-' | b'.' => {}
            // Numbers, and words: true, but also NaN, which Python writes.
            byte if byte.is_ascii_alphanumeric() => {}
            // A mark that says UTF-8, and what parts the documents of a sequence (RFC 7464).
            0xef | 0xbb | 0xbf | 0x1e if self.depth == 0 => {}
            _ => return Err(Wrong::Unclear),
        }
        Ok(())
    }

    fn text(&mut self, byte: u8, names: &RefusedNames) {
        match byte {
            b'"' => self.at = At::BehindText,
            b'\\' => self.at = At::Escape,
            byte => names.push(&mut self.name, byte),
        }
    }

    fn escape(&mut self, byte: u8, names: &RefusedNames) -> Result<(), Wrong> {
        self.at = At::Text;
        match byte {
            b'u' => self.at = At::Unicode(0, 0),
            b'b' | b'f' | b'n' | b'r' | b't' => names.push(&mut self.name, b' '),
            b'"' | b'\\' | b'/' => names.push(&mut self.name, byte),
            _ => return Err(Wrong::Unclear),
        }
        Ok(())
    }

    fn unicode(&mut self, byte: u8, count: u8, number: u32, names: &RefusedNames) -> Result<(), Wrong> {
        let digit = char::from(byte).to_digit(16).ok_or(Wrong::Unclear)?;
        let number = number << 4 | digit;
        if count < 3 {
            self.at = At::Unicode(count + 1, number);
            return Ok(());
        }
        self.at = At::Text;
        let c = char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER);
        for &byte in c.encode_utf8(&mut [0; 4]).as_bytes() {
            names.push(&mut self.name, byte);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wrong(text: &str, chunk: usize) -> Option<Wrong> {
        let names = RefusedNames::new(["sudo", "private_token", "user"]);
        let mut json = Json::default();
        text.as_bytes()
            .chunks(chunk)
            .find_map(|bytes| json.look(bytes, &names))
    }

    #[test]
    fn a_member_of_the_outermost_object_is_found() {
        for chunk in [1, 2, 7, 1000] {
            for text in [
                r#"{"sudo":"root"}"#,
                r#"{"a":{"b":[1,"]}"]},"sudo" : 1}"#,
                r#"{"\u0073ud\u006F":1}"#,
                r#"{"a":"\"","Private.Token":1}"#,
                r#"{"a":"\\","sudo":1}"#,
                "{}\n{\"sudo\":1}",
                "\u{feff}{\"sudo\":1}",
                r#"{"_method":"DELETE"}"#,
                "{\"a\":1,\"\u{17f}udo\":1}",
            ] {
                assert!(
                    matches!(wrong(text, chunk), Some(Wrong::Found(_))),
                    "{text} {chunk}"
                );
            }
        }
    }

    #[test]
    fn what_only_some_parsers_take_is_refused() {
        for chunk in [1, 2, 7, 1000] {
            for text in [
                "/* { */ {\"a\": 1}",
                "// \r {\n{\"a\":1}",
                "# {\n{\"a\":1}",
                "{'user':1}",
                "{user:1}",
                "{\"a\":1, user :1}",
                "{\"user\"=1}",
                "{\"a\":1;\"user\"=>1}",
                r#"{"a":"\x22"}"#,
                r#"{"a":{"b":"\'"}}"#,
                r#"{"\u00g3":1}"#,
                "{\u{a0}}",
                "{\"a\":{\"b\":\"\0\"}}",
                "{\"a\0\":1}",
                "{\0",
            ] {
                assert_eq!(wrong(text, chunk), Some(Wrong::Unclear), "{text} {chunk}");
            }
            let utf16 = r#"{"sudo":1}"#.replace("", "\0");
            assert_eq!(wrong(&utf16, chunk), Some(Wrong::Unclear));
        }
    }

    #[test]
    fn members_further_in_and_values_are_others() {
        for chunk in [1, 2, 7, 1000] {
            for text in [
                r#"{"a":{"sudo":1}}"#,
                r#"[{"sudo":1}]"#,
                r#"{"a":"sudo","b":["sudo"]}"#,
                r#"{"a":"\"sudo\":1"}"#,
                r#"{"a":"{\"sudo\":1}"}"#,
                r#""sudo""#,
                r#"{"a":"https:\/\/x.example/\u0022","b":-1.5E+3,"c":NaN,"d":null}"#,
                "\x1e{\"a\":1}\n\x1e{\"b\":1}\n",
                "",
            ] {
                assert_eq!(wrong(text, chunk), None, "{text} {chunk}");
            }
        }
    }

    fn value() -> impl Strategy<Value = serde_json::Value> {
        let name = prop_oneof!["sudo", "[a-z\"\\\\/{}:é]{0,5}"];
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<i32>().prop_map(Into::into),
            name.clone().prop_map(Into::into),
        ];
        leaf.prop_recursive(3, 20, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                prop::collection::btree_map(name.clone(), inner, 0..4)
                    .prop_map(|map| map.into_iter().collect::<serde_json::Map<_, _>>().into()),
            ]
        })
    }

    proptest! {
        /// What a parser finds is found, and nothing else.
        #[test]
        fn it_says_what_a_parser_says(value in value(), pretty in any::<bool>(), chunk in 1_usize..20) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
            let expected = value.as_object().is_some_and(|object| object.contains_key("sudo"));
            prop_assert_eq!(wrong(&text.unwrap(), chunk).is_some(), expected, "{}", value);
        }
    }
}
