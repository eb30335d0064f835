//! Lists of tools, prompts, resources and templates, and taking entries out of them.
//!
//! What stays, stays byte for byte: schemas, annotations, icons, members that nobody here knows (TP-104).

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;

use answer::{Answer, Array, Entries, Found, Members, raw_member};

mod answer;
mod envelope;

pub use envelope::Envelope;

/// What a list holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum List {
    /// `tools/list`.
    Tools,
    /// `prompts/list`.
    Prompts,
    /// `resources/list`.
    Resources,
    /// `resources/templates/list`.
    Templates,
    /// `tasks/list`, whose entries come and go and are in no catalogue.
    Tasks,
}

impl List {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Tools,
        Self::Prompts,
        Self::Resources,
        Self::Templates,
        Self::Tasks,
    ];

    /// The method that asks for it.
    pub fn method(self) -> &'static str {
        match self {
            Self::Tools => "tools/list",
            Self::Prompts => "prompts/list",
            Self::Resources => "resources/list",
            Self::Templates => "resources/templates/list",
            Self::Tasks => "tasks/list",
        }
    }

    /// The member of the result that holds it.
    pub fn member(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::Templates => "resourceTemplates",
            Self::Tasks => "tasks",
        }
    }

    /// The list that a method asks for.
    pub fn of_method(method: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|list| list.method() == method)
    }
}

/// An entry of a list.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// What calls name it by: a name, a URI, a URI template or an id.
    pub name: Cow<'a, str>,
    /// What the upstream says of a tool.
    pub annotations: Annotations,
    /// The whole entry, as JSON text.
    pub text: &'a str,
}

/// `annotations` of a tool; what is not said is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Annotations {
    /// `readOnlyHint`.
    pub read_only_hint: Option<bool>,
    /// `destructiveHint`.
    pub destructive_hint: Option<bool>,
    /// `idempotentHint`.
    pub idempotent_hint: Option<bool>,
    /// `openWorldHint`.
    pub open_world_hint: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head<'a> {
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    uri: Option<Cow<'a, str>>,
    #[serde(borrow)]
    uri_template: Option<Cow<'a, str>>,
    #[serde(borrow)]
    task_id: Option<Cow<'a, str>>,
    #[serde(default)]
    annotations: Option<Annotations>,
}

/// An answer, as far as what it holds is concerned.
#[derive(Deserialize)]
pub(super) struct Response<'a> {
    #[serde(borrow)]
    pub(super) id: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) result: Option<&'a RawValue>,
}

/// How an answer is known to be a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// By the ids of the requests that asked for one (TP-102); and by its form, because an upstream may write an
    /// id in another way than it was asked with.
    Ids(Vec<(String, List)>),
    /// By its form, on streams that answer requests of other connections: a result with such a member and no
    /// `content`, which every result of a tool has.
    Form,
}

impl Expected {
    /// The lists that an answer with this id was asked for.
    pub fn asked(&self, id: &str) -> impl Iterator<Item = List> {
        let ids = match self {
            Self::Ids(ids) => ids.as_slice(),
            Self::Form => &[],
        };
        let asked = ids.iter().filter(move |(asked, _)| same_id(asked, id));
        asked.map(|(_, list)| *list)
    }

    fn lists(&self, id: &str, result: &Members<'_>) -> Vec<List> {
        let is_output = result.is_output();
        let asked = |list: List| self.asked(id).any(|asked| asked == list);
        let shaped = |list: List| !is_output && result.member(list).is_some();
        List::ALL
            .into_iter()
            .filter(|list| asked(*list) || shaped(*list))
            .collect()
    }
}

/// Whether two ids are the same, however their texts were written.
pub(super) fn same_id(one: &str, other: &str) -> bool {
    let text = |id: &str| serde_json::from_str::<String>(id).ok();
    one == other || (one.starts_with('"') && text(one).is_some_and(|one| text(other) == Some(one)))
}

/// A message that may be a list and that has not one reading, so that nobody knows what it would show.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("an answer cannot be read")]
pub struct Unreadable;

/// Takes out of a message, or out of each message of a batch, the entries that `keep` does not want, and marks
/// lists as one person's own (TP-85). `None` if nothing changes. `keep` is given the text of each entry, which [`entry`]
/// reads.
///
/// # Errors
/// If it is no JSON, or names a member twice where a list would be.
pub fn filter(
    text: &str,
    expected: &Expected,
    keep: &mut dyn FnMut(List, &str) -> bool,
) -> Result<Option<String>, Unreadable> {
    if !text.trim_start().starts_with('[') {
        return one(text, expected, keep);
    }
    let messages: Vec<&RawValue> = serde_json::from_str(text).map_err(|_| Unreadable)?;
    let filtered = messages.iter().map(|message| one(message.get(), expected, keep));
    let filtered: Vec<_> = filtered.collect::<Result<_, _>>()?;
    if filtered.iter().all(Option::is_none) {
        return Ok(None);
    }
    let each = messages.iter().zip(&filtered);
    let each: Vec<_> = each
        .map(|(message, filtered)| filtered.as_deref().unwrap_or(message.get()))
        .collect();
    Ok(Some(format!("[{}]", each.join(","))))
}

fn one(
    text: &str,
    expected: &Expected,
    keep: &mut dyn FnMut(List, &str) -> bool,
) -> Result<Option<String>, Unreadable> {
    let answer: Answer<'_> = serde_json::from_str(text).map_err(|_| Unreadable)?;
    let (Some(id), Some(Found(Some(members)))) = (answer.id, &answer.result) else {
        return Ok(None);
    };
    let lists = expected.lists(id.get(), members);
    let mut edits = Vec::new();
    for list in &lists {
        match members.member(*list) {
            None => {}
            Some(Array::Entries(entries)) => edits.extend(kept(text, entries, *list, keep)),
            // What should be a list and is none.
            Some(Array::Other) => edits.push((raw_member(text, *list).ok_or(Unreadable)?, "[]".to_owned())),
        }
    }
    let scope = members.cache_scope.filter(|scope| scope.get() != "\"private\"");
    if let Some(scope) = scope.filter(|_| !lists.is_empty()) {
        edits.push((scope.get(), "\"private\"".to_owned()));
    }
    if edits.is_empty() {
        return Ok(None);
    }
    splice(text, edits).ok_or(Unreadable).map(Some)
}

/// Puts other texts in the place of parts that were borrowed from a text.
pub(super) fn splice(text: &str, mut edits: Vec<(&str, String)>) -> Option<String> {
    edits.sort_by_key(|(part, _)| part.as_ptr());
    let (mut out, mut at) = (String::with_capacity(text.len()), 0);
    for (part, replacement) in edits {
        let start = (part.as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
        out.push_str(text.get(at..start)?);
        out.push_str(&replacement);
        at = start + part.len();
    }
    out.push_str(text.get(at..)?);
    Some(out)
}

/// What takes the place of the entries of an array, from the first to the last; none if all are wanted.
fn kept<'a>(
    text: &'a str,
    entries: &Entries<'_>,
    list: List,
    keep: &mut dyn FnMut(List, &str) -> bool,
) -> Option<(&'a str, String)> {
    let Entries {
        texts,
        last,
        is_too_long,
    } = entries;
    let (first, last) = (texts.first()?.get(), last.unwrap_or_default());
    let offset = |part: &str| (part.as_ptr() as usize).checked_sub(text.as_ptr() as usize);
    let all = text.get(offset(first)?..offset(last)? + last.len())?;
    // More than anybody reads, and each costs a decision.
    if *is_too_long {
        return Some((all, String::new()));
    }
    let mut out = String::with_capacity(all.len());
    let mut wanted = 0;
    for text in texts {
        if keep(list, text.get()) {
            out.push_str(if wanted == 0 { "" } else { "," });
            out.push_str(text.get());
            wanted += 1;
        }
    }
    (wanted < texts.len()).then_some((all, out))
}

/// Reads an entry; none if it has no name, or names a member twice.
pub fn entry(text: &str, list: List) -> Option<Entry<'_>> {
    let head: Head<'_> = serde_json::from_str(text).ok()?;
    let name = match list {
        List::Tools | List::Prompts => head.name,
        List::Resources => head.uri,
        List::Templates => head.uri_template,
        List::Tasks => head.task_id,
    };
    Some(Entry {
        name: name?,
        annotations: head.annotations.unwrap_or_default(),
        text,
    })
}

#[cfg(test)]
mod tests;
