//! An upstream that says exactly what a test wrote, byte for byte: for what no honest server does.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// It says this to every request, one connection each.
pub(crate) struct Scripted {
    pub(crate) address: SocketAddr,
    says: Arc<Mutex<Vec<u8>>>,
    heard: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Scripted {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let says = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::default();
        let task = Self::answers_on(listener, Arc::clone(&says), Arc::clone(&heard));
        Self {
            address,
            says,
            heard,
            task,
        }
    }

    /// Nobody is there any more.
    pub(crate) async fn goes(&self) {
        self.task.abort();
        // The listener goes with the task, a moment later.
        super::eventually(async || match TcpStream::connect(self.address).await {
            Ok(_) => Err("somebody still answers".to_owned()),
            Err(_) => Ok(()),
        })
        .await;
    }

    /// It is there again.
    pub(crate) async fn returns(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.task = Self::answers_on(listener, Arc::clone(&self.says), Arc::clone(&self.heard));
    }

    /// How many connections came, each with one request.
    pub(crate) fn heard(&self) -> usize {
        self.heard.load(Ordering::SeqCst)
    }

    fn answers_on(
        listener: TcpListener,
        script: Arc<Mutex<Vec<u8>>>,
        heard: Arc<AtomicUsize>,
    ) -> JoinHandle<()> {
        tokio::task::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                heard.fetch_add(1, Ordering::SeqCst);
                let text = script.lock().unwrap().clone();
                tokio::task::spawn(answer(stream, text));
            }
        })
    }

    /// From now on it says this.
    pub(crate) fn says(&self, text: impl Into<Vec<u8>>) {
        *self.says.lock().unwrap() = text.into();
    }

    /// A whole answer with this status line, these header lines and this body.
    pub(crate) fn answers(&self, status: &str, headers: &[&str], body: &str) {
        let mut text = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n",
            body.len()
        );
        for header in headers {
            text.push_str(header);
            text.push_str("\r\n");
        }
        self.says(format!("{text}\r\n{body}"));
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }
}

/// Reads a head and its body, says the text, and closes; an empty text is never said and the connection stays.
async fn answer(mut stream: TcpStream, text: Vec<u8>) {
    let mut request = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        let Ok(count) = stream.read(&mut buffer).await else {
            return;
        };
        request.extend_from_slice(&buffer[..count]);
        let shown = String::from_utf8_lossy(&request).to_lowercase();
        let Some((head, body)) = shown.split_once("\r\n\r\n") else {
            if count == 0 {
                return;
            }
            continue;
        };
        let length = head
            .split("content-length: ")
            .nth(1)
            .and_then(|rest| rest.split("\r\n").next());
        if body.len() >= length.and_then(|length| length.parse().ok()).unwrap_or(0) {
            break;
        }
    }
    if text.is_empty() {
        // It neither speaks nor hangs up.
        while stream.read(&mut buffer).await.is_ok_and(|count| count > 0) {}
        return;
    }
    let _ = stream.write_all(&text).await;
    let _ = stream.shutdown().await;
    while stream.read(&mut buffer).await.is_ok_and(|count| count > 0) {}
}
