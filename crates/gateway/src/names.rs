//! Names of headers that are looked for in each call; as values they need not be parsed each time.

use http::HeaderName;

/// The session that a request belongs to.
pub(crate) static SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
/// The protocol version that a request is of.
pub(crate) static VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// The method, as the body says it.
pub(crate) static METHOD: HeaderName = HeaderName::from_static("mcp-method");
/// What the method is aimed at, as the body says it.
pub(crate) static NAME: HeaderName = HeaderName::from_static("mcp-name");
/// W3C trace context.
pub(crate) static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// What goes with it.
pub(crate) static TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Who is calling, for the upstream (DEC-22).
pub(crate) mod identity {
    use super::HeaderName;

    pub(crate) static SUBJECT: HeaderName = HeaderName::from_static("x-mcp-subject");
    pub(crate) static CLIENT: HeaderName = HeaderName::from_static("x-mcp-client");
    pub(crate) static SCOPE: HeaderName = HeaderName::from_static("x-mcp-scope");
    pub(crate) static ISSUER: HeaderName = HeaderName::from_static("x-mcp-issuer");
    pub(crate) static AUDIENCE: HeaderName = HeaderName::from_static("x-mcp-audience");
    pub(crate) static TOKEN_ID: HeaderName = HeaderName::from_static("x-mcp-token-id");
    pub(crate) static EXPIRES: HeaderName = HeaderName::from_static("x-mcp-expires");
}
