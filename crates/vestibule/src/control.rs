//! The control socket: operators' commands to a running server.
//!
//! `control.sock` in the data directory, mode 0600, and only the server's own user and root are answered.
//! One request per connection, one line of JSON; the answer is one line, and for a backup the archive
//! follows it. There is never a second writer behind the server's back.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use tracing::{debug, warn};

use crate::archive;
use crate::house::House;
use crate::operator::audit_record::{Format, Wanted};
use crate::operator::{Answer, Command, Failure, Operator};
use crate::outgoing::Outgoing;
use crate::system::{self, Stream};

/// Its name in the data directory.
const SOCKET: &str = "control.sock";
/// Longest request.
const LONGEST: u64 = 1 << 20;
/// How long a client may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is asked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// A command.
    Operate(Box<Command>),
    /// The whole database.
    Backup,
    /// The audit record.
    AuditExport {
        /// What of it.
        wanted: Box<Wanted>,
        /// In which form.
        format: Format,
    },
}

/// What is answered first.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// A command's answer.
    Answer(Answer),
    /// An archive of so many bytes follows.
    Archive(u64),
    /// Pieces follow, each with its length in four bytes before it; one without length is the end.
    Stream,
    /// It was not done.
    Failure(Failure),
}

/// Where the socket of this data directory is.
pub fn path(data_dir: &Path) -> PathBuf {
    data_dir.join(SOCKET)
}

/// Starts answering.
///
/// # Errors
/// If the socket cannot be made.
pub fn start(house: &Arc<House>) -> anyhow::Result<()> {
    let path = path(&house.foundation.loaded.data_dir());
    // Whoever holds the database holds the socket too: one that is left over is nobody's.
    let _ = std::fs::remove_file(&path);
    let listener = system::listen(&path).with_context(|| format!("control socket {}", path.display()))?;
    let this = Arc::clone(house);
    house.tasks.spawn("control", async move {
        let stop = this.tasks.shutting_down();
        tokio::pin!(stop);
        loop {
            let accepted = tokio::select! {
                () = &mut stop => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    let house = Arc::clone(&this);
                    this.tasks.spawn("command", async move {
                        if let Err(error) = converse(&house, stream).await {
                            debug!(%error, "a command broke off");
                        }
                    });
                }
                Err(error) => {
                    warn!(%error, "control socket");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
        let _ = std::fs::remove_file(&path);
    });
    Ok(())
}

async fn converse(house: &House, stream: Stream) -> io::Result<()> {
    let caller = system::owner_of(&stream)?;
    let (reader, mut writer) = tokio::io::split(stream);
    let Some(caller) = caller else {
        let text = "this server belongs to another user".to_owned();
        return send(&mut writer, &Reply::Failure(Failure::Unavailable(text))).await;
    };
    let mut line = String::new();
    let mut reader = BufReader::new(reader.take(LONGEST));
    tokio::time::timeout(PATIENCE, reader.read_line(&mut line))
        .await
        .map_err(|_| io::ErrorKind::TimedOut)??;
    let request = match serde_json::from_str(&line) {
        Ok(request) => request,
        Err(error) => {
            let text = format!("the server does not know this command ({error}); is it of another version?");
            return send(&mut writer, &Reply::Failure(Failure::Usage(text))).await;
        }
    };
    match request {
        Request::Operate(command) => {
            let current = house.current.load_full();
            let operator = Operator {
                name: caller,
                loaded: &current.loaded,
                foundation: &house.foundation,
            };
            let reply = match command.run(&operator).await {
                Ok(answer) => Reply::Answer(answer),
                Err(failure) => Reply::Failure(failure),
            };
            send(&mut writer, &reply).await
        }
        Request::Backup => send_archive(house, &caller, &mut writer).await,
        Request::AuditExport { wanted, format } => {
            let current = house.current.load_full();
            let operator = Operator {
                name: caller,
                loaded: &current.loaded,
                foundation: &house.foundation,
            };
            send_record(&operator, &wanted, format, &mut writer).await
        }
    }
}

async fn send_record(
    operator: &Operator<'_>,
    wanted: &Wanted,
    format: Format,
    writer: &mut (impl AsyncWrite + Unpin),
) -> io::Result<()> {
    let mut outgoing = match Outgoing::begin(operator, wanted, format).await {
        Ok(outgoing) => outgoing,
        Err(failure) => return send(writer, &Reply::Failure(failure)).await,
    };
    send(writer, &Reply::Stream).await?;
    let broken = |failure: Failure| io::Error::other(failure.to_string());
    while let Some(text) = outgoing.next(operator).await.map_err(broken)? {
        let length = u32::try_from(text.len()).map_err(io::Error::other)?;
        if length > 0 {
            writer.write_u32(length).await?;
            writer.write_all(text.as_bytes()).await?;
        }
    }
    writer.write_u32(0).await?;
    writer.shutdown().await
}

async fn send_archive(house: &House, caller: &str, writer: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
    let foundation = &house.foundation;
    let made = archive::make(foundation, caller).await;
    let draft = match made {
        Ok(draft) => draft,
        Err(error) => {
            return send(writer, &Reply::Failure(Failure::Unavailable(error.to_string()))).await;
        }
    };
    let mut file = tokio::fs::File::open(draft.path()).await?;
    let length = file.metadata().await?.len();
    send(writer, &Reply::Archive(length)).await?;
    tokio::io::copy(&mut file, writer).await?;
    writer.shutdown().await
}

async fn send(writer: &mut (impl AsyncWrite + Unpin), reply: &Reply) -> io::Result<()> {
    let mut line = serde_json::to_string(reply)?;
    line.push('\n');
    writer.write_all(line.as_bytes()).await?;
    writer.flush().await
}

/// A server's answer.
#[derive(Debug)]
pub struct Conversation {
    /// The first line.
    pub reply: Reply,
    /// What follows it.
    pub rest: BufReader<Stream>,
}

/// Asks the server of this data directory; nothing if none runs there.
///
/// # Errors
/// If it runs and does not answer.
pub async fn ask(data_dir: &Path, request: &Request) -> anyhow::Result<Option<Conversation>> {
    let mut stream = match system::connect(&path(data_dir)).await {
        Ok(stream) => stream,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
            ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(error).with_context(|| path(data_dir).display().to_string()),
    };
    let mut line = serde_json::to_string(request)?;
    line.push('\n');
    stream.write_all(line.as_bytes()).await?;
    let mut rest = BufReader::new(stream);
    let mut reply = String::new();
    rest.read_line(&mut reply).await?;
    let reply = serde_json::from_str(&reply).context("the running server did not answer; see its log")?;
    Ok(Some(Conversation { reply, rest }))
}
