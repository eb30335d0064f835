//! `vestibule audit`, as far as it is more than one question and one answer: files, streams, following.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufReader, IsTerminal as _, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use audit::proof::Report;
use audit::{Trusted, export, verify};
use keys::Sealer;
use model::{EventId, World};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::operate;
use crate::config::environment::Environment;
use crate::config::file::{self, Loaded};
use crate::control::{self, Conversation, Reply, Request};
use crate::house::Foundation;
use crate::operator::audit_record::{AuditCommand, Format, Wanted};
use crate::operator::{Answer, Command, Failure, Operator};
use crate::outgoing::Outgoing;
use crate::output::{Output, Said};
use crate::{master_key, private_file, system};

/// How often `tail -f` looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// Events that `tail -f` shows at most of one moment.
const AT_ONCE: usize = 1000;
/// Longest piece of a stream.
const LONGEST_PIECE: u32 = 1 << 30;

/// Runs it. An export is verified without a configuration if `--key` is given.
pub async fn run(
    command: AuditCommand,
    config: &Path,
    environment: &Environment,
    world: World,
    output: Output,
) -> anyhow::Result<()> {
    let load = || file::load(config, environment);
    match command {
        AuditCommand::Verify {
            file: Some(file),
            key,
            allow_erased,
            ..
        } => {
            let trusted = match key {
                Some(key) => Trusted::from_json(&read_key(&key)?),
                None => sealed_key(&file, &load()?, environment, &world).await?,
            };
            let shown = file.display().to_string();
            let open = || File::open(&file).map(BufReader::new);
            told(
                &verify::file(open, &trusted, allow_erased).context(shown)?,
                output,
            )
        }
        AuditCommand::Verify {
            file: None,
            key,
            allow_erased,
            ..
        } => {
            let command = AuditCommand::Verify {
                file: None,
                trusted: key.as_deref().map(read_key).transpose()?,
                key: None,
                allow_erased,
            };
            let answer = operate::ask(Command::Audit(command), &load()?, environment.clone(), world).await?;
            let Answer::Done { item, .. } = answer else {
                bail!("the running server answered something else");
            };
            told(&serde_json::from_value(item)?, output)
        }
        AuditCommand::Export {
            wanted,
            format,
            output: file,
        } => {
            export(
                &wanted,
                format,
                file.as_deref(),
                &load()?,
                environment,
                world,
                output,
            )
            .await
        }
        AuditCommand::Tail {
            wanted,
            limit,
            follow: true,
        } => follow(wanted, limit, &load()?, environment, &world, output).await,
        other => operate::run(Command::Audit(other), load()?, environment.clone(), world, output).await,
    }
}

fn told(report: &Report, output: Output) -> anyhow::Result<()> {
    output.answer(&Answer::done(report.words(), json!(report)));
    if report.sound { Ok(()) } else { Err(Said.into()) }
}

fn read_key(file: &Path) -> anyhow::Result<Value> {
    let unusable = |why: String| Failure::Usage(format!("{}: {why}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| unusable(error.to_string()))?;
    let value: Value = serde_json::from_str(&text).map_err(|error| unusable(error.to_string()))?;
    if Trusted::from_json(&value).is_empty() {
        return Err(
            unusable("holds no Ed25519 public key; `vestibule audit key` prints it".to_owned()).into(),
        );
    }
    Ok(value)
}

/// The key that an export names, if that was sealed under the master key of this configuration.
async fn sealed_key(
    file: &Path,
    loaded: &Loaded,
    environment: &Environment,
    world: &World,
) -> anyhow::Result<Trusted> {
    let masters = master_key::open(loaded, environment, world, false).await?;
    let sealer = Sealer::new(masters, world.clone());
    let header =
        verify::header(BufReader::new(File::open(file)?)).with_context(|| file.display().to_string())?;
    let key = header.and_then(|header| export::unseal(&sealer, &header));
    let Some(key) = key else {
        let text = format!(
            "{} does not begin with a key that was sealed under this master key: it is damaged, or of another deployment. With `--key` its blocks can be looked at all the same",
            file.display()
        );
        return Err(Failure::Unavailable(text).into());
    };
    Ok(Trusted::new(vec![key]))
}

async fn export(
    wanted: &Wanted,
    format: Format,
    file: Option<&Path>,
    loaded: &Loaded,
    environment: &Environment,
    world: World,
    output: Output,
) -> anyhow::Result<()> {
    let mut sink: Box<dyn Write + Send> = match file {
        Some(file) if file.exists() => {
            let text = format!("{} is there already", file.display());
            return Err(Failure::Conflict(text).into());
        }
        Some(file) => Box::new(private_file::create(file).with_context(|| file.display().to_string())?),
        None => Box::new(std::io::stdout()),
    };
    let mut progress = Progress::new(file.is_some());
    let request = Request::AuditExport {
        wanted: Box::new(wanted.clone()),
        format,
    };
    if let Some(conversation) = control::ask(&loaded.data_dir(), &request).await? {
        receive(conversation, &mut sink, &mut progress).await?;
    } else {
        let foundation = Foundation::open(loaded.clone(), environment.clone(), world).await?;
        let operator = Operator {
            name: system::own_name(),
            loaded,
            foundation: &foundation,
        };
        let written = write(&operator, wanted, format, &mut sink, &mut progress).await;
        foundation.close().await;
        written?;
    }
    sink.flush()?;
    progress.end();
    if let Some(file) = file {
        let proves = format == Format::Jsonl && wanted.is_everything();
        let text = if proves {
            format!("{} holds the whole record and proves itself", file.display())
        } else {
            format!("{} is written", file.display())
        };
        output.answer(&Answer::done(
            text,
            json!({ "file": file, "bytes": progress.bytes }),
        ));
    }
    Ok(())
}

async fn write(
    operator: &Operator<'_>,
    wanted: &Wanted,
    format: Format,
    sink: &mut (dyn Write + Send),
    progress: &mut Progress,
) -> anyhow::Result<()> {
    let mut outgoing = Outgoing::begin(operator, wanted, format).await?;
    while let Some(text) = outgoing.next(operator).await? {
        sink.write_all(text.as_bytes())?;
        progress.add(text.len());
    }
    Ok(())
}

/// Takes in a stream: pieces with their length before them, and an empty one at the end.
async fn receive(
    mut conversation: Conversation,
    sink: &mut (dyn Write + Send),
    progress: &mut Progress,
) -> anyhow::Result<()> {
    match conversation.reply {
        Reply::Stream => {}
        Reply::Failure(failure) => return Err(failure.into()),
        Reply::Answer(_) | Reply::Archive(_) => bail!("the running server answered something else"),
    }
    let mut piece = Vec::new();
    while next_piece(&mut conversation.rest, &mut piece)
        .await
        .context("the running server broke off; see its log")?
    {
        sink.write_all(&piece)?;
        progress.add(piece.len());
    }
    Ok(())
}

/// Reads the next piece. `false` at the end.
async fn next_piece(stream: &mut (impl AsyncRead + Unpin), piece: &mut Vec<u8>) -> std::io::Result<bool> {
    let length = stream.read_u32().await?;
    if length > LONGEST_PIECE {
        return Err(std::io::ErrorKind::InvalidData.into());
    }
    piece.clear();
    stream.take(u64::from(length)).read_to_end(piece).await?;
    if piece.len() != usize::try_from(length).unwrap_or(usize::MAX) {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok(length > 0)
}

/// How far it is, for somebody who looks.
struct Progress {
    is_shown: bool,
    bytes: usize,
    told: usize,
}

impl Progress {
    fn new(to_a_file: bool) -> Self {
        Self {
            is_shown: to_a_file && std::io::stderr().is_terminal(),
            bytes: 0,
            told: 0,
        }
    }

    fn add(&mut self, bytes: usize) {
        self.bytes += bytes;
        let mebibytes = self.bytes >> 20;
        if self.is_shown && mebibytes > self.told {
            self.told = mebibytes;
            let _ = write!(anstream::stderr(), "\r{mebibytes} MiB");
        }
    }

    fn end(&self) {
        if self.told > 0 {
            let _ = writeln!(anstream::stderr());
        }
    }
}

async fn follow(
    mut wanted: Wanted,
    limit: usize,
    loaded: &Loaded,
    environment: &Environment,
    world: &World,
    output: Output,
) -> anyhow::Result<()> {
    let (mut seen, mut count) = (HashSet::<EventId>::new(), limit);
    loop {
        let command = AuditCommand::Search {
            wanted: wanted.clone(),
            limit: count,
            oldest_first: true,
        };
        let answer = operate::ask(
            Command::Audit(command),
            loaded,
            environment.clone(),
            world.clone(),
        )
        .await?;
        let Answer::List { rows, columns, .. } = answer else {
            bail!("the running server answered something else");
        };
        let ids: HashSet<EventId> = rows
            .iter()
            .filter_map(|row| row["id"].as_str()?.parse().ok())
            .collect();
        for row in &rows {
            let id = row["id"].as_str().and_then(|id| id.parse().ok());
            if id.is_some_and(|id| !seen.contains(&id)) {
                output.line(&columns, row);
            }
        }
        wanted.after = wanted.after.max(ids.iter().max().copied());
        if !ids.is_empty() {
            seen = ids;
        }
        count = AT_ONCE;
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
