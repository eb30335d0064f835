//! Deciding again about a call that was made before, when its arguments are gone: as about a task that it began.
//!
//! What the rules read of the arguments is kept, so that there is no second way to decide. A rule that came later and
//! reads something else finds what nobody can read: it does not allow, and it forbids.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::arguments::is_same_but_for_case;
use crate::decide::ServerPolicy;
use crate::principal::{Act, Annotations};

/// Longest text that is kept, in bytes. Of a call that would need a longer one nothing is known later on.
const LONGEST: usize = 2048;
/// Arguments of which nothing can be read, whatever a rule looks for.
const UNREADABLE: &str = "false";

/// What is kept.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    /// What was looked for, found or not.
    paths: BTreeSet<String>,
    /// What was found, as it stood in the arguments.
    arguments: Value,
}

impl ServerPolicy {
    /// What the rules about an act read of its arguments, to be kept; none if they read nothing, or too much.
    pub fn keep(&self, act: Act<'_>, annotations: Annotations, arguments: Option<&str>) -> Option<String> {
        let numbered = self.numbered(act, annotations)?;
        let paths: BTreeSet<_> = numbered.1.paths().cloned().collect();
        if paths.is_empty() {
            return None;
        }
        let arguments = arguments.and_then(|text| serde_json::from_str(text).ok());
        let wanted: Vec<_> = paths.iter().map(|path| Some(path.as_str())).collect();
        let arguments = pruned(&arguments.unwrap_or_default(), &wanted);
        let text = serde_json::to_string(&Kept { paths, arguments }).ok()?;
        (text.len() <= LONGEST).then_some(text)
    }

    /// The arguments of an act, as the rules read them, from what was kept of them.
    pub fn recall(&self, act: Act<'_>, annotations: Annotations, kept: Option<&str>) -> Option<String> {
        let kept: Option<Kept> = kept.and_then(|text| serde_json::from_str(text).ok());
        let numbered = self.numbered(act, annotations)?;
        let mut paths = numbered.1.paths().peekable();
        paths.peek()?;
        let kept = kept.filter(|kept| paths.all(|path| kept.paths.contains(path)));
        Some(kept.map_or_else(|| UNREADABLE.to_owned(), |kept| kept.arguments.to_string()))
    }
}

/// A value with nothing in it but what stands at these paths, and what makes that unclear. Without a path it is the
/// value itself that is wanted.
fn pruned(value: &Value, wanted: &[Option<&str>]) -> Value {
    let Value::Object(members) = value else {
        // Something in the place of an object is not nothing.
        let is_wanted = value.is_null() || wanted.contains(&None);
        return if is_wanted {
            value.clone()
        } else {
            Value::Bool(false)
        };
    };
    let steps = wanted.iter().flatten().map(|path| match path.split_once('.') {
        Some((name, rest)) => (name, Some(rest)),
        None => (*path, None),
    });
    let steps: Vec<_> = steps.collect();
    let mut kept = Map::new();
    for (name, member) in members {
        let below = steps.iter().filter(|(wanted, _)| *wanted == name.as_str());
        let below: Vec<_> = below.map(|(_, rest)| *rest).collect();
        if !below.is_empty() {
            kept.insert(name.clone(), pruned(member, &below));
        } else if steps.iter().any(|(wanted, _)| is_same_but_for_case(wanted, name)) {
            kept.insert(name.clone(), Value::Null);
        }
    }
    Value::Object(kept)
}
