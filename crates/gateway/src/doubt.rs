//! Whether a call with a person's own credential failed, by its answer. Many servers say it with 200, whatever their
//! provider said: gitea-mcp makes of Gitea's 401 the text of a tool that failed. So after a call that failed the provider is
//! asked, behind the call and seldom, whether it still takes the credential (CC-105); what it says decides, not the answer.

use std::sync::Arc;

use audit::Person;
use memchr::memmem;
use vault::{Connections, Connector, Held};

/// Longer than what is looked for, with some space in it.
const SEAM: usize = 32;

/// Looks at an answer while it passes. When the answer has ended, and it was of a call that failed, the credential is looked
/// into.
#[derive(Debug)]
pub(crate) struct Doubt {
    pub(crate) connections: Arc<Connections>,
    pub(crate) connector: Arc<Connector>,
    pub(crate) held: Arc<Held>,
    pub(crate) person: Person,
    pub(crate) failure: Failure,
}

impl Drop for Doubt {
    fn drop(&mut self) {
        if self.failure.is_said {
            self.connections
                .suspect(&self.connector, &self.held, &self.person);
        }
    }
}

/// What has passed of an answer: whether it says so, and its last bytes, for words that come in two pieces.
#[derive(Debug, Default)]
pub(crate) struct Failure {
    is_said: bool,
    last: Vec<u8>,
}

impl Failure {
    /// The next bytes.
    pub(crate) fn look(&mut self, bytes: &[u8]) {
        if self.is_said {
            return;
        }
        let first = bytes.get(..SEAM).unwrap_or(bytes);
        self.last.extend_from_slice(first);
        self.is_said = says_so(&self.last) || says_so(bytes);
        let rest = bytes.get(first.len()..).unwrap_or_default();
        self.last
            .extend_from_slice(rest.get(rest.len().saturating_sub(SEAM)..).unwrap_or(rest));
        self.last.drain(..self.last.len().saturating_sub(SEAM));
    }
}

/// Whether `isError` or an `error` stands there. It is not parsed: words that stand elsewhere in an answer cost one question.
fn says_so(bytes: &[u8]) -> bool {
    let says = |name: &[u8], value: &[u8]| {
        memmem::find_iter(bytes, name).any(|at| {
            let after = bytes
                .get(at + name.len()..)
                .unwrap_or_default()
                .trim_ascii_start();
            after
                .strip_prefix(b":")
                .is_some_and(|after| after.trim_ascii_start().starts_with(value))
        })
    };
    says(br#""isError""#, b"true") || says(br#""error""#, b"{")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_said(pieces: &[&str]) -> bool {
        let mut failure = Failure::default();
        for piece in pieces {
            failure.look(piece.as_bytes());
        }
        failure.is_said
    }

    #[test]
    fn an_answer_that_failed_says_so() {
        for failed in [
            r#"{"jsonrpc":"2.0","id":1,"result":{"content":[],"isError":true}}"#,
            r#"{"result": {"isError" : true, "content": []}}"#,
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"401"}}"#,
            "event: message\ndata: {\"error\": {\"code\": -32603}}\n\n",
        ] {
            assert!(is_said(&[failed]), "{failed}");
            for cut in 0..failed.len() {
                let (first, second) = failed.split_at(cut);
                assert!(is_said(&[first, second]), "{failed} in two at {cut}");
                let (second, third) = second.split_at(second.len().min(3));
                assert!(is_said(&[first, second, third]), "{failed} in three at {cut}");
            }
            let each: Vec<_> = failed.split("").collect();
            assert!(is_said(&each), "{failed} in letters");
        }
    }

    #[test]
    fn any_other_answer_does_not() {
        for good in [
            r#"{"jsonrpc":"2.0","id":1,"result":{"content":[],"isError":false}}"#,
            r#"{"result":{"content":[{"type":"text","text":"{\"isError\":true,\"error\":{}}"}]}}"#,
            r#"{"result":{"structuredContent":{"error":null,"isError":"true"}}}"#,
            "",
        ] {
            assert!(!is_said(&[good]), "{good}");
        }
        assert!(!is_said(&[r#"{"isError":"#, &" ".repeat(100), "false}"]));
    }
}
