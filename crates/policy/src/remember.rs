//! The keys under which slices and decisions are remembered, owned and borrowed, so that looking one up
//! allocates nothing.

use std::fmt;
use std::hash::{Hash, Hasher};

use model::{GroupName, Username};
use quick_cache::Equivalent;

use crate::principal::{Act, Annotations, Principal};

/// What a slice is of.
#[derive(Debug)]
pub(crate) struct SliceKey {
    act: u8,
    name: Box<str>,
    annotations: Annotations,
}

#[derive(Clone, Copy, Hash, PartialEq, Eq)]
pub(crate) struct SliceRef<'a> {
    act: u8,
    name: &'a str,
    annotations: Annotations,
}

impl<'a> SliceRef<'a> {
    pub(crate) fn of(act: Act<'a>, annotations: Annotations) -> Self {
        let tag = match act {
            Act::Connect => 0,
            Act::CallTool(_) => 1,
            Act::GetPrompt(_) => 2,
            Act::ReadResource(_) => 3,
            Act::Subscribe(_) => 4,
            Act::CompletePrompt(_) => 5,
            Act::CompleteResource(_) => 6,
            Act::Other(_) => 7,
            Act::Request(_) => 8,
        };
        Self {
            act: tag,
            // No policy reads the name of a method that nobody knows.
            name: if tag == 7 { "" } else { act.name() },
            annotations,
        }
    }

    /// Of all requests to an API of which no rule can tell one from another.
    pub(crate) fn of_requests(alike: &'a str) -> Self {
        Self {
            act: 9,
            name: alike,
            annotations: Annotations::default(),
        }
    }

    pub(crate) fn to_owned(self) -> SliceKey {
        SliceKey {
            act: self.act,
            name: self.name.into(),
            annotations: self.annotations,
        }
    }
}

impl SliceKey {
    fn borrow(&self) -> SliceRef<'_> {
        SliceRef {
            act: self.act,
            name: &self.name,
            annotations: self.annotations,
        }
    }
}

/// What a decision is of, and who it is about: a set of groups, and for policies that look further a person with their program.
#[derive(Debug)]
pub(crate) struct DecisionKey {
    slice: u64,
    groups: Box<[GroupName]>,
    person: Option<Person>,
}

/// A person, with the id and the scopes of their program.
type Person = (Username, Option<(Box<str>, Box<str>)>);

#[derive(Clone, Copy, Hash, PartialEq, Eq)]
pub(crate) struct DecisionRef<'a> {
    slice: u64,
    groups: &'a [GroupName],
    person: Option<PersonRef<'a>>,
}

type PersonRef<'a> = (&'a Username, Option<(&'a str, &'a str)>);

impl<'a> DecisionRef<'a> {
    pub(crate) fn of(slice: u64, principal: Principal<'a>, personal: bool) -> Self {
        let client = principal.client.map(|client| (client.id, client.scope));
        Self {
            slice,
            groups: principal.groups,
            person: personal.then_some((principal.username, client)),
        }
    }

    pub(crate) fn to_owned(self) -> DecisionKey {
        let person = self.person.map(|(username, client)| {
            let client = client.map(|(id, scope)| (id.into(), scope.into()));
            (username.clone(), client)
        });
        DecisionKey {
            slice: self.slice,
            groups: self.groups.into(),
            person,
        }
    }
}

/// As much of somebody as any rule of a server looks at: lists of it are the same for two with the same.
#[derive(Clone, Copy, Hash, PartialEq, Eq)]
pub struct Viewer<'a>(DecisionRef<'a>);

/// A [`Viewer`] to be remembered.
#[derive(Debug)]
pub struct OwnedViewer(DecisionKey);

impl<'a> Viewer<'a> {
    pub(crate) fn of(principal: Principal<'a>, personal: bool) -> Self {
        Self(DecisionRef::of(0, principal, personal))
    }

    /// To be remembered.
    pub fn to_owned(self) -> OwnedViewer {
        OwnedViewer(self.0.to_owned())
    }

    /// Whether this is the one that was remembered.
    pub fn is(self, remembered: &OwnedViewer) -> bool {
        self.0 == remembered.0.borrow()
    }
}

impl fmt::Debug for Viewer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.groups).finish()
    }
}

impl DecisionKey {
    fn borrow(&self) -> DecisionRef<'_> {
        let person = self.person.as_ref().map(|(username, client)| {
            let client = client.as_ref().map(|(id, scope)| (id.as_ref(), scope.as_ref()));
            (username, client)
        });
        DecisionRef {
            slice: self.slice,
            groups: &self.groups,
            person,
        }
    }
}

macro_rules! looked_up_by {
    ($key:ty, $lent:ident) => {
        impl Hash for $key {
            fn hash<H: Hasher>(&self, state: &mut H) {
                self.borrow().hash(state);
            }
        }

        impl PartialEq for $key {
            fn eq(&self, other: &Self) -> bool {
                self.borrow() == other.borrow()
            }
        }

        impl Eq for $key {}

        impl Equivalent<$key> for $lent<'_> {
            fn equivalent(&self, key: &$key) -> bool {
                *self == key.borrow()
            }
        }
    };
}

looked_up_by!(SliceKey, SliceRef);
looked_up_by!(DecisionKey, DecisionRef);
