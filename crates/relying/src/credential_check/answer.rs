//! The bodies of a password service's answers. Pure: bytes from outside are read here, and nothing is asked.

use serde_json::Value;
use thiserror::Error;

use crate::address::is_address;

/// Groups of one person; somebody who is in more is not let in with some of them.
const MOST_GROUPS: usize = 1000;
/// The longest id of somebody, in bytes.
const LONGEST_SUBJECT: usize = 255;
/// The longest text that is kept, in characters.
const LONGEST_TEXT: usize = 300;

/// Why a body does not count.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0}")]
pub(crate) struct Unfit(String);

/// Who a body speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Person {
    /// By what they are known for good.
    pub(crate) subject: String,
    /// What they are called there.
    pub(crate) username: Option<String>,
    /// What others read there.
    pub(crate) name: Option<String>,
    /// Their address, if it is one.
    pub(crate) email: Option<String>,
    /// Whether the service says that the address is theirs.
    pub(crate) email_verified: bool,
    /// Their groups there.
    pub(crate) groups: Vec<String>,
}

impl Person {
    /// Reads who somebody is. With `groups`, an answer without them does not count.
    pub(crate) fn read(body: &[u8], groups: bool) -> Result<Self, Unfit> {
        let answer = json(body)?;
        let subject = subject_of(&answer)
            .ok_or_else(|| unfit("it has no `subject`, a text of 1 to 255 bytes or a whole number"))?;
        let email = text(&answer, "email")?.filter(|text| is_address(text));
        Ok(Self {
            subject,
            username: text(&answer, "username")?,
            name: text(&answer, "name")?,
            // Nothing but `true` is yes.
            email_verified: email.is_some() && answer["email_verified"] == Value::Bool(true),
            email,
            groups: groups_of(&answer["groups"], groups)?,
        })
    }
}

/// Of whom a body says that they are gone; none if it names nobody.
pub(crate) fn subject(body: &[u8]) -> Option<String> {
    json(body).ok().as_ref().and_then(subject_of)
}

fn unfit(why: &str) -> Unfit {
    Unfit(why.to_owned())
}

fn json(body: &[u8]) -> Result<Value, Unfit> {
    serde_json::from_slice(body)
        .ok()
        .filter(Value::is_object)
        .ok_or_else(|| unfit("it is no JSON object"))
}

/// By what somebody is known for good.
fn subject_of(answer: &Value) -> Option<String> {
    let subject = match &answer["subject"] {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.as_u64()?.to_string(),
        _ => return None,
    };
    let is_good =
        !subject.trim().is_empty() && subject.len() <= LONGEST_SUBJECT && !subject.contains(char::is_control);
    is_good.then_some(subject)
}

/// A member that is text, or is not there.
fn text(answer: &Value, member: &str) -> Result<Option<String>, Unfit> {
    match &answer[member] {
        Value::Null => Ok(None),
        Value::String(text) => {
            let text = text.trim();
            Ok((!text.is_empty()).then(|| text.chars().take(LONGEST_TEXT).collect()))
        }
        _ => Err(Unfit(format!("`{member}` is no text"))),
    }
}

/// Groups that are left out are not taken for none, where they matter.
fn groups_of(said: &Value, matter: bool) -> Result<Vec<String>, Unfit> {
    let groups = match said {
        Value::Null if matter => {
            return Err(unfit("it has no `groups`, which the configuration asks for"));
        }
        Value::Null => return Ok(Vec::new()),
        Value::Array(groups) => groups,
        _ => return Err(unfit("`groups` is no list")),
    };
    if groups.len() > MOST_GROUPS {
        return Err(unfit("somebody is in more than 1000 groups"));
    }
    let names = groups.iter().map(|group| group.as_str().map(str::to_owned));
    let names: Option<Vec<_>> = names.collect();
    names.ok_or_else(|| unfit("`groups` is no list of texts"))
}
