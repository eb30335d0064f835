//! `whoami`: who this server was told is calling, and whether the caller's own token stayed at the door.
//!
//! The door sets the `X-MCP-*` headers after it has dropped any that the caller sent (DEC-22), so this server
//! may believe them. The answer names places where a credential was found, never what was found there.

pub(super) mod strays;

use http::HeaderMap;
use http::request::Parts;
use rmcp::handler::server::tool::Extension;
use rmcp::model::{CallToolResult, ContentBlock, Tool};
use schemars::JsonSchema;
use serde::Serialize;

use crate::admission::Admitted;

/// How the tool is listed.
pub(super) fn tool() -> Tool {
    super::read_only(
        "whoami",
        "Who am I?",
        "Tells who the front door says is calling: account, client, scopes, and the token's issuer, audience, \
         id and expiry. Also tells whether the caller's own access token was passed through, which must never \
         happen. Takes no arguments and never shows a credential.",
    )
    .with_output_schema::<Identity>()
}

/// Who is calling, as the front door's headers say.
#[derive(Debug, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
struct Identity {
    /// The account's id (X-MCP-Subject).
    subject: Option<String>,
    /// The OAuth client the account is using (X-MCP-Client).
    client: Option<String>,
    /// The scopes of the access token (X-MCP-Scope).
    scopes: Vec<String>,
    /// Who issued the access token (X-MCP-Issuer).
    issuer: Option<String>,
    /// The server the access token is for (X-MCP-Audience).
    audience: Option<String>,
    /// The access token's id, which is not the token (X-MCP-Token-Id).
    token_id: Option<String>,
    /// When the access token expires, as RFC 3339 has it (X-MCP-Expires).
    expires_at: Option<String>,
    /// Whether the Authorization header held this server's own credential.
    own_credential: bool,
    /// Whether a credential of the caller's came through the front door. Must be false.
    caller_token_leaked: bool,
    /// Where such a credential was found.
    leaked_in: Vec<String>,
}

/// Reads the request's headers.
pub(super) fn call(Extension(request): Extension<Parts>) -> CallToolResult {
    let caller = Identity::of(&request);
    let text = caller.describe();
    match serde_json::to_value(caller) {
        Ok(structured) => {
            let mut result = CallToolResult::structured(structured);
            result.content = vec![ContentBlock::text(text)];
            result
        }
        Err(error) => CallToolResult::error(vec![ContentBlock::text(error.to_string())]),
    }
}

impl Identity {
    fn of(request: &Parts) -> Self {
        let header = |name| text(&request.headers, name);
        let leaked_in = strays::find(request);
        Self {
            subject: header("x-mcp-subject"),
            client: header("x-mcp-client"),
            scopes: header("x-mcp-scope")
                .map(|scope| scope.split_ascii_whitespace().map(str::to_owned).collect())
                .unwrap_or_default(),
            issuer: header("x-mcp-issuer"),
            audience: header("x-mcp-audience"),
            token_id: header("x-mcp-token-id"),
            expires_at: header("x-mcp-expires"),
            own_credential: request.extensions.get::<Admitted>().is_some(),
            caller_token_leaked: !leaked_in.is_empty(),
            leaked_in,
        }
    }

    fn describe(&self) -> String {
        let said = |value: &Option<String>| value.clone().unwrap_or_else(|| "not said".to_owned());
        let scopes = if self.scopes.is_empty() {
            "none".to_owned()
        } else {
            self.scopes.join(" ")
        };
        let authorization = if self.own_credential {
            "This server's own credential arrived in the Authorization header."
        } else {
            "This server's own credential did not arrive."
        };
        let leak = if self.caller_token_leaked {
            format!(
                "A credential of the caller's came through, in: {}.",
                self.leaked_in.join(", ")
            )
        } else {
            "The caller's own token stayed at the front door.".to_owned()
        };
        format!(
            "Account: {}\nClient: {}\nScopes: {scopes}\nIssuer: {}\nAudience: {}\nToken id: {}\n\
             Token expires: {}\n{authorization} {leak}",
            said(&self.subject),
            said(&self.client),
            said(&self.issuer),
            said(&self.audience),
            said(&self.token_id),
            said(&self.expires_at),
        )
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?;
    Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
}
