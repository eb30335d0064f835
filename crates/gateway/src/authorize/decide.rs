//! What the policy says of an act of this caller, however the upstream may read what it names.

use policy::{Act, Circumstances, Decision, Outcome};
use url::Url;

use super::About;
use crate::message::{Element, Read};

/// Names longer than this are nobody's, and are not worth remembering.
const LONGEST_NAME: usize = 1024;
const LONGEST_URI: usize = 4096;
const LONGEST_REQUEST: usize = 3 * LONGEST_URI + 64;

impl About<'_> {
    /// Decides, and where the upstream may read a URI as another one, about that one too.
    pub(crate) fn decide(&self, act: Act<'_>, arguments: Option<&str>) -> Decision {
        let mut decision = self.decide_as_written(act, arguments);
        in_other_words(act, |uri| {
            let again = of_uri(act, uri);
            if decision.outcome == Outcome::Allowed {
                decision = self.decide_as_written(again, arguments);
            }
            true
        });
        decision
    }

    fn decide_as_written(&self, act: Act<'_>, arguments: Option<&str>) -> Decision {
        if is_too_long(act) {
            return Decision::hidden();
        }
        let policy = &self.route.resource.policy;
        let circumstances = self.circumstances(arguments);
        policy.decide(self.principal(), act, self.annotations(act), &circumstances)
    }

    /// Decides about what follows from an earlier call, with what was kept of its arguments.
    pub(crate) fn decide_again(&self, act: Act<'_>, kept: Option<&str>) -> Decision {
        let policy = &self.route.resource.policy;
        let arguments = policy.recall(act, self.annotations(act), kept);
        self.decide(act, arguments.as_deref())
    }

    /// What is kept of a call's arguments, to decide about it again.
    pub(super) fn kept(&self, read: &Read, element: &Element) -> Option<Box<str>> {
        let asked = element.asked.first()?;
        let (act, arguments) = (asked.act(), asked.arguments(&read.bytes));
        let policy = &self.route.resource.policy;
        let kept = policy.keep(act, self.annotations(act), arguments);
        kept.map(Into::into)
    }

    pub(crate) fn circumstances<'c>(&self, arguments: Option<&'c str>) -> Circumstances<'c> {
        Circumstances {
            address: self.address,
            now: self.now,
            authenticated_ago: self.now.since(self.caller.proof.authenticated_at()),
            assurance: self.caller.proof.assurance(),
            arguments,
        }
    }
}

/// Whether a name is so long that nothing has it.
pub(crate) fn is_too_long(act: Act<'_>) -> bool {
    match act {
        Act::ReadResource(uri) | Act::Subscribe(uri) | Act::CompleteResource(uri) => uri.len() > LONGEST_URI,
        Act::Request(request) => request.len() > LONGEST_REQUEST,
        act => act.name().len() > LONGEST_NAME,
    }
}

/// The same act of another URI.
pub(crate) fn of_uri<'u>(act: Act<'_>, uri: &'u str) -> Act<'u> {
    match act {
        Act::ReadResource(_) => Act::ReadResource(uri),
        Act::Subscribe(_) => Act::Subscribe(uri),
        _ => Act::CompleteResource(uri),
    }
}

/// Whether something holds of what a URI is once it is parsed as one, if that is another text: `a/../b` is `b` to
/// upstreams that parse what they are given.
pub(crate) fn in_other_words(act: Act<'_>, mut holds: impl FnMut(&str) -> bool) -> bool {
    let (Act::ReadResource(uri) | Act::Subscribe(uri) | Act::CompleteResource(uri)) = act else {
        return true;
    };
    let Ok(parsed) = Url::parse(uri) else {
        return true;
    };
    // The braces of a template stay what they are.
    let parsed = parsed.as_str().replace("%7B", "{").replace("%7D", "}");
    parsed == uri || holds(&parsed)
}
