//! The vocabulary of the policies, as a Cedar schema.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::str::FromStr;

use cedar_policy::Schema;
use thiserror::Error;

/// What an argument of a tool is, as far as policies can read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum ArgumentType {
    /// A text.
    String,
    /// A whole number of 64 bits.
    Long,
    /// A truth value.
    Bool,
    /// An array of texts.
    Set,
}

/// An argument that a policy says it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Declared {
    pub(crate) kind: ArgumentType,
    /// Whether it may be absent; an absent one that may not refuses.
    pub(crate) optional: bool,
}

/// Arguments by path.
pub(crate) type Declarations = BTreeMap<String, Declared>;

/// Why a declaration of arguments cannot be read.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum BadDeclaration {
    #[error(
        "{0:?} is no declaration of an argument; write it as @reads(\"owner: String, filter.limit?: Long\")"
    )]
    Form(String),
    #[error("{0:?} is no type of an argument; there are String, Long, Bool and Set")]
    Type(String),
    #[error("the argument {0} is declared twice")]
    Twice(String),
}

/// Reads the annotation `@reads`.
pub(crate) fn declarations(text: &str) -> Result<Declarations, BadDeclaration> {
    let mut declared = Declarations::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (path, kind) = part
            .split_once(':')
            .ok_or_else(|| BadDeclaration::Form(part.to_owned()))?;
        let (path, optional) = match path.trim().strip_suffix('?') {
            Some(path) => (path.trim_end(), true),
            None => (path.trim(), false),
        };
        if path.is_empty() || path.split('.').any(str::is_empty) || path.contains(['"', '\\']) {
            return Err(BadDeclaration::Form(part.to_owned()));
        }
        let kind = match kind.trim() {
            "String" => ArgumentType::String,
            "Long" => ArgumentType::Long,
            "Bool" => ArgumentType::Bool,
            "Set" => ArgumentType::Set,
            other => return Err(BadDeclaration::Type(other.to_owned())),
        };
        if declared
            .insert(path.to_owned(), Declared { kind, optional })
            .is_some()
        {
            return Err(BadDeclaration::Twice(path.to_owned()));
        }
    }
    Ok(declared)
}

/// The schema for a policy that reads these arguments, with a clock for each of these zones.
pub(crate) fn schema(declared: &Declarations, zones: &[String]) -> String {
    let mut arguments = String::new();
    for (path, argument) in declared {
        let kind = match argument.kind {
            ArgumentType::String => "String",
            ArgumentType::Long => "Long",
            ArgumentType::Bool => "Bool",
            ArgumentType::Set => "Set<String>",
        };
        let mark = if argument.optional { "?" } else { "" };
        let _ = write!(arguments, "\"{path}\"{mark}: {kind}, ");
    }
    let mut clocks = String::new();
    for zone in zones {
        let _ = write!(clocks, "\"{zone}\": Clock, ");
    }
    TEXT.replace("$ARGUMENTS", &arguments).replace("$CLOCKS", &clocks)
}

/// The schema without arguments and zones.
pub(crate) fn plain() -> Schema {
    #[expect(clippy::expect_used, reason = "a constant text, read by every test")]
    Schema::from_str(&schema(&Declarations::new(), &[])).expect("our own schema is valid")
}

const TEXT: &str = r#"
// Who asks.
entity Group;
entity Person in [Group] = {
    username: String,
    client: Client,
};
type Client = {
    id: String,
    host: String,   // of its metadata document, else ""
    scopes: Set<String>,
};

// For what.
entity Server = { name: String };
entity Tool in [Server] = {
    name: String,
    // The upstream's word; false, true, false and true unless the server has trust_annotations.
    read_only: Bool,
    destructive: Bool,
    idempotent: Bool,
    open_world: Bool,
};
entity Prompt in [Server] = { name: String };
entity Resource in [Server] = { uri: String };
// Of a plain HTTP API.
entity Request in [Server] = {
    method: String,
    path: String,       // in one spelling, without the query
    read_only: Bool,    // GET and HEAD
    fits: Set<String>,  // of the patterns in the configuration of this server
};

// Under which circumstances. These are not known when a list is filtered.
type Clock = {
    weekday: Long,  // Monday is 1
    minute: Long,   // of the day
};
type Circumstances = {
    arguments: { $ARGUMENTS },
    address: ipaddr,
    time: datetime,
    clock: { $CLOCKS },
    authenticated_ago: Long,    // seconds
    assurance: Long,    // of that sign-in: 1 one factor, 2 two factors, 3 a passkey
};

action "any";
action "read" in ["any"];
action "connect" in ["any"] appliesTo { principal: Person, resource: Server, context: Circumstances };
action "tools/call" in ["any"] appliesTo { principal: Person, resource: Tool, context: Circumstances };
action "prompts/get" in ["read"] appliesTo { principal: Person, resource: Prompt, context: Circumstances };
action "resources/read", "resources/subscribe" in ["read"]
    appliesTo { principal: Person, resource: Resource, context: Circumstances };
action "completion/complete" in ["read"]
    appliesTo { principal: Person, resource: [Prompt, Resource], context: Circumstances };
action "request" in ["any"] appliesTo { principal: Person, resource: Request, context: Circumstances };
// A method that the protocol's revisions up to now do not know.
action "other" in ["any"] appliesTo { principal: Person, resource: Server, context: Circumstances };
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_declarations() {
        let declared = declarations("owner: String, filter.limit? : Long,").unwrap();
        assert_eq!(
            declared["filter.limit"],
            Declared {
                kind: ArgumentType::Long,
                optional: true
            }
        );
        assert!(!declared["owner"].optional);
        for bad in [
            "owner",
            ": String",
            "a..b: String",
            "a: Float",
            "a: Long, a: Long",
            "a\": Long",
        ] {
            assert!(declarations(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_schema_is_valid() {
        let declared = declarations("owner: String, filter.limit?: Long, dry: Bool, labels: Set").unwrap();
        let zones = ["Asia/Taipei".to_owned(), "UTC".to_owned()];
        Schema::from_str(&schema(&declared, &zones)).unwrap();
        plain();
    }
}
