//! The company's HTTP proxy: a real one, behind which there is one place, under names that nobody else knows.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// What lets somebody through (RFC 9110 section 9.3.6).
pub(crate) const THROUGH: &str = "HTTP/1.1 200 Connection established\r\n\r\n";

/// A proxy that ends TLS for what is behind it.
pub(crate) struct ConnectProxy {
    pub(crate) address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for ConnectProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl ConnectProxy {
    /// Before what listens there; `answer` says what a head is answered.
    pub(crate) async fn before(
        there: SocketAddr,
        tls: TlsAcceptor,
        answer: fn(&str) -> &'static str,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&heads);
        let task = tokio::task::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, heard) = (tls.clone(), Arc::clone(&heard));
                tokio::task::spawn(async move { connect(stream, there, (tls, answer), &heard).await });
            }
        });
        Self { address, heads, task }
    }

    /// Where it is, for whoever has these credentials.
    pub(crate) fn url(&self, credentials: &str) -> String {
        format!("http://{credentials}@{}", self.address)
    }

    /// What it was asked since this was asked last.
    pub(crate) fn heads(&self) -> Vec<String> {
        std::mem::take(&mut self.heads.lock().unwrap())
    }
}

async fn connect(
    mut stream: TcpStream,
    there: SocketAddr,
    (tls, answer): (TlsAcceptor, fn(&str) -> &'static str),
    heard: &Mutex<Vec<String>>,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let answer = answer(&head);
    heard.lock().unwrap().push(head);
    let _ = stream.write_all(answer.as_bytes()).await;
    if answer == THROUGH
        && let Ok(mut inside) = tls.accept(stream).await
        && let Ok(mut behind) = TcpStream::connect(there).await
    {
        let _ = tokio::io::copy_bidirectional(&mut inside, &mut behind).await;
    }
}
