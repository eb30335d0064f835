//! What is taken out of a message before it goes on.

use std::ops::Range;

use bytes::Bytes;
use policy::Outcome;

use super::{About, Ruling};
use crate::message::Read;

/// A batch without some of its messages; the others stay as they came. Nothing if none is left.
pub(super) fn without(read: &Read, gone: &[usize]) -> Bytes {
    let kept = read
        .elements
        .iter()
        .enumerate()
        .filter(|(at, _)| !gone.contains(at));
    let texts: Vec<_> = kept
        .filter_map(|(_, element)| read.bytes.get(element.span.clone()))
        .collect();
    if texts.is_empty() {
        return Bytes::new();
    }
    [&b"["[..], &texts.join(&b','), b"]"].concat().into()
}

impl About<'_> {
    /// A subscription without the resources that the caller may not subscribe to, and without tasks that are not
    /// theirs (TP-77, TP-114).
    pub(super) fn narrow(&self, read: &Read, ruling: &mut Ruling) -> Bytes {
        let Some(element) = read.elements.first() else {
            return read.bytes.clone();
        };
        let allowed = element.asked.iter().filter(|asked| {
            let decision = self.decide(asked.act(), None);
            ruling.note(&decision, asked.act());
            decision.outcome == Outcome::Allowed
        });
        let resources: Vec<_> = allowed.map(|asked| asked.act().name()).collect();
        let tasks: Vec<_> = element
            .watched
            .iter()
            .filter(|asked| self.judge_task(asked, read.modern, ruling).is_none())
            .map(|asked| asked.id.as_str())
            .collect();
        let mut edits = Vec::new();
        for (span, allowed, asked) in [
            (&element.subscriptions, &resources, element.asked.len()),
            (&element.watches, &tasks, element.watched.len()),
        ] {
            // What was no list of texts becomes an empty one.
            let stays = allowed.len() == asked && !allowed.is_empty();
            if let Some(span) = span.clone().filter(|_| !stays) {
                edits.push((
                    span,
                    serde_json::to_vec(allowed).unwrap_or_else(|_| b"[]".to_vec()),
                ));
            }
        }
        with_edits(&read.bytes, edits)
    }
}

/// A body with other texts in these places.
fn with_edits(body: &Bytes, mut edits: Vec<(Range<usize>, Vec<u8>)>) -> Bytes {
    if edits.is_empty() {
        return body.clone();
    }
    edits.sort_by_key(|(span, _)| span.start);
    let (mut out, mut at) = (Vec::with_capacity(body.len()), 0);
    for (span, text) in edits {
        out.extend_from_slice(body.get(at..span.start).unwrap_or_default());
        out.extend_from_slice(&text);
        at = span.end;
    }
    out.extend_from_slice(body.get(at..).unwrap_or_default());
    out.into()
}
