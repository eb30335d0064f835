//! Lists as they were shown the last time. A server says the same list again and again, and what a person may see of it
//! changes only with the rules, with who they are, and with what the server's entries are known as: with all of that
//! unchanged, what was made of the same text is made of it again, without reading it.

use std::hash::{BuildHasher as _, Hash as _, Hasher as _};
use std::sync::{Arc, Weak};

use policy::{OwnedViewer, Viewer};
use protocol::mcp::list::{Envelope, Expected, List};
use quick_cache::sync::Cache;
use quick_cache::{DefaultHashBuilder, Weighter};

use super::Passes;
use crate::authorize::About;
use crate::route::Route;

/// Bytes of all texts that are remembered, and about how many there are.
const BUDGET: u64 = 8 << 20;
const USUAL: usize = 200;
/// What is longer leaves no room for others.
const LONGEST: usize = 1 << 20;
/// The part of a text, at its beginning and at its end, by which it is looked up. What is shorter is read as quickly.
const SAMPLE: usize = 128;

/// A list, and what became of it.
#[derive(Debug)]
struct Shown {
    /// With these rules.
    route: Weak<Route>,
    /// When this was known of the server's entries.
    edition: u64,
    viewer: OwnedViewer,
    asked: Option<List>,
    /// What the server said, without the id.
    middle: Box<str>,
    became: Became,
}

/// What became of the middle of an answer.
#[derive(Debug)]
enum Became {
    Same,
    Other(Box<str>),
}

#[derive(Clone, Debug)]
struct Bytes;

impl Weighter<u64, Arc<Shown>> for Bytes {
    fn weight(&self, _: &u64, shown: &Arc<Shown>) -> u64 {
        let became = match &shown.became {
            Became::Same => 0,
            Became::Other(text) => text.len(),
        };
        (shown.middle.len() + became) as u64
    }
}

/// The lists of all servers.
#[derive(Debug)]
pub(crate) struct Remembered {
    lists: Cache<u64, Arc<Shown>, Bytes>,
    hasher: DefaultHashBuilder,
}

impl Default for Remembered {
    fn default() -> Self {
        Self {
            lists: Cache::with_weighter(USUAL, BUDGET, Bytes),
            hasher: DefaultHashBuilder::default(),
        }
    }
}

/// An answer that can be remembered.
struct Answer<'a> {
    key: u64,
    viewer: Viewer<'a>,
    envelope: Envelope<'a>,
    asked: Option<List>,
}

impl Remembered {
    /// What becomes of an answer, as far as that is remembered.
    pub(super) fn find(&self, about: &About<'_>, text: &str, expected: &Expected) -> Option<Passes> {
        let answer = self.answer(about, text, expected)?;
        let shown = self.lists.get(&answer.key)?;
        let is_still_so = shown.route.as_ptr() == Arc::as_ptr(about.route)
            && Some(shown.edition) == about.catalogue.edition(about.route.shelf())
            && answer.viewer.is(&shown.viewer)
            && shown.asked == answer.asked
            && *shown.middle == *answer.envelope.middle;
        let Envelope { head, foot, .. } = answer.envelope;
        is_still_so.then(|| match &shown.became {
            Became::Same => Passes::AsItIs,
            Became::Other(middle) => Passes::As([head, middle, foot].concat()),
        })
    }

    /// Remembers what became of an answer, and of nothing but its text, the rules, who sees it and the `edition` from
    /// before it was read.
    pub(super) fn keep(
        &self,
        about: &About<'_>,
        (text, expected): (&str, &Expected),
        edition: Option<u64>,
        made: Option<&str>,
    ) {
        // One that began meanwhile is of what was learned on the way.
        let Some(edition) = edition.filter(|_| edition == about.catalogue.edition(about.route.shelf()))
        else {
            return;
        };
        let Some(answer) = self.answer(about, text, expected) else {
            return;
        };
        let Some(became) = middle_of(answer.envelope, made) else {
            return;
        };
        let shown = Shown {
            route: Arc::downgrade(about.route),
            edition,
            viewer: answer.viewer.to_owned(),
            asked: answer.asked,
            middle: answer.envelope.middle.into(),
            became,
        };
        self.lists.insert(answer.key, Arc::new(shown));
    }

    fn answer<'a>(&self, about: &'a About<'_>, text: &'a str, expected: &Expected) -> Option<Answer<'a>> {
        if text.len() > LONGEST {
            return None;
        }
        let envelope = Envelope::of(text)?;
        let asked = {
            let mut asked = expected.asked(envelope.id);
            (asked.next(), asked.next())
        };
        let (asked, None) = asked else {
            return None;
        };
        let viewer = about.route.resource.policy.viewer(about.principal());
        let middle = envelope.middle.as_bytes();
        let mut hasher = self.hasher.build_hasher();
        about.route.name().hash(&mut hasher);
        viewer.hash(&mut hasher);
        middle.len().hash(&mut hasher);
        middle.first_chunk::<SAMPLE>()?.hash(&mut hasher);
        middle.last_chunk::<SAMPLE>()?.hash(&mut hasher);
        Some(Answer {
            key: hasher.finish(),
            viewer,
            envelope,
            asked,
        })
    }
}

/// What became of the middle of an answer; none if something became of what stands around it.
fn middle_of(envelope: Envelope<'_>, made: Option<&str>) -> Option<Became> {
    let Some(made) = made else {
        return Some(Became::Same);
    };
    let middle = made.strip_prefix(envelope.head)?.strip_suffix(envelope.foot)?;
    Some(Became::Other(middle.into()))
}
