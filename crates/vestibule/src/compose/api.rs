//! What of a server's settings belongs to a plain HTTP API, and what does not.

use gateway::api::{Api, RefusedNames};
use model::ServerName;
use policy::{RequestPattern, Requests};

use super::Problems;
use crate::config::policy::{Allow, Tools};
use crate::config::server::{Kind, Pinning, Server, Transport};

/// What is special about an API. A setting that would do nothing is a problem: whoever wrote it thinks that it does.
pub(super) fn api(name: &ServerName, server: &Server, problems: &mut Problems) -> Option<Api> {
    let mut only = |is_said: bool, member: &str, kind: &str| {
        if is_said {
            problems.add(
                format!("servers.{name}.{member}"),
                format_args!("is for a server of `kind: {kind}`; leave it out"),
            );
        }
    };
    if server.kind == Kind::Mcp {
        only(server.basic, "basic", "api");
        only(server.token_scheme, "token_scheme", "api");
        only(server.encoded_slashes, "encoded_slashes", "api");
        only(
            !server.credential.refuse_query.is_empty(),
            "credential.refuse_query",
            "api",
        );
        return None;
    }
    only(server.transport == Transport::Sse, "transport", "mcp");
    only(server.trust_annotations, "trust_annotations", "mcp");
    only(server.pinning != Pinning::default(), "pinning", "mcp");
    let upstream = &server.upstream;
    if upstream.query().is_some() || upstream.fragment().is_some() {
        problems.add(
            format!("servers.{name}.upstream"),
            "of an API must be an address before its paths, without a query",
        );
    }
    Some(Api {
        basic: server.basic,
        token_scheme: server.token_scheme,
        encoded_slashes: server.encoded_slashes,
        refused_names: RefusedNames::new(server.credential.refuse_query.iter().map(String::as_str)),
    })
}

/// Which requests a rule allows. None of a rule of an MCP server, whose tools are named instead.
pub(super) fn requests(
    key: &str,
    server: &Server,
    allow: &Allow,
    problems: &mut Problems,
) -> Option<Requests> {
    let mut only = |is_said: bool, member: &str, kind: &str| {
        if is_said {
            problems.add(
                format!("{key}.{member}"),
                format_args!("is for a server of `kind: {kind}`; leave it out"),
            );
        }
    };
    if server.kind == Kind::Mcp {
        only(allow.requests.is_some(), "requests", "api");
        if allow.tools.is_none() {
            problems.add(
                key,
                "must say which `tools`: `all`, `read-only`, or a list of names",
            );
        }
        return None;
    }
    only(allow.tools.is_some(), "tools", "mcp");
    only(allow.prompts.is_some(), "prompts", "mcp");
    only(allow.resources.is_some(), "resources", "mcp");
    only(!allow.when.arguments.is_empty(), "when.arguments", "mcp");
    match &allow.requests {
        Some(Tools::All) => Some(Requests::All),
        Some(Tools::ReadOnly) => Some(Requests::ReadOnly),
        Some(Tools::Matching(texts)) => {
            let texts = texts.iter().enumerate();
            let patterns = texts.filter_map(|(number, text)| -> Option<RequestPattern> {
                problems.take(format!("{key}.requests[{number}]"), text.parse())
            });
            Some(Requests::Matching(patterns.collect()))
        }
        None => {
            problems.add(
                key,
                "must say which `requests`: `all`, `read-only`, or a list like [\"GET /repos/**\"]",
            );
            Some(Requests::Matching(Vec::new()))
        }
    }
}
