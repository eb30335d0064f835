//! What stands around the result of an answer: its id, which differs from request to request when nothing else does.

use serde::Deserialize;
use serde_json::value::RawValue;

/// How far from an end of an answer its id is looked for.
const REACH: usize = 512;

/// An answer in three parts, of which the first and the last say whose answer it is and nothing else. What the middle
/// says does not depend on them: they begin and end no member of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// What comes before the middle; `{` alone, if the id is at the end.
    pub head: &'a str,
    /// The result and what else there is.
    pub middle: &'a str,
    /// What comes after it; nothing, if the id is at the beginning.
    pub foot: &'a str,
    /// The id, as it is written.
    pub id: &'a str,
}

/// Exactly what an answer has beside its result.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Beside<'a> {
    #[serde(borrow)]
    jsonrpc: &'a RawValue,
    #[serde(borrow)]
    id: &'a RawValue,
}

impl<'a> Envelope<'a> {
    /// Of an answer that is written as programs write them: `jsonrpc` and `id` together, before the result or after it.
    pub fn of(text: &'a str) -> Option<Self> {
        Self::before(text).or_else(|| Self::after(text))
    }

    fn before(text: &'a str) -> Option<Self> {
        let reach = text.floor_char_boundary(REACH);
        let at = text.get(..reach)?.find("\"result\"")?;
        let (head, middle) = text.split_at(at);
        // A quotation mark that ends a text begins no member: then this is no JSON.
        let id = beside(&format!("{}}}", head.trim_end().strip_suffix(',')?), head)?;
        Some(Self {
            head,
            middle,
            foot: "",
            id,
        })
    }

    fn after(text: &'a str) -> Option<Self> {
        let rest = text.strip_prefix('{')?;
        let reach = rest.ceil_char_boundary(rest.len().saturating_sub(REACH));
        let last = rest.get(reach..)?;
        let at = [",\"jsonrpc\"", ",\"id\""]
            .into_iter()
            .filter_map(|member| last.rfind(member))
            .min()?;
        let (middle, foot) = rest.split_at(reach + at);
        let id = beside(&format!("{{{}", foot.strip_prefix(',')?), foot)?;
        Some(Self {
            head: "{",
            middle,
            foot,
            id,
        })
    }
}

/// The id, where it stands in `source`, if `object` is one of `jsonrpc` and `id`.
fn beside<'a>(object: &str, source: &'a str) -> Option<&'a str> {
    let beside: Beside<'_> = serde_json::from_str(object).ok()?;
    let _ = beside.jsonrpc;
    let id = beside.id.get();
    let at = source.find(id)?;
    source.get(at..at + id.len())
}
