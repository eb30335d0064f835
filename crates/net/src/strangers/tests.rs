//! MA-81, MA-82, MA-89, MA-90 over real sockets and real TLS.

use super::*;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// Sends every name to these addresses and counts how often it was asked.
struct Names(Vec<SocketAddr>, AtomicUsize);

#[async_trait]
impl Resolve for Names {
    async fn resolve(&self, _: &str, _: u16) -> std::io::Result<Vec<SocketAddr>> {
        self.1.fetch_add(1, Ordering::Relaxed);
        Ok(self.0.clone())
    }
}

/// A server at `host.example` that answers `answer` to everybody.
async fn server(answer: String) -> (SocketAddr, RootCertStore) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["host.example".to_owned()]).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    Tasks::new().spawn("server", async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let mut head = [0; 2048];
                let _ = stream.read(&mut head).await;
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        }
    });
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    (address, roots)
}

use crate::tasks::Tasks;

fn loopback_allowed() -> FetchRules {
    FetchRules {
        also: vec!["127.0.0.0/8".parse().unwrap()],
        bytes: 1000,
        time: Duration::from_secs(3),
    }
}

async fn fetch(answer: &str) -> Result<Fetched, FetchError> {
    let (address, roots) = server(answer.to_owned()).await;
    let names = Arc::new(Names(vec![address], AtomicUsize::new(0)));
    let client = Strangers::with(loopback_allowed(), names, roots).unwrap();
    client
        .fetch_json(&"https://host.example/c.json".parse().unwrap())
        .await
}

fn answer(status: &str, media_type: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn fetches_json() {
    for media_type in [
        "application/json",
        "application/json; charset=utf-8",
        "application/cimd+json",
    ] {
        assert_eq!(
            fetch(&answer("200 OK", media_type, "{}")).await.unwrap().body,
            "{}"
        );
    }
}

/// MA-150.
#[tokio::test]
async fn ma_81_ma_82_only_200_and_only_json() {
    let moved = "HTTP/1.1 302 Found\r\nLocation: https://host.example/other\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(
        fetch(moved).await.unwrap_err(),
        FetchError::Status(StatusCode::FOUND)
    );
    let forbidden = answer("403 Forbidden", "application/json", "{}");
    assert_eq!(
        fetch(&forbidden).await.unwrap_err(),
        FetchError::Status(StatusCode::FORBIDDEN)
    );
    let page = answer("200 OK", "text/html", "<html>");
    assert_eq!(
        fetch(&page).await.unwrap_err(),
        FetchError::MediaType("text/html".into())
    );
}

#[tokio::test]
async fn ma_90_size_and_time_are_bounded() {
    let long = answer("200 OK", "application/json", &"x".repeat(1001));
    assert_eq!(fetch(&long).await.unwrap_err(), FetchError::TooLarge(1000));
    let endless = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{}",
        "x".repeat(1001)
    );
    assert_eq!(fetch(&endless).await.unwrap_err(), FetchError::TooLarge(1000));
}

#[tokio::test]
async fn ma_89_special_addresses_are_never_connected_to() {
    for address in [
        "127.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "[::1]",
        "[::ffff:10.0.0.1]",
        "[64:ff9b::a00:1]",
        "[2002:a00:1::]",
    ] {
        let address: SocketAddr = format!("{address}:443").parse().unwrap();
        let names = Arc::new(Names(vec![address], AtomicUsize::new(0)));
        let client = Strangers::with(FetchRules::default(), names, RootCertStore::empty()).unwrap();
        let error = client
            .fetch_json(&"https://host.example/c.json".parse().unwrap())
            .await
            .unwrap_err();
        assert_eq!(error, FetchError::NotPublic("host.example".into()), "{address}");
    }
}

/// MA-150.
#[tokio::test]
async fn ma_89_the_address_that_was_checked_is_the_one_connected_to() {
    let (address, roots) = server(answer("200 OK", "application/json", "{}")).await;
    let names = Arc::new(Names(
        vec!["10.0.0.1:443".parse().unwrap(), address],
        AtomicUsize::new(0),
    ));
    let client = Strangers::with(loopback_allowed(), Arc::<Names>::clone(&names), roots).unwrap();
    client
        .fetch_json(&"https://host.example/c.json".parse().unwrap())
        .await
        .unwrap();
    assert_eq!(
        names.1.load(Ordering::Relaxed),
        1,
        "one look-up: nothing can change between check and use"
    );
}

/// MA-148.
#[tokio::test]
async fn an_unknown_certificate_and_other_urls_are_refused() {
    let (address, _) = server(answer("200 OK", "application/json", "{}")).await;
    let names = Arc::new(Names(vec![address], AtomicUsize::new(0)));
    let client = Strangers::with(loopback_allowed(), names, RootCertStore::empty()).unwrap();
    let fetch = |url: &str| {
        let url = url.parse().unwrap();
        let client = client.clone();
        async move { client.fetch_json(&url).await.unwrap_err() }
    };
    assert_eq!(
        fetch("https://host.example/c.json").await,
        FetchError::Connect("host.example".into())
    );
    assert_eq!(fetch("http://host.example/c.json").await, FetchError::Url);
    assert_eq!(fetch("https://host.example:8443/c.json").await, FetchError::Url);
}

/// MA-147: a request whose answer is not fetched whole goes the same way.
#[tokio::test]
async fn ma_89_a_request_goes_to_public_addresses_alone() {
    let (address, roots) = server(answer("401 Unauthorized", "application/json", "{}")).await;
    let names = || Arc::new(Names(vec![address], AtomicUsize::new(0)));
    let call = async |rules, roots, url: &str| {
        let client = Strangers::with(rules, names(), roots).unwrap();
        let request = Request::post(url).body(body::full("a=b")).unwrap();
        client.call(request).await.map(|answer| answer.status())
    };
    let url = "https://host.example/token";
    let answered = call(loopback_allowed(), roots.clone(), url).await;
    assert_eq!(answered, Ok(StatusCode::UNAUTHORIZED));
    for (rules, url) in [
        (FetchRules::default(), url),
        (loopback_allowed(), "http://host.example/token"),
        (loopback_allowed(), "https://host.example:8443/token"),
    ] {
        let error = call(rules, roots.clone(), url).await.unwrap_err();
        assert!(matches!(error, CallError::Connect(_)), "{url}: {error}");
    }
}
