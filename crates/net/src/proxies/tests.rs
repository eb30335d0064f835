use http::Request;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;
use crate::operators::CallError;
use crate::{Egress, Operators, Proxy, body};

fn proxies(variables: &[(&str, &str)]) -> Option<Proxies> {
    Proxies::named(|wanted| {
        let found = variables.iter().find(|(name, _)| *name == wanted);
        found.map(|(_, value)| *value)
    })
}

/// Which proxy is gone through to get there, and which variable said so.
fn way(variables: &[(&str, &str)], destination: &str) -> Option<String> {
    let proxies = proxies(variables)?;
    let named = proxies.choose(&destination.parse().unwrap())?;
    let proxy = named
        .proxy
        .as_ref()
        .map_or("unreadable".to_owned(), |proxy| shown(proxy.uri()));
    Some(format!("{} {proxy}", named.variable))
}

#[test]
fn the_variable_of_the_scheme_counts_more_than_that_of_all_and_lower_case_more_than_upper() {
    let all = ("ALL_PROXY", "http://all:1");
    for (variables, destination, expected) in [
        (
            &[("HTTPS_PROXY", "http://p:3128"), all][..],
            "https://a.test/",
            Some("HTTPS_PROXY http://p:3128"),
        ),
        (
            &[("HTTPS_PROXY", "http://p:3128"), all],
            "http://a.test/",
            Some("ALL_PROXY http://all:1"),
        ),
        (
            &[("HTTPS_PROXY", "http://up:1"), ("https_proxy", "low:2")],
            "https://a.test/",
            Some("https_proxy http://low:2"),
        ),
        (
            &[("https_proxy", " "), ("HTTPS_PROXY", "http://up:1")],
            "https://a.test/",
            Some("HTTPS_PROXY http://up:1"),
        ),
        (&[("HTTP_PROXY", "http://p:1")], "https://a.test/", None),
        (
            &[("HTTP_PROXY", "http://p:1")],
            "http://a.test/",
            Some("HTTP_PROXY http://p:1"),
        ),
        (
            &[("all_proxy", "http://p")],
            "https://[2001:db8::1]:8443/x",
            Some("all_proxy http://p"),
        ),
        (&[("NO_PROXY", "b.test")], "https://a.test/", None),
        (&[], "https://a.test/", None),
    ] {
        let found = way(variables, destination);
        assert_eq!(found.as_deref(), expected, "{variables:?} {destination}");
    }
}

/// Whoever asks a CGI program sets `HTTP_PROXY` there with a header of theirs.
#[test]
fn http_proxy_in_upper_case_is_not_believed_in_a_cgi_program() {
    let cgi = ("REQUEST_METHOD", "GET");
    assert_eq!(
        way(&[("HTTP_PROXY", "http://evil:1"), cgi], "http://a.test/"),
        None
    );
    for (name, scheme) in [("http_proxy", "http"), ("HTTPS_PROXY", "https")] {
        let found = way(&[(name, "http://p:1"), cgi], &format!("{scheme}://a.test/"));
        assert_eq!(found.as_deref(), Some(format!("{name} http://p:1").as_str()));
    }
}

#[test]
fn no_proxy_lists_names_with_what_is_below_them_addresses_networks_or_everything() {
    for (no, past, through) in [
        (
            "corp.test",
            &["corp.test", "a.corp.test", "A.CORP.TEST:8443"][..],
            &["notcorp.test", "corp.test.evil.test"][..],
        ),
        (".corp.test", &["corp.test", "a.corp.test"], &["notcorp.test"]),
        ("*.corp.test", &["a.corp.test"], &["notcorp.test"]),
        (
            "a.test, b.test c.test",
            &["a.test", "b.test", "c.test"],
            &["d.test"],
        ),
        (
            "10.1.2.3,[::1],2001:db8::1",
            &["10.1.2.3:99", "[2001:db8::1]"],
            &["10.1.2.4", "10.1.2.3.test"],
        ),
        (
            "10.0.0.0/8,2001:db8::/32",
            &["10.9.9.9", "[2001:db8:5::1]"],
            &["11.0.0.1", "[2001:db9::1]"],
        ),
        ("*", &["a.test", "10.1.2.3", "[2001:db8::1]"], &[]),
        ("a.test,*", &["b.test"], &[]),
        ("", &[], &["a.test"]),
        (" , ,", &[], &["a.test"]),
    ] {
        let variables = [("https_proxy", "http://p:1"), ("NO_PROXY", no)];
        for host in past {
            assert_eq!(
                way(&variables, &format!("https://{host}/")),
                None,
                "{no:?} {host}"
            );
        }
        for host in through {
            assert!(
                way(&variables, &format!("https://{host}/")).is_some(),
                "{no:?} {host}"
            );
        }
    }
}

#[test]
fn this_machine_is_never_behind_a_proxy() {
    let variables = [("all_proxy", "http://p:1")];
    for host in [
        "localhost",
        "LocalHost:80",
        "a.localhost",
        "localhost.",
        "127.0.0.1:8080",
        "127.9.9.9",
        "[::1]",
        "[::ffff:127.0.0.1]",
    ] {
        for scheme in ["http", "https"] {
            assert_eq!(way(&variables, &format!("{scheme}://{host}/")), None, "{host}");
        }
    }
    for host in [
        "localhost.evil.test",
        "127.0.0.1.evil.test",
        "notlocalhost",
        "128.0.0.1",
    ] {
        assert!(way(&variables, &format!("https://{host}/")).is_some(), "{host}");
    }
}

#[test]
fn what_could_have_a_piece_of_a_password_for_its_host_is_not_read() {
    for value in [
        "http://ana:se/cret@proxy:3128",
        "http://ana:12#34@proxy:3128",
        "http://ana:12?34@proxy:3128",
        "ana:12/34@proxy:3128",
        "http://ana:p@ss@proxy:3128",
        "http://an a:secret@proxy",
        "http://corp\\ana:secret@proxy",
        "http://",
        "http://ana:secret@",
        "ftp://proxy",
    ] {
        let found = way(&[("https_proxy", value)], "https://a.test/");
        assert_eq!(found.as_deref(), Some("https_proxy unreadable"), "{value}");
    }
    let proxies = proxies(&[("https_proxy", "http://ana:secret@proxy:3128")]).unwrap();
    let shown = format!("{proxies:?}");
    assert_eq!(shown, r#"{"https_proxy"}"#);
}

/// Asks for something through a proxy that gives this answer; gives what the proxy heard, and the error.
async fn asked(credentials: &str, answer: &'static str, destination: &str) -> (String, CallError) {
    let through = |address: &str| Proxy::Named(proxies(&[("ALL_PROXY", address)]).unwrap());
    asked_through(through, credentials, answer, destination).await
}

async fn asked_through(
    through: impl Fn(&str) -> Proxy,
    credentials: &str,
    answer: &'static str,
    destination: &str,
) -> (String, CallError) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let value = format!("http://{credentials}{}", listener.local_addr().unwrap());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(head).unwrap()
    });
    let error = call_through(through(&value), destination).await;
    (tasks.join_next().await.unwrap().unwrap(), error)
}

async fn call(proxy: &str, destination: &str) -> CallError {
    let proxy = Proxy::Named(proxies(&[("ALL_PROXY", proxy)]).unwrap());
    call_through(proxy, destination).await
}

async fn call_through(proxy: Proxy, destination: &str) -> CallError {
    let egress = Egress {
        proxy: Some(proxy),
        connect_time: Duration::from_secs(5),
        ..Egress::default()
    };
    let mut request = Request::new(body::empty());
    *request.uri_mut() = destination.parse().unwrap();
    let called = Operators::new(&egress).unwrap().call(request).await;
    called.expect_err("there is nobody behind the proxy")
}

#[tokio::test]
async fn the_name_and_password_go_to_the_proxy_and_into_no_message() {
    let (head, error) = asked("an%40a:s%2Fcret@", "HTTP/1.1 407 X\r\n\r\n", "https://gw.test/x").await;
    assert!(head.starts_with("CONNECT gw.test:443 HTTP/1.1\r\n"), "{head}");
    // an@a:s/cret
    assert!(
        // In two pieces: whoever looks for credentials in files would take it for one.
        head.contains(concat!("\r\nProxy-Authorization: Basic ", "YW5AYTpzL2NyZXQ=\r\n")),
        "{head}"
    );
    let CallError::Proxy(text) = error else {
        panic!("{error}: a password that was refused is not said again by itself")
    };
    assert!(
        text.contains("does not take the name and the password (407)"),
        "{text}"
    );
    assert!(
        text.contains("http://127.0.0.1:") && text.contains("ALL_PROXY"),
        "{text}"
    );
    assert!(
        !text.contains("cret") && !text.contains("an@a") && !text.contains("YW5A"),
        "{text}"
    );
}

#[tokio::test]
async fn a_proxy_that_wants_to_know_who_asks_is_told_of() {
    let (head, error) = asked("", "HTTP/1.1 407 X\r\n\r\n", "http://gw.test/x").await;
    assert!(head.starts_with("CONNECT gw.test:80 HTTP/1.1\r\n"), "{head}");
    assert!(!head.to_ascii_lowercase().contains("authorization"), "{head}");
    let text = error.to_string();
    assert!(
        matches!(error, CallError::Proxy(_)) && text.contains("NAME:PASSWORD@HOST:PORT"),
        "{text}"
    );
}

#[tokio::test]
async fn what_may_pass_is_no_last_word() {
    let (_, error) = asked("", "HTTP/1.1 503 X\r\n\r\n", "https://gw.test:8443/x").await;
    let text = error.to_string();
    assert!(matches!(error, CallError::Connect(_)), "{text}");
    assert!(text.contains("makes no way to gw.test:8443"), "{text}");

    let (_, error) = asked("", "", "https://gw.test/x").await;
    let text = error.to_string();
    assert!(
        matches!(error, CallError::Connect(_)) && text.contains("cannot be reached"),
        "{text}"
    );

    // Nobody listens on a port that was just given back.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = call(&format!("http://ana:secret@{address}"), "https://gw.test/x").await;
    let text = error.to_string();
    assert!(matches!(error, CallError::Connect(_)), "{text}");
    assert!(
        text.contains(&format!("the proxy http://{address} cannot be reached")),
        "{text}"
    );
    assert!(text.contains("refused") && text.contains("NO_PROXY"), "{text}");
    assert!(!text.contains("secret") && !text.contains("ana"), "{text}");
}

/// As configured for a server: always through it, and plain http without a port is on port 80.
#[tokio::test]
async fn a_proxy_that_is_configured_is_gone_through_wherever_it_goes() {
    for (destination, expected) in [
        ("http://tools.test/mcp", "tools.test:80"),
        ("https://tools.test/mcp", "tools.test:443"),
        ("http://localhost:8080/mcp", "localhost:8080"),
        ("http://[2001:db8::1]/mcp", "[2001:db8::1]:80"),
    ] {
        let through = |address: &str| Proxy::Fixed(address.parse().unwrap());
        let (head, error) = asked_through(through, "", "HTTP/1.1 403 X\r\n\r\n", destination).await;
        assert!(
            head.starts_with(&format!("CONNECT {expected} HTTP/1.1\r\n")),
            "{head}"
        );
        assert!(matches!(error, CallError::Connect(_)), "{error}");
    }
}

/// Its name and password go to it, and are not printed with the configuration.
#[tokio::test]
async fn a_proxy_that_is_configured_is_told_who_asks() {
    let through = |address: &str| {
        let proxy: FixedProxy = address.parse().unwrap();
        let shown = format!("{proxy:?}");
        assert!(!shown.contains("cret") && !shown.contains("YW5A"), "{shown}");
        Proxy::Fixed(proxy)
    };
    let answer = "HTTP/1.1 407 X\r\n\r\n";
    let (head, error) = asked_through(through, "an%40a:s%2Fcret@", answer, "https://gw.test/x").await;
    // an@a:s/cret
    let expected = concat!("\r\nProxy-Authorization: Basic ", "YW5AYTpzL2NyZXQ=\r\n");
    assert!(head.contains(expected), "{head}");
    assert!(matches!(error, CallError::Connect(_)), "{error}");
    assert!(!error.to_string().contains("cret"), "{error}");
    for bad in [
        "https://proxy:3128",
        "socks5://proxy:1080",
        "http://",
        "http://ana:pass@word@proxy:3128",
    ] {
        assert_eq!(bad.parse::<FixedProxy>(), Err(BadProxy), "{bad}");
    }
}

#[tokio::test]
async fn a_proxy_that_says_nothing_is_not_waited_for_until_nobody_knows_who_it_was() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = format!("http://{}", listener.local_addr().unwrap());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read_u8().await.unwrap();
        // From now on the clock goes on by itself.
        tokio::time::pause();
        std::future::pending::<()>().await;
    });
    let error = call(&proxy, "https://gw.test/").await;
    let text = error.to_string();
    assert!(matches!(error, CallError::Connect(_)), "{text}");
    assert!(
        text.contains(&format!(
            "the proxy {proxy} cannot be reached (no answer within 15 s)"
        )),
        "{text}"
    );
}

#[tokio::test]
async fn a_proxy_of_another_kind_and_a_value_that_is_none_are_told_of_when_they_are_needed() {
    let text = call("socks5://ana:secret@p:1080", "https://gw.test/")
        .await
        .to_string();
    assert!(
        text.contains("ALL_PROXY names a proxy of the kind socks5"),
        "{text}"
    );
    let text = call("http://ana:se/cret@p:1080", "https://gw.test/")
        .await
        .to_string();
    assert!(text.contains("ALL_PROXY is not the address"), "{text}");
    assert!(!text.contains("cret") && !text.contains("ana"), "{text}");
}
