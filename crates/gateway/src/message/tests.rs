//! Eras and mirrored headers: mcp-transport-proxying sections 0, 4.1 and 4.2.

use super::*;
use http::{HeaderName, HeaderValue};

const VERSION: &str = "mcp-protocol-version";
const METHOD: &str = "mcp-method";
const NAME: &str = "mcp-name";
const MODERN: &str = "2026-07-28";

fn verdict(body: &str, headers: &[(&'static str, &str)]) -> Result<Read, (&'static str, Option<String>)> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(
            HeaderName::from_static(name),
            HeaderValue::from_str(value).unwrap(),
        );
    }
    judge(&Bytes::copy_from_slice(body.as_bytes()), &map)
        .map_err(|unreadable| (unreadable.refusal.slug(), unreadable.id))
}

fn call(meta: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{{"name":"x","_meta":{{{meta}}}}}}}"#)
}

fn meta(version: &str) -> String {
    format!(
        r#""io.modelcontextprotocol/protocolVersion":"{version}","io.modelcontextprotocol/clientCapabilities":{{}}"#
    )
}

const GOOD: [(&str, &str); 3] = [(VERSION, MODERN), (METHOD, "tools/call"), (NAME, "x")];

#[test]
fn a_modern_call_with_all_headers_is_good() {
    let read = verdict(&call(&meta(MODERN)), &GOOD).unwrap();
    assert!(read.modern);
    assert_eq!(
        (
            read.elements[0]
                .waiting
                .as_ref()
                .map(|waiting| waiting.id.as_str()),
            read.target.as_deref()
        ),
        (Some("7"), Some("x"))
    );
    let unknown = [(VERSION, "v999"), (METHOD, "tools/call"), (NAME, "x")];
    assert!(
        verdict(&call(&meta("v999")), &unknown).unwrap().modern,
        "the upstream says -32022, not we"
    );
}

#[test]
fn tp_52_version_header_and_meta_must_agree() {
    let id = Some("7".to_owned());
    assert_eq!(
        verdict(&call(&meta(MODERN)), &[]).unwrap_err(),
        ("header_mismatch", id.clone())
    );
    assert_eq!(
        verdict(&call(&meta(MODERN)), &[(VERSION, "2025-11-25")]).unwrap_err(),
        ("header_mismatch", id.clone())
    );
    assert_eq!(
        verdict(&call(&meta("2025-11-25")), &GOOD).unwrap_err(),
        ("header_mismatch", id.clone())
    );
    assert_eq!(verdict(&call(""), &GOOD).unwrap_err(), ("meta", id.clone()));
    let no_capabilities = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28""#;
    assert_eq!(verdict(&call(no_capabilities), &GOOD).unwrap_err(), ("meta", id));
    let twice = [(VERSION, MODERN), (VERSION, MODERN)];
    assert_eq!(
        verdict(&call(&meta(MODERN)), &twice).unwrap_err().0,
        "header_mismatch"
    );
}

#[test]
fn tp_63_to_65_mirrored_headers() {
    let body = call(&meta(MODERN));
    let with = |method: Option<&str>, name: Option<&str>| {
        let mut headers = vec![(VERSION, MODERN)];
        headers.extend(method.map(|method| (METHOD, method)));
        headers.extend(name.map(|name| (NAME, name)));
        verdict(&body, &headers).map(drop).map_err(|(slug, _)| slug)
    };
    assert_eq!(with(Some("tools/call"), Some("x")), Ok(()));
    assert_eq!(with(Some(" tools/call "), Some("=?base64?eA==?=")), Ok(()));
    for (method, name) in [
        (None, Some("x")),
        (Some("tools/call"), None),
        (Some("TOOLS/CALL"), Some("x")),
        (Some("tools/list"), Some("x")),
        (Some("tools/call"), Some("X")),
        (Some("tools/call"), Some("y")),
        (Some("tools/call"), Some("=?base64?eA=?=")),
    ] {
        assert_eq!(with(method, name), Err("header_mismatch"), "{method:?} {name:?}");
    }
    let list = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{"_meta":{{{}}}}}}}"#,
        meta(MODERN)
    );
    assert!(
        verdict(&list, &[(VERSION, MODERN), (METHOD, "tools/list")]).is_ok(),
        "no name to mirror"
    );
    assert!(verdict(&list, &[(VERSION, MODERN), (METHOD, "tools/list"), (NAME, "x")]).is_err());
    let notification = r#"{"jsonrpc":"2.0","method":"notifications/cancelled"}"#;
    assert!(
        verdict(notification, &[(VERSION, MODERN)]).unwrap().modern,
        "TP-49: not refused for a missing header"
    );
}

#[test]
fn tp_62_a_removed_method_goes_on_without_a_name_and_may_still_not_lie() {
    let body = |method: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{"taskId":"t","uri":"t","_meta":{{{}}}}}}}"#,
            meta(MODERN)
        )
    };
    for (method, named) in [
        ("tasks/get", true),
        ("tasks/update", true),
        ("tasks/cancel", true),
        ("resources/read", true),
        ("tasks/result", false),
        ("resources/subscribe", false),
        ("resources/unsubscribe", false),
    ] {
        let without = [(VERSION, MODERN), (METHOD, method)];
        assert_eq!(verdict(&body(method), &without).is_err(), named, "{method}");
        let lie = [(VERSION, MODERN), (METHOD, method), (NAME, "other")];
        assert!(verdict(&body(method), &lie).is_err(), "{method}");
    }
}

/// TP-68, TP-69.
#[test]
fn cc_93_cc_98_the_session_era_needs_no_headers_but_they_must_not_lie() {
    let body = r#"{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"danger"}}"#;
    for headers in [
        &[][..],
        &[(VERSION, "2025-06-18")],
        &[(VERSION, "2024-11-05")],
        &[(VERSION, "v9")],
    ] {
        assert!(!verdict(body, headers).unwrap().modern, "{headers:?}");
    }
    assert_eq!(verdict(body, &[(NAME, "safe")]).unwrap_err().0, "header_mismatch");
    assert!(verdict(body, &[(NAME, "danger"), (METHOD, "tools/call")]).is_ok());
}

/// TP-26.
#[test]
fn dec_19_batches_belong_to_2025_03_26() {
    let batch = r#"[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","method":"notifications/x"}]"#;
    assert!(verdict(batch, &[]).is_ok() && verdict(batch, &[(VERSION, "2025-03-26")]).is_ok());
    for version in ["2025-06-18", "2025-11-25", MODERN, "2024-11-05"] {
        assert_eq!(
            verdict(batch, &[(VERSION, version)]).unwrap_err().0,
            "batch",
            "{version}"
        );
    }
    let initialize = r#"[{"jsonrpc":"2.0","id":1,"method":"initialize"}]"#;
    assert_eq!(verdict(initialize, &[]).unwrap_err().0, "batch");
    let hidden = format!("[{}]", call(&meta(MODERN)));
    assert_eq!(verdict(&hidden, &[]).unwrap_err().0, "batch");
}
