//! The time to the first byte of an answer over one connection that is idle in between.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::Args;

use crate::bad::first_access_token;
use crate::calls::Call;
use crate::streams::request;

/// Between two requests.
const PAUSE: Duration = Duration::from_millis(2);

/// `bench first-byte`.
#[derive(Debug, Args)]
pub struct FirstByte {
    /// Where to ask
    address: SocketAddr,
    /// The path to ask for
    path: String,
    /// A file with tokens, one a line
    tokens: PathBuf,
    /// How often
    #[arg(default_value_t = 1000)]
    count: usize,
}

impl FirstByte {
    /// Measures, and prints the median in microseconds.
    ///
    /// # Errors
    /// If the connection breaks.
    pub fn run(self) -> anyhow::Result<()> {
        let token = first_access_token(&self.tokens)?;
        let request = request(self.address, &self.path, &token, Call::Echo);
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        let mut times = Vec::with_capacity(self.count);
        let mut buffer = [0; 8192];
        for _ in 0..self.count {
            std::thread::sleep(PAUSE);
            let began = now();
            stream.write_all(request.as_bytes())?;
            let mut count = stream.read(&mut buffer)?;
            times.push(began.elapsed());
            ensure!(count > 0, "the connection was closed");
            // The body may come in a piece of its own.
            while !buffer.get(..count).is_some_and(|said| said.ends_with(b"}}")) {
                let more = stream.read(buffer.get_mut(count..).context("a longer answer than expected")?)?;
                ensure!(more > 0, "the connection was closed");
                count += more;
            }
        }
        times.sort();
        let median = times.get(times.len() / 2).context("nothing was measured")?;
        anstream::println!("{}", median.as_secs_f64() * 1e6);
        Ok(())
    }
}

/// Reads the clock.
#[expect(clippy::disallowed_methods, reason = "measuring is what this program is for")]
pub fn now() -> Instant {
    Instant::now()
}
