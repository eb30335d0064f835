//! Many open streams, so that what each of them holds in memory can be seen.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use clap::Args;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::calls::{Call, HEADERS};

/// `bench streams`.
#[derive(Debug, Args)]
pub struct Streams {
    /// Where to ask
    address: SocketAddr,
    /// The path to ask for
    path: String,
    /// A file with tokens, one a line
    tokens: PathBuf,
    /// How many
    count: usize,
}

impl Streams {
    /// Opens them, says `open`, and holds them until standard input ends.
    ///
    /// # Errors
    /// If one does not begin.
    pub async fn run(self) -> anyhow::Result<()> {
        let text = std::fs::read_to_string(&self.tokens)?;
        let tokens: Vec<_> = text
            .lines()
            .filter_map(|line| line.split_whitespace().next())
            .collect();
        let mut open = Vec::with_capacity(self.count);
        for token in tokens.iter().cycle().take(self.count) {
            open.push(self.begin(token).await?);
        }
        ensure!(open.len() == self.count, "there are no tokens");
        anstream::println!("open");
        let mut end = String::new();
        std::io::stdin().read_line(&mut end)?;
        drop(open);
        Ok(())
    }

    /// Asks, and reads until the first event has come.
    async fn begin(&self, token: &str) -> anyhow::Result<TcpStream> {
        let mut stream = TcpStream::connect(self.address).await?;
        stream
            .write_all(request(self.address, &self.path, token, Call::Hold).as_bytes())
            .await?;
        let (mut buffer, mut said) = ([0; 4096], Vec::new());
        while !said.windows(6).any(|part| part == b"data: ") {
            let count = stream.read(&mut buffer).await?;
            ensure!(
                count > 0,
                "a stream was closed: {}",
                String::from_utf8_lossy(&said)
            );
            said.extend_from_slice(buffer.get(..count).context("more than was asked for")?);
        }
        Ok(stream)
    }
}

/// A request as it goes over the wire.
pub fn request(address: SocketAddr, path: &str, token: &str, call: Call) -> String {
    let body = call.body();
    let headers: Vec<_> = HEADERS
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let headers = headers.concat();
    format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\n{headers}authorization: Bearer {token}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}
