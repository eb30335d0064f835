//! Item 11 of the main job: an upstream behind a private authority that wants our certificate, and one behind a
//! proxy.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::rig::{Door, Plan, door, scripted::Scripted};

/// An authority, with certificates for a server and a client, in PEM files.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: rcgen::Certificate,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self {
            issuer: Issuer::new(params, key),
            certificate,
        }
    }

    fn issue(&self, name: &str, usage: ExtendedKeyUsagePurpose) -> (rcgen::Certificate, KeyPair) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate, key)
    }

    fn write(&self, folder: &Path) {
        std::fs::write(folder.join("ca.pem"), self.certificate.pem()).unwrap();
        let (certificate, key) = self.issue("door.example", ExtendedKeyUsagePurpose::ClientAuth);
        std::fs::write(folder.join("client.pem"), certificate.pem()).unwrap();
        std::fs::write(folder.join("client.key"), key.serialize_pem()).unwrap();
    }

    /// What ends TLS in front of a plain upstream, for those alone who show a certificate of this authority.
    fn acceptor(&self) -> TlsAcceptor {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.certificate.der().clone()).unwrap();
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .unwrap();
        let (certificate, key) = self.issue("127.0.0.1", ExtendedKeyUsagePurpose::ServerAuth);
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(clients)
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// Passes on what comes over TLS.
async fn tls_in_front_of(upstream: SocketAddr, acceptor: TlsAcceptor) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::task::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::task::spawn(async move {
                if let Ok(mut stream) = acceptor.accept(stream).await {
                    let mut onward = TcpStream::connect(upstream).await.unwrap();
                    let _ = copy_bidirectional(&mut stream, &mut onward).await;
                }
            });
        }
    });
    address
}

/// An HTTP proxy that takes CONNECT; what it was asked for is noted.
async fn proxy(asked: Arc<Mutex<Vec<String>>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::task::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let asked = Arc::clone(&asked);
            tokio::task::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                let head = String::from_utf8(head).unwrap();
                let target = head.split(' ').nth(1).unwrap().to_owned();
                asked
                    .lock()
                    .unwrap()
                    .push(head.lines().next().unwrap().to_owned());
                let mut onward = TcpStream::connect(&target).await.unwrap();
                stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                let _ = copy_bidirectional(&mut stream, &mut onward).await;
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_private_authority_and_a_certificate_of_our_own() {
    let mut door = Door::open().await;
    let (_, tokens) = door.signed_in("ana").await;
    let authority = Authority::new();
    authority.write(door.folder());
    // The fixture minds the port it is called by; this one does not.
    let upstream = Scripted::start().await;
    upstream.answers(
        "200 OK",
        &["Content-Type: application/json"],
        r#"{"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"reached"}]}}"#,
    );
    let secure = tls_in_front_of(upstream.address, authority.acceptor()).await;
    let plain = door.upstream.url();
    let answer = async |door: &Door| door.call(&tokens.access, "echo_headers", json!({})).await.body;
    let variants = [
        (
            "nothing is trusted that the system does not trust",
            "",
            "cannot be reached",
        ),
        ("a certificate of ours is wanted", "    ca_file: ca.pem", "failed"),
        (
            "with both it is reached",
            "    ca_file: ca.pem\n    client_certificate: { certificate_file: client.pem, key_file: client.key }",
            "reached\"",
        ),
    ];
    for (name, more, says) in variants {
        door.reconfigure(|text| {
            text.replace(
                &format!("upstream: {plain}\n"),
                &format!("upstream: https://{secure}/mcp\n{more}\n"),
            )
        })
        .await;
        let said = answer(&door).await;
        let fits = said.contains(says) || (says == "failed" && said.contains("cannot be reached"));
        assert!(fits, "{name}: {said}");
    }
    // Another authority in the same file counts without a restart: the upstream is a stranger then.
    Authority::new().write(door.folder());
    door.reconfigure(|text| {
        let more = "    ca_file: ca.pem\n    client_certificate: { certificate_file: client.pem, key_file: client.key }";
        text.replace(&format!("upstream: {plain}\n"), &format!("upstream: https://{secure}/mcp\n{more}\n"))
    })
    .await;
    assert!(
        answer(&door).await.contains("cannot be reached"),
        "changed files make another way"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_on_the_way() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let proxy = proxy(Arc::clone(&asked)).await;
    let door = Door::with(Plan {
        server: format!("    proxy: http://{proxy}"),
        ..Plan::default()
    })
    .await;
    let (_, tokens) = door.signed_in("ana").await;
    for _ in 0..3 {
        let reply = door
            .ask(door::call("fixture", "echo_headers", json!({})).bearer(&tokens.access))
            .await;
        assert!(reply.body.contains("expected"), "{reply:?}");
    }
    let asked = asked.lock().unwrap().clone();
    assert_eq!(
        asked,
        [format!("CONNECT {} HTTP/1.1", door.upstream.address())],
        "one tunnel, kept"
    );
}
