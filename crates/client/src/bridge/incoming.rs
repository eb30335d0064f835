//! A message of the server's: passed on as it came, on one line.

use serde::Deserialize;
use serde_json::value::RawValue;

/// A message, or a batch of them (2025-03-26), and which requests it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Incoming {
    /// Its text, without a line's end in it.
    pub(crate) text: String,
    /// The ids, as JSON text, of the requests that it answers.
    pub(crate) answers: Vec<String>,
}

/// The members that tell what a message is.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

impl Incoming {
    /// Reads it. None if it is no JSON: nothing but messages may be on the pipe.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let text = text.trim_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
        if text.starts_with('[') {
            let items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
            let answers = items.iter().filter_map(|item| answered(item.get())).collect();
            return Some(Self {
                text: on_one_line(text),
                answers,
            });
        }
        let value: &RawValue = serde_json::from_str(text).ok()?;
        Some(Self {
            text: on_one_line(value.get()),
            answers: answered(value.get()).into_iter().collect(),
        })
        .filter(|_| text.starts_with('{'))
    }
}

/// The request that a message answers.
fn answered(text: &str) -> Option<String> {
    let head: Head<'_> = serde_json::from_str(text).ok()?;
    let id = head.id.filter(|_| head.method.is_none())?;
    (id.get() != "null").then(|| id.get().to_owned())
}

/// The `error` of a message that names no request: what is wrong with the one request that was sent.
/// None if it is no error of JSON-RPC: many servers write other things under that name.
pub(crate) fn error_of(text: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Error {
        #[serde(rename = "code")]
        _code: i64,
        #[serde(rename = "message", default)]
        _message: Option<String>,
    }
    let head: Head<'_> = serde_json::from_str(text).ok()?;
    let error = head.error?.get();
    serde_json::from_str::<Error>(error).ok()?;
    Some(on_one_line(error))
}

/// Line ends are blanks between the parts of JSON, and nowhere else.
fn on_one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    #[test]
    fn only_an_error_of_json_rpc_is_one() {
        let error =
            error_of("{\"jsonrpc\": \"2.0\",\n \"error\": {\n \"code\": -32600,\r\n \"message\": \"no\" } }")
                .unwrap();
        assert!(!error.contains(['\n', '\r']), "{error}");
        assert_eq!(
            serde_json::from_str::<Value>(&error).unwrap(),
            json!({ "code": -32600, "message": "no" })
        );
        for other in [
            r#"{"error":"invalid_token"}"#,
            r#"{"error":{"code":"1","message":"no"}}"#,
            r#"{"error":{"message":"no"}}"#,
            r#"{"error":null}"#,
            "no",
        ] {
            assert_eq!(error_of(other), None, "{other}");
        }
    }

    #[test]
    fn it_is_known_which_requests_are_answered() {
        let answers = |text: &str| Incoming::read(text).map(|message| message.answers);
        assert_eq!(
            answers(r#"{"id":7,"result":{"id":8}}"#),
            Some(vec!["7".to_owned()])
        );
        assert_eq!(
            answers(r#"{"id":"a","error":{"code":1}}"#),
            Some(vec!["\"a\"".to_owned()])
        );
        assert_eq!(answers(r#"{"id":7,"method":"ping"}"#), Some(vec![]));
        assert_eq!(answers(r#"{"id":null,"error":{}}"#), Some(vec![]));
        assert_eq!(
            answers(r#"[{"id":1,"result":{}},{"method":"n"},{"id":2,"error":{}}]"#),
            Some(vec!["1".to_owned(), "2".to_owned()])
        );
        for none in ["", "<html>", "event: x", "7", "\"a\"", "{", "[1,", "{}{}"] {
            assert_eq!(answers(none), None, "{none}");
        }
        assert!(error_of(r#"{"id":null,"error":{"code":-32022}}"#).is_some());
    }

    proptest! {
        #[test]
        fn tp_7_one_line_says_the_same(texts in prop::collection::vec(any::<String>(), 0..4), number in any::<i64>()) {
            let value = json!({ "id": number, "result": { "texts": texts } });
            let message = Incoming::read(&format!("\r\n{value:#}\r\n")).unwrap();
            prop_assert!(!message.text.contains(['\n', '\r']));
            prop_assert_eq!(serde_json::from_str::<Value>(&message.text).unwrap(), value);
        }
    }
}
