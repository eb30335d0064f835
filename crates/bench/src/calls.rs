//! What is asked for: requests of the session era, each of 400 bytes, as most clients of today send them.

/// Bytes of a request's body.
const BODY: usize = 400;

/// A kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Call {
    /// A tool that answers with 300 bytes of JSON.
    Echo,
    /// A tool that answers with the same in an event.
    Event,
    /// A tool whose stream of events does not end.
    Hold,
    /// A tool that answers with as many bytes as the list of all tools has.
    Page,
    /// The list of 200 tools.
    List,
}

impl Call {
    /// The tool's name, or that of the method.
    pub fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Event => "event",
            Self::Hold => "hold",
            Self::Page => "page",
            Self::List => "tools/list",
        }
    }

    /// The request's body.
    pub fn body(self) -> String {
        if self == Self::List {
            return r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}"#.to_owned();
        }
        let before = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{}","arguments":{{"owner":"platform","repository":"vestibule","text":""#,
            self.name()
        );
        let after = r#""}}}"#;
        let text = "x".repeat(BODY.saturating_sub(before.len() + after.len()));
        format!("{before}{text}{after}")
    }
}

/// Headers that every request has, beside its token.
pub const HEADERS: [(&str, &str); 4] = [
    ("content-type", "application/json"),
    ("accept", "application/json, text/event-stream"),
    ("mcp-protocol-version", "2025-06-18"),
    ("user-agent", "bench/1.0"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_four_hundred_bytes_of_json() {
        for call in [Call::Echo, Call::Event, Call::Hold, Call::Page] {
            let body = call.body();
            assert_eq!(body.len(), 400);
            let value: serde_json::Value = serde_json::from_str(&body).unwrap();
            assert_eq!(value["params"]["name"], call.name());
        }
    }
}
