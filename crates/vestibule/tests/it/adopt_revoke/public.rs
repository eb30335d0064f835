//! The providers at their public addresses, which a proxy of the company leads to.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::*;

const HOSTS: [&str; 3] = ["api.github.com", "gitlab.com", "slack.com"];

/// A proxy behind which these hosts are what listens there, with a certificate to trust them by.
struct Proxy {
    address: SocketAddr,
    authority: String,
    heads: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    async fn before(there: SocketAddr) -> Self {
        let made = rcgen::generate_simple_self_signed(HOSTS.map(str::to_owned)).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let tls = TlsAcceptor::from(Arc::new(tls));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&heads);
        let task = tokio::task::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connect(stream, there, &tls, &heard).await;
            }
        });
        Self {
            address,
            authority: made.cert.pem(),
            heads,
            task,
        }
    }
}

async fn connect(mut stream: TcpStream, there: SocketAddr, tls: &TlsAcceptor, heard: &Mutex<Vec<String>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    heard
        .lock()
        .unwrap()
        .push(head.lines().next().unwrap().to_owned());
    let _ = stream
        .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
        .await;
    if let Ok(mut inside) = tls.accept(stream).await
        && let Ok(mut behind) = TcpStream::connect(there).await
    {
        let _ = tokio::io::copy_bidirectional(&mut inside, &mut behind).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_of_the_public_providers_are_revoked_there_through_the_proxy() {
    let person = Person::new();
    let providers = Providers::start(&person.tokens).await;
    let proxy = Proxy::before(providers.listener.address).await;
    let servers = [
        ("github", json!({ "GITHUB_TOKEN": person.tokens.github })),
        ("gitlab", json!({ "GITLAB_TOKEN": person.tokens.gitlab })),
        ("slack", json!({ "SLACK_BOT_TOKEN": person.tokens.slack })),
    ];
    person.servers(".cursor/mcp.json", &servers);
    person.write("authority.pem", &proxy.authority);
    let mut command = person.command(&[&ADOPT[..], &["--yes", "--json"]].concat());
    command
        .env("HTTPS_PROXY", format!("http://{}", proxy.address))
        .env("SSL_CERT_FILE", person.path("authority.pem"));
    let said: Value = serde_json::from_str(&person.ends(command, 0).await).unwrap();
    assert_eq!(states(&said), ["revoked"; 3], "{said}");
    assert_eq!(providers.valid(), BTreeSet::new());
    let heads = HOSTS.map(|host| format!("CONNECT {host}:443 HTTP/1.1"));
    assert_eq!(*proxy.heads.lock().unwrap(), heads);
    let heard = [
        "POST /credentials/revoke",
        "DELETE /api/v4/personal_access_tokens/self",
        "POST /api/auth.revoke",
    ];
    assert_eq!(providers.heard(), heard);
}
