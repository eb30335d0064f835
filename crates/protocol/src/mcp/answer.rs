//! Answers that we make ourselves: JSON-RPC errors and tool results.
//!
//! The id is echoed as the very text that came. Codes are those of the specification; our own lie outside
//! the reserved ranges (TP-110).

use serde_json::{Value, json, value::RawValue};

/// Not JSON.
pub const PARSE_ERROR: i64 = -32700;
/// Not a message.
pub const INVALID_REQUEST: i64 = -32600;
/// No such method.
pub const METHOD_NOT_FOUND: i64 = -32601;
/// Parameters that do not fit, or an unknown tool.
pub const INVALID_PARAMS: i64 = -32602;
/// No such resource; not for the stateless era (TP-110).
pub const RESOURCE_NOT_FOUND: i64 = -32002;
/// A fault of ours or of the upstream.
pub const INTERNAL_ERROR: i64 = -32603;
/// Mirrored headers and body disagree (2026-07-28).
pub const HEADER_MISMATCH: i64 = -32020;
/// The request needs a capability that it does not declare (2026-07-28).
pub const MISSING_CAPABILITY: i64 = -32021;
/// The caller may not use this server; our own code.
pub const NOT_ALLOWED: i64 = 40_300;
/// More than a quota allows; our own code.
pub const TOO_MANY: i64 = 42_900;

/// A JSON-RPC error; without `id` where it could not be read.
pub fn error(id: Option<&str>, code: i64, message: &str) -> String {
    with_id(id, "error", &json!({ "code": code, "message": message }))
}

/// The error for a request about tasks whose client did not declare that it knows them (TP-55).
pub fn undeclared_tasks(id: Option<&str>, message: &str) -> String {
    let required = json!({ "extensions": { "io.modelcontextprotocol/tasks": {} } });
    let data = json!({ "requiredCapabilities": required });
    let error = json!({ "code": MISSING_CAPABILITY, "message": message, "data": data });
    with_id(id, "error", &error)
}

/// A tool result marked as an error: one plain sentence that a model can act on (DEC-16, DEC-18).
pub fn tool_error(id: &str, text: &str, modern: bool) -> String {
    let mut result = json!({ "content": [{ "type": "text", "text": text }], "isError": true });
    if let (true, Some(members)) = (modern, result.as_object_mut()) {
        members.insert("resultType".to_owned(), Value::from("complete"));
    }
    with_id(Some(id), "result", &result)
}

pub(super) fn with_id(id: Option<&str>, outcome: &str, value: &Value) -> String {
    let id = id.and_then(|text| RawValue::from_string(text.to_owned()).ok());
    match id {
        Some(id) => format!(r#"{{"jsonrpc":"2.0","id":{id},"{outcome}":{value}}}"#),
        None => format!(r#"{{"jsonrpc":"2.0","{outcome}":{value}}}"#),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn echoes_the_id_as_it_was_written() {
        let text = error(Some("12345678901234567890"), INVALID_PARAMS, "no \"such\" tool");
        assert_eq!(
            text,
            r#"{"jsonrpc":"2.0","id":12345678901234567890,"error":{"code":-32602,"message":"no \"such\" tool"}}"#
        );
        assert_eq!(
            error(None, PARSE_ERROR, "x"),
            r#"{"jsonrpc":"2.0","error":{"code":-32700,"message":"x"}}"#
        );
        assert!(tool_error("1", "down", true).contains(r#""resultType":"complete""#));
        assert!(!tool_error("1", "down", false).contains("resultType"));
    }
}
