//! The two lines of an event: in the signed body what happened, and apart from it whom it was.

use std::borrow::Cow;

use data_encoding::{BASE64, HEXLOWER};
use keys::sha256;
use model::{EventId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::event::{Person, What};

/// A line of the body, as it is read.
#[derive(Deserialize)]
pub(crate) struct Line {
    pub(crate) id: EventId,
    pub(crate) at: i64,
    #[serde(flatten)]
    pub(crate) what: What,
}

/// A line of the body before the digest of the person is known.
#[derive(Serialize)]
struct Beginning<'a> {
    id: EventId,
    at: i64,
    #[serde(flatten)]
    what: &'a What,
}

/// A line of what is personal, as it is read.
#[derive(Deserialize)]
pub(crate) struct PersonalLine {
    #[serde(flatten)]
    pub(crate) person: Person,
}

/// About as long as both lines of a call are.
const USUAL: usize = 1000;

/// An event that waits for its block: one text, written where it happened and while all it is made of is at hand. The
/// many small texts of which it consists would keep the memory of all that happens meanwhile from being used again.
#[derive(Debug)]
pub(crate) struct Written {
    /// When.
    pub(crate) at: Timestamp,
    /// The line of the body without its end, and the line of the person without its beginning.
    text: String,
    /// Where the second begins.
    person_at: usize,
}

impl Written {
    /// Writes an event.
    pub(crate) fn new(id: EventId, at: Timestamp, what: &What, person: &Person) -> Self {
        let mut json = Vec::with_capacity(USUAL);
        let beginning = Beginning {
            id,
            at: at.as_millis(),
            what,
        };
        // Our own types: writing them cannot fail.
        let _ = serde_json::to_writer(&mut json, &beginning);
        // Its last brace.
        json.pop();
        let person_at = json.len();
        let _ = serde_json::to_writer(&mut json, person);
        Self {
            at,
            // What was written as JSON is text.
            text: String::from_utf8(json).unwrap_or_default(),
            person_at,
        }
    }

    /// Adds its lines to those of a block. The body has a digest of the person's line, which nobody can guess the person
    /// from without the salt.
    pub(crate) fn join(&self, salt: &[u8], body: &mut String, personal: &mut String) {
        let (line, person) = self.text.split_at_checked(self.person_at).unwrap_or_default();
        let begins_at = personal.len();
        personal.push_str("{\"salt\":\"");
        BASE64.encode_append(salt, personal);
        personal.push('"');
        let members = person.strip_prefix('{').unwrap_or_default();
        if members != "}" {
            personal.push(',');
        }
        personal.push_str(members);
        let digest = sha256(personal.get(begins_at..).unwrap_or_default().as_bytes());
        personal.push('\n');
        body.push_str(line);
        body.push_str(",\"person\":\"");
        HEXLOWER.encode_append(&digest, body);
        body.push_str("\"}\n");
    }
}

/// Whether a personal line is the one that its line in the body was written with.
pub(crate) fn is_of(personal: &str, line: &str) -> bool {
    #[derive(Deserialize)]
    struct Digest<'a> {
        #[serde(borrow)]
        person: Cow<'a, str>,
    }
    serde_json::from_str::<Digest<'_>>(line)
        .is_ok_and(|line| line.person == HEXLOWER.encode(&sha256(personal.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Lines;
    use crate::testing::somebody;

    /// What both lines were before they were written in two steps: the format of records that are kept.
    fn in_one_step(
        id: EventId,
        at: Timestamp,
        what: &What,
        person: &Person,
        salt: &[u8],
    ) -> (String, String) {
        #[derive(Serialize)]
        struct Salted<'a> {
            salt: String,
            #[serde(flatten)]
            person: &'a Person,
        }
        #[derive(Serialize)]
        struct Whole<'a> {
            id: EventId,
            at: i64,
            #[serde(flatten)]
            what: &'a What,
            person: String,
        }
        let salt = BASE64.encode(salt);
        let personal = serde_json::to_string(&Salted { salt, person }).unwrap();
        let person = HEXLOWER.encode(&sha256(personal.as_bytes()));
        let at = at.as_millis();
        let body = serde_json::to_string(&Whole { id, at, what, person }).unwrap();
        (body + "\n", personal + "\n")
    }

    #[test]
    fn both_lines_are_those_of_the_format() {
        let (world, _) = testkit::world();
        let refused = What::SignInRefused {
            account: None,
            reason: "say \"no\"}\n\u{1f600}".to_owned(),
        };
        let nested = What::PersonErased {
            account: Some(world.new_id()),
            lines: vec![Lines {
                chain: uuid::Uuid::nil(),
                number: 3,
                lines: vec![0, 7],
            }],
        };
        for (what, person) in [
            (What::Stopped, Person::default()),
            (nested, somebody("ana")),
            (What::Stopped, somebody("ana\"\\}{")),
            (refused, somebody("名")),
        ] {
            let (id, at) = (world.new_id(), world.now());
            let (mut body, mut personal) = ("before\n".to_owned(), "before\n".to_owned());
            Written::new(id, at, &what, &person).join(&[7; 16], &mut body, &mut personal);
            let (line, personal_line) = in_one_step(id, at, &what, &person, &[7; 16]);
            assert_eq!(body, format!("before\n{line}"));
            assert_eq!(personal, format!("before\n{personal_line}"));
            assert!(is_of(personal_line.trim_end(), line.trim_end()));
            assert!(!is_of("{}", line.trim_end()));
            let read: Line = serde_json::from_str(&line).unwrap();
            assert_eq!((read.id, read.at, read.what), (id, at.as_millis(), what));
            let read: PersonalLine = serde_json::from_str(&personal_line).unwrap();
            assert_eq!(read.person, person);
        }
    }
}
