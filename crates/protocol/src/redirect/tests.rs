//! Redirect URI rules: DEC-8, CC-43 to CC-46, OS-19 to OS-21, and the known ways to slip through.

use super::*;
use proptest::prelude::*;

fn uri(text: &str) -> RedirectUri {
    parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn parse(text: &str) -> Result<RedirectUri, RedirectError> {
    RedirectUri::parse(text, |scheme| matches!(scheme, "cursor" | "vscode" | "warp"))
}

fn matches(registered: &str, requested: &str) -> bool {
    uri(registered).matches(&uri(requested), &MatchRules::default())
}

#[test]
fn cc_43_ignores_port_and_name_of_this_machine() {
    for (registered, requested) in [
        ("http://localhost/callback", "http://localhost:53123/callback"),
        ("http://127.0.0.1/callback", "http://127.0.0.1:1/callback"),
        ("http://127.0.0.1:33418/", "http://127.0.0.1:65535/"),
        ("http://127.0.0.1:33418", "http://127.0.0.1:4000/"),
        ("http://localhost:3000/cb", "http://127.0.0.1:4000/cb"),
        ("http://[::1]/cb", "http://localhost:9/cb"),
        ("http://127.0.0.1/cb", "http://127.8.9.10:9/cb"),
        ("http://LOCALHOST/cb", "http://localhost/cb"),
    ] {
        assert!(matches(registered, requested), "{registered} {requested}");
    }
}

#[test]
fn loopback_paths_and_queries_are_exact() {
    for (registered, requested) in [
        ("http://localhost/callback", "http://localhost:1/callback/"),
        ("http://localhost/callback", "http://localhost:1/Callback"),
        ("http://localhost/callback", "http://localhost:1/callback?x=1"),
        (
            "http://localhost/callback",
            "http://localhost:1/callback/../callback",
        ),
        ("http://localhost/callback", "http://localhost:1/%63allback"),
        ("http://localhost/", "http://localhost:1//"),
        ("http://localhost/callback", "https://localhost/callback"),
    ] {
        assert!(!matches(registered, requested), "{registered} {requested}");
    }
}

#[test]
fn dec_8_strict_loopback_keeps_the_names_apart_and_still_ignores_the_port() {
    let rules = MatchRules {
        strict_loopback: true,
        free_keys: &[],
    };
    assert!(uri("http://localhost/cb").matches(&uri("http://localhost:9/cb"), &rules));
    assert!(!uri("http://localhost/cb").matches(&uri("http://127.0.0.1:9/cb"), &rules));
    assert!(!uri("http://127.0.0.1/cb").matches(&uri("http://127.0.0.2/cb"), &rules));
}

#[test]
fn os_19_https_is_compared_as_a_string() {
    assert!(matches("https://app.example/cb", "https://APP.example/cb"));
    assert!(matches("https://app.example", "https://app.example/"));
    for requested in [
        "https://app.example/cb/",
        "https://app.example/CB",
        "https://app.example:443/cb",
        "https://app.example/cb?x=1",
        "https://app.example/cb/..;/evil",
        "https://app.example/./cb",
        "https://app.example/%63b",
        "https://evil.example/cb",
        "https://app.example.evil.example/cb",
    ] {
        assert!(!matches("https://app.example/cb", requested), "{requested}");
    }
}

/// MA-122.
#[test]
fn cc_46_refuses_what_must_never_be_a_target() {
    for (text, error) in [
        ("javascript:alert(1)", RedirectError::DangerousScheme),
        ("JaVaScRiPt:alert(1)", RedirectError::DangerousScheme),
        ("data:text/html,x", RedirectError::DangerousScheme),
        ("file:///etc/passwd", RedirectError::DangerousScheme),
        ("blob:https://x/y", RedirectError::DangerousScheme),
        ("vbscript:x", RedirectError::DangerousScheme),
        ("about:blank", RedirectError::DangerousScheme),
        ("intent://x#Intent;end", RedirectError::Fragment),
        ("intent://x", RedirectError::DangerousScheme),
        ("unknown://cb", RedirectError::UnknownScheme),
        ("http://example.com/cb", RedirectError::PlainHttp),
        ("http://127.0.0.1.evil.com/cb", RedirectError::PlainHttp),
        ("http://localhost.evil.com/cb", RedirectError::PlainHttp),
        ("http://0.0.0.0/cb", RedirectError::PlainHttp),
        ("http://10.0.0.1/cb", RedirectError::PlainHttp),
        ("http://localhost./cb", RedirectError::Host),
        ("http://127.1/cb", RedirectError::Host),
        ("http://0x7f.0.0.1/cb", RedirectError::Host),
        ("http://017700000001/cb", RedirectError::Host),
        ("http://[::0001]/cb", RedirectError::Host),
        ("http://[::ffff:127.0.0.1]/cb", RedirectError::Host),
        ("https://user@app.example/cb", RedirectError::UserInfo),
        ("https://a@b@app.example/cb", RedirectError::UserInfo),
        ("https://@app.example/cb", RedirectError::UserInfo),
        ("https://*.app.example/cb", RedirectError::Host),
        ("com.example.app://@", RedirectError::UserInfo),
        ("com.example.app://a@b/cb", RedirectError::UserInfo),
        ("https://app.example/cb#x", RedirectError::Fragment),
        ("https://app.example/cb#", RedirectError::Fragment),
        ("https://app.example\\@evil.example/cb", RedirectError::Character),
        ("https://app.example/c b", RedirectError::Character),
        ("https://app.example/c\nb", RedirectError::Character),
        ("https://äpp.example/cb", RedirectError::Character),
        ("https:/app.example/cb", RedirectError::NotAbsolute),
        ("https:app.example/cb", RedirectError::NotAbsolute),
        ("https:///app.example/cb", RedirectError::Host),
        ("/cb", RedirectError::NotAbsolute),
        ("//app.example/cb", RedirectError::NotAbsolute),
        ("", RedirectError::NotAbsolute),
    ] {
        assert_eq!(parse(text), Err(error), "{text:?}");
    }
    assert_eq!(
        parse(&format!("https://x/{}", "a".repeat(2048))),
        Err(RedirectError::TooLong)
    );
}

#[test]
fn private_schemes_are_reverse_domain_or_known_and_exact() {
    assert!(parse("com.example.app:/cb").is_ok());
    assert!(parse("cursor://anysphere.cursor-mcp/oauth/callback").is_ok());
    assert!(matches(
        "cursor://anysphere.cursor-mcp/oauth/callback",
        "cursor://anysphere.cursor-mcp/oauth/callback"
    ));
    assert!(!matches(
        "cursor://anysphere.cursor-mcp/oauth/callback",
        "cursor://anysphere.cursor-mcp/oauth/callback/"
    ));
    assert!(!matches("com.example.app:/cb", "COM.example.app:/cb"));
}

#[test]
fn cc_45_a_listed_key_may_come_or_stay_away_on_that_uri_only() {
    let keys = ["server_id".to_owned()];
    let rules = MatchRules {
        strict_loopback: false,
        free_keys: &keys,
    };
    let registered = uri("warp://mcp/oauth2callback");
    assert!(registered.matches(&uri("warp://mcp/oauth2callback?server_id=7"), &rules));
    assert!(!registered.matches(&uri("warp://mcp/oauth2callback?other=7"), &rules));
    assert!(!registered.matches(&uri("warp://mcp/elsewhere?server_id=7"), &rules));
    assert!(uri("http://localhost:3000?state=x").matches(
        &uri("http://localhost:3000"),
        &MatchRules {
            strict_loopback: false,
            free_keys: &["state".to_owned()]
        }
    ));
}

#[test]
fn os_21_keeps_the_query_when_adding_parameters() {
    let add = |text: &str| uri(text).with_params([("code", "a&b"), ("state", "ü:x")]);
    assert_eq!(add("https://x/cb"), "https://x/cb?code=a%26b&state=%C3%BC%3Ax");
    assert_eq!(
        add("https://x/cb?tenant=1"),
        "https://x/cb?tenant=1&code=a%26b&state=%C3%BC%3Ax"
    );
    assert_eq!(add("https://x/cb?"), "https://x/cb?code=a%26b&state=%C3%BC%3Ax");
    assert_eq!(
        add("com.example.app:/cb"),
        "com.example.app:/cb?code=a%26b&state=%C3%BC%3Ax"
    );
}

#[test]
fn shows_where_the_browser_goes() {
    assert_eq!(
        uri("https://claude.ai/api/mcp/auth_callback").target(),
        "claude.ai"
    );
    assert_eq!(uri("http://localhost:1/cb").target(), "localhost");
    assert_eq!(uri("cursor://anysphere.cursor-mcp/x").target(), "cursor:");
}

fn any_redirect() -> impl Strategy<Value = String> {
    prop_oneof![
        "https://[a-z]{1,8}\\.example(:[1-9][0-9]{1,3})?(/[a-z0-9._~%-]{0,9}){0,3}(\\?[a-z]=[a-z0-9]{0,5})?"
            .prop_filter("percent signs are free text here", |text| !text.contains('%')),
        "http://(localhost|127\\.0\\.0\\.1|\\[::1\\])(:[1-9][0-9]{1,3})?(/[a-z]{0,9}){0,3}",
        "[a-z]{1,5}\\.[a-z]{1,5}:/[a-z]{0,9}",
    ]
}

proptest! {
    /// CC-46: what registration accepts, authorize accepts.
    #[test]
    fn what_is_accepted_matches_itself(text in any_redirect()) {
        if let Ok(uri) = parse(&text) {
            prop_assert!(uri.matches(&uri, &MatchRules::default()));
            let strict = MatchRules { strict_loopback: true, free_keys: &["state".to_owned()] };
            prop_assert!(uri.matches(&uri, &strict));
        }
    }

    #[test]
    fn the_port_of_a_loopback_uri_never_matters(path in "(/[a-z]{0,5}){0,3}", a in 1_u16.., b in 1_u16..) {
        let (registered, requested) = (format!("http://localhost:{a}{path}"), format!("http://127.0.0.1:{b}{path}"));
        prop_assert!(matches(&registered, &requested));
    }

    #[test]
    fn two_https_uris_match_only_if_they_are_the_same_url(a in any_redirect(), b in any_redirect()) {
        if let (Ok(a), Ok(b)) = (parse(&a), parse(&b)) && a.kind() == Kind::Https && a.matches(&b, &MatchRules::default()) {
            prop_assert_eq!(Url::parse(a.as_str()), Url::parse(b.as_str()));
        }
    }

    #[test]
    fn never_panics(text: String) {
        if let Ok(uri) = parse(&text) {
            let _ = (uri.target(), uri.origin(), uri.without_loopback_port(), uri.with_params([("a", "b")]));
        }
    }
}
