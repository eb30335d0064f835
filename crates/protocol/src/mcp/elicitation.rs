//! Asking a person to open an address: URL elicitation, in both eras that have it.
//!
//! 2025-11-25: the error `-32042`, for clients that announced `elicitation.url` when the session began. 2026-07-28: a
//! result that asks for input (TP-61), for clients that announce it with the request; `-32042` is not for them (TP-110).

use std::borrow::Cow;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::answer::with_id;

/// An address must be opened first; not for the stateless era (TP-110).
pub const URL_ELICITATION_REQUIRED: i64 = -32042;
/// Under which name our question stands among those of a result that asks for input.
pub const QUESTION: &str = "vestibule-connect";

/// Whether a message announces that its client opens addresses: `initialize` for its session, and every request of the
/// stateless era for itself.
pub fn is_announced(message: &[u8]) -> bool {
    let Ok(message) = serde_json::from_slice::<Value>(message) else {
        return false;
    };
    let params = &message["params"];
    let of_request = &params["_meta"]["io.modelcontextprotocol/clientCapabilities"];
    [&params["capabilities"], of_request]
        .iter()
        .any(|capabilities| capabilities["elicitation"]["url"].is_object())
}

/// The error of the session era.
pub fn required(id: &str, message: &str, url: &str, elicitation: &str) -> String {
    let asked = json!({ "mode": "url", "elicitationId": elicitation, "url": url, "message": message });
    let error = json!({
        "code": URL_ELICITATION_REQUIRED,
        "message": message,
        "data": { "elicitations": [asked] },
    });
    with_id(Some(id), "error", &error)
}

/// The result of the stateless era.
pub fn input_required(id: &str, message: &str, url: &str) -> String {
    let params = json!({ "mode": "url", "message": message, "url": url });
    let result = json!({
        "resultType": "input_required",
        "inputRequests": { QUESTION: { "method": "elicitation/create", "params": params } },
    });
    with_id(Some(id), "result", &result)
}

/// The message without the answer to our question, which is none of the server's business: it never asked. `None` if
/// there is no such answer. Everything else stays as it was written.
pub fn without_answer(message: &[u8]) -> Option<Vec<u8>> {
    let whole: Members<'_> = serde_json::from_slice(message).ok()?;
    let params: Members<'_> = serde_json::from_str(whole.one("params")?).ok()?;
    let answers: Members<'_> = serde_json::from_str(params.one("inputResponses")?).ok()?;
    answers.one(QUESTION)?;
    let answers = answers.with(QUESTION, None);
    let params = params.with("inputResponses", (answers != "{}").then_some(answers.as_str()));
    Some(whole.with("params", Some(&params)).into_bytes())
}

/// An object's members as they stand.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Members<'a> {
    /// The only member of this name.
    fn one(&self, name: &str) -> Option<&'a str> {
        let mut found = self.0.iter().filter(|(known, _)| known == name);
        let (_, value) = found.next()?;
        found.next().is_none().then(|| value.get())
    }

    /// The object as text, with another value in the place of one member, or without that.
    fn with(&self, name: &str, value: Option<&str>) -> String {
        let members = self.0.iter().filter_map(|(known, kept)| {
            let value = if known == name { value? } else { kept.get() };
            Some(format!("{}:{value}", Value::from(known.as_ref())))
        });
        format!("{{{}}}", members.collect::<Vec<_>>().join(","))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reads;

        impl<'de> Visitor<'de> for Reads {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
                let mut all = Vec::new();
                while let Some((super::json::Key(name), value)) = members.next_entry()? {
                    all.push((name, value));
                }
                Ok(Members(all))
            }
        }

        deserializer.deserialize_map(Reads)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CC-105: who announced it, in either era.
    #[test]
    fn who_opens_addresses_says_so() {
        let yes = [
            r#"{"method":"initialize","params":{"capabilities":{"elicitation":{"url":{}}}}}"#,
            r#"{"params":{"_meta":{"io.modelcontextprotocol/clientCapabilities":{"elicitation":{"form":{},"url":{}}}}}}"#,
        ];
        let no = [
            r#"{"method":"initialize","params":{"capabilities":{"elicitation":{}}}}"#,
            r#"{"params":{"capabilities":{"elicitation":{"form":{}}},"arguments":{"elicitation":{"url":{}}}}}"#,
            "nonsense",
        ];
        assert!(yes.iter().all(|text| is_announced(text.as_bytes())));
        assert!(!no.iter().any(|text| is_announced(text.as_bytes())));
    }

    /// TP-110: each era has its own answer.
    #[test]
    fn each_era_is_asked_in_its_own_way() {
        let text = required("7", "Connect.", "https://door/connect", "e1");
        let error: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(error["error"]["code"], -32042);
        assert_eq!(
            error["error"]["data"]["elicitations"][0]["url"],
            "https://door/connect"
        );
        let text = input_required("\"a\"", "Connect.", "https://door/connect");
        let result: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&result["id"], &result["result"]["resultType"]),
            (&json!("a"), &json!("input_required"))
        );
        assert!(!text.contains("-32042"));
    }

    #[test]
    fn the_answer_to_our_question_goes_no_further() {
        let text = r#"{"jsonrpc":"2.0","id":1.0,"method":"tools/call","params":{"name":"x","inputResponses":{"vestibule-connect":{"action":"accept"}},"arguments":{"n":12345678901234567890.10}}}"#;
        let cut = String::from_utf8(without_answer(text.as_bytes()).unwrap()).unwrap();
        assert_eq!(
            cut,
            r#"{"jsonrpc":"2.0","id":1.0,"method":"tools/call","params":{"name":"x","arguments":{"n":12345678901234567890.10}}}"#
        );
        let other = text.replace("accept\"}}", "accept\"},\"theirs\":{\"action\":\"decline\"}}");
        let cut = String::from_utf8(without_answer(other.as_bytes()).unwrap()).unwrap();
        assert!(
            cut.contains(r#""inputResponses":{"theirs":{"action":"decline"}}"#),
            "{cut}"
        );
        assert_eq!(
            without_answer(br#"{"params":{"inputResponses":{"theirs":{}}}}"#),
            None
        );
        assert_eq!(without_answer(b"[]"), None);
    }
}
