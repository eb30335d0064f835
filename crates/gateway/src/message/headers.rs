//! Headers that say again what the body says (mcp-transport-proxying section 4).

use http::{HeaderMap, HeaderName};
use protocol::mcp::message::{Kind, Message};
use protocol::mcp::{mirror, revision};

use crate::names;
use crate::refusal::Refusal;

/// Requests of the stateless era that must carry `Mcp-Name` (TP-62). Others go on without it, above all those
/// that this era no longer has, such as `tasks/result`: that they are unknown is the upstream's answer.
const NAMED: [&str; 6] = [
    "tools/call",
    "prompts/get",
    "resources/read",
    "tasks/get",
    "tasks/update",
    "tasks/cancel",
];

/// Whether a message is of the stateless era, by the table in section 0.
pub(super) fn era(message: &Message<'_>, header: Option<&str>) -> Result<bool, Refusal> {
    let meta = &message.params.meta;
    match (meta.protocol_version.as_deref(), header) {
        (Some(said), None) => Err(Refusal::Mismatch(format!(
            "_meta names protocol version {said}, the header MCP-Protocol-Version is missing"
        ))),
        (Some(said), Some(header)) if said != header => Err(Refusal::Mismatch(format!(
            "_meta names protocol version {said}, the header MCP-Protocol-Version {header}"
        ))),
        (Some(said), Some(_)) => {
            let modern = !revision::is_legacy(said);
            if modern && matches!(message.kind, Kind::Request { .. }) && !meta.client_capabilities {
                return Err(Refusal::Meta("io.modelcontextprotocol/clientCapabilities"));
            }
            Ok(modern)
        }
        (None, Some(header)) if is_modern(header) => match message.kind {
            Kind::Request { .. } => Err(Refusal::Meta("io.modelcontextprotocol/protocolVersion")),
            Kind::Notification { .. } | Kind::Response { .. } => Ok(true),
        },
        (None, _) => Ok(false),
    }
}

/// A date from 2026-07-28 on. What is no date is left to the upstream's judgement.
fn is_modern(version: &str) -> bool {
    revision::looks_like_a_date(version) && version >= revision::Revision::V2026_07_28.as_str()
}

/// Mirrored headers must agree with the body wherever they are (CC-98), and must be there in requests of
/// the stateless era (TP-62, TP-63). The body is what is judged; a header can only disagree (TP-68).
pub(super) fn mirrored(message: &Message<'_>, headers: &HeaderMap, modern: bool) -> Result<(), Refusal> {
    let required = modern && matches!(message.kind, Kind::Request { .. });
    compare(
        &names::METHOD,
        one(headers, &names::METHOD)?,
        message.method(),
        required,
    )?;
    let named = message.method().is_some_and(|method| NAMED.contains(&method));
    compare(
        &names::NAME,
        one(headers, &names::NAME)?,
        message.target(),
        required && named && message.target().is_some(),
    )
}

fn compare(
    name: &HeaderName,
    header: Option<&str>,
    body: Option<&str>,
    required: bool,
) -> Result<(), Refusal> {
    let Some(header) = header else {
        return if required {
            Err(Refusal::Mismatch(format!("the header {name} is missing")))
        } else {
            Ok(())
        };
    };
    let decoded =
        mirror::decode(header.as_bytes()).map_err(|bad| Refusal::Mismatch(format!("{name}: {bad}")))?;
    if body == Some(decoded.as_ref()) {
        Ok(())
    } else {
        Err(Refusal::Mismatch(format!(
            "the header {name} and the body say different things"
        )))
    }
}

/// A header's only value.
pub(super) fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Refusal> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => match value.to_str() {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(Refusal::Mismatch(format!(
                "the header {name} has characters that a header may not have"
            ))),
        },
        (Some(_), Some(_)) => Err(Refusal::Mismatch(format!("the header {name} is given twice"))),
    }
}
