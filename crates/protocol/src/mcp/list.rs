//! Lists of tools, prompts, resources and templates, and taking entries out of them.
//!
//! What stays, stays byte for byte: schemas, annotations, icons, members that nobody here knows (TP-104).

use std::borrow::Cow;
use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;

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

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Members<'a> {
    #[serde(borrow)]
    tools: Option<&'a RawValue>,
    #[serde(borrow)]
    prompts: Option<&'a RawValue>,
    #[serde(borrow)]
    resources: Option<&'a RawValue>,
    #[serde(borrow)]
    resource_templates: Option<&'a RawValue>,
    #[serde(borrow)]
    tasks: Option<&'a RawValue>,
    #[serde(borrow)]
    cache_scope: Option<&'a RawValue>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    structured_content: Option<&'a RawValue>,
}

impl<'a> Members<'a> {
    fn member(&self, list: List) -> Option<&'a RawValue> {
        match list {
            List::Tools => self.tools,
            List::Prompts => self.prompts,
            List::Resources => self.resources,
            List::Templates => self.resource_templates,
            List::Tasks => self.tasks,
        }
    }
}

/// A longer list is shown as an empty one.
const MOST: usize = 10_000;

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
    fn lists(&self, id: &str, result: &Members<'_>) -> Vec<List> {
        let is_output = result.content.is_some() || result.structured_content.is_some();
        let asked = |list: List| match self {
            Self::Ids(ids) => ids.iter().any(|(asked, of)| *of == list && same_id(asked, id)),
            Self::Form => false,
        };
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
/// lists as one person's own (TP-85). `None` if nothing changes. An entry that cannot be read, or that names a
/// member twice, is taken out.
///
/// # Errors
/// If it is no JSON, or names a member twice where a list would be.
pub fn filter(
    text: &str,
    expected: &Expected,
    keep: &mut dyn FnMut(List, &Entry<'_>) -> bool,
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
    keep: &mut dyn FnMut(List, &Entry<'_>) -> bool,
) -> Result<Option<String>, Unreadable> {
    let response: Response<'_> = serde_json::from_str(text).map_err(|_| Unreadable)?;
    let (Some(id), Some(result)) = (response.id, response.result) else {
        return Ok(None);
    };
    if !result.get().starts_with('{') {
        return Ok(None);
    }
    let members: Members<'_> = serde_json::from_str(result.get()).map_err(|_| Unreadable)?;
    let lists = expected.lists(id.get(), &members);
    let mut edits = Vec::new();
    for list in &lists {
        let Some(array) = members.member(*list) else {
            continue;
        };
        if let Some(kept) = kept(array.get(), *list, keep) {
            edits.push((array.get(), kept));
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

/// The array without the unwanted; `None` if all are wanted.
fn kept(array: &str, list: List, keep: &mut dyn FnMut(List, &Entry<'_>) -> bool) -> Option<String> {
    let entries = serde_json::from_str::<Vec<&RawValue>>(array).ok();
    // More than anybody reads, and each costs a decision.
    let Some(entries) = entries.filter(|entries| entries.len() <= MOST) else {
        return Some("[]".to_owned());
    };
    let wanted: Vec<&str> = entries
        .iter()
        .filter(|text| entry(text.get(), list).is_some_and(|entry| keep(list, &entry)))
        .map(|text| text.get())
        .collect();
    if wanted.len() == entries.len() {
        return None;
    }
    let mut out = String::with_capacity(array.len());
    out.push('[');
    for (number, text) in wanted.iter().enumerate() {
        let comma = if number == 0 { "" } else { "," };
        let _ = write!(out, "{comma}{text}");
    }
    out.push(']');
    Some(out)
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
mod tests {
    use super::*;

    fn without(text: &str, expected: &Expected, unwanted: &str) -> Option<String> {
        filter(text, expected, &mut |_, entry| entry.name != unwanted).unwrap()
    }

    fn asked(id: &str, list: List) -> Expected {
        Expected::Ids(vec![(id.to_owned(), list)])
    }

    const TOOLS: &str = r#"{ "result": {"tools" : [ {"name":"a","inputSchema":{"x":1e400,"y":"\u00e4"}} , {"name":"b","_meta":{"k":[1,2]}},{"name":"c"} ],"nextCursor":"\u0062","ttlMs":5,"cacheScope":"public"},"jsonrpc":"2.0","id":1}"#;

    #[test]
    fn tp_103_tp_104_what_stays_stays_byte_for_byte() {
        let expected = asked("1", List::Tools);
        assert_eq!(
            without(TOOLS, &expected, "b").unwrap(),
            r#"{ "result": {"tools" : [{"name":"a","inputSchema":{"x":1e400,"y":"\u00e4"}},{"name":"c"}],"nextCursor":"\u0062","ttlMs":5,"cacheScope":"private"},"jsonrpc":"2.0","id":1}"#
        );
        // TP-85: a list is one person's own even if nothing was taken out of it.
        assert_eq!(
            without(TOOLS, &expected, "z").unwrap(),
            TOOLS.replace("public", "private")
        );
        assert_eq!(without(&TOOLS.replace("public", "private"), &expected, "z"), None);
        let empty = r#"{"jsonrpc":"2.0","id":"x","result":{"prompts":[{"name":"b"}],"nextCursor":"n"}}"#;
        assert_eq!(
            without(empty, &asked(r#""\u0078""#, List::Prompts), "b").unwrap(),
            r#"{"jsonrpc":"2.0","id":"x","result":{"prompts":[],"nextCursor":"n"}}"#
        );
    }

    #[test]
    fn tp_102_answers_are_known_by_their_ids_and_lists_by_their_form() {
        let output = TOOLS
            .replace("public", "private")
            .replace("\"ttlMs\"", "\"content\":[],\"ttlMs\"");
        for other in [
            asked("2", List::Tools),
            asked("\"1\"", List::Tools),
            asked("1", List::Prompts),
        ] {
            assert_eq!(without(&output, &other, "b"), None, "{other:?}");
            assert!(
                !without(TOOLS, &other, "b").unwrap().contains("\"b\""),
                "{other:?}"
            );
        }
        assert!(
            !without(&output, &asked("1", List::Tools), "b")
                .unwrap()
                .contains("\"b\"")
        );
        // Two requests of a batch with one id.
        let both = Expected::Ids(vec![
            ("1".to_owned(), List::Prompts),
            ("1".to_owned(), List::Tools),
        ]);
        assert!(!without(&output, &both, "b").unwrap().contains("\"b\""));
        // An id that JavaScript writes in another way.
        let zero = TOOLS.replace("\"id\":1", "\"id\":0");
        assert!(
            !without(&zero, &asked("-0", List::Tools), "b")
                .unwrap()
                .contains("\"b\"")
        );
        let output = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[],"tools":[{"name":"b"}]}}"#;
        assert_eq!(without(output, &Expected::Form, "b"), None);
        assert!(!without(TOOLS, &Expected::Form, "b").unwrap().contains("\"b\""));
    }

    #[test]
    fn every_kind_of_list_has_its_own_name() {
        for (list, text) in [
            (List::Tools, r#"{"id":1,"result":{"tools":[{"name":"b"}]}}"#),
            (List::Prompts, r#"{"id":1,"result":{"prompts":[{"name":"b"}]}}"#),
            (
                List::Resources,
                r#"{"id":1,"result":{"resources":[{"uri":"b","name":"x"}]}}"#,
            ),
            (
                List::Templates,
                r#"{"id":1,"result":{"resourceTemplates":[{"uriTemplate":"b","name":"x"}]}}"#,
            ),
            (
                List::Tasks,
                r#"{"id":1,"result":{"tasks":[{"taskId":"b","status":"working"}]}}"#,
            ),
        ] {
            assert!(
                without(text, &asked("1", list), "b").unwrap().contains("[]"),
                "{list:?}"
            );
            assert!(
                without(text, &Expected::Form, "b").unwrap().contains("[]"),
                "{list:?}"
            );
            assert_eq!(List::of_method(list.method()), Some(list));
        }
        let batch =
            r#"[{"id":1,"result":{"tools":[{"name":"b"}]}}, {"id":2,"result":{"tools":[{"name":"b"}]}}]"#;
        assert_eq!(
            without(batch, &asked("2", List::Tools), "b").unwrap(),
            r#"[{"id":1,"result":{"tools":[]}},{"id":2,"result":{"tools":[]}}]"#
        );
    }

    #[test]
    fn what_cannot_be_read_for_certain_is_taken_out() {
        let expected = asked("1", List::Tools);
        for entry in ["1", "{}", r#"{"name":1}"#, r#"{"name":"a","name":"b"}"#] {
            let text = format!(r#"{{"id":1,"result":{{"tools":[{entry}]}}}}"#);
            assert!(without(&text, &expected, "z").unwrap().contains("[]"), "{entry}");
        }
        let text = r#"{"id":1,"result":{"tools":{"name":"b"}}}"#;
        assert!(without(text, &expected, "z").unwrap().contains("[]"));
        for other in [
            r#"{"id":1,"error":{"code":1}}"#,
            r#"{"method":"x"}"#,
            r#"{"id":1,"result":[1]}"#,
        ] {
            assert_eq!(without(other, &expected, "b"), None, "{other}");
        }
        for unreadable in [
            "",
            "{",
            "[1]",
            r#"{"id":1,"result":{"tools":[],"tools":[{"name":"b"}]}}"#,
            r#"{"id":1,"result":{},"result":{"tools":[{"name":"b"}]}}"#,
        ] {
            let found = filter(unreadable, &expected, &mut |_, _| true);
            assert_eq!(found, Err(Unreadable), "{unreadable}");
        }
    }
}
